"""The administrator's routes, as they are written on the command line, and what must hold of them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from postier.base.domain import AddressLiteral, Domain
from postier.store.api import MailRoute, RouteHost, RouteTls, RouteTransport, Source, Tx

__all__ = [
    "RouteError",
    "check_route",
    "parse_host",
    "parse_name",
    "parse_pattern",
    "parse_source",
    "set_route",
    "users_of",
]

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_REPLY = re.compile(r"[45]\.[0-9]{1,3}\.[0-9]{1,3} [ -~]{1,400}")
_SOCKET_PATH = 107
"""Octets that fit into the address of a Unix socket."""


class RouteError(ValueError):
    """Why a route can't be as it is written: a sentence for a person."""


def parse_host(text: str) -> RouteHost:
    """From HOST:PORT, [IPV6]:PORT, mx:DOMAIN, mx:DOMAIN:PORT or unix:PATH. Raises ValueError."""
    if text.startswith("unix:"):
        path = PurePosixPath(text.removeprefix("unix:"))
        if not path.is_absolute() or len(str(path).encode()) > _SOCKET_PATH:
            raise RouteError(f"expected the absolute path of a socket, found {str(path)!r}")
        return RouteHost(str(path), 0)
    if text.startswith("mx:"):
        domain, colon, port = text.removeprefix("mx:").partition(":")
        return RouteHost(Domain.parse(domain).ascii, _port(port, text) if colon else 25, mx=True)
    host, colon, port = text.rpartition(":")
    if not colon:
        raise RouteError(f"expected HOST:PORT, found {text!r}")
    number = _port(port, text)
    host = host.removeprefix("[").removesuffix("]")
    try:
        return RouteHost(str(ipaddress.ip_address(host)), number)
    except ValueError:
        return RouteHost(Domain.parse(host).ascii, number)


def _port(text: str, whole: str) -> int:
    if not (text.isascii() and text.isdigit()) or not 0 < int(text) < 65536:
        raise RouteError(f"expected HOST:PORT, found {whole!r}")
    return int(text)


def parse_pattern(text: str) -> str:
    """A domain or address literal, *.DOMAIN (also written .DOMAIN), *, or @NAME. Raises ValueError."""
    if text == "*":
        return text
    if text.startswith("@"):
        return f"@{parse_name(text[1:])}"
    if text.startswith("["):
        try:
            return str(AddressLiteral.parse(text))
        except ValueError:
            raise RouteError(f"not an address literal: {text!r}") from None
    if text.startswith((".", "*.")):
        return f"*.{Domain.parse(text.partition('.')[2]).ascii}"
    return Domain.parse(text).ascii


def parse_name(text: str) -> str:
    """Of a pool or a fallback. Raises ValueError."""
    if _NAME.fullmatch(text.lower()) is None:
        raise RouteError(f"expected a name of letters, digits, '.', '-' and '_', found {text!r}")
    return text.lower()


def parse_source(text: str) -> Source:
    """From ADDRESS or ADDRESS=NAME. Raises ValueError."""
    address, _, helo = text.partition("=")
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        raise RouteError(f"expected ADDRESS or ADDRESS=NAME, found {text!r}") from None
    return Source(str(parsed), Domain.parse(helo).ascii if helo else "")


def check_route(route: MailRoute) -> None:
    """Raises RouteError for what contradicts itself."""
    hands_on = route.transport in (RouteTransport.SMTP, RouteTransport.LMTP)
    changes = any(
        (route.login, route.implicit_tls, route.fallback, route.pool, route.retry_first, route.retry_max)
    )
    changes = changes or route.tls is not RouteTls.POLICY
    rules = (
        (hands_on or not (route.hosts or changes), "what is discarded or returned goes nowhere"),
        (route.transport is not RouteTransport.LMTP or bool(route.hosts), "LMTP needs a host"),
        (route.transport is not RouteTransport.LMTP or all(host.port != 25 for host in route.hosts),
         "port 25 is SMTP's, LMTP needs another (RFC 2033 5)"),
        (not hands_on or bool(route.hosts or changes), "say where the mail goes: HOST:PORT"),
        (route.transport is not RouteTransport.ERROR or _REPLY.fullmatch(route.reply) is not None,
         "expected a status and a text, such as '5.7.1 We do not write to them'"),
        (bool(route.login) == bool(route.password), "a login needs a password"),
        (not route.login or bool(route.hosts), "a login needs a host to log in to"),
        (not (route.login or route.implicit_tls) or route.tls is not RouteTls.NEVER,
         "a password is shown under TLS only" if route.login else "implicit TLS is not 'never'"),
        (not (route.login or route.tls is RouteTls.VERIFIED) or not any(h.mx for h in route.hosts),
         "name the host itself, not mx:, where its certificate must be for its name"),
        (not route.fallback or bool(route.fallback_attempts or route.fallback_age),
         "say when the fallback is taken: after how many attempts, or hours"),
        (not route.fallback or route.fallback != route.pattern, "a route can't be its own fallback"),
        (not (route.fallback_attempts or route.fallback_age) or bool(route.fallback), "name the fallback"),
        (not route.retry_max or route.retry_first <= route.retry_max, "the first wait is the longest"),
    )  # fmt: skip
    for holds, sentence in rules:
        if not holds:
            raise RouteError(sentence)


async def set_route(tx: Tx, route: MailRoute) -> None:
    """Raises RouteError where it names a pool or a fallback that is not there, or is for a domain of ours,
    whose mail no route leads away."""
    check_route(route)
    if await tx.domain(route.pattern) is not None:
        raise RouteError(f"{route.pattern} is a domain of this server: its mail stays here")
    pools = {pool.name for pool in await tx.source_pools()}
    if route.pool and route.pool not in pools:
        raise RouteError(f"there is no pool {route.pool}")
    known = {other.pattern for other in await tx.mail_routes() if not other.sender}
    if route.fallback and route.fallback not in known:
        raise RouteError(f"there is no route {route.fallback} to fall back to; add it first")
    await tx.set_mail_route(route)


def users_of(routes: Sequence[MailRoute], *, pool: str = "", fallback: str = "") -> list[str]:
    """The patterns of the routes that name a pool or a fallback: while there are any, it can't be removed."""
    return [
        route.pattern
        for route in routes
        if (pool and route.pool == pool) or (fallback and route.fallback == fallback)
    ]
