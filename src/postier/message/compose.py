"""Writing messages (RFC 5322, MIME): what this program itself sends is correct to the letter.

A message is a tree of values, `compose` makes it octets. Lines end in CRLF and are at most 76 characters of
body or, where it can be folded, 78 of header; everything is ASCII unless `utf8` asks for RFC 6532. No
header value can bring a field of its own: CR, LF and NUL are refused.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from postier.base.address import Address, quote_local_part
from postier.message.addresses import Mailbox
from postier.message.encoded_words import encode_text

__all__ = ["Body", "DataPart", "HeaderValue", "MultiPart", "TextPart", "compose", "fold", "format_mailbox"]

HeaderValue = str | Sequence[Mailbox | Address]

_NAME = re.compile(r"[!-9;-~]{1,76}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&'*+.^_`{|}~-]+(?:/[A-Za-z0-9!#$&'*+.^_`{|}~-]+)?")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_PHRASE = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~ -]+")
_BREAK = re.compile(r"\r\n|\r|\n")
_LONG_LINE = re.compile(rb"[^\r\n]{999}")
_LINE = 78
_STRUCTURED = frozenset(("message-id", "in-reply-to", "references", "date", "received", "return-path"))


@dataclass(frozen=True, slots=True)
class TextPart:
    """Text for people: `text/<subtype>` in UTF-8. Any line ends are understood; NUL is refused."""

    text: str
    subtype: str = "plain"


@dataclass(frozen=True, slots=True)
class DataPart:
    """Octets of another type. `encoding` None chooses: 7bit if the content allows it and `content_type` is
    message/* or text/*, else base64. `file_name` makes it an attachment unless `disposition` says
    "inline"."""

    content_type: str
    content: bytes
    file_name: str | None = None
    disposition: str | None = None
    description: str | None = None
    parameters: tuple[tuple[str, str], ...] = ()
    encoding: str | None = None


@dataclass(frozen=True, slots=True)
class MultiPart:
    """multipart/<subtype>; `parameters` beside the boundary, which is made from the content."""

    subtype: str
    parts: tuple[Body, ...]
    parameters: tuple[tuple[str, str], ...] = ()


Body = TextPart | DataPart | MultiPart


def compose(fields: Iterable[tuple[str, HeaderValue]], body: Body, *, utf8: bool = False) -> bytes:
    """The message with these header fields, in order, then the MIME ones.

    A value is text, or mailboxes for From, To and the like. Raises ValueError for what could not stand in a
    header: a name that is none, CR, LF, NUL or other controls in a value, an empty list of mailboxes.
    """
    head = [_field(name, value, utf8) for name, value in fields]
    head.append(b"MIME-Version: 1.0\r\n")
    return b"".join(head) + _entity(body, utf8)


# --- header fields


def _field(name: str, value: HeaderValue, utf8: bool) -> bytes:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a field name: {name!r}")
    if isinstance(value, str):
        return fold(name.encode() + b": " + _text(name, value, utf8))
    if not value:
        raise ValueError(f"{name} without any mailbox")
    return fold(name.encode() + b": " + b", ".join([format_mailbox(mailbox, utf8=utf8) for mailbox in value]))


def _text(name: str, value: str, utf8: bool) -> bytes:
    if _CONTROL.search(value):
        raise ValueError(f"{name} holds control characters")
    if utf8:
        return value.encode()
    if name.lower() in _STRUCTURED:
        if not value.isascii():
            raise ValueError(f"{name} is not ASCII")
        return value.encode()
    return encode_text(value)


def format_mailbox(mailbox: Mailbox | Address, *, utf8: bool = False) -> bytes:
    """`name-addr` or `addr-spec` (RFC 5322 3.4). Raises ValueError for controls, and for a local-part that is
    not ASCII unless `utf8`."""
    name = mailbox.display_name if isinstance(mailbox, Mailbox) else ""
    spec = f"{quote_local_part(mailbox.local_part)}@{mailbox.domain}"
    if _CONTROL.search(name) or _CONTROL.search(spec) or not mailbox.local_part or not str(mailbox.domain):
        raise ValueError("not a mailbox")
    if not utf8 and not spec.isascii():
        raise ValueError("the address needs SMTPUTF8")
    if not name:
        return spec.encode()
    if name.isascii() or utf8:
        quoted = name if _PHRASE.fullmatch(name) and "=?" not in name else _quoted(name)
        return f"{quoted} <{spec}>".encode()
    return encode_text(name) + b" <" + spec.encode() + b">"


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def fold(line: bytes) -> bytes:
    """One field, folded before spaces so that lines have at most 78 octets where that is possible, with its
    final CRLF. A line that would be of white space only is not made (RFC 5322 3.2.2)."""
    folded: list[bytes] = []
    while len(line) > _LINE:
        first = len(line) - len(line.lstrip(b" \t"))
        least = line.find(b":") + 2 if not folded else first
        cut = line.rfind(b" ", least + 1, _LINE + 1)
        if cut < 0:
            cut = line.find(b" ", max(least + 1, _LINE))
        if cut < 0 or not line[cut:].strip():
            break
        folded.append(line[:cut])
        line = line[cut:]
    folded.append(line)
    return b"\r\n".join(folded) + b"\r\n"


# --- bodies


def _entity(body: Body, utf8: bool) -> bytes:
    """A part: its MIME fields, the empty line, its content. Parts nest as deep as the caller made them."""
    if isinstance(body, MultiPart):
        return _multipart(body, utf8)
    if isinstance(body, TextPart):
        return _text_part(body)
    return _data_part(body)


def _multipart(body: MultiPart, utf8: bool) -> bytes:
    if not body.parts:
        raise ValueError("a multipart without parts")
    parts = [_entity(part, utf8) for part in body.parts]
    boundary = _boundary(parts)
    content_type = _value(f"multipart/{body.subtype}", (*body.parameters, ("boundary", boundary)))
    delimiter = b"--" + boundary.encode()
    content = b"".join([delimiter + b"\r\n" + part + b"\r\n" for part in parts])
    head = fold(b"Content-Type: " + content_type)
    if not all(part.isascii() for part in parts):  # RFC 2045 6.4
        head += b"Content-Transfer-Encoding: 8bit\r\n"
    return head + b"\r\n" + content + delimiter + b"--\r\n"


def _boundary(parts: list[bytes]) -> str:
    """Made from the content, so that the same message has the same octets, and never part of it."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    while True:
        boundary = "=_" + digest.hexdigest()[:32]
        if not any(boundary.encode() in part for part in parts):
            return boundary
        digest.update(b"again")


def _text_part(body: TextPart) -> bytes:
    if "\0" in body.text:
        raise ValueError("text holds NUL")
    octets = _BREAK.sub("\r\n", body.text).encode("utf-8", "replace")
    charset = "us-ascii" if octets.isascii() else "utf-8"
    head = fold(b"Content-Type: " + _value(f"text/{body.subtype}", (("charset", charset),)))
    return head + _encoded(octets, "7bit" if _is_7bit(octets) else _shorter(octets))


def _data_part(body: DataPart) -> bytes:
    encoding = body.encoding
    if encoding is None:
        as_is = body.content_type.startswith(("message/", "text/")) and _is_7bit(body.content)
        encoding = "7bit" if as_is else "base64"
    head = fold(b"Content-Type: " + _value(body.content_type, body.parameters))
    if body.description is not None:
        head += fold(b"Content-Description: " + _text("Content-Description", body.description, False))
    if body.file_name is not None or body.disposition is not None:
        named = () if body.file_name is None else (("filename", body.file_name),)
        head += fold(b"Content-Disposition: " + _value(body.disposition or "attachment", named))
    return head + _encoded(body.content, encoding)


def _value(value: str, parameters: Iterable[tuple[str, str]]) -> bytes:
    """A Content-* value with its parameters, those that are not ASCII by RFC 2231."""
    if not _TOKEN.fullmatch(value):
        raise ValueError(f"not a type: {value!r}")
    written = [value]
    for name, text in parameters:
        if not _TOKEN.fullmatch(name) or _CONTROL.search(text):
            raise ValueError(f"not a parameter: {name!r}")
        if text.isascii():
            written.append(f"{name}={text if _TOKEN.fullmatch(text) and '/' not in text else _quoted(text)}")
        else:
            written.append(f"{name}*=utf-8''{quote(text, safe='', errors='replace')}")
    return "; ".join(written).encode()


def _encoded(octets: bytes, encoding: str) -> bytes:
    head = b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n"
    if encoding == "base64":
        wrapped = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        return head + wrapped
    if encoding == "quoted-printable":
        return head + _quoted_printable(octets)
    if encoding not in ("7bit", "8bit"):
        raise ValueError(f"not a transfer encoding we write: {encoding!r}")
    return head + octets


def _quoted_printable(octets: bytes) -> bytes:
    """binascii keeps the line ends it finds, and ours are CRLF; a soft break follows the first line end it
    saw."""
    encoded = binascii.b2a_qp(octets.replace(b"\r\n", b"\n"), istext=True)
    return encoded.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def _is_7bit(octets: bytes) -> bool:
    """RFC 2045 2.7: ASCII without NUL, lines of at most 998 octets that end in CRLF."""
    if not octets.isascii() or b"\0" in octets or _LONG_LINE.search(octets):
        return False
    breaks = octets.count(b"\r\n")
    return octets.count(b"\n") == breaks == octets.count(b"\r")


def _shorter(octets: bytes) -> str:
    special = len(octets) - len(octets.translate(None, bytes(range(128, 256)) + b"="))
    return "quoted-printable" if special * 6 < len(octets) else "base64"
