"""The pieces that responses are made of.

Whatever a person or a message made goes through one of these: none of them lets a CR, LF or NUL through
outside a literal, so nothing stored can forge a response. (`string` and `nstring` are message.imap_string's.)
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from functools import lru_cache

from postier.imap.wire import utf7
from postier.message.imap_string import nstring, string

__all__ = [
    "RECENT",
    "SYSTEM_FLAG_NAMES",
    "FlagTexts",
    "astring",
    "flag_list",
    "flag_name",
    "internal_date",
    "literal",
    "literal_header",
    "mailbox_name",
    "nstring",
    "string",
    "text",
]

SYSTEM_FLAG_NAMES = (b"\\Seen", b"\\Answered", b"\\Flagged", b"\\Deleted", b"\\Draft")
"""By bit, lowest first; keyword i of a mailbox is bit 5 + i."""

RECENT = 1 << 63
"""The bit that stands for \\Recent in a FlagTexts key: no stored flag is that high."""

_ATOM = re.compile(rb"[!#$&'+,./0-9:;<=>?@A-Z\[\]^_`a-z|}~-]++")
_NOT_TEXT = re.compile(r"[^\x20-\x7a\x7c-\x7e]")  # no "{": some clients see a literal anywhere
_NOT_ATOM = re.compile(rb"[^!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]")


def text(value: str) -> bytes:
    """resp-text for people: printable ASCII, anything else as "?"; never empty and never taken for a
    response code or a literal."""
    plain = _NOT_TEXT.sub("?", value) or "Done"
    return (" " + plain if plain.startswith("[") else plain).encode()


def astring(value: str | bytes) -> bytes:
    """As an atom where that is possible, else as a string."""
    octets = value.encode() if isinstance(value, str) else value
    return octets if _ATOM.fullmatch(octets) and octets.upper() != b"NIL" else string(octets)


def literal(octets: bytes) -> bytes:
    """Octets of a message. RFC 3501 4.3 has no NUL in literals, so NUL becomes 0x80, which keeps the size."""
    return b"{%d}\r\n%b" % (len(octets), octets.replace(b"\0", b"\x80"))


def literal_header(size: int, *, binary: bool = False) -> bytes:
    """The announcement of `size` octets that are then written piece by piece; `binary`: a literal8, which
    may hold NUL (RFC 3516 7)."""
    return b"~{%d}\r\n" % size if binary else b"{%d}\r\n" % size


@lru_cache(maxsize=4096)
def mailbox_name(name: str, utf8: bool = False) -> bytes:
    """`name` in modified UTF-7, or in UTF-8 for a client with UTF8=ACCEPT (RFC 9755), quoted unless it is
    INBOX. Control characters, which no valid name has, become spaces in UTF-8."""
    if name == "INBOX":
        return b"INBOX"
    octets = name.encode("utf-8", "replace") if utf8 else _utf7(name)
    escaped = octets.replace(b"\\", b"\\\\").replace(b'"', b'\\"')
    return b'"' + escaped.translate(_NO_CONTROLS) + b'"'


_NO_CONTROLS = bytes.maketrans(bytes(range(32)) + b"\x7f", b" " * 33)


def _utf7(name: str) -> bytes:
    try:
        return utf7.encode(name)
    except UnicodeEncodeError:  # a lone surrogate: no client can have made such a name
        return utf7.encode(name.encode("utf-8", "replace").decode())


# ---------------------------------------------------------------------- flags


def flag_name(name: str) -> bytes:
    """A flag or keyword as an atom (with its backslash); characters no atom has become "_"."""
    octets = name.encode("ascii", "replace")
    if octets.startswith(b"\\"):
        return octets if octets == b"\\*" else b"\\" + _NOT_ATOM.sub(b"_", octets[1:])
    return _NOT_ATOM.sub(b"_", octets)


def flag_list(names: Iterable[str]) -> bytes:
    """`(\\Seen $Forwarded)`"""
    return b"(" + b" ".join(map(flag_name, names)) + b")"


class FlagTexts(dict[int, bytes]):
    """Flag lists of one mailbox by the flags' integer: `texts[flags | RECENT]` is `(\\Seen \\Recent)`.

    `keywords[i]` names bit 5 + i. Make a new one when the mailbox has a new keyword. Holds the combinations
    that were asked for, at most `LIMIT`, of `OCTETS` together.
    """

    LIMIT = 4096
    OCTETS = 256 * 1024

    __slots__ = ("_held", "_names")

    def __init__(self, keywords: Sequence[str]) -> None:
        super().__init__()
        self._names = (*SYSTEM_FLAG_NAMES, *map(flag_name, keywords))
        self._held = 0

    def __missing__(self, flags: int) -> bytes:
        names = [name for bit, name in enumerate(self._names) if flags >> bit & 1]
        if flags & RECENT:
            names.append(b"\\Recent")
        found = b"(" + b" ".join(names) + b")"
        if len(self) >= self.LIMIT or self._held + len(found) > self.OCTETS:
            self.clear()
            self._held = 0
        self._held += len(found)
        self[flags] = found
        return found


# ---------------------------------------------------------------------- dates

_MONTHS = (b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec")
_MINUTES = tuple(b"%02d:%02d:" % divmod(minute, 60) for minute in range(24 * 60))
_SECONDS = tuple(b'%02d +0000"' % second for second in range(60))
_FIRST_DAY, _LAST_DAY = date.min.toordinal(), date.max.toordinal()
_EPOCH_DAY = date(1970, 1, 1).toordinal()


class _Days(dict[int, bytes]):
    """`"17-Jul-1996 ` by the days since 1970-01-01, as they are asked for; at most LIMIT of them are kept."""

    LIMIT = 8192

    __slots__ = ()

    def __missing__(self, day: int) -> bytes:
        at = date.fromordinal(min(max(_EPOCH_DAY + day, _FIRST_DAY), _LAST_DAY))
        if len(self) >= self.LIMIT:
            self.clear()
        found = self[day] = b'"%2d-%b-%04d ' % (at.day, _MONTHS[at.month - 1], at.year)
        return found


_DAYS = _Days()


def internal_date(epoch: int) -> bytes:
    """Seconds since 1970 as `"17-Jul-1996 09:44:25 +0000"`, quoted; clamped to the years 1 to 9999."""
    return _DAYS[epoch // 86400] + _MINUTES[epoch % 86400 // 60] + _SECONDS[epoch % 60]
