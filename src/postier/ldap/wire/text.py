"""Texts of LDAP that hold what strangers typed: values in filters (RFC 4515) and in names (RFC 4514).

What goes through `filter_value` or `dn_value` is data wherever it is put: no character of it means anything
to the server.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

__all__ = ["LDAPS_PORT", "LDAP_PORT", "Server", "dn_key", "dn_value", "fill", "filter_value", "parse_server"]

LDAP_PORT = 389
LDAPS_PORT = 636
_SPECIAL_IN_FILTERS = re.compile(rb"[\x00()*\\\x80-\xff]")
_SPECIAL_IN_NAMES = frozenset('"+,;<>\\=#')
_HEX = re.compile(r"\\([0-9A-Fa-f]{2})")
_PLACE = re.compile(r"\{([a-z]+)\}")


class Server(NamedTuple):
    """`host`: a name or an address, without brackets. `implicit_tls`: TLS before anything is said."""

    host: str
    port: int
    implicit_tls: bool

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'ldaps' if self.implicit_tls else 'ldap'}://{host}:{self.port}"


def parse_server(url: str) -> Server:
    """ "ldaps://host", "ldap://host:port", "ldap://[::1]:port" (RFC 4516, without anything behind the port).

    Raises ValueError, whose text is for a person.
    """
    found = re.fullmatch(r"(ldaps?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::([0-9]{1,5}))?/?", url)
    if found is None:
        raise ValueError(f"{url!r} is no server: expected ldaps://HOST or ldap://HOST:PORT")
    implicit = found[1] == "ldaps"
    port = int(found[3]) if found[3] else (LDAPS_PORT if implicit else LDAP_PORT)
    if not 0 < port < 65536:
        raise ValueError(f"{port} is no port")
    return Server(found[2].strip("[]").lower(), port, implicit)


def filter_value(text: str | bytes) -> str:
    """The text as an assertion value (RFC 4515 3): "*", "(", ")", "\\", NUL, and all beyond ASCII escaped."""
    octets = text if isinstance(text, bytes) else text.encode(errors="surrogateescape")
    return _SPECIAL_IN_FILTERS.sub(lambda found: b"\\%02x" % found[0][0], octets).decode("ascii")


def dn_value(text: str) -> str:
    """The text as the value of an attribute in a name (RFC 4514 2.4)."""
    escaped = "".join(_escaped_in_name(character) for character in text)
    if escaped.startswith(" "):
        escaped = "\\20" + escaped[1:]
    if len(escaped) > 1 and escaped.endswith(" "):
        escaped = escaped[:-1] + "\\20"
    return escaped


def _escaped_in_name(character: str) -> str:
    if character in _SPECIAL_IN_NAMES:
        return "\\" + character
    return f"\\{ord(character):02x}" if character < " " or character == "\x7f" else character


def fill(template: str, values: Mapping[str, str]) -> str:
    """The template with each {name} replaced, once: what is put in is not looked at again. The values must be
    escaped for where they go. Raises ValueError for a name that is not among them."""

    def value(found: re.Match[str]) -> str:
        if found[1] not in values:
            raise ValueError(f"{{{found[1]}}} means nothing here; known are {', '.join(sorted(values))}")
        return values[found[1]]

    return _PLACE.sub(value, template)


def dn_key(dn: str) -> str:
    """Equal for the ways in which servers write the same name: without case, without spaces around the parts,
    with the escapes of one character alike. A key to find names by, and not a name."""
    parts, part, place, end = [], "", 0, len(dn)
    while place < end:
        character = dn[place]
        if character == "\\" and place + 1 < end:
            octets = bytearray()
            while found := _HEX.match(dn, place):
                octets.append(int(found[1], 16))
                place = found.end()
            if octets:
                part += "".join("\\" + one for one in octets.decode(errors="replace"))
            else:
                part += dn[place : place + 2]
                place += 2
            continue
        if character in ",+=;":
            parts += [part.strip(" "), "," if character == ";" else character]
            part = ""
        else:
            part += character
        place += 1
    return "".join((*parts, part.strip(" "))).casefold()
