"""HEADER.FIELDS and HEADER.FIELDS.NOT: some fields of a header section (RFC 3501 6.4.5)."""

from __future__ import annotations

import functools
import re

from postier.imap.wire.values import BodySection
from postier.message.headers import HeaderFields

__all__ = ["chosen_fields"]


def chosen_fields(header: bytes, section: BodySection) -> bytes:
    """Whole fields, byte for byte and in the order they stand in, then the empty line."""
    if section.specifier == "HEADER.FIELDS":
        kept = _pattern(section.fields).findall(header)
    else:
        refused = {name.lower() for name in section.fields}
        kept = [
            header[field.start : field.end]
            for field in HeaderFields(header)
            if field.name.lower() not in refused
        ]
    if kept and not kept[-1].endswith(b"\n"):  # a header section that ends with the message
        kept.append(b"\r\n")
    return b"".join(kept) + b"\r\n"


@functools.lru_cache(maxsize=256)
def _pattern(names: tuple[bytes, ...]) -> re.Pattern[bytes]:
    """Fields with one of these names: their first line and those that continue it."""
    any_name = b"|".join(re.escape(name) for name in names)
    return re.compile(
        rb"^(?:" + any_name + rb")[ \t]*:[^\n]*+(?:\n|\Z)(?:[ \t][^\n]*+(?:\n|\Z))*+",
        re.IGNORECASE | re.MULTILINE,
    )
