"""Does this text stand in that message? (RFC 3501 6.4.4: substrings, whatever the case.)

Exact, but seldom slow: where a text is plain ASCII, as most are, its bytes are searched in place and nothing
is decoded.
"""

from __future__ import annotations

from postier.imap.session.slices import Content, Slice
from postier.message import charsets
from postier.message.encoded_words import decode_text
from postier.message.headers import HeaderFields
from postier.message.parts import Part
from postier.message.structure import Kind
from postier.message.text import header_text, html_text
from postier.message.transfer import TransferDecoder, decode_transfer

__all__ = ["Needle", "contains_in_body", "contains_in_header", "contains_in_text"]

_PLAIN_ENCODINGS = frozenset(("", "7bit", "8bit", "binary"))
_ASCII_CHARSETS = frozenset(("", "us-ascii", "ascii", "utf-8", "utf8"))
_ASCII_FAMILIES = ("iso-8859-", "windows-125", "koi8")
"""Charsets in which an octet below 128 is what it is in ASCII."""


class Needle:
    """What is looked for. `folded`: casefolded; `octets`: the same for ASCII haystacks, None if it can't
    stand in one."""

    __slots__ = ("folded", "octets")

    def __init__(self, text: str) -> None:
        self.folded = text.casefold()
        self.octets = self.folded.encode() if self.folded.isascii() else None

    def in_ascii(self, haystack: bytes) -> bool:
        """`haystack` is ASCII."""
        return self.octets is not None and self.octets in haystack.lower()

    def in_text(self, haystack: str) -> bool:
        return self.folded in haystack.casefold()


def contains_in_header(section: bytes, name: bytes, needle: Needle) -> bool:
    """True if a field called `name` (lower case) has the text; an empty needle asks for the field only."""
    if section.isascii() and b"=?" not in section and not needle.in_ascii(section.replace(b"\r\n", b"")):
        return False  # nowhere in the whole section
    return any(needle.in_text(decode_text(value)) for value in HeaderFields(section).all(name))


async def contains_in_body(slice_: Slice, uid: int, needle: Needle) -> bool:
    """The decoded text of its text parts, and the headers of messages inside it."""
    content = await slice_.content(uid)
    return content is not None and await _in_body(slice_, content, needle)


async def contains_in_text(slice_: Slice, uid: int, needle: Needle) -> bool:
    """The message's own header section as well."""
    content = await slice_.content(uid)
    if content is None:
        return False
    root = content.parts.parts[0]
    section = await slice_.read(content, root.header_start, root.body_start)
    if section.isascii() and b"=?" not in section:
        found = needle.in_ascii(section.replace(b"\r\n ", b" ").replace(b"\r\n\t", b"\t"))
    else:
        found = needle.in_text(header_text(section))
    return found or await _in_body(slice_, content, needle)


async def _in_body(slice_: Slice, content: Content, needle: Needle) -> bool:
    parts = content.parts.parts
    for part in parts:
        if part.parent >= 0 and parts[part.parent].kind == Kind.MESSAGE:
            inside = await slice_.read(content, part.header_start, part.body_start)
            if needle.in_text(header_text(inside)):
                return True
        if part.kind != Kind.LEAF or not part.content_type.startswith("text/"):
            continue
        if content.whole is not None:
            found = _in_octets(content.whole[part.body_start : part.end], part, needle)
        else:
            found = await _in_large_part(slice_, content, part, needle)
        if found:
            return True
    return False


def _in_octets(octets: bytes, part: Part, needle: Needle) -> bool:
    """The whole part, still encoded. Where no octet means anything but its ASCII self, nothing is decoded."""
    if part.encoding in _PLAIN_ENCODINGS and part.content_type != "text/html" and octets.isascii():
        charset = part.charset.lower()
        if charset in _ASCII_CHARSETS or charset.startswith(_ASCII_FAMILIES):
            return needle.in_ascii(octets)
    return needle.in_text(_decoded(decode_transfer(octets, part.encoding), part))


def _decoded(octets: bytes, part: Part) -> str:
    text = charsets.decode(octets, part.charset)
    return html_text(text) if part.content_type == "text/html" else text


async def _in_large_part(slice_: Slice, content: Content, part: Part, needle: Needle) -> bool:
    """Piece by piece, cut at ends of lines so that no character is; each piece is searched together with the
    end of the one before it."""
    decoder = TransferDecoder(part.encoding)
    tail, rest = "", b""
    async for chunk in slice_.pieces(content, part.body_start, part.end):
        octets = rest + decoder.feed(chunk)
        cut = octets.rfind(b"\n") + 1 or len(octets)
        octets, rest = octets[:cut], octets[cut:]
        text = tail + _decoded(octets, part).casefold()
        if needle.folded in text:
            return True
        tail = text[-len(needle.folded) :] if needle.folded else ""
    return needle.folded in tail + _decoded(rest + decoder.finish(), part).casefold()
