"""XCLIENT (Postfix's XCLIENT_README): a proxy in front says whom it speaks for."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

from postier.base.cursor import ParseError
from postier.smtp.wire.events import XClient
from postier.smtp.wire.params import decode_xtext

__all__ = ["XCLIENT_ATTRIBUTES", "parse_xclient"]

_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_NAME = re.compile(r"[A-Za-z0-9._:\[\]-]{1,255}")
_UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")


def _name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError
    return text


def _address(text: str) -> str:
    if text[:5].upper() != "IPV6:":
        return str(IPv4Address(text))
    address = IPv6Address(text[5:])
    return str(address.ipv4_mapped or address)


def _port(text: str) -> str:
    if not (text.isascii() and text.isdigit()) or len(text) > 5 or int(text) > 65535:
        raise ValueError
    return text


def _protocol(text: str) -> str:
    if text.upper() not in ("SMTP", "ESMTP"):
        raise ValueError
    return text.upper()


def _login(text: str) -> str:
    return text


_PARSERS: dict[str, Callable[[str], str]] = {
    "NAME": _name,
    "ADDR": _address,
    "PORT": _port,
    "PROTO": _protocol,
    "HELO": _name,
    "DESTADDR": _address,
    "DESTPORT": _port,
    "LOGIN": _login,
}

XCLIENT_ATTRIBUTES = tuple(name for name in _PARSERS if name != "LOGIN")
"""What is offered. LOGIN is taken as well, since nginx sends it unasked, but nobody is logged in by it."""


def parse_xclient(argument: bytes) -> XClient:
    """1*( SP attribute-name "=" attribute-value ), each once, its value an xtext. Raises ParseError."""
    found: dict[str, str] = {}
    for word in argument.strip(b" ").split(b" "):
        raw_name, _, value = word.partition(b"=")
        name = raw_name.decode("ascii", "replace").upper()
        if name not in _PARSERS or name in found or not _XTEXT.fullmatch(value):
            raise ParseError(0, "attributes, each once")
        text = decode_xtext(value.decode())
        try:
            found[name] = "" if text.upper() in _UNKNOWN else _PARSERS[name](text)
        except ValueError:
            raise ParseError(0, f"a value of {name}") from None
    return XClient(found)
