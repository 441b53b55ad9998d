"""IP networks that a setting names."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["NOWHERE", "Networks", "is_public"]

_EMBEDDING = (IPv6Network("64:ff9b::/96"), IPv6Network("::/96"))
"""NAT64, and what was once compatible: their addresses end in one of IPv4, which a gateway would call."""


class Networks:
    """Such as "192.0.2.0/24", "192.0.2.1", "2001:db8::/32". Raises ValueError for what is none, or has bits
    behind its prefix."""

    __slots__ = ("_found", "_networks")

    def __init__(self, texts: Iterable[str]) -> None:
        self._networks = tuple(ip_network(text) for text in texts)
        self._found = lru_cache(maxsize=1024)(self._has)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def __contains__(self, address: str) -> bool:
        """False for what is no address, such as the peer of a Unix socket; IPv4-mapped ones are IPv4."""
        return bool(self._networks) and self._found(address)

    def _has(self, text: str) -> bool:
        try:
            address = ip_address(text.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


NOWHERE = Networks(())


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Of the public Internet, also where an IPv6 address holds an IPv4 one."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if inner is None and any(address in network for network in _EMBEDDING):
            inner = IPv4Address(address.packed[12:])
        if inner is not None:
            return is_public(inner)
        if address.is_site_local:
            return False
    return address.is_global and not address.is_multicast
