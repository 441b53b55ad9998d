"""What this site asks of people who read by POP3: the settings, and what is set for an account alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.store.api import AccountId, Pop3Rules, Reader, Store, Tx

__all__ = [
    "REST",
    "USUAL",
    "Pop3Usual",
    "Strictest",
    "applied",
    "change_rules",
    "login_wait",
    "note_reader",
    "strictest",
]

REST = 30 * 24 * 3600
"""Seconds for an account that wants it where the settings have no time."""


class Pop3Usual(NamedTuple):
    """Seconds. `rest`: how long deleted messages rest, 0 for not at all. `expire`: how long INBOX keeps a
    message of who reads by POP3, 0 for ever. `login_delay`: between two logins of a device, 0 for any."""

    rest: int = REST
    expire: int = 0
    login_delay: int = 0


USUAL = Pop3Usual()


class Strictest(NamedTuple):
    """The rules that are strictest for anybody, and whether others are softer."""

    rules: Pop3Usual
    expire_differs: bool = False
    login_delay_differs: bool = False


def applied(rules: Pop3Rules, usual: Pop3Usual) -> Pop3Usual:
    """What holds for an account with these rules of its own."""
    rest = usual.rest if rules.rest is None else (usual.rest or REST) if rules.rest else 0
    return Pop3Usual(
        rest,
        usual.expire if rules.expire is None else rules.expire,
        usual.login_delay if rules.login_delay is None else rules.login_delay,
    )


async def strictest(reader: Reader, usual: Pop3Usual) -> Strictest:
    """What is said of all, before it is known who logs in (RFC 2449 6.5 and 6.7)."""
    extremes = await reader.pop3_extremes()
    times = [time for time in (usual.expire, extremes.shortest_expire) if time]
    expire = min(times, default=0)
    delay = max(usual.login_delay, extremes.longest_login_delay)
    return Strictest(
        usual._replace(expire=expire, login_delay=delay), extremes.own_expire, extremes.own_login_delay
    )


async def login_wait(store: Store, account_id: AccountId, device: int, delay: int, now: float) -> int:
    """Whole seconds until a device may log in, 0 if it does so now: then that is noted."""
    since = now - await store.reader.pop3_login(account_id, device)
    if 0 <= since < delay:
        return math.ceil(delay - since)
    await _note_login(store, account_id, device, now)
    return 0


async def note_reader(store: Store, account_id: AccountId, device: int, now: float) -> None:
    """This person reads by POP3: written down once for each device."""
    if not await store.reader.pop3_login(account_id, device):
        await _note_login(store, account_id, device, now)


async def _note_login(store: Store, account_id: AccountId, device: int, now: float) -> None:
    async def work(tx: Tx) -> None:
        await tx.note_pop3_login(account_id, device, now)

    await store.transact(work, durable=False)


async def change_rules(
    store: Store,
    account_id: AccountId,
    change: Callable[[Pop3Rules], Pop3Rules],
    *,
    by: Actor = BY_SERVER,
) -> Pop3Rules:
    """Set what is the account's own. Returns its rules."""

    async def work(tx: Tx) -> Pop3Rules:
        rules = change(await tx.pop3_rules(account_id))
        await tx.set_pop3_rules(account_id, rules)
        named = {"rest": rules.rest, "expire": rules.expire, "delay": rules.login_delay}
        said = {key: "default" if value is None else str(value) for key, value in named.items()}
        await note(tx, by, AuditKind.POP_RULES, await tx.account(account_id), **said)
        return rules

    return await store.transact(work)
