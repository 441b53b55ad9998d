"""The address a connection comes from: which of a pool's, and which ones rest.

A source that a site turned away for its own sake (a listed address) rests there for an hour; one that this
machine has not, or can't use, rests everywhere for a minute. Where all rest, the one that rests longest by
now is used: a wrong guess must not stop the mail.
"""

from __future__ import annotations

from collections import Counter
from hashlib import blake2b
from ipaddress import ip_address

from postier.base.clock import Clock, SystemClock
from postier.queue.api import DeliveryResult, Outcome
from postier.store.api import Source, SourcePool

__all__ = ["EVERYWHERE", "Sources", "turns_away"]

REST_AT_SITE = 3600.0
REST_EVERYWHERE = 60.0
EVERYWHERE = ""
REMEMBERED = 1000


class Sources:
    """`addresses`: to use where no pool is named, the first of each family."""

    def __init__(self, addresses: tuple[str, ...] = (), clock: Clock | None = None) -> None:
        self._default = tuple(Source(address) for address in addresses)
        self._monotonic = (clock or SystemClock()).monotonic
        self._resting: dict[tuple[str, str], float] = {}
        self._turns: Counter[str] = Counter()

    def choose(self, pool: SourcePool | None, site: str, family: int) -> Source | None:
        """None: whatever the kernel takes; of a pool, that it has no address of this family (4 or 6)."""
        known = [s for s in (pool.sources if pool else self._default) if _family(s) == family]
        if pool is None or not known:
            return known[0] if known else None
        awake = [s for s in known if not self._rests_until(s, site)]
        if not awake:
            return min(known, key=lambda s: self._rests_until(s, site))
        if pool.sticky:
            return max(awake, key=lambda s: _score(s, site))
        self._turns[pool.name] += 1
        return awake[self._turns[pool.name] % len(awake)]

    def suits(self, pool: SourcePool | None, site: str, source: Source | None) -> bool:
        """True if a session that came from `source` may be used for mail of `pool`."""
        if pool is None:
            return source is None or source in self._default
        return source in pool.sources and not self._rests_until(source, site)

    def rest(self, source: Source, site: str) -> None:
        """It was turned away by `site`, or EVERYWHERE: this machine can't use it."""
        seconds = REST_AT_SITE if site else REST_EVERYWHERE
        self._resting.pop((source.address, site), None)
        self._resting[source.address, site] = self._monotonic() + seconds
        if len(self._resting) > REMEMBERED:
            del self._resting[next(iter(self._resting))]

    def _rests_until(self, source: Source, site: str) -> float:
        """0 if it does not rest."""
        until = max(self._resting.get((source.address, where), 0.0) for where in (site, EVERYWHERE))
        return until if until > self._monotonic() else 0.0


def turns_away(result: DeliveryResult, source: Source) -> bool:
    """True if a refusal is about the address we came from: a policy (RFC 3463 X.7.x) that names it."""
    policy = result.status[2:4] == "7."
    return result.outcome is not Outcome.DELIVERED and policy and source.address in result.diagnostic


def _family(source: Source) -> int:
    return ip_address(source.address).version


def _score(source: Source, site: str) -> bytes:
    return blake2b(f"{source.address} {site}".encode(), digest_size=8).digest()
