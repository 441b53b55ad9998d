"""HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header section (RFC 3501 6.4.5)."""

from __future__ import annotations

import functools
import re

from postier.imap.wire.values import BodySection

__all__ = ["chosen_fields"]

FEW = 500
"""Octets of names that are worth a pattern of their own."""


def chosen_fields(header: bytes, section: BodySection) -> bytes:
    """Whole fields, byte for byte and in the order they stand in, then the empty line if `header` has one.
    HEADER.FIELDS.NOT is all there is without the fields named: lines that are no field stay."""
    fields = _EMPTY_LINE.sub(b"", header)
    if sum(map(len, section.fields)) > FEW:
        kept = _chosen_one_by_one(fields, section)
    elif section.specifier == "HEADER.FIELDS":
        kept = b"".join(_pattern(section.fields).findall(fields))
    else:
        kept = _pattern(section.fields).sub(b"", fields)
    return kept + b"\r\n" if len(fields) < len(header) else kept


def _chosen_one_by_one(fields: bytes, section: BodySection) -> bytes:
    """The same for any number of names, in time that does not grow with them, and with nothing to keep."""
    names = {name.lower() for name in section.fields}
    if section.specifier == "HEADER.FIELDS":
        return b"".join(field[0] for field in _FIELD.finditer(fields) if field[1].lower() in names)
    return _FIELD.sub(lambda field: b"" if field[1].lower() in names else field[0], fields)


_NAME = re.compile(rb"[!-9;-~]++")
"""What a field can be called (RFC 5322 2.2); of any other name there is none."""
_FIELD = re.compile(rb"^([!-9;-~]++)[ \t]*+:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z))*+", re.MULTILINE)
"""Any field: its name, and the lines that continue it."""
_EMPTY_LINE = re.compile(rb"^\r?\n\Z", re.MULTILINE)


@functools.lru_cache(maxsize=256)
def _pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Fields with one of these names: their first line and those that continue it."""
    any_name = b"|".join(re.escape(name) for name in names if _NAME.fullmatch(name)) or rb"(?!)"
    return re.compile(
        rb"^(?:" + any_name + rb")[ \t]*:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z))*+",
        re.IGNORECASE | re.MULTILINE,
    )
