"""The routes of a person about themselves: what happened, devices, app passwords, second factors.

What changes how somebody gets in wants a session that was begun a moment ago: a browser that was left open is
not enough.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import segno

from postier.accounts.app_passwords import add_app_password, revoke_app_password
from postier.accounts.audit import Actor
from postier.accounts.login import TooManyFailures
from postier.accounts.people import PeopleError
from postier.accounts.second_factors import FactorError, SecondFactors, WrongFactor
from postier.accounts.web_sessions import Visit, WebSessions
from postier.admin.api_audit import PAGES, own_page
from postier.admin.api_devices import devices_of
from postier.admin.api_session import JSON, LARGE, PORTAL, SMALL, too_many_codes
from postier.base.address import Address
from postier.base.clock import Clock
from postier.base.networks import Networks
from postier.http.api import ApiRoute, Call
from postier.http.parameters import Parameter, Whole
from postier.http.problem import Problem
from postier.http.web_gate import PERSON, read_json
from postier.store.api import AppPassword, SecondFactor, Store

__all__ = ["PersonRoutes"]

ME = "/api/v1/me"
_NUMBER = Parameter("number", Whole(1, 2**31), None, "Which one", in_path=True)


@dataclass(frozen=True, slots=True)
class PersonRoutes:
    """`iterations`: of SCRAM, for keys of app passwords; 0 to make none."""

    store: Store
    clock: Clock
    sessions: WebSessions
    factors: SecondFactors
    iterations: int = 0

    def table(self) -> Sequence[ApiRoute]:
        passwords, factors = f"{ME}/app-passwords", f"{ME}/second-factors"
        return (
            _row("GET", ME, "Who one is here", self._me),
            _row("GET", f"{ME}/audit", "What happened to the account, the latest first", self._audit, *PAGES),
            _row("GET", f"{ME}/devices", "The devices that use the account", self._devices),
            _row("GET", passwords, "App passwords, without the passwords", self._app_passwords),
            _row("POST", passwords, "Make one: name, protocols, networks, expires", self._add, body=SMALL),
            _row("DELETE", passwords + "/{number}", "Revoke one", self._revoke, _NUMBER),
            _row("GET", factors, "Second factors, and how many recovery codes are left", self._factors),
            _row("POST", f"{factors}/totp", "Begin with an app: its key, once", self._begin_totp, body=SMALL),
            _row(
                "POST",
                factors + "/totp/{number}",
                "Confirm it with a code; the first turns the second factor on",
                self._confirm_totp,
                _NUMBER,
                body=SMALL,
            ),
            _row(
                "POST",
                f"{factors}/passkey/options",
                "What a new passkey is asked, for navigator.credentials.create",
                self._begin_passkey,
            ),
            _row("POST", f"{factors}/passkey", "Add what it answered", self._add_passkey, body=LARGE),
            _row("DELETE", factors + "/{number}", "Remove one", self._remove_factor, _NUMBER),
            _row("POST", f"{ME}/recovery-codes", "New recovery codes in place of the old", self._codes),
        )

    # ------------------------------------------------------------------ what there is

    async def _me(self, call: Call) -> object:
        account = call.account
        return {
            "address": account.name,
            "name": account.display_name,
            "language": account.language,
            "administrator": account.administrator,
            "second_factor": account.second_factor,
            "recovery_codes": await self.store.reader.recovery_codes(account.account_id),
            "used": account.used,
            "quota": account.quota,
        }

    async def _audit(self, call: Call) -> object:
        """The own account's only, also for administrators."""
        return await own_page(self.store.reader, call)

    async def _devices(self, call: Call) -> object:
        return await devices_of(self.store.reader, call.account)

    async def _app_passwords(self, call: Call) -> object:
        return [_told(one) for one in await self.store.reader.app_passwords(call.account.account_id)]

    async def _factors(self, call: Call) -> object:
        factors = await self.factors.factors(call.account)
        left = await self.store.reader.recovery_codes(call.account.account_id)
        return {"factors": [_shown(factor) for factor in factors], "recovery_codes": left}

    # ------------------------------------------------------------------ app passwords

    async def _add(self, call: Call) -> object:
        self._require_recent(call)
        known = {"name": str, "protocols": list, "networks": list, "expires": int}
        values = read_json(call.body, known)
        protocols, networks = _texts(values, "protocols"), _texts(values, "networks")
        try:
            Networks(networks)
        except ValueError:
            raise Problem(400, 'networks: expected networks such as "192.0.2.0/24"') from None
        if values["expires"] and not self.clock.now() < values["expires"] < 2**40:
            raise Problem(400, "expires: expected a time to come, in seconds since 1970")
        try:
            number, shown = await add_app_password(
                self.store,
                Address.parse(call.account.name),
                values["name"],
                protocols=protocols,
                networks=networks,
                expires=values["expires"],
                iterations=self.iterations,
                by=_actor(call),
            )
        except PeopleError as error:
            raise Problem(409, str(error)) from None
        return {"number": number, "password": shown}

    async def _revoke(self, call: Call) -> object:
        address, which = Address.parse(call.account.name), str(call.values["number"])
        there = await self.store.reader.app_password_ids(call.account.account_id)
        if call.values["number"] not in there:
            raise Problem(404, "there is no app password of this number")
        try:
            gone = await revoke_app_password(self.store, address, which, by=_actor(call))
        except PeopleError as error:
            raise Problem(404, str(error)) from None
        return {"revoked": gone.name}

    # ------------------------------------------------------------------ second factors

    async def _begin_totp(self, call: Call) -> object:
        self._require_recent(call)
        values = read_json(call.body, {"name": str})
        try:
            begun = await self.factors.begin_totp(call.account, values["name"])
        except FactorError as error:
            raise Problem(409, str(error)) from None
        code = segno.make(begun.uri, error="m", micro=False).svg_inline(border=4, omitsize=True)
        return {"number": begun.factor_id, "key": begun.key, "uri": begun.uri, "svg": code}

    async def _confirm_totp(self, call: Call) -> object:
        self._require_recent(call)
        values = read_json(call.body, {"code": str, "no_devices": bool})
        try:
            await self.sessions.count_try(call.account)
        except TooManyFailures as error:
            raise too_many_codes(error) from None

        async def confirm() -> list[str]:
            return await self.factors.confirm_totp(
                call.account,
                call.values["number"],
                values["code"],
                no_devices=values["no_devices"],
                session=_visit(call).session.session_id,
                by=_actor(call),
            )

        try:
            answer = await _enrolled(confirm)
        except Problem as problem:
            if problem.status != 400:  # no wrong code
                await self.sessions.forgive(call.account)
            raise
        await self.sessions.forgive(call.account)
        return answer

    async def _begin_passkey(self, call: Call) -> object:
        self._require_recent(call)
        asked = await self.factors.begin_passkey(call.account)
        await self.sessions.remember_challenge(_visit(call), asked.challenge)
        return asked.options

    async def _add_passkey(self, call: Call) -> object:
        self._require_recent(call)
        values = read_json(call.body, {"name": str, "passkey": dict, "no_devices": bool})
        challenge = await self.sessions.take_challenge(_visit(call))
        if not challenge:
            raise Problem(409, "ask for the options first; they are good once")

        async def add() -> list[str]:
            return await self.factors.add_passkey(
                call.account,
                values["name"],
                values["passkey"],
                challenge,
                no_devices=values["no_devices"],
                session=_visit(call).session.session_id,
                by=_actor(call),
            )

        return await _enrolled(add)

    async def _remove_factor(self, call: Call) -> object:
        self._require_recent(call)
        try:
            await self.factors.remove(call.account, call.values["number"], by=_actor(call))
        except FactorError as error:
            raise Problem(404, str(error)) from None
        return await self._factors(call)

    async def _codes(self, call: Call) -> object:
        self._require_recent(call)
        try:
            return {"recovery_codes": await self.factors.renew_codes(call.account, by=_actor(call))}
        except FactorError as error:
            raise Problem(409, str(error)) from None

    def _require_recent(self, call: Call) -> None:
        if not _visit(call).is_recent(self.clock.now()):
            raise Problem(403, "log in again first: this wants a proof of a moment ago")


