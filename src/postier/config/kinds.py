"""The kinds of values a setting can have: how each is read from TOML and written back."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from postier.base.domain import Domain
from postier.base.log import LEVELS
from postier.filter.dnsbl import DnsList, parse_list
from postier.mailauth.local_policy import Override, parse_override

__all__ = [
    "ADDRESSES",
    "BOOLEAN",
    "COUNT",
    "DNS_LISTS",
    "DOMAINS",
    "DURATION",
    "ENDPOINT",
    "ENDPOINTS",
    "HOST",
    "LEVEL",
    "NETWORKS",
    "OVERRIDES",
    "PORT",
    "SIZE",
    "TEXT",
    "Kind",
    "Setting",
    "one_of",
]

_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d)")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZE = re.compile(r"([0-9]{1,12})(B|KB|MB|GB)")
_OCTETS = {"B": 1, "KB": 1000, "MB": 1000_000, "GB": 1000_000_000}


@dataclass(frozen=True, slots=True)
class Kind:
    """`expected` completes "expected ..." for a person; `parse` raises ValueError. `is_secret`: its error
    says what is wrong, and the value is shown to nobody."""

    name: str
    expected: str
    parse: Callable[[Any], Any]
    is_secret: bool = False


@dataclass(frozen=True, slots=True)
class Setting:
    """`name` is "part.field"; `default` as TOML would give it; `doc` one sentence for a person."""

    name: str
    kind: Kind
    default: Any
    doc: str


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(value)
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(value)
    return value


def _port(value: Any) -> int:
    if _count(value) > 65535:
        raise ValueError(value)
    return int(value)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _host(value: Any) -> str:
    return Domain.parse(_text(value)).ascii


def _level(value: Any) -> str:
    if value not in LEVELS:
        raise ValueError(value)
    return str(value)


def _duration(value: Any) -> int:
    found = _DURATION.fullmatch(_text(value))
    if found is None:
        raise ValueError(value)
    return int(found.group(1)) * _SECONDS[found.group(2)]


def _size(value: Any) -> int:
    found = _SIZE.fullmatch(_text(value))
    if found is None:
        raise ValueError(value)
    return int(found.group(1)) * _OCTETS[found.group(2)]


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ValueError(value)
    return value


def _addresses(value: Any) -> tuple[str, ...]:
    return tuple(str(ipaddress.ip_address(_text(one))) for one in _listed(value))


def _networks(value: Any) -> tuple[str, ...]:
    """All these lists say whom we believe, so none may be everybody."""
    found = [ipaddress.ip_network(_text(one)) for one in _listed(value)]
    if not all(network.prefixlen for network in found):
        raise ValueError("the whole Internet is no network to believe")
    return tuple(map(str, found))


def _endpoint(value: Any) -> tuple[str, int]:
    """ "192.0.2.1", "192.0.2.1:53", "2001:db8::1" or "[2001:db8::1]:53"."""
    text = _text(value)
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        port = port.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    else:
        host, port = text, ""
    return str(ipaddress.ip_address(host)), _port(int(port or "53"))


def _optional_endpoint(value: Any) -> tuple[str, int] | None:
    return _endpoint(value) if value != "" else None


def _endpoints(value: Any) -> tuple[tuple[str, int], ...]:
    return tuple(_endpoint(one) for one in _listed(value))


def _dns_lists(value: Any) -> tuple[DnsList, ...]:
    lists = tuple(parse_list(_text(one)) for one in _listed(value))
    if len({each.zone for each in lists}) != len(lists):
        raise ValueError("a list stands there twice")
    return lists


def _domains(value: Any) -> tuple[str, ...]:
    return tuple(_host(one) for one in _listed(value))


def _overrides(value: Any) -> tuple[Override, ...]:
    return tuple(parse_override(_text(one)) for one in _listed(value))


def _https_url(value: Any) -> str:
    text = _text(value)
    if text:
        parts = urlsplit(text)
        if parts.scheme != "https" or not parts.hostname or not text.isascii() or not text.isprintable():
            raise ValueError(text)
        Domain.parse(parts.hostname)
    return text


def one_of(*words: str) -> Kind:
    """A word of a few."""

    def parse(value: Any) -> str:
        if value not in words:
            raise ValueError(value)
        return str(value)

    return Kind("word", "one of " + ", ".join(f'"{word}"' for word in words), parse)


BOOLEAN = Kind("boolean", "true or false", _boolean)
COUNT = Kind("count", "a whole number", _count)
PORT = Kind("port", "a port number", _port)
TEXT = Kind("text", "a text in quotes", _text)
HOST = Kind("host name", 'a host name such as "mail.example.org"', _host)
HTTPS_URL = Kind("URL", 'a URL such as "https://www.example.org/help", or ""', _https_url)
LEVEL = Kind("level", "one of " + ", ".join(f'"{level}"' for level in LEVELS), _level)
DURATION = Kind("duration", 'a duration such as "90s", "5m", "8h" or "5d"', _duration)
SIZE = Kind("size", 'a size such as "50MB"', _size)
ADDRESSES = Kind("addresses", 'a list of IP addresses such as ["192.0.2.1"]', _addresses)
NETWORKS = Kind("networks", 'a list of networks such as ["192.0.2.0/24"]', _networks)
ENDPOINT = Kind("endpoint", 'a server such as "192.0.2.1:53", or ""', _optional_endpoint)
ENDPOINTS = Kind("endpoints", 'a list of servers such as ["127.0.0.1:53"]', _endpoints)
DOMAINS = Kind("domains", 'a list of domains such as ["lists.example.org"]', _domains)
OVERRIDES = Kind(
    "overrides",
    'a list such as ["partner.example/crm.example=accept", "boss@example.org=refuse", "old.example=junk"]',
    _overrides,
)
DNS_LISTS = Kind(
    "DNS lists",
    'a list of zones with their weights such as ["bl.example.org=3", "wl.example.org/127.0.0.2-4=-2"]',
    _dns_lists,
)
