"""The text of a message's parts for its preview: decoded, without HTML's markup."""

from __future__ import annotations

import re
from collections.abc import Iterable

from postier.message import charsets
from postier.message.html import html_text
from postier.message.mime_header import MimeHeader
from postier.message.transfer import decode_transfer

__all__ = ["part_text", "preview"]

PREVIEW = 200  # characters; RFC 8970 3.2 wants at most 256
_PLAIN_START = 4096  # bytes of a plain text that are looked at
_ENOUGH = 600  # characters, before white space is folded
_NOT_SHOWN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_QUOTED_LINE = re.compile(r"^>.*$", re.MULTILINE)
_INTRODUCTION = re.compile(
    r"^[^\n>][^\n]{0,200}:[ \t]*+\n(?=\n?>)", re.MULTILINE
)  # "Bob wrote:" before a quote
_SIGNATURE = "\n-- \n"
_ENCRYPTED = "-----BEGIN PGP MESSAGE-----"
_SIGNED = "-----BEGIN PGP SIGNED MESSAGE-----\n"


def part_text(body: bytes, content_type: str, encoding: str, charset: str) -> str:
    """One text part's content; NUL is shown as U+FFFD."""
    text = charsets.decode(decode_transfer(body, encoding), charset)
    if content_type == "text/html":
        text = html_text(text)
    return text.replace("\0", "\ufffd") if "\0" in text else text


def preview(samples: Iterable[tuple[MimeHeader, bytes]]) -> str:
    """The first PREVIEW characters of the first sample that has any text, white space folded, controls left
    out.

    A sample is a text part's header and the first bytes of its body, still encoded. Attached texts come last.
    Quoted lines of plain text and its signature are passed over where something else is there.
    """
    for header, body in sorted(samples, key=_is_attached):
        content_type = header.content_type.value.decode("latin-1")
        charset = header.content_type.parameters.get("charset", "")
        encoding = header.encoding.decode("latin-1")
        start = body if content_type == "text/html" else body[:_PLAIN_START]
        text = part_text(start, content_type, encoding, charset)
        folded = _fold(text) if content_type == "text/html" else _plain(text)
        if folded:
            return folded
    return ""


def _is_attached(sample: tuple[MimeHeader, bytes]) -> bool:
    disposition = sample[0].disposition
    return disposition is not None and disposition.value.lower() == b"attachment"


def _plain(text: str) -> str:
    if text.lstrip().startswith(_ENCRYPTED):
        return ""
    return _fold(_own_words(text)) or _fold(text)


def _own_words(text: str) -> str:
    text = text.replace("\r\n", "\n")
    if text.lstrip().startswith(_SIGNED):
        _armour, _end, text = text.partition("\n\n")
        text = text.partition("\n-----BEGIN PGP SIGNATURE-----")[0]
    if text.startswith(">") or "\n>" in text:
        text = _QUOTED_LINE.sub("", _INTRODUCTION.sub("", text))
    return f"\n{text}".partition(_SIGNATURE)[0]


def _fold(text: str) -> str:
    """Enough of `text` to fill a preview, unless it begins with a desert of white space."""
    folded = " ".join(text.lstrip()[:_ENOUGH].split())
    if not folded.isprintable():
        folded = _NOT_SHOWN.sub(" ", folded).strip()
    return folded[:PREVIEW].rstrip()
