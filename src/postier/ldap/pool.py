"""The servers of one directory: a few connections that are used again, and the next server where one fails.

A server that failed is left alone for REST seconds, so that a directory that is down costs one wait and not
one for each login.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from postier.base.clock import Clock
from postier.base.log import Log
from postier.ldap.client import LdapConnection, LdapUnavailable, Terms, open_connection
from postier.ldap.wire.text import Server

__all__ = ["REST", "LdapPool"]

REST = 15.0
CONNECTIONS = 4
IDLE = 120.0
"""Seconds after which an unused connection is not trusted to be there any more."""

Answer = TypeVar("Answer")

log = Log("ldap")


class LdapPool:
    """For one event loop. `servers`: in the order to try them; at most CONNECTIONS questions at a time."""

    def __init__(self, servers: Sequence[Server], terms: Terms, clock: Clock) -> None:
        self._servers = tuple(servers)
        self._terms = terms
        self._clock = clock
        self._free: list[tuple[LdapConnection, float]] = []
        self._turns = asyncio.Semaphore(CONNECTIONS)
        self._resting: dict[Server, float] = {}
        self._why = ""
        self._closed = False

    async def run(self, ask: Callable[[LdapConnection], Awaitable[Answer]]) -> Answer:
        """What `ask` learns; it must change nothing, for it is run again where a connection turns out to be
        gone, or a server not to answer. Raises LdapUnavailable, and what else `ask` raises."""
        try:
            async with asyncio.timeout(self._terms.seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise LdapUnavailable("too many questions wait for the directory") from None
        try:
            return await self._ask_any(ask)
        finally:
            self._turns.release()

    async def _ask_any(self, ask: Callable[[LdapConnection], Awaitable[Answer]]) -> Answer:
        while (known := self._take()) is not None:
            try:
                return await self._ask(known, ask)
            except LdapUnavailable as error:
                log.debug("connection lost", server=known.server, why=error)
                break  # it may have been closed while it rested: a fresh one will tell
        now = self._clock.monotonic()
        for server in self._servers:
            if self._resting.get(server, 0.0) > now:
                continue
            try:
                return await self._ask(await open_connection(server, self._terms), ask)
            except LdapUnavailable as error:
                log.fault("directory server", server=server, why=error)
                self._resting[server] = self._clock.monotonic() + REST
                self._why = str(error)
        raise LdapUnavailable(self._why or "no server")

    async def _ask(
        self, connection: LdapConnection, ask: Callable[[LdapConnection], Awaitable[Answer]]
    ) -> Answer:
        try:
            answer = await ask(connection)
        except BaseException:
            connection.abort()
            raise
        if self._closed:
            connection.close()
        else:
            self._free.append((connection, self._clock.monotonic()))
        return answer

    def _take(self) -> LdapConnection | None:
        """One that is open, used last; the others that are not are dropped."""
        while self._free:
            connection, since = self._free.pop()
            if connection.is_idle() and self._clock.monotonic() - since < IDLE:
                return connection
            connection.abort()
        return None

    def close(self) -> None:
        """Questions that are asked now are answered still."""
        self._closed = True
        while self._free:
            self._free.pop()[0].close()
