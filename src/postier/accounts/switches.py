"""Capabilities that are switched off for a client that breaks on them: for everybody, for one account, for
clients of one name, or for such a client of such an account.

Kept in the store as one JSON list, so that all workers on all machines follow the same. A session looks them
up when it begins, when somebody logs in, and when the client says who it is.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.store.api import AccountId, Reader, Store, Tx

__all__ = [
    "Program",
    "Switch",
    "add_switches",
    "forget_switches",
    "names_off",
    "read_switches",
    "remove_switches",
]

SWITCHES_META = "imap-switches"


class Program(NamedTuple):
    """What a client calls itself (RFC 2971)."""

    name: str
    version: str


class Switch(msgspec.Struct, frozen=True, order=True):
    """`capability`: in capitals. `account`: None for all. `client`, `version`: patterns with "*" and "?", in
    any case of letters; "" for any, and for clients that do not say."""

    capability: str
    account: int | None = None
    client: str = ""
    version: str = ""

    def applies(self, account: AccountId | None, program: Program | None) -> bool:
        if self.account is not None and self.account != account:
            return False
        name, version = program or Program("", "")
        return _matches(self.client, name) and _matches(self.version, version)


def _matches(pattern: str, text: str) -> bool:
    return not pattern or fnmatch.fnmatchcase(text.lower(), pattern.lower())


def names_off(
    switches: Iterable[Switch], account: AccountId | None, program: Program | None
) -> frozenset[str]:
    """The capabilities that are off for this login (None before it) of this client (None if unknown)."""
    return frozenset(switch.capability for switch in switches if switch.applies(account, program))


async def read_switches(reader: Reader) -> tuple[Switch, ...]:
    return _decode(await reader.meta(SWITCHES_META) or "[]")


@functools.lru_cache(maxsize=4)
def _decode(text: str) -> tuple[Switch, ...]:
    return msgspec.json.decode(text, type=tuple[Switch, ...])


async def add_switches(store: Store, switches: Sequence[Switch], *, by: Actor = BY_SERVER) -> None:
    """`by`: who does it, for the audit log."""

    async def work(tx: Tx) -> None:
        await _write(tx, {*await read_switches(tx), *switches})
        await _note(tx, switches, "off", by)

    await store.transact(work)


async def remove_switches(store: Store, switches: Sequence[Switch], *, by: Actor = BY_SERVER) -> bool:
    """False, and nothing is changed, unless all of them were there."""

    async def work(tx: Tx) -> bool:
        known = set(await read_switches(tx))
        if not known.issuperset(switches):
            return False
        await _write(tx, known.difference(switches))
        await _note(tx, switches, "on", by)
        return True

    return await store.transact(work)


async def _note(tx: Tx, switches: Sequence[Switch], state: str, by: Actor) -> None:
    for switch in switches:
        concerned = None if switch.account is None else await tx.account(AccountId(switch.account))
        client = f"{switch.client} {switch.version}".strip() or "any"
        said = {"capability": switch.capability, "client": client, "state": state}
        await note(tx, by, AuditKind.SWITCH, concerned, **said)


async def forget_switches(tx: Tx, account: AccountId) -> None:
    """Those of an account that goes."""
    known = await read_switches(tx)
    left = [switch for switch in known if switch.account != account]
    if len(left) < len(known):
        await _write(tx, left)


async def _write(tx: Tx, switches: Iterable[Switch]) -> None:
    ordered = sorted(switches, key=lambda one: (one.account or 0, one.client, one.version, one.capability))
    await tx.set_meta(SWITCHES_META, msgspec.json.encode(ordered).decode())
