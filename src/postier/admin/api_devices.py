"""The routes of the management API about people's devices: what `postier device` and `postier advise` do."""

from __future__ import annotations

from collections.abc import Sequence

from postier.accounts.advice import Wishes, advise
from postier.accounts.device_view import device_views
from postier.admin.advice_facts import gather_facts
from postier.admin.advice_json import advice_facts
from postier.admin.advice_words import LANGUAGES
from postier.admin.device_json import device_facts
from postier.base.clock import Clock
from postier.blobs.api import Blobs
from postier.http.api import ApiRoute, Call
from postier.http.parameters import AccountName, Choice, Flag, Parameter, Whole
from postier.http.problem import Problem
from postier.store.api import Account, AccountKind, Reader

__all__ = ["DeviceRoutes", "advice_for", "devices_of"]

_ADDRESS = Parameter("address", AccountName(), None, "One of your people", in_path=True)


async def devices_of(reader: Reader, account: Account) -> list[dict[str, object]]:
    """What a person may see of the own devices, and administrators of anybody's."""
    return [device_facts(view) for view in await device_views(reader, account.account_id)]


async def advice_for(
    reader: Reader, blobs: Blobs, account: Account, wishes: Wishes, now: float, language: str
) -> dict[str, object]:
    facts = await gather_facts(reader, blobs, account, now)
    return advice_facts(account.name, advise(facts, wishes), language)


class DeviceRoutes:
    def __init__(self, reader: Reader, blobs: Blobs, clock: Clock) -> None:
        self._reader = reader
        self._blobs = blobs
        self._clock = clock

    def table(self) -> Sequence[ApiRoute]:
        return (
            ApiRoute(
                "GET",
                "/api/v1/accounts/{address}/devices",
                "The devices of a person, what each moved, how far each has come",
                self._devices,
                (_ADDRESS,),
            ),
            ApiRoute(
                "GET",
                "/api/v1/accounts/{address}/advice",
                "IMAP or POP3 for a person and each device, with the numbers of their own mailbox",
                self._advice,
                (
                    _ADDRESS,
                    Parameter("devices", Whole(0, 1000), 0, "How many they will use; 0: as is known"),
                    Parameter("offline", Flag(), False, "Whether all mail is to be there without a network"),
                    Parameter("mobile", Flag(), False, "Whether they use mobile lines"),
                    Parameter("lang", Choice(tuple(LANGUAGES)), "en", "The language of the texts"),
                ),
            ),
        )

    async def _devices(self, call: Call) -> object:
        return await devices_of(self._reader, await self._account(call))

    async def _advice(self, call: Call) -> object:
        values = call.values
        wishes = Wishes(values["devices"], values["offline"], values["mobile"])
        account = await self._account(call)
        return await advice_for(self._reader, self._blobs, account, wishes, self._clock.now(), values["lang"])

    async def _account(self, call: Call) -> Account:
        """Raises Problem."""
        found = await self._reader.account_named(call.values["address"])
        if found is None or found.kind is not AccountKind.PERSON:
            raise Problem(404, "there is no such person")
        return found
