"""HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header section (RFC 3501 6.4.5)."""

from __future__ import annotations

import functools
import re

from postier.imap.wire.values import BodySection

__all__ = ["chosen_fields"]


def chosen_fields(header: bytes, section: BodySection) -> bytes:
    """Whole fields, byte for byte and in the order they stand in, then the empty line if `header` has one.
    HEADER.FIELDS.NOT is all there is without the fields named: lines that are no field stay."""
    pattern = _pattern(section.fields)
    fields = _EMPTY_LINE.sub(b"", header)
    if section.specifier == "HEADER.FIELDS":
        kept = b"".join(pattern.findall(fields))
    else:
        kept = pattern.sub(b"", fields)
    return kept + b"\r\n" if len(fields) < len(header) else kept


_EMPTY_LINE = re.compile(rb"^\r?\n\Z", re.MULTILINE)


@functools.lru_cache(maxsize=256)
def _pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Fields with one of these names: their first line and those that continue it."""
    any_name = b"|".join(re.escape(name) for name in names)
    return re.compile(
        rb"^(?:" + any_name + rb")[ \t]*:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z))*+",
        re.IGNORECASE | re.MULTILINE,
    )
