"""Header sections (RFC 5322 2.2, obsolete forms of 4.5 included), read as bytes with their offsets.

A field starts at a line that does not start with white space and has a name before its colon; lines that
follow and start with white space belong to it. Lines that are neither are passed over. Lines may end in
CRLF or LF.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["FIELDS_PARSED", "FIELD_KEPT", "HEADER_KEPT", "Field", "HeaderFields", "split_message", "unfold"]

HEADER_KEPT = 1 << 20
FIELD_KEPT = 100 * 1024
FIELDS_PARSED = 1000

_FIELD = re.compile(rb"^([!-9;-~\x80-\xff]++)[ \t]*+:([^\n]*+(?:\n[ \t][^\n]*+)*+)\n?", re.MULTILINE)


class Field(NamedTuple):
    """One header field.

    `name` as written; `value` is what stands after the colon, still folded, without the last line's end, at
    most FIELD_KEPT bytes; `start` and `end` are offsets in the section, the line's end included.
    """

    name: bytes
    value: bytes
    start: int
    end: int


class HeaderFields:
    """The fields of one header section, in order. At most FIELDS_PARSED of them, from HEADER_KEPT bytes.

    Names are given in lower case to `first` and `all` and match whatever case the message has.
    """

    __slots__ = ("_by_name", "_matches")

    def __init__(self, section: bytes) -> None:
        by_name: dict[bytes, list[re.Match[bytes]]] = {}
        matches: list[re.Match[bytes]] = []
        if len(section) > HEADER_KEPT:
            section = section[:HEADER_KEPT]
        for match in _FIELD.finditer(section):
            name = match[1].lower()
            if name in by_name:
                by_name[name].append(match)
            else:
                by_name[name] = [match]
            matches.append(match)
            if len(matches) == FIELDS_PARSED:
                break
        self._by_name = by_name
        self._matches = matches

    def __iter__(self) -> Iterator[Field]:
        for match in self._matches:
            yield Field(match[1], _value(match), match.start(), match.end())

    def __len__(self) -> int:
        return len(self._matches)

    def __contains__(self, name: bytes) -> bool:
        return name in self._by_name

    def count(self, name: bytes) -> int:
        """How many fields are called `name`."""
        return len(self._by_name.get(name, ()))

    def first(self, name: bytes) -> bytes | None:
        """The raw value of the first field called `name`, or None."""
        found = self._by_name.get(name)
        return None if found is None else _value(found[0])

    def all(self, name: bytes) -> list[bytes]:
        """The raw values of every field called `name`, from the top."""
        return [_value(match) for match in self._by_name.get(name, ())]

    def text(self, name: bytes) -> bytes | None:
        """The first value, unfolded, without white space around it; None where there is no such field."""
        found = self._by_name.get(name)
        return None if found is None else unfold(_value(found[0])).strip(b" \t")


def _value(match: re.Match[bytes]) -> bytes:
    value = match[2]
    if value.endswith(b"\r"):
        value = value[:-1]
    return value if len(value) <= FIELD_KEPT else value[:FIELD_KEPT]


def unfold(value: bytes) -> bytes:
    """Without its line breaks (RFC 5322 2.2.3); a bare CR becomes a space."""
    if b"\n" in value:
        value = value.replace(b"\r\n", b"").replace(b"\n", b"")
    return value.replace(b"\r", b" ") if b"\r" in value else value


def split_message(data: bytes) -> tuple[int, int]:
    """(header_end, body_start): the header section is data[:header_end], each of its lines with its end;
    the empty line lies between the two. Both are len(data) where there is no empty line.
    """
    if data.startswith(b"\r\n"):
        return 0, 2
    if data.startswith(b"\n"):
        return 0, 1
    crlf = data.find(b"\n\r\n")
    lf = data.find(b"\n\n", 0, crlf + 1 if crlf >= 0 else len(data))
    if lf >= 0:
        return lf + 1, lf + 2
    if crlf >= 0:
        return crlf + 1, crlf + 3
    return len(data), len(data)
