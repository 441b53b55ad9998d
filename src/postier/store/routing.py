"""What is said about mail that leaves: routes, pools of addresses to send from, addresses not to send to.

Values and the two faces of the store for them; `store.api` hands them on.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "MailRoute",
    "RouteHost",
    "RouteTls",
    "RouteTransport",
    "RoutingReader",
    "RoutingTx",
    "Source",
    "SourcePool",
    "Suppression",
    "SuppressionReader",
    "SuppressionTx",
]


class RouteTransport(enum.StrEnum):
    """SMTP and LMTP hand mail on; DISCARD says it was delivered and drops it; ERROR returns it."""

    SMTP = "smtp"
    LMTP = "lmtp"
    DISCARD = "discard"
    ERROR = "error"


class RouteTls(enum.StrEnum):
    """POLICY: what the receiving side publishes, else TLS where it is offered. NEVER: in clear text.

    REQUIRED: TLS with any certificate. VERIFIED: TLS, and a certificate for the host's name.
    """

    POLICY = "policy"
    NEVER = "never"
    REQUIRED = "required"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class RouteHost:
    """`name`: a domain (A-labels), an address, or the absolute path of a Unix socket (then `port` is 0).

    `mx`: the mail exchangers of that domain.
    """

    name: str
    port: int = 25
    mx: bool = False

    def __str__(self) -> str:
        if self.mx:
            return f"mx:{self.name}" + (f":{self.port}" if self.port != 25 else "")
        if self.name.startswith("/"):
            return f"unix:{self.name}"
        return f"[{self.name}]:{self.port}" if ":" in self.name else f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class MailRoute:
    """Where mail goes whose recipients' domain is `pattern`, whatever the DNS says.

    `pattern`: a domain (A-labels) or address literal, "*.domain" for all domains below it, "*" for all, or
    "@name" for none: then other routes name it as their fallback. `sender`: likewise, of the reverse-path's
    domain; "" for any. `hosts`: in the order to try them, or by turns if `balanced`; none: as the DNS says.
    `implicit_tls`: TLS before the greeting (RFC 8314). `authorities`: path of a PEM file to believe instead
    of the system's. `login`, `password`: the host must be VERIFIED to learn them. `reply`: of ERROR, status
    and text. `fallback`: the pattern of the route to take after `fallback_attempts` attempts that failed or
    when the message is `fallback_age` seconds old (0: does not count). `pool`: the addresses to send from.
    `retry_first`, `retry_max`: seconds; 0 as the settings say.
    """

    pattern: str
    sender: str = ""
    transport: RouteTransport = RouteTransport.SMTP
    hosts: tuple[RouteHost, ...] = ()
    balanced: bool = False
    tls: RouteTls = RouteTls.POLICY
    implicit_tls: bool = False
    authorities: str = ""
    login: str = ""
    password: str = field(default="", repr=False)
    reply: str = ""
    fallback: str = ""
    fallback_attempts: int = 0
    fallback_age: int = 0
    pool: str = ""
    retry_first: int = 0
    retry_max: int = 0


@dataclass(frozen=True, slots=True)
class Source:
    """An address of this machine to send from. `helo`: its name in EHLO, "" for the server's own."""

    address: str
    helo: str = ""


@dataclass(frozen=True, slots=True)
class SourcePool:
    """`sticky`: a destination always sees the same source as long as that one works; else by turns."""

    name: str
    sources: tuple[Source, ...]
    sticky: bool = False


@dataclass(frozen=True, slots=True)
class Suppression:
    """A foreign address that nothing is sent to before `until`, or whose bounces are counted (0).

    `address`: its lookup key. `bounces`: how many, the `first` and the `last` when (all seconds since 1970).
    `diagnostic`, `remote`: what was said the last time and by whom. `sender`: to whose mail.
    """

    address: str
    bounces: int
    first: int
    last: int
    until: int = 0
    diagnostic: str = ""
    remote: str = ""
    sender: str = ""


class RoutingReader(Protocol):
    async def routing_version(self) -> int:
        """Grows with each change of a route or pool; cheap enough to ask for every message."""
        ...

    async def mail_routes(self) -> list[MailRoute]:
        """By pattern and sender."""
        ...

    async def source_pools(self) -> list[SourcePool]:
        """By name."""
        ...


class RoutingTx(RoutingReader, Protocol):
    async def set_mail_route(self, route: MailRoute) -> None:
        """Adds it, or replaces the one of its pattern and sender."""
        ...

    async def remove_mail_route(self, pattern: str, sender: str = "") -> bool:
        """False if there was none."""
        ...

    async def set_source_pool(self, pool: SourcePool) -> None:
        """Adds it, or replaces the one of its name."""
        ...

    async def remove_source_pool(self, name: str) -> bool:
        """False if there was none."""
        ...


class SuppressionReader(Protocol):
    async def suppression(self, address: str) -> Suppression | None:
        """By its lookup key."""
        ...

    async def suppressions(self, limit: int = 1000, after: str = "") -> list[Suppression]:
        """By address, those behind `after`."""
        ...


class SuppressionTx(SuppressionReader, Protocol):
    async def set_suppression(self, suppression: Suppression) -> None:
        """Adds it, or replaces the one of its address."""
        ...

    async def remove_suppression(self, address: str) -> bool:
        """False if there was none."""
        ...

    async def forget_suppressions(self, last_before: int, until_before: int) -> int:
        """Those that had their last bounce, and end, before those moments. Returns how many."""
        ...
