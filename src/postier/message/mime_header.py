"""The MIME fields of one part (RFC 2045 3 to 8, RFC 2183, RFC 3282, RFC 2557), read once."""

from __future__ import annotations

import re
from typing import NamedTuple

from postier.message.headers import HeaderFields
from postier.message.parameters import Parameterised, parse_parameterised, strip_comments

__all__ = ["PLAIN_TEXT", "MimeHeader", "parse_mime_header"]

PLAIN_TEXT = Parameterised(b"text/plain", {"charset": "us-ascii"}, ((b"charset", b"us-ascii"),))
EMBEDDED = Parameterised(b"message/rfc822", {}, ())
_TYPE = re.compile(rb"[^\x00-\x20/]++/[^\x00-\x20/]++")
_LANGUAGE = re.compile(rb"[A-Za-z0-9*-]+")
_LANGUAGES = 50


class MimeHeader(NamedTuple):
    """`content_type.value` is always type/subtype, or text/plain where the field is missing or broken
    (RFC 2045 5.2). `encoding` is in lower case, b"7bit" by default. The rest is unfolded text or None."""

    content_type: Parameterised
    encoding: bytes
    disposition: Parameterised | None
    content_id: bytes | None
    description: bytes | None
    md5: bytes | None
    languages: tuple[bytes, ...]
    location: bytes | None

    @property
    def file_name(self) -> str | None:
        """What the sender calls the part, decoded: disposition's filename, else the type's name."""
        named = self.disposition.parameters.get("filename") if self.disposition else None
        return named or self.content_type.parameters.get("name")


def parse_mime_header(fields: HeaderFields, default: Parameterised = PLAIN_TEXT) -> MimeHeader:
    """`default` is the type where no Content-Type field is (RFC 2046 5.1.5: message/rfc822 in a digest)."""
    encoding = fields.first(b"content-transfer-encoding")
    disposition = fields.first(b"content-disposition")
    language = fields.first(b"content-language")
    return MimeHeader(
        _content_type(fields.first(b"content-type"), default),
        b"7bit" if encoding is None else _token(encoding),
        None if disposition is None else _disposition(disposition),
        fields.text(b"content-id"),
        fields.text(b"content-description"),
        fields.text(b"content-md5"),
        () if language is None else tuple(_LANGUAGE.findall(strip_comments(language))[:_LANGUAGES]),
        fields.text(b"content-location"),
    )


def _content_type(raw: bytes | None, default: Parameterised) -> Parameterised:
    if raw is None:
        return default
    parsed = parse_parameterised(raw)
    if _TYPE.fullmatch(parsed.value):
        return parsed
    if parsed.value == b"text":  # RFC 1049 had no subtypes
        return parsed._replace(value=b"text/plain")
    return PLAIN_TEXT


def _disposition(raw: bytes) -> Parameterised | None:
    parsed = parse_parameterised(raw)
    return parsed if parsed.value else None


def _token(raw: bytes) -> bytes:
    """The first word, even before a stray semicolon; what has several words is no encoding."""
    words = (strip_comments(raw) if b"(" in raw else raw).partition(b";")[0].split()
    return words[0].lower() if len(words) == 1 else b"7bit"
