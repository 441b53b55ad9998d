"""BODYSTRUCTURE and BODY (RFC 3501 7.4.2), as ready bytes."""

from __future__ import annotations

import re
from collections.abc import Sequence

from postier.message.imap_string import nstring, string
from postier.message.mime_header import MimeHeader
from postier.message.parameters import Parameterised
from postier.message.structure import Kind, Node

__all__ = ["body_from_body_structure", "render_body_structure"]

_NO_PART = b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'
_PLAIN_PREFIX = b'("text" "plain" '


def render_body_structure(nodes: Sequence[Node]) -> bytes:
    """Of the message whose tree is `nodes` in pre-order, extension data included. Strings as in ENVELOPE."""
    rendered: list[bytes] = [b""] * len(nodes)
    for index in range(len(nodes) - 1, -1, -1):  # a child stands after its parent
        node = nodes[index]
        if node.kind is Kind.MULTIPART:
            rendered[index] = _multipart(node, b"".join([rendered[child] for child in node.children]))
        elif node.kind is Kind.MESSAGE:
            inside = node.children[0]
            rendered[index] = _single(node, b" %b %b" % (nodes[inside].envelope, rendered[inside]))
        else:
            rendered[index] = _single(node, b"")
        for child in node.children:
            rendered[child] = b""
    return rendered[0]


def _multipart(node: Node, parts: bytes) -> bytes:
    """A multipart without any part is shown with one empty text: the grammar asks for a part."""
    header = node.header
    _, _, subtype = header.content_type.value.partition(b"/")
    parameters = _parameters(header.content_type)
    return b"(%b %b %b %b)" % (
        parts or _NO_PART, string(subtype), parameters, _extension(header),
    )  # fmt: skip


def _single(node: Node, message: bytes) -> bytes:
    """`message` is the envelope and body of what message/rfc822 holds, each with a space before it."""
    header = node.header
    kind, _, subtype = header.content_type.value.partition(b"/")
    if node.kind is Kind.LEAF and (kind == b"multipart" or _is_message(header)):
        kind, subtype = b"application", b"octet-stream"  # it was not looked into
    size = node.end - node.body_start
    parameters = _parameters(header.content_type, kind == b"text")
    start = b"(%b %b %b %b %b %b %d" % (
        string(kind), string(subtype), parameters, nstring(header.content_id),
        nstring(header.description), string(header.encoding), size,
    )  # fmt: skip
    if node.kind is Kind.MESSAGE:
        start += b"%b %d" % (message, node.lines)
    elif kind == b"text":
        start += b" %d" % node.lines
    return b"%b %b %b)" % (start, nstring(header.md5), _extension(header))


def _is_message(header: MimeHeader) -> bool:
    return header.content_type.value in (b"message/rfc822", b"message/global")


def _parameters(value: Parameterised, is_text: bool = False) -> bytes:
    """Text that names no charset is shown with the one it has by default (RFC 2046 4.1.2)."""
    wire = value.wire
    if is_text and "charset" not in value.parameters:
        wire = (*wire, (b"charset", b"us-ascii"))
    if not wire:
        return b"NIL"
    return b"(%b)" % b" ".join([b"%b %b" % (string(name), string(octets)) for name, octets in wire])


def _extension(header: MimeHeader) -> bytes:
    """body-fld-dsp body-fld-lang body-fld-loc"""
    disposition, languages, location = header.disposition, header.languages, header.location
    if disposition is None and not languages and location is None:
        return b"NIL NIL NIL"
    shown = (
        b"NIL" if disposition is None else b"(%b %b)" % (string(disposition.value), _parameters(disposition))
    )
    language = b"(%b)" % b" ".join(map(string, languages)) if languages else b"NIL"
    return b"%b %b %b" % (shown, language, nstring(location))


# --- BODY from BODYSTRUCTURE

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"|\{(\d{1,9})\}\r\n|[()]|[^ ()"{]++', re.DOTALL)
_FIELDS = 7  # of a single part's BODY: type, subtype, parameters, id, description, encoding, size
_EMBEDDED_BODY = 8  # and for message/rfc822: envelope, body, lines


class _List:
    """A parenthesised list being read; `seen` counts its items. The body of a single part keeps the first
    `wanted` of them."""

    __slots__ = ("cut", "is_body", "multipart", "named", "seen", "wanted")

    def __init__(self, is_body: bool) -> None:
        self.is_body = is_body
        self.multipart = self.named = False
        self.seen = 0
        self.wanted = _FIELDS
        self.cut = -1  # where what is not wanted begins

    def item(self, token: bytes, start: int) -> bool:
        """Take note of the next item; True if it is a body itself."""
        index = self.seen
        self.seen += 1
        if not self.is_body or self.cut >= 0:
            return False
        if self.multipart:
            if self.named:
                return self._cut(start)
            self.named = token != b"("  # the subtype is the last that BODY has
            return not self.named
        if index == 0 and token == b"(":
            self.multipart = True
            return True
        return self._item_of_single(token, start, index)

    def _item_of_single(self, token: bytes, start: int, index: int) -> bool:
        if index == 0 and token == b'"text"':
            self.wanted = _FIELDS + 1
        elif index == 0 and token == b'"message"':
            self.wanted = _FIELDS + 3
        elif index == 1 and self.wanted == _FIELDS + 3 and token not in (b'"rfc822"', b'"global"'):
            self.wanted = _FIELDS
        elif index == self.wanted:
            return self._cut(start)
        return index == _EMBEDDED_BODY and token == b"("

    def _cut(self, start: int) -> bool:
        self.cut = start - 1  # with the space before it
        return False


def body_from_body_structure(body_structure: bytes) -> bytes:
    """BODY, which is BODYSTRUCTURE without extension data, from what `render_body_structure` made."""
    kept: list[bytes] = []
    stack: list[_List] = []
    position = done = 0
    while (match := _TOKEN.search(body_structure, position)) is not None:
        token = match[0]
        position = match.end() + (int(match[1]) if match[1] else 0)
        if token == b")":
            closed = stack.pop()
            if closed.cut >= 0:
                kept.append(body_structure[done : closed.cut])
                done = match.start()
            continue
        is_body = stack[-1].item(token, match.start()) if stack else True
        if token == b"(":
            stack.append(_List(is_body))
    kept.append(body_structure[done:])
    return b"".join(kept)
