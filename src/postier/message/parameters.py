"""Content-Type and Content-Disposition: a value and its parameters (RFC 2045 5.1, RFC 2183, RFC 2231)."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from postier.message import charsets
from postier.message.encoded_words import decode_text
from postier.message.headers import unfold

__all__ = ["PARAMETERS_PARSED", "Parameterised", "parse_parameterised", "strip_comments"]

PARAMETERS_PARSED = 128

_SHORT = 80

_VALUE = re.compile(rb"[ \t]*+([^\x00-\x20;\"]*+)")
_PARAMETER = re.compile(
    rb";[ \t]*+([^\x00-\x20;=\"]++)[ \t]*+=[ \t]*+(?:\"((?:[^\"\\]++|\\.)*+)\"?|([^;]*+))", re.DOTALL
)
_SEMICOLON_MISSING = re.compile(rb"(?<![ \t])[ \t]++[A-Za-z-]++=")
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_SECTION = re.compile(rb"([^*]++)(?:\*(\d{1,3}))?(\*)?")
_EXTENDED = re.compile(rb"([^']*+)'[^']*+'")
_COMMENT_OR_QUOTED = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[()]|\\.', re.DOTALL)


class Parameterised(NamedTuple):
    """`value` in lower case (`text/plain`, `attachment`; b"" where there is none).

    `parameters` are decoded, by lower-case name. `wire` has them as IMAP shows them: octets, continuations of
    RFC 2231 joined; where they are extended the name ends in "*" and the octets keep their percent encoding.
    """

    value: bytes
    parameters: Mapping[str, str]
    wire: tuple[tuple[bytes, bytes], ...]


def parse_parameterised(raw: bytes) -> Parameterised:
    """Any octets. Of two parameters of one name the first counts; at most PARAMETERS_PARSED are looked at."""
    return _parse_short(raw) if len(raw) <= _SHORT else _parse(raw)


def _parse(raw: bytes) -> Parameterised:
    raw = unfold(raw)
    if b"(" in raw:
        raw = strip_comments(raw)
    head = _VALUE.match(raw)
    assert head is not None, "the pattern matches the empty string"
    found: dict[bytes, bytes] = {}
    for match in _PARAMETER.finditer(raw, head.end()):
        name = match[1].lower()
        if name not in found:
            found[name] = _parameter_value(match)
            if len(found) == PARAMETERS_PARSED:
                break
    value = head[1].lower()
    if not found:
        return Parameterised(value, {}, ())
    if any(b"*" in name for name in found):
        found = _join_sections(found)
    return Parameterised(value, _decode(found), tuple(found.items()))


_parse_short = functools.lru_cache(maxsize=256)(_parse)  # most mail repeats a few values


def _parameter_value(match: re.Match[bytes]) -> bytes:
    quoted = match[2]
    if quoted is None:
        value = match[3].strip(b" \t")
        return _SEMICOLON_MISSING.split(value, 1)[0] if b"=" in value else value
    return _QUOTED_PAIR.sub(rb"\1", quoted) if b"\\" in quoted else quoted


def _join_sections(found: dict[bytes, bytes]) -> dict[bytes, bytes]:
    """Continuations put together in the order of their numbers (RFC 2231 3 and 4.1). A plain parameter of the
    same name gives way: it is there for readers that know no RFC 2231."""
    sections: dict[bytes, list[tuple[int, bool, bytes]]] = {}
    for name, value in found.items():
        match = _SECTION.fullmatch(name)
        if match is not None and b"*" in name:
            number = int(match[2]) if match[2] else 0
            sections.setdefault(match[1], []).append((number, match[3] is not None, value))
    joined: dict[bytes, bytes] = {}
    for name, value in found.items():
        base = name.partition(b"*")[0]
        if base not in sections:
            joined[name] = value
        elif base not in joined and base + b"*" not in joined:
            wire_name, octets = _join(base, sorted(sections[base], key=lambda section: section[0]))
            joined[wire_name] = octets
    return joined


def _join(base: bytes, sections: list[tuple[int, bool, bytes]]) -> tuple[bytes, bytes]:
    if not any(extended for _, extended, _ in sections):
        return base, b"".join(value for _, _, value in sections)
    octets = b"".join(value if extended else _percent(value) for _, extended, value in sections)
    return base + b"*", octets


def _percent(value: bytes) -> bytes:
    """A section that is not extended, between ones that are: its own percent signs are meant as they
    stand."""
    return value.replace(b"%", b"%25")


def _decode(found: dict[bytes, bytes]) -> dict[str, str]:
    decoded: dict[str, str] = {}
    for name, octets in found.items():
        text = name.decode("latin-1")
        if text.endswith("*"):
            decoded[text[:-1]] = _decode_extended(octets)
        elif b"=?" in octets:  # not allowed (RFC 2047 5), and everywhere
            decoded[text] = decode_text(octets)
        else:
            decoded[text] = charsets.decode_unknown(octets)
    return decoded


def _decode_extended(octets: bytes) -> str:
    prefix = _EXTENDED.match(octets)
    if prefix is None:
        return charsets.decode_unknown(unquote_to_bytes(octets))
    charset = prefix[1].decode("latin-1") or "us-ascii"
    return charsets.decode(unquote_to_bytes(octets[prefix.end() :]), charset)


def strip_comments(raw: bytes) -> bytes:
    """Without its comments (RFC 5322 3.2.2), each replaced by a space; quoted strings are left alone.

    Nested comments are counted, and one that is never closed reaches to the end.
    """
    kept: list[bytes] = []
    depth = done = 0
    for match in _COMMENT_OR_QUOTED.finditer(raw):
        token = match[0]
        if token == b"(":
            if depth == 0:
                kept.append(raw[done : match.start()])
            depth += 1
        elif token == b")" and depth:
            depth -= 1
            if depth == 0:
                kept.append(b" ")
                done = match.end()
    if depth == 0:
        kept.append(raw[done:])
    return b"".join(kept)
