"""How many may connect: at a time and in a minute, from one address and from one network.

An IPv6 client counts by its /64, which is what one customer gets, and its network by the /48 (RFC 6177).
What is open now is counted for each worker, as connections spread over the workers by chance; the new ones
of a minute are counted for all workers together. Memory is bounded by the open connections and by the table
of counts, however many addresses somebody has.
"""

from __future__ import annotations

import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from postier.base.shared_counts import SharedCounts

__all__ = ["USUAL_LIMITS", "Gate", "Limits", "address_key", "network_key"]

MINUTE = 60


@dataclass(frozen=True, slots=True)
class Limits:
    """0 means no limit. `connections`, `per_address`, `per_network`: of one worker at a time, in all, from
    one address, from one network. `per_minute`: new ones from one address, to all workers that share counts;
    programs of this machine, such as a webmail, may be as hasty as they like. Who comes by a Unix socket has
    no address, and counts for `connections` alone.

    In all there are never more than the process may have open files (less some for itself).
    """

    connections: int = 10_000
    per_address: int = 50
    per_network: int = 0
    per_minute: int = 0


USUAL_LIMITS = Limits()


def address_key(address: str) -> str:
    """What is counted as one peer: an IPv4 address, or the /64 of an IPv6 address."""
    return address if ":" not in address else _prefix(address, 8)


def network_key(address: str) -> str:
    """The /24 of an IPv4 address, the /48 of an IPv6 address."""
    return address.rpartition(".")[0] if ":" not in address else _prefix(address, 6)


def _is_of_this_machine(address: str) -> bool:
    """ "" is the peer of a Unix socket."""
    return not address or address.startswith("127.") or address == "::1"


def _prefix(address: str, octets: int) -> str:
    """The first octets of an IPv6 address, in hexadecimal digits."""
    return socket.inet_pton(socket.AF_INET6, address.partition("%")[0])[:octets].hex()


class Gate:
    """Counts who is in. `most`: connections in all, whatever the limits say. `counts`: of the last minute."""

    def __init__(
        self,
        limits: Limits,
        most: int,
        counts: SharedCounts | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limits = limits
        self._most = min(most, limits.connections) if limits.connections else most
        self._counts = counts or SharedCounts(1)
        self._monotonic = monotonic
        self._open = 0
        self._by_key: Counter[str] = Counter()

    def why_not(self, address: str) -> str:
        """Nothing lets `address` in; else this is why it may not, for the log. Each call counts as a try."""
        limits = self._limits
        if limits.per_minute and not _is_of_this_machine(address) and self._is_hasty(address_key(address)):
            return "too many connections from one address in a minute"
        if self._open >= self._most:
            return "too many connections"
        if not address:
            return ""
        if limits.per_address and self._by_key[address_key(address)] >= limits.per_address:
            return "too many connections from one address"
        if limits.per_network and self._by_key["/" + network_key(address)] >= limits.per_network:
            return "too many connections from one network"
        return ""

    def _is_hasty(self, key: str) -> bool:
        period = int(self._monotonic() // MINUTE)
        return self._counts.add(key, period) > self._limits.per_minute

    def enter(self, address: str) -> None:
        self._open += 1
        for key in self._keys(address):
            self._by_key[key] += 1

    def leave(self, address: str) -> None:
        self._open -= 1
        for key in self._keys(address):
            self._by_key[key] -= 1
            if not self._by_key[key]:
                del self._by_key[key]

    def _keys(self, address: str) -> tuple[str, ...]:
        if not address:
            return ()
        if not self._limits.per_network:
            return (address_key(address),)
        return address_key(address), "/" + network_key(address)
