"""What the rest of the program asks of the DNS.

A name is an A-label text without the final dot, in any case. An Answer without records means that the
name exists and has none of that type; a name that does not exist raises NotFound, so that RFC 8020
(nothing below it) and SPF's void look-ups can be told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Generic, Protocol, TypeVar

__all__ = ["Answer", "Caa", "DnsError", "Mx", "NotFound", "Resolver", "Srv", "TemporaryFailure", "Tlsa"]

Record = TypeVar("Record")


class DnsError(Exception):
    """A question without an answer; the message says why, for the log."""


class NotFound(DnsError):
    """NXDOMAIN: the name does not exist (RFC 2308 2.1). `secure` and `ttl` as in Answer."""

    def __init__(self, detail: str = "", *, secure: bool = False, ttl: int = 0) -> None:
        super().__init__(detail)
        self.secure = secure
        self.ttl = ttl


class TemporaryFailure(DnsError):
    """No answer in time, SERVFAIL, or one that does not validate: ask again later."""


@dataclass(frozen=True, slots=True)
class Answer(Generic[Record]):
    """The records found, in the order of the answer.

    `ttl`: seconds they may be kept; for an empty answer the negative TTL (RFC 2308 5).
    `secure`: a validating resolver that we trust vouches for them (AD bit, RFC 4035; see
    DnsClient).
    `name`: the owner after following CNAMEs, lower case, without the final dot.
    """

    records: tuple[Record, ...]
    ttl: int = 0
    secure: bool = False
    name: str = ""


@dataclass(frozen=True, slots=True)
class Mx:
    """RFC 1035 3.3.9. `exchange` is "" for the null MX (RFC 7505)."""

    preference: int
    exchange: str


@dataclass(frozen=True, slots=True)
class Tlsa:
    """RFC 6698 2.1."""

    usage: int
    selector: int
    matching_type: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Srv:
    """RFC 2782. `target` is "" where the service is not offered."""

    priority: int
    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Caa:
    """RFC 8659 4.1. `tag` in lower case; `value` as it stands there, octets outside ASCII replaced."""

    critical: bool
    tag: str
    value: str


class Resolver(Protocol):
    """Every method raises NotFound or TemporaryFailure, nothing else; a bad name is NotFound."""

    async def a(self, name: str) -> Answer[IPv4Address]: ...

    async def aaaa(self, name: str) -> Answer[IPv6Address]: ...

    async def mx(self, name: str) -> Answer[Mx]: ...

    async def txt(self, name: str) -> Answer[bytes]:
        """One bytes value a record: its character-strings joined without spaces (RFC 7208 3.3)."""
        ...

    async def ptr(self, address: IPv4Address | IPv6Address) -> Answer[str]:
        """The names of an address, lower case, without the final dot."""
        ...

    async def tlsa(self, name: str) -> Answer[Tlsa]: ...

    async def srv(self, name: str) -> Answer[Srv]: ...

    async def caa(self, name: str) -> Answer[Caa]: ...
