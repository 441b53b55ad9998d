"""The text of a message for search and preview: decoded, without HTML's markup."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator

from postier.message import charsets
from postier.message.encoded_words import decode_text
from postier.message.headers import HeaderFields
from postier.message.mime_header import MimeHeader
from postier.message.parts import Part
from postier.message.structure import Kind
from postier.message.transfer import decode_transfer

__all__ = ["header_text", "html_text", "iter_text", "part_text", "preview"]

PREVIEW = 200  # characters; RFC 8970 3.2 wants at most 256
_PLAIN_START = 4096  # bytes of a plain text that are looked at
_ENOUGH = 600  # characters, before white space is folded
_TAG = re.compile(r"<[^<>]*+>?")
_SKIPPED = re.compile(r"<(script|style|head|title)(?![a-z0-9])|<!--", re.IGNORECASE)
_END = {
    "<!--": re.compile("-->"),
    **{
        name: re.compile(f"</{name}[^<>]*+>?", re.IGNORECASE) for name in ("script", "style", "head", "title")
    },
}
_LONG_REFERENCE = re.compile(r"&#(?:\d{8,}|[xX][0-9a-fA-F]{8,});?")
_NOT_SHOWN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u00ad\u034f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+")
_QUOTED_LINE = re.compile(r"^>.*$", re.MULTILINE)


def iter_text(data: bytes, parts: Iterable[Part]) -> Iterator[str]:
    """The text of every text/* part of the message `data`, and the header fields of messages inside it,
    decoded.

    What SEARCH BODY looks through; SEARCH TEXT adds `header_text` of the message's own header section.
    """
    kinds: list[int] = []
    for part in parts:
        kinds.append(part.kind)
        if part.parent >= 0 and kinds[part.parent] == Kind.MESSAGE:
            yield header_text(data[part.header_start : part.body_start])
        if part.kind == Kind.LEAF and part.content_type.startswith("text/"):
            yield part_text(data[part.body_start : part.end], part.content_type, part.encoding, part.charset)


def header_text(section: bytes) -> str:
    """Every field of a header section as `Name: decoded value`, a line each."""
    return "\n".join(
        f"{field.name.decode('latin-1')}: {decode_text(field.value)}" for field in HeaderFields(section)
    )


def part_text(body: bytes, content_type: str, encoding: str, charset: str) -> str:
    """One text part's content; NUL is shown as U+FFFD."""
    text = charsets.decode(decode_transfer(body, encoding), charset)
    if content_type == "text/html":
        text = html_text(text)
    return text.replace("\0", "\ufffd") if "\0" in text else text


def html_text(markup: str) -> str:
    """What a reader sees of `markup`, roughly: tags become spaces, comments, scripts, styles and heads
    vanish."""
    kept: list[str] = []
    position = 0
    unclosed: set[str] = set()
    while (found := _SKIPPED.search(markup, position)) is not None:
        name = (found[1] or found[0]).lower()
        end = None if name in unclosed else _END[name].search(markup, found.end())
        if end is None:  # never closed: it counts as any other tag
            unclosed.add(name)
            kept.append(markup[position : found.end()])
            position = found.end()
        else:
            kept.append(markup[position : found.start()])
            position = end.end()
    kept.append(markup[position:])
    text = _TAG.sub(" ", "".join(kept))
    return html.unescape(_LONG_REFERENCE.sub("\ufffd", text)) if "&" in text else text


def preview(samples: Iterable[tuple[MimeHeader, bytes]]) -> str:
    """The first PREVIEW characters of the first sample that has any text, white space folded, controls left
    out.

    A sample is a text part's header and the first bytes of its body, still encoded. Quoted lines of plain
    text are passed over where something else is there.
    """
    for header, body in samples:
        content_type = header.content_type.value.decode("latin-1")
        charset = header.content_type.parameters.get("charset", "")
        encoding = header.encoding.decode("latin-1")
        start = body if content_type == "text/html" else body[:_PLAIN_START]
        text = part_text(start, content_type, encoding, charset)
        folded = _fold(text) if content_type == "text/html" else _fold(_own_words(text)) or _fold(text)
        if folded:
            return folded
    return ""


def _own_words(text: str) -> str:
    return _QUOTED_LINE.sub("", text) if text.startswith(">") or "\n>" in text else text


def _fold(text: str) -> str:
    """Enough of `text` to fill a preview, unless it begins with a desert of white space."""
    folded = " ".join(text.lstrip()[:_ENOUGH].split())
    if not folded.isprintable():
        folded = _NOT_SHOWN.sub(" ", folded).strip()
    return folded[:PREVIEW].rstrip()
