"""The routes of the API to the audit log: what `postier audit` does, and for a person what concerns them."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from postier.accounts.audit import MOST, NotYours, Wanted, audit_log
from postier.accounts.audit_kinds import GROUPS, LANGUAGES, AuditKind, kinds_of
from postier.admin.audit_json import entry_facts
from postier.http.api import ApiRoute, Call
from postier.http.parameters import AccountName, Choice, Parameter, Whole
from postier.http.problem import Problem
from postier.store.api import Account, AuditPlace, Reader

__all__ = ["PAGES", "AuditRoutes", "own_page"]

_KINDS = (*GROUPS, *(kind.value for kind in AuditKind))
_PLACE = re.compile(r"([0-9]{1,12})-([0-9]{1,18})")


class _Moment(NamedTuple):
    def read(self, text: str) -> int:
        try:
            moment = datetime.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            return max(0, int(moment.timestamp()))
        except (ValueError, OverflowError):
            raise ValueError("a date and time like 2026-11-26T14:05:00Z") from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date-time"}


class _Place(NamedTuple):
    def read(self, text: str) -> AuditPlace:
        if not (found := _PLACE.fullmatch(text)):
            raise ValueError("what an answer named as next")
        return AuditPlace(int(found[1]), int(found[2]))

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "pattern": f"^{_PLACE.pattern}$"}


PAGES = (
    Parameter("kind", Choice(_KINDS), None, "Only this group or kind"),
    Parameter("since", _Moment(), 0, "Not before then"),
    Parameter("limit", Whole(1, MOST), 100, "Entries at most"),
    Parameter("before", _Place(), None, "The next page: what the last answer named as next"),
    Parameter("lang", Choice(LANGUAGES), "en", "The language of the texts"),
)
"""What both routes to the log take."""


class AuditRoutes:
    """The log of the whole server, for administrators."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def table(self) -> Sequence[ApiRoute]:
        account = Parameter("account", AccountName(), "", "Only what concerns this account")
        return (
            ApiRoute(
                "GET",
                "/api/v1/audit",
                "Logins, changes of rights, administration: the latest first",
                self._audit,
                (account, *PAGES),
            ),
        )

    async def _audit(self, call: Call) -> object:
        return await _page(self._reader, call, call.account, call.values["account"])


async def own_page(reader: Reader, call: Call) -> object:
    """What concerns the own account and nothing else, also for administrators."""
    return await _page(reader, call, replace(call.account, administrator=False), "")


async def _page(reader: Reader, call: Call, viewer: Account, name: str) -> object:
    values = call.values
    kinds = kinds_of(values["kind"]) if values["kind"] else ()
    wanted = Wanted(name, kinds, values["since"])
    try:
        found = await audit_log(reader, viewer, wanted, values["limit"], values["before"])
    except NotYours:
        raise Problem(403, "this is for administrators") from None
    next_ = "{}-{}".format(*found[-1].place) if len(found) == values["limit"] else None
    return {"entries": [entry_facts(entry, values["lang"]) for entry in found], "next": next_}
