"""Answers kept for as long as they may be, in front of any Resolver.

Positive ones by TTL, absent names and types by the negative TTL (RFC 2308), failures for some seconds
(RFC 9520), so that a dead zone costs one wait and not one a message. Equal questions at the same time are
asked once. The least recently used entry leaves when `capacity` is reached, or OCTETS: strangers choose what
we ask for, and how long the answer is.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar

from postier.base.clock import Clock
from postier.dns.api import Answer, Caa, Mx, NotFound, Resolver, Srv, TemporaryFailure, Tlsa

__all__ = ["CachingResolver"]

_T = TypeVar("_T")
_Outcome = Answer[Any] | NotFound | TemporaryFailure

MAX_TTL = 86_400
MAX_NEGATIVE_TTL = 10_800  # RFC 2308 5: one to three hours
FAILURE_TTL = 5
OCTETS = 32 * 1024 * 1024
"""Of all that is kept, counted roughly."""


class CachingResolver:
    """A Resolver that remembers what `resolver` said. One event loop only.

    `capacity`: answers kept, failures and absences included.
    """

    def __init__(self, resolver: Resolver, clock: Clock, capacity: int = 20_000) -> None:
        self._resolver = resolver
        self._monotonic = clock.monotonic
        self._capacity = capacity
        self._entries: OrderedDict[tuple[str, object], tuple[float, _Outcome, int]] = OrderedDict()
        self._octets = 0
        self._flights: dict[tuple[str, object], asyncio.Task[_Outcome]] = {}

    async def a(self, name: str) -> Answer[IPv4Address]:
        return await self._ask("a", name, self._resolver.a)

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return await self._ask("aaaa", name, self._resolver.aaaa)

    async def mx(self, name: str) -> Answer[Mx]:
        return await self._ask("mx", name, self._resolver.mx)

    async def txt(self, name: str) -> Answer[bytes]:
        return await self._ask("txt", name, self._resolver.txt)

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        return await self._ask("ptr", address, self._resolver.ptr)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return await self._ask("tlsa", name, self._resolver.tlsa)

    async def srv(self, name: str) -> Answer[Srv]:
        return await self._ask("srv", name, self._resolver.srv)

    async def caa(self, name: str) -> Answer[Caa]:
        return await self._ask("caa", name, self._resolver.caa)

    def remembers(self, kind: str, subject: str | IPv4Address | IPv6Address) -> bool:
        """Whether the question `kind` (the name of its method) has an answer here that needs no wait."""
        entry = self._entries.get(_key(kind, subject))
        return entry is not None and entry[0] > self._monotonic()

    def clear(self) -> None:
        """Forget everything, for an administrator who has just changed a record."""
        self._entries.clear()
        self._octets = 0

    async def _ask(
        self, kind: str, subject: Any, question: Callable[[Any], Awaitable[Answer[_T]]]
    ) -> Answer[_T]:
        key = _key(kind, subject)
        entry = self._entries.get(key)
        if entry is not None and entry[0] > self._monotonic():
            self._entries.move_to_end(key)
            outcome = entry[1]
        else:
            outcome = await self._fly(key, subject, question)
        if isinstance(outcome, Answer):
            return outcome
        if isinstance(outcome, NotFound):
            raise NotFound(str(outcome), secure=outcome.secure, ttl=outcome.ttl)
        raise TemporaryFailure(str(outcome))

    async def _fly(
        self, key: tuple[str, object], subject: object, question: Callable[[Any], Awaitable[Answer[Any]]]
    ) -> _Outcome:
        """Join the flight under way or start one. It is a task of its own: an asker who gives up does not
        take it from the others."""
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._outcome(key, subject, question))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    async def _outcome(
        self, key: tuple[str, object], subject: object, question: Callable[[Any], Awaitable[Answer[Any]]]
    ) -> _Outcome:
        outcome: _Outcome
        try:
            outcome = await question(subject)
            ttl = min(outcome.ttl, MAX_TTL if outcome.records else MAX_NEGATIVE_TTL)
        except NotFound as absent:
            outcome = NotFound(str(absent), secure=absent.secure, ttl=absent.ttl)  # without its frames
            ttl = min(absent.ttl, MAX_NEGATIVE_TTL)
        except TemporaryFailure as failure:
            outcome, ttl = TemporaryFailure(str(failure)), FAILURE_TTL
        if ttl > 0:
            self._keep(key, outcome, ttl)
        return outcome

    def _keep(self, key: tuple[str, object], outcome: _Outcome, ttl: float) -> None:
        if known := self._entries.pop(key, None):
            self._octets -= known[2]
        octets = _octets(outcome)
        self._entries[key] = (self._monotonic() + ttl, outcome, octets)
        self._octets += octets
        while len(self._entries) > self._capacity or self._octets > OCTETS:
            _, (_, _, gone) = self._entries.popitem(last=False)
            self._octets -= gone


def _octets(outcome: _Outcome) -> int:
    """What an entry takes: so much for each object, and the octets that only text and keys have."""
    if not isinstance(outcome, Answer):
        return _OBJECT
    data = (getattr(record, "data", record) for record in outcome.records)
    return _OBJECT * (1 + len(outcome.records)) + sum(len(each) for each in data if isinstance(each, bytes))


_OBJECT = 500


def _key(kind: str, subject: Any) -> tuple[str, object]:
    return kind, subject.lower().removesuffix(".") if isinstance(subject, str) else subject
