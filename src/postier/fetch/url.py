"""Addresses of documents that are asked for: HTTPS, or HTTP on this very machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from postier.base.domain import Domain

__all__ = ["LOCALHOST", "BadUrl", "Url", "literal", "parse_url"]

_TARGET = re.compile(r"[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*")
LOCALHOST = "localhost"


class BadUrl(ValueError):
    """Not an address that is asked."""


@dataclass(frozen=True, slots=True)
class Url:
    """`host`: A-labels, or an address without brackets. `target`: path and query, with its first slash."""

    is_secure: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the Host field has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_secure else 80) else f"{host}:{self.port}"

    def at(self, target: str) -> Url:
        """Another document of the same host."""
        return Url(self.is_secure, self.host, self.port, target)


def literal(host: str) -> IPv4Address | IPv6Address | None:
    """The address that `host` is, if it is one."""
    try:
        return ip_address(host)
    except ValueError:
        return None


def parse_url(text: str) -> Url:
    """Raises BadUrl: no https, unless it leads to this machine; a user, a fragment, no host."""
    try:
        parts = urlsplit(text)
        port, host = parts.port, parts.hostname or ""
    except ValueError as error:
        raise BadUrl(f"not a URL: {error}") from None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    if not text.isascii() or "#" in text or "@" in parts.netloc or not _TARGET.fullmatch(target):
        raise BadUrl("not a URL that can be asked")
    address = literal(host)
    if address is None:
        try:
            host = Domain.parse(host).ascii
        except ValueError as error:
            raise BadUrl(f"not a host: {error}") from None
    is_local = host == LOCALHOST or (address is not None and address.is_loopback)
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise BadUrl("not https")
    is_secure = parts.scheme == "https"
    return Url(is_secure, host, port or (443 if is_secure else 80), target)
