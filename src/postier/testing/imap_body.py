"""ENVELOPE and BODYSTRUCTURE as the grammar of RFC 9051 section 9 has them, read into trees."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from postier.testing.imap_words import Words

__all__ = ["Address", "BodyPart", "Envelope", "read_body", "read_envelope", "sections"]

Parameters = tuple[tuple[bytes, bytes], ...]


class Address(NamedTuple):
    """RFC 9051 7.5.2. Without host a group's begin (`mailbox` is its name) or, without both, its end."""

    name: bytes | None
    route: bytes | None
    mailbox: bytes | None
    host: bytes | None


class Envelope(NamedTuple):
    date: bytes | None
    subject: bytes | None
    addresses: tuple[tuple[Address, ...], ...]
    """From, Sender, Reply-To, To, Cc, Bcc."""
    in_reply_to: bytes | None
    message_id: bytes | None


class BodyPart(NamedTuple):
    """`media` is `text/plain` in lower case. Multiparts have no `size` and no `encoding`."""

    media: str
    parameters: Parameters = ()
    encoding: str = ""
    size: int = 0
    lines: int | None = None
    envelope: Envelope | None = None
    children: tuple[BodyPart, ...] = ()
    is_extended: bool = False


def read_envelope(w: Words) -> Envelope:
    w.expect(b"(")
    date, subject = _field(w), _field(w)
    addresses = tuple(_address_field(w) for _ in range(6))
    in_reply_to, message_id = _field(w), w.nstring()
    w.expect(b")")
    return Envelope(date, subject, addresses, in_reply_to, message_id)


def _field(w: Words) -> bytes | None:
    value = w.nstring()
    w.space()
    return value


def _address_field(w: Words) -> tuple[Address, ...]:
    found = _addresses(w)
    w.space()
    return found


def _addresses(w: Words) -> tuple[Address, ...]:
    """None of them is NIL, never an empty list."""
    if w.take(b"NIL"):
        return ()
    w.expect(b"(")
    found = [_address(w)]
    while not w.take(b")"):
        found.append(_address(w))
    return tuple(found)


def _address(w: Words) -> Address:
    w.expect(b"(")
    fields = [w.nstring()]
    for _ in range(3):
        w.space()
        fields.append(w.nstring())
    w.expect(b")")
    return Address(*fields)


def read_body(w: Words, *, extended: bool) -> BodyPart:
    """`extended`: BODYSTRUCTURE may hold extension data, BODY must not."""
    w.expect(b"(")
    part = _multipart(w, extended) if w.peek() == 0x28 else _single(w, extended)
    w.expect(b")")
    return part


def _multipart(w: Words, extended: bool) -> BodyPart:
    children = [read_body(w, extended=extended)]
    while w.peek() == 0x28:  # "("
        children.append(read_body(w, extended=extended))
    w.space()
    media = "multipart/" + _word(w)
    parameters: Parameters = ()
    has_more = _extension(w, extended)
    if has_more:
        parameters = _parameters(w)
        _rest_of_extension(w)
    return BodyPart(media, parameters, children=tuple(children), is_extended=has_more)


def _single(w: Words, extended: bool) -> BodyPart:
    major = _word(w)
    w.space()
    media = f"{major}/{_word(w)}"
    w.space()
    parameters = _parameters(w)
    w.space()
    w.nstring()  # body-fld-id
    w.space()
    w.nstring()  # body-fld-desc
    w.space()
    encoding = _word(w)
    w.space()
    size = w.number(2**63 - 1)
    envelope, lines = None, None
    children: tuple[BodyPart, ...] = ()
    if media in ("message/rfc822", "message/global"):
        w.space()
        envelope = read_envelope(w)
        w.space()
        children = (read_body(w, extended=extended),)
    if children or major == "text":
        w.space()
        lines = w.number(2**63 - 1)
    has_more = _extension(w, extended)
    if has_more:
        w.nstring()  # body-fld-md5
        _rest_of_extension(w)
    return BodyPart(media, parameters, encoding, size, lines, envelope, children, has_more)


def _word(w: Words) -> str:
    """A string that names something: never empty, in lower case."""
    return w.string().decode("latin-1").lower() or w.fail("a name that is not empty")


def _extension(w: Words, extended: bool) -> bool:
    return w.take(b" ") and (extended or w.fail("no extension data in BODY"))


def _parameters(w: Words) -> Parameters:
    if w.take(b"NIL"):
        return ()
    w.expect(b"(")
    found = [_parameter(w)]
    while not w.take(b")"):
        w.space()
        found.append(_parameter(w))
    return tuple(found)


def _parameter(w: Words) -> tuple[bytes, bytes]:
    name = w.string()
    w.space()
    return name, w.string()


def _rest_of_extension(w: Words) -> None:
    """[SP body-fld-dsp [SP body-fld-lang [SP body-fld-loc *(SP body-extension)]]]"""
    for read in (_disposition, _language, Words.nstring):
        if not w.take(b" "):
            return
        read(w)
    while w.take(b" "):
        _anything(w)


def _disposition(w: Words) -> None:
    if w.take(b"NIL"):
        return
    w.expect(b"(")
    _word(w)
    w.space()
    _parameters(w)
    w.expect(b")")


def _language(w: Words) -> None:
    if not w.take(b"("):
        w.nstring()
        return
    w.string()
    while not w.take(b")"):
        w.space()
        w.string()


def _anything(w: Words) -> None:
    """body-extension"""
    if w.take(b"("):
        _anything(w)
        while not w.take(b")"):
            w.space()
            _anything(w)
    elif w.peek() in b"0123456789":
        w.number(2**63 - 1)
    else:
        w.nstring()


def sections(part: BodyPart, prefix: str = "") -> Iterator[tuple[str, BodyPart]]:
    """Every part with its section number (RFC 9051 6.4.5.1), the message's own parts first."""
    if not part.media.startswith("multipart/"):
        yield from _inside(part, f"{prefix}1")
        return
    for number, child in enumerate(part.children, 1):
        yield from _inside(child, f"{prefix}{number}")


def _inside(part: BodyPart, number: str) -> Iterator[tuple[str, BodyPart]]:
    yield number, part
    if part.media.startswith("multipart/"):
        for index, child in enumerate(part.children, 1):
            yield from _inside(child, f"{number}.{index}")
    elif part.children:
        yield from sections(part.children[0], f"{number}.")
