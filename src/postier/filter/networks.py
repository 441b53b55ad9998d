"""IP addresses as the checks group them."""

from __future__ import annotations

import functools
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["IpAddress", "is_inside", "network_of", "parse_ip"]

IpAddress = IPv4Address | IPv6Address

_INSIDE = tuple(
    ip_network(text)
    for text in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "::1/128",
        "fc00::/7",
        "fe80::/10",
    )
)


@functools.lru_cache(maxsize=4096)
def parse_ip(text: str) -> IpAddress | None:
    """None for what is no address, such as the peer of a Unix socket; an IPv4-mapped one as plain IPv4."""
    try:
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


@functools.lru_cache(maxsize=4096)
def is_inside(address: IpAddress) -> bool:
    """Of this machine or a network of its own (RFC 1918, 3927, 4193, 6598): the public DNS knows nothing."""
    return any(address in network for network in _INSIDE)


@functools.lru_cache(maxsize=4096)
def network_of(address: IpAddress) -> str:
    """The /24 or /64 it is in: a sending pool often has one, and a customer has no less."""
    length = 24 if address.version == 4 else 64
    return str(ip_network(f"{address}/{length}", strict=False))
