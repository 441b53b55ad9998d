"""Logins in the audit log: counted in memory and written in batches, so that neither ten thousand devices nor
an attack costs a transaction each or fills the disk.

What is alike is one entry for a day: of one account, protocol, network, mechanism and device, with how often
it was and the first and the last time. Failures name at most NETWORKS networks of an account and day; further
ones are counted as ELSEWHERE. Tries for names that nobody has are entries of the server as a whole; the names
themselves are never kept: people type passwords there. A crash loses some seconds, which the server's log
has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from hashlib import blake2b
from ipaddress import IPv6Network
from typing import NamedTuple

from postier.accounts.audit import BY_SERVER, fact_text
from postier.accounts.audit_kinds import AuditKind
from postier.base.clock import Clock
from postier.base.log import Log
from postier.store.api import SERVER, Account, AccountId, NewAuditEntry, Store, Tx
from postier.store.tally import Tally

__all__ = ["ELSEWHERE", "NETWORKS", "WRONG", "LoginJournal"]

PAUSE = 5.0
"""Seconds between two batches."""
MOST = 2000
"""Different entries that wait for a batch; further ones are dropped."""
NETWORKS = 50
ELSEWHERE = "elsewhere"
WRONG = "wrong name or password"
DAY = 86400

log = Log("audit")


class _Key(NamedTuple):
    """What is told together. `facts` as pairs, sorted by name."""

    account_id: AccountId
    name: str
    kind: AuditKind
    day: int
    facts: tuple[tuple[str, str], ...]

    @property
    def mark(self) -> str:
        said = "\0".join((self.kind, str(self.day), *(text for fact in self.facts for text in fact)))
        return blake2b(said.encode(), digest_size=16).hexdigest()


class _Seen(NamedTuple):
    first: int
    last: int
    times: int


def _plus(one: _Seen, other: _Seen) -> _Seen:
    return _Seen(min(one.first, other.first), max(one.last, other.last), one.times + other.times)


class LoginJournal:
    """Noting never waits and never fails. `run` it as a task; `stop` makes it write what waits, and end."""

    def __init__(self, store: Store, clock: Clock, *, pause: float = PAUSE) -> None:
        self._clock = clock
        self._good = Tally[_Key, _Seen](store, log, _write, _plus, most=MOST, pause=pause)
        self._bad = Tally[_Key, _Seen](store, log, _write, _plus, most=MOST, pause=pause)
        """Apart, so that an attack leaves room for what those do who are let in."""

    def succeeded(
        self, account: Account, *, protocol: str, peer: str, mechanism: str, device: str = "", tls: str = ""
    ) -> None:
        """`mechanism`: "password", "app-password", "token", "certificate"; `device`: the name of the app
        password; `tls`: version and cipher, "" for clear text."""
        facts = {
            "protocol": protocol,
            "network": _network(peer),
            "mechanism": mechanism,
            "device": device,
            "tls": tls.partition(" ")[0] or "clear text",
        }
        self._note(self._good, account, AuditKind.LOGIN, facts)

    def failed(self, account: Account | None, *, protocol: str, peer: str, reason: str = WRONG) -> None:
        """`account`: whose name was given, None where it is nobody's."""
        facts = {"protocol": protocol, "network": _network(peer), "reason": reason}
        self._note(self._bad, account, AuditKind.LOGIN_FAILED, facts)

    def blocked(self, account: Account | None, *, protocol: str, peer: str) -> None:
        """Refused unseen, for too many failures."""
        facts = {"protocol": protocol, "network": _network(peer)}
        self._note(self._bad, account, AuditKind.LOGIN_BLOCKED, facts)

    async def run(self) -> None:
        await asyncio.gather(self._good.run(), self._bad.run())

    def stop(self) -> None:
        self._good.stop()
        self._bad.stop()

    async def write(self) -> None:
        """What waits, now."""
        await self._good.write()
        await self._bad.write()

    def _note(
        self, tally: Tally[_Key, _Seen], account: Account | None, kind: AuditKind, facts: Mapping[str, str]
    ) -> None:
        now = int(self._clock.now())
        account_id, name = (SERVER, "") if account is None else (account.account_id, account.name)
        said = tuple(sorted((key, fact_text(value)) for key, value in facts.items()))
        tally.add(_Key(account_id, name, kind, now // DAY, said), _Seen(now, now, 1))


async def _write(tx: Tx, counts: Mapping[_Key, _Seen]) -> None:
    """Where an account's day has as many entries of failures as it may, further networks are one."""
    together: dict[_Key, _Seen] = {}
    room: dict[tuple[AccountId, AuditKind, int], int] = {}
    for key, seen in counts.items():
        place = key if key.kind is AuditKind.LOGIN else await _place(tx, key, room)
        known = together.get(place)
        together[place] = seen if known is None else _plus(known, seen)
    for place, seen in together.items():
        await tx.add_audit_entry(_entry(place, seen))


async def _place(tx: Tx, key: _Key, room: dict[tuple[AccountId, AuditKind, int], int]) -> _Key:
    """The key itself, or that of ELSEWHERE. `room`: how many new entries there may be yet."""
    if await tx.has_audit_mark(key.account_id, key.mark):
        return key
    day = (key.account_id, key.kind, key.day)
    if day not in room:
        room[day] = NETWORKS - await tx.audit_marks(key.account_id, key.kind, key.day * DAY)
    room[day] -= 1
    if room[day] >= 0:
        return key
    facts = {**dict(key.facts), "network": ELSEWHERE}
    return key._replace(facts=tuple(sorted(facts.items())))


def _entry(key: _Key, seen: _Seen) -> NewAuditEntry:
    return NewAuditEntry(
        key.account_id,
        key.name,
        key.kind.value,
        BY_SERVER,
        dict(key.facts),
        at=seen.first,
        last=seen.last,
        times=seen.times,
        mark=key.mark,
    )


def _network(peer: str) -> str:
    """What one customer of a provider has: an IPv4 address, or an IPv6 /64."""
    if ":" not in peer:
        return peer or "this machine"
    return str(IPv6Network((peer.partition("%")[0], 64), strict=False))
