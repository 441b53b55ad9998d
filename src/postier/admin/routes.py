"""The administrator's routes, as they are written on the command line."""

from __future__ import annotations

import ipaddress

from postier.base.domain import AddressLiteral, Domain
from postier.store.api import RouteHost

__all__ = ["parse_host", "parse_pattern"]


def parse_host(text: str) -> RouteHost:
    """From HOST:PORT or [IPV6]:PORT. Raises ValueError with a sentence for a person."""
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65536:
        raise ValueError(f"expected HOST:PORT, found {text!r}")
    host = host.removeprefix("[").removesuffix("]")
    try:
        return RouteHost(str(ipaddress.ip_address(host)), int(port))
    except ValueError:
        return RouteHost(Domain.parse(host).ascii, int(port))


def parse_pattern(text: str) -> str:
    """A domain or address literal, *.DOMAIN (also written .DOMAIN), or *. Raises ValueError."""
    if text == "*":
        return text
    if text.startswith("["):
        return str(AddressLiteral.parse(text))
    if text.startswith((".", "*.")):
        return f"*.{Domain.parse(text.partition('.')[2]).ascii}"
    return Domain.parse(text).ascii