async def _enrolled(enrol: Callable[[], Awaitable[list[str]]]) -> object:
    """Raises Problem."""
    try:
        return {"recovery_codes": await enrol()}
    except FactorError as error:
        raise Problem(409, str(error)) from None
    except WrongFactor:
        raise Problem(400, "that is not right") from None


def _row(
    method: str, path: str, summary: str, answer: Any, *parameters: Parameter, body: int = 0
) -> ApiRoute:
    return ApiRoute(method, path, summary, answer, parameters, body=body, gate=PERSON, media=JSON)


def _visit(call: Call) -> Visit:
    """The gate lets nobody else through."""
    assert call.visit is not None
    return call.visit


def _actor(call: Call) -> Actor:
    return Actor(PORTAL, call.account.name)


def _texts(values: dict[str, Any], name: str) -> list[str]:
    found = values[name]
    if len(found) > 50 or not all(isinstance(one, str) for one in found):
        raise Problem(400, f"{name}: expected a list of texts")
    return [str(one) for one in found]


def _told(one: AppPassword) -> dict[str, object]:
    return {
        "number": one.app_password_id,
        "name": one.name,
        "protocols": list(one.protocols),
        "networks": list(one.networks),
        "created": one.created,
        "expires": one.expires,
        "last_used": one.last_used,
        "last_peer": one.last_peer,
    }


def _shown(factor: SecondFactor) -> dict[str, object]:
    return {
        "number": factor.factor_id,
        "kind": factor.kind,
        "name": factor.name,
        "created": factor.created,
        "last_used": factor.last_used,
    }
