"""Who is in on this worker, and whether they still may be.

A login lasts as long as its connection, so what ended its ground must end it: the account was disabled or
removed, the password was set anew, the app password was revoked or has expired. The bus tells that something
of the directory changed; should it be silent, the store is asked twice a minute.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from postier.accounts.entry import Entry
from postier.base.clock import Clock
from postier.base.log import Log
from postier.bus.api import SETTINGS_TOPIC, Bus
from postier.net.api import Connection
from postier.store.api import Account, AccountId, NoSuchAccount, Store, StoreError

__all__ = ["Presence"]

CHECK_EVERY = 30.0
SETTLE = 0.5
"""Seconds to wait for more changes before looking."""
GRACE = 15.0
"""Seconds in which a connection may finish what it does."""

_GOODBYES = {
    "imap": b"* BYE Your access has changed, please log in again\r\n",
    "submission": b"421 4.7.0 Your access has changed, please log in again\r\n",
}

log = Log("login")


class _Present(NamedTuple):
    protocol: str
    entry: Entry


class Presence:
    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._present: weakref.WeakKeyDictionary[Connection, _Present] = weakref.WeakKeyDictionary()
        self._changed = asyncio.Event()

    def enter(self, connection: Connection, protocol: str, entry: Entry) -> None:
        self._present[connection] = _Present(protocol, entry)

    def leave(self, connection: Connection) -> None:
        """Nobody is logged in on it any more."""
        self._present.pop(connection, None)

    async def run(self, bus: Bus, also: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled. `also` is done each time something of the directory may have changed."""
        subscription = bus.subscribe(SETTINGS_TOPIC, lambda _: self._changed.set())
        try:
            while True:
                await self._wait()
                try:
                    await self.check()
                    await also()
                except StoreError as error:
                    log.info("not known who may stay", why=error)
        finally:
            subscription.close()

    async def _wait(self) -> None:
        try:
            await asyncio.wait_for(self._changed.wait(), CHECK_EVERY)
        except TimeoutError:
            return
        await asyncio.sleep(SETTLE)
        self._changed.clear()

    async def check(self) -> None:
        """End what is no longer good. Raises StoreError."""
        by_account: dict[AccountId, list[tuple[Connection, _Present]]] = {}
        for connection, present in list(self._present.items()):
            if connection.is_over:
                self.leave(connection)
                continue
            by_account.setdefault(present.entry.account.account_id, []).append((connection, present))
        for account_id, here in by_account.items():
            account = await self._account(account_id)
            good = await self._good_app_passwords(account_id, here)
            for connection, present in here:
                why = _why_not(present.entry, account, good)
                if why:
                    self._end(connection, present, why)

    async def _account(self, account_id: AccountId) -> Account | None:
        try:
            return await self._store.reader.account(account_id)
        except NoSuchAccount:
            return None

    async def _good_app_passwords(
        self, account_id: AccountId, here: list[tuple[Connection, _Present]]
    ) -> frozenset[int]:
        if not any(present.entry.app_password for _, present in here):
            return frozenset()
        now = self._clock.now()
        found = await self._store.reader.app_passwords(account_id)
        return frozenset(one.app_password_id for one in found if not one.expires or now < one.expires)

    def _end(self, connection: Connection, present: _Present, why: str) -> None:
        self.leave(connection)
        log.info("login ended", account=present.entry.account.name, session=connection.id, why=why)
        connection.retire(_GOODBYES.get(present.protocol, b""))
        asyncio.get_running_loop().call_later(GRACE, connection.abort)


def _why_not(entry: Entry, account: Account | None, good: frozenset[int]) -> str:
    """Why somebody who came in by `entry` may not stay; "" if they may."""
    if account is None or not account.enabled:
        return "the account is gone or disabled"
    if entry.app_password:
        return "" if entry.app_password in good else "the app password is gone"
    if entry.mechanism != "password":
        return ""
    if account.password_version != entry.account.password_version:
        return "the password was changed"
    demands = account.app_passwords_only or account.second_factor
    demanded = entry.account.app_passwords_only or entry.account.second_factor
    return "app passwords are demanded" if demands and not demanded else ""
