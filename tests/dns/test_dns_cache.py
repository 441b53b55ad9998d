"""What the cache keeps, for how long, and how often it asks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from ipaddress import IPv4Address
from typing import Any

import pytest

from postier.dns import cache
from postier.dns.api import Answer, NotFound, TemporaryFailure
from postier.dns.cache import FAILURE_TTL, MAX_TTL, CachingResolver
from postier.testing.dns import ZoneResolver

ZONE: dict[str, list[object]] = {
    "a.test": [("A", "192.0.2.1"), ("PTR", "x")],
    "1.2.0.192.in-addr.arpa": [("PTR", "a.test")],
    "late.test": ["TIMEOUT"],
}


class StoppedClock:
    def __init__(self) -> None:
        self.time = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class WithTtl(ZoneResolver):
    """Chooses the TTL, and lets other tasks run before it answers."""

    ttl = 300

    async def a(self, name: str) -> Answer[IPv4Address]:
        await asyncio.sleep(0)
        try:
            return replace(await super().a(name), ttl=self.ttl)
        except NotFound as absent:
            raise NotFound(str(absent), secure=True, ttl=self.ttl) from None


def build(capacity: int = 100) -> tuple[CachingResolver, WithTtl, StoppedClock]:
    resolver, clock = WithTtl(ZONE), StoppedClock()
    return CachingResolver(resolver, clock, capacity), resolver, clock


async def outcome(question: Awaitable[Answer[Any]]) -> Any:
    try:
        return (await question).records
    except (NotFound, TemporaryFailure) as error:
        return type(error)


@pytest.mark.parametrize(
    ("name", "ttl", "kept"),
    [
        ("a.test", 300, 300),
        ("a.test", 10 * MAX_TTL, MAX_TTL),
        ("no.test", 60, 60),
        ("no.test", 10 * MAX_TTL, 10_800),
        ("late.test", 300, FAILURE_TTL),
    ],
)
def test_kept_for_its_time(name: str, ttl: int, kept: int) -> None:
    async def run() -> None:
        cache, resolver, clock = build()
        resolver.ttl = ttl
        first = await outcome(cache.a(name))
        clock.time += kept - 0.5
        assert await outcome(cache.a(name.upper() + ".")) == first
        assert len(resolver.questions) == 1
        clock.time += 1
        assert await outcome(cache.a(name)) == first
        assert len(resolver.questions) == 2

    asyncio.run(run())


def test_a_ttl_of_zero_is_not_kept() -> None:
    async def run() -> int:
        cache, resolver, _ = build()
        resolver.ttl = 0
        await cache.a("a.test")
        await cache.a("a.test")
        return len(resolver.questions)

    assert asyncio.run(run()) == 2


def test_what_is_absent_keeps_its_security() -> None:
    async def run() -> None:
        cache, _, _ = build()
        for _ in range(2):
            with pytest.raises(NotFound) as absent:
                await cache.a("no.test")
            assert absent.value.secure

    asyncio.run(run())


@pytest.mark.parametrize("name", ["a.test", "no.test", "late.test"])
def test_equal_questions_fly_once(name: str) -> None:
    async def run() -> None:
        cache, resolver, _ = build()
        found = await asyncio.gather(*(outcome(cache.a(name)) for _ in range(50)))
        assert len(set(found)) == 1
        assert len(resolver.questions) == 1

    asyncio.run(run())


def test_one_who_gives_up_does_not_take_it_from_the_others() -> None:
    async def run() -> Any:
        cache, resolver, _ = build()
        first = asyncio.create_task(cache.a("a.test"))
        second = asyncio.create_task(cache.a("a.test"))
        await asyncio.sleep(0)
        first.cancel()
        records = (await second).records
        assert first.cancelled()
        assert len(resolver.questions) == 1
        return records

    assert asyncio.run(run()) == (IPv4Address("192.0.2.1"),)


def test_the_least_used_leaves() -> None:
    async def run() -> list[tuple[str, str]]:
        cache, resolver, _ = build(capacity=2)
        for name in ("a.test", "b.test", "a.test", "c.test", "a.test", "b.test"):
            await outcome(cache.a(name))
        return resolver.questions

    assert asyncio.run(run()) == [("A", "a.test"), ("A", "b.test"), ("A", "c.test"), ("A", "b.test")]


def test_types_are_kept_apart_and_cleared() -> None:
    async def run() -> int:
        cache, resolver, _ = build()
        ask: list[Callable[[], Awaitable[Answer[Any]]]] = [
            lambda: cache.a("a.test"),
            lambda: cache.aaaa("a.test"),
            lambda: cache.mx("a.test"),
            lambda: cache.txt("a.test"),
            lambda: cache.tlsa("a.test"),
            lambda: cache.srv("a.test"),
            lambda: cache.ptr(IPv4Address("192.0.2.1")),
        ]
        for question in ask * 2:
            await question()
        asked = len(resolver.questions)
        cache.clear()
        await cache.a("a.test")
        return asked * 10 + len(resolver.questions)

    assert asyncio.run(run()) == 78


def test_long_answers_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """SPF's macros make us ask a stranger's zone for a new name with every message."""
    monkeypatch.setattr(cache, "OCTETS", 500_000)
    zone: dict[str, list[object]] = {f"{n}.test": [("TXT", b"x" * 60_000)] for n in range(30)}
    zone["small.test"] = [("TXT", b"x")]
    resolver = ZoneResolver(zone)
    kept = CachingResolver(resolver, StoppedClock())

    async def ask() -> None:
        for number in range(30):
            await kept.txt(f"{number}.test")
            await kept.txt("small.test")
        assert resolver.questions.count(("TXT", "small.test")) == 1  # it is used, so it stays
        before = len(resolver.questions)
        for number in reversed(range(30)):
            await kept.txt(f"{number}.test")
        assert len(resolver.questions) - before == 30 - 500_000 // 61_000

    asyncio.run(ask())
