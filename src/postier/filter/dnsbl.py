"""Lists of addresses in the DNS (RFC 5782): those that block, and those that vouch (a weight below 0).

Each list is asked for the address reversed, below its zone; it is listed where an address within 127.0.0.0/8
comes back. What does not answer counts for nobody. 127.255.255.0/24 is how lists say that they refuse to
answer us (too many questions, or a public resolver in between), and an address outside 127.0.0.0/8 that a
list has died and its name was sold: both are ignored, and logged once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from postier.base.domain import Domain
from postier.base.log import Log
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.filter.networks import IpAddress

__all__ = ["DnsList", "ListHealth", "Listing", "check_list", "listings", "parse_list", "question"]

MAX_WEIGHT = 100
_LISTED = IPv4Network("127.0.0.0/8")
_REFUSED = IPv4Network("127.255.255.0/24")
_CODES = re.compile(r"127\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:-(\d{1,3}))?")
_LIST = re.compile(r"([A-Za-z0-9._-]+)(?:/([0-9.,-]+))?=(-?\d{1,3})")

log = Log("dnsbl")
_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class DnsList:
    """`weight`: what being listed there counts, below 0 for a list of good senders. `codes`: the answers that
    count, as ranges of whole addresses; empty: all."""

    zone: str
    weight: int
    codes: tuple[tuple[int, int], ...] = ()

    def counts(self, answer: IPv4Address) -> bool:
        return not self.codes or any(first <= int(answer) <= last for first, last in self.codes)


@dataclass(frozen=True, slots=True)
class Listing:
    """An address is on `list`; `answer` says how, in the list's own code."""

    list: DnsList
    answer: IPv4Address


def parse_list(text: str) -> DnsList:
    """ "zone=weight", or "zone/127.0.0.2-11,127.0.0.20=weight" for some return codes only.

    Raises ValueError.
    """
    found = _LIST.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a list with its weight: {text!r}")
    zone, codes, weight = found.groups()
    if not 0 < abs(int(weight)) <= MAX_WEIGHT:
        raise ValueError(f"the weight of a list is from 1 to {MAX_WEIGHT}, or below 0: {text!r}")
    ranges = tuple(_range(code) for code in codes.split(",")) if codes else ()
    return DnsList(Domain.parse(zone).ascii, int(weight), ranges)


def _range(text: str) -> tuple[int, int]:
    found = _CODES.fullmatch(text)
    if found is None:
        raise ValueError(f"not a return code: {text!r}")
    second, third, fourth, last = found.groups()
    start = IPv4Address(f"127.{second}.{third}.{fourth}")
    end = IPv4Address(f"127.{second}.{third}.{last or fourth}")
    if end < start:
        raise ValueError(f"not a range of return codes: {text!r}")
    return int(start), int(end)


def question(address: IpAddress, zone: str) -> str:
    """The name to ask for: 2.0.0.127.zone, or 32 nibbles and the zone (RFC 5782 2.1, 2.4)."""
    reversed_digits, _, _ = address.reverse_pointer.removesuffix(".arpa").rpartition(".")
    return f"{reversed_digits}.{zone}"


async def listings(
    resolver: Resolver, lists: Sequence[DnsList], address: IpAddress, seconds: float
) -> tuple[Listing, ...]:
    """Where `address` is listed, of all `lists` at once, and what is known after `seconds`. Never raises."""
    tasks = [asyncio.ensure_future(_ask(resolver, each, address)) for each in lists]
    if not tasks:
        return ()
    try:
        await asyncio.wait(tasks, timeout=seconds)
    finally:
        for task in tasks:
            task.cancel()  # does nothing to those that are done
    found = (task.result() for task in tasks if task.done() and not task.cancelled())
    return tuple(each for each in found if each is not None)


async def _ask(resolver: Resolver, each: DnsList, address: IpAddress) -> Listing | None:
    try:
        answers = (await resolver.a(question(address, each.zone))).records
    except NotFound:
        return None
    except TemporaryFailure as error:
        log.debug("no answer", list=each.zone, why=error)
        return None
    for answer in answers:
        if answer in _REFUSED:
            _tell_once("a list refuses to answer: it is ignored", each.zone, answer)
        elif answer not in _LISTED:
            _tell_once("a list answers what no list does: it is ignored", each.zone, answer)
        elif each.counts(answer):
            return Listing(each, answer)
    return None


def _tell_once(what: str, zone: str, answer: IPv4Address) -> None:
    if zone not in _told:
        _told.add(zone)
        log.warning(what, list=zone, answer=answer)


# ---------------------------------------------------------------------- does a list work?


@dataclass(frozen=True, slots=True)
class ListHealth:
    """`state`: "ok", "silent" (no answer), "refused" (we may not ask), "broken" (lists everybody or nobody).
    `detail`: for a person."""

    state: str
    detail: str


_TESTS: tuple[tuple[IpAddress, IpAddress], ...] = (
    (IPv4Address("127.0.0.2"), IPv4Address("127.0.0.1")),
    (IPv6Address("::ffff:7f00:2"), IPv6Address("::ffff:7f00:1")),
)
"""Which are always listed, and which never, in a list of IPv4 and in one of IPv6 addresses (RFC 5782 5)."""


async def check_list(resolver: Resolver, each: DnsList) -> ListHealth:
    """Ask for the test entries of RFC 5782 5."""
    listed_somewhere = False
    for always, never in _TESTS:
        try:
            nothing = await _raw(resolver, each, never)
            answers = await _raw(resolver, each, always)
        except TemporaryFailure:
            return ListHealth("silent", "it does not answer; if that lasts, take it out")
        if any(answer in _REFUSED for answer in (*nothing, *answers)):
            return ListHealth("refused", "it refuses our resolver; ask it through a resolver of your own")
        if nothing:
            return ListHealth("broken", f"it lists {never}, and so perhaps everybody; take it out")
        listed_somewhere = listed_somewhere or any(answer in _LISTED for answer in answers)
    if not listed_somewhere:
        return ListHealth("broken", "it does not list its own test address; is its name right?")
    return ListHealth("ok", "it answers, and lists its test address")


async def _raw(resolver: Resolver, each: DnsList, address: IpAddress) -> tuple[IPv4Address, ...]:
    try:
        return (await resolver.a(question(address, each.zone))).records
    except NotFound:
        return ()
