"""What one message may cost of the DNS: seconds and questions, over SPF, DKIM and DMARC together.

Past either, every further question is a TemporaryFailure, so each check ends with its own temperror and the
message is taken all the same. A sender's slow or endless zone can't hold a session longer (RFC 7208 11.1).

What a sender makes us ask must not use up what DMARC needs to judge him: SPF and the signatures get a part of
the whole each, and what is known once is not asked again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from ipaddress import IPv4Address, IPv6Address
from typing import Any, TypeVar

from postier.dns.api import Answer, Caa, DnsError, Mx, Resolver, Srv, TemporaryFailure, Tlsa
from postier.dns.cache import CachingResolver

__all__ = ["MAX_QUESTIONS", "SIGNATURE_QUESTIONS", "SPF_QUESTIONS", "DnsBudget"]

MAX_QUESTIONS = 100
SPF_QUESTIONS = 50
SIGNATURE_QUESTIONS = 25
_PART_OF_TIME = 0.75

_Subject = TypeVar("_Subject", str, IPv4Address | IPv6Address)
_Record = TypeVar("_Record")


class DnsBudget:
    """A Resolver in front of `resolver`, for one message; `seconds` from its making on."""

    __slots__ = ("_answers", "_cache", "_deadline", "_left", "_resolver", "_seconds")

    def __init__(self, resolver: Resolver, seconds: float, questions: int = MAX_QUESTIONS) -> None:
        self._resolver = resolver
        self._cache = resolver if isinstance(resolver, CachingResolver) else None
        self._seconds = seconds
        self._deadline = asyncio.get_running_loop().time() + seconds
        self._left = questions
        self._answers: dict[tuple[object, object], Answer[Any] | DnsError] = {}

    def part(self, questions: int) -> DnsBudget:
        """So many of the questions, and three quarters of the seconds; they are gone from the whole."""
        questions = min(questions, self._left)
        self._left -= questions
        return DnsBudget(self._resolver, self._seconds * _PART_OF_TIME, questions)

    async def a(self, name: str) -> Answer[IPv4Address]:
        return await self._ask("a", self._resolver.a, name)

    async def aaaa(self, name: str) -> Answer[IPv6Address]:
        return await self._ask("aaaa", self._resolver.aaaa, name)

    async def mx(self, name: str) -> Answer[Mx]:
        return await self._ask("mx", self._resolver.mx, name)

    async def txt(self, name: str) -> Answer[bytes]:
        return await self._ask("txt", self._resolver.txt, name)

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        return await self._ask("ptr", self._resolver.ptr, address)

    async def tlsa(self, name: str) -> Answer[Tlsa]:
        return await self._ask("tlsa", self._resolver.tlsa, name)

    async def srv(self, name: str) -> Answer[Srv]:
        return await self._ask("srv", self._resolver.srv, name)

    async def caa(self, name: str) -> Answer[Caa]:
        return await self._ask("caa", self._resolver.caa, name)

    def remembers(self, names: Iterable[str]) -> bool:
        """Whether the TXT records of all `names` are in the cache behind us: they need no asking ahead."""
        cache = self._cache
        return cache is not None and all(cache.remembers("txt", name) for name in names)

    async def ask_ahead(self, names: Iterable[str]) -> None:
        """Ask for the TXT records of all `names` at once; what they say is kept, so the checks that need them
        one after another need not wait for each."""

        async def ask(name: str) -> None:
            try:
                await self.txt(name)
            except DnsError:
                pass  # whoever needs the answer gets the same one

        await asyncio.gather(*map(ask, names))

    async def _ask(
        self, kind: str, question: Callable[[_Subject], Awaitable[Answer[_Record]]], subject: _Subject
    ) -> Answer[_Record]:
        known = self._answers.get((kind, subject))
        if known is None:
            known = self._answers[kind, subject] = await self._answer(kind, question, subject)
        if isinstance(known, DnsError):
            raise known
        return known

    async def _answer(
        self, kind: str, question: Callable[[_Subject], Awaitable[Answer[_Record]]], subject: _Subject
    ) -> Answer[_Record] | DnsError:
        if self._left <= 0:
            return TemporaryFailure("too many DNS questions for one message")
        self._left -= 1
        try:
            if self._cache is not None and self._cache.remembers(kind, subject):
                return await question(subject)
            async with asyncio.timeout_at(self._deadline):
                return await question(subject)
        except TimeoutError:
            return TemporaryFailure("the DNS took too long for one message")
        except DnsError as error:
            return error
