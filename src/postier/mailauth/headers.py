"""The header section as sender authentication sees it: fields byte for byte, in order (RFC 5322 2.2)."""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["Field", "split_fields"]

_FIELD_END = re.compile(rb"\r\n(?![ \t])")


class Field(NamedTuple):
    """One field. `name` in lower case without surrounding space; `raw` with its name, without the final CRLF.

    A line without a colon, which is no field, has an empty name. `start` and `end` are its place in the
    section, the final CRLF included.
    """

    name: bytes
    raw: bytes
    start: int
    end: int

    @property
    def value(self) -> bytes:
        """All after the colon, folding included."""
        return self.raw.partition(b":")[2]


def split_fields(header_section: bytes) -> list[Field]:
    """The fields up to the empty line or the end; the empty line itself may be missing. Linear."""
    fields: list[Field] = []
    start, length = 0, len(header_section)
    while start < length and not header_section.startswith(b"\r\n", start):
        found = _FIELD_END.search(header_section, start)
        stop, end = (found.start(), found.end()) if found else (length, length)
        raw = header_section[start:stop]
        name, colon, _ = raw.partition(b":")
        fields.append(Field(name.strip(b" \t").lower() if colon else b"", raw, start, end))
        start = end
    return fields
