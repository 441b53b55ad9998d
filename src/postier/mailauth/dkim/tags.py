"""Tag lists, `name=value; name=value`, the syntax of signatures and key records (RFC 6376 3.2)."""

from __future__ import annotations

import base64
import binascii
import re

__all__ = ["TagError", "decode_base64", "parse_tag_list", "split_colon_list"]

MAX_TAG_LIST = 16_384
"""Octets: what an h= may make us look for is bounded by it."""

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_VALUE = re.compile(r"[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*")
_FWS = " \t\r\n"
_WITHOUT_FWS = {ord(c): None for c in _FWS}


class TagError(ValueError):
    """Not the syntax, or not the meaning: permerror. The text says why and holds nothing of the input."""


def parse_tag_list(text: bytes) -> dict[str, str]:
    """The tags in their order, values without the space around them. Raises TagError.

    A tag that stands twice makes the whole list invalid (RFC 6376 3.2), and so does too much of it.
    """
    if len(text) > MAX_TAG_LIST:
        raise TagError("the tag list is too long")
    try:
        specs = text.decode().split(";")
    except UnicodeDecodeError:
        raise TagError("the tag list is not UTF-8") from None
    if not specs[-1].strip(_FWS):
        specs.pop()
    tags: dict[str, str] = {}
    for spec in specs:
        name, equals, value = spec.partition("=")
        name, value = name.strip(_FWS), value.strip(_FWS)
        if not equals or not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
            raise TagError("the tag list is malformed")
        if name in tags:
            raise TagError(f"tag {name}= stands twice")
        tags[name] = value
    return tags


def split_colon_list(value: str) -> tuple[str, ...]:
    """`a : b:c` as ("a", "b", "c")."""
    return tuple([item.strip(_FWS) for item in value.split(":")])


def decode_base64(value: str) -> bytes:
    """Base64 with white space anywhere in it (RFC 6376 3.2, base64string). Raises TagError."""
    try:
        return base64.b64decode(value.translate(_WITHOUT_FWS).encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        raise TagError("malformed base64") from None
