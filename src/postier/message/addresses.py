"""Address lists of header fields (RFC 5322 3.4, obsolete forms of 4.4, groups of RFC 6854, UTF-8 of RFC
6532).

One pass over flat tokens. ENVELOPE, DMARC, listings and search all read a field through this file, so that
nobody can be shown another sender than the one that was checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from postier.base.domain import Domain
from postier.message.charsets import decode_unknown
from postier.message.encoded_words import decode_text
from postier.message.headers import unfold

__all__ = [
    "ADDRESSES_PARSED",
    "Group",
    "GroupEnd",
    "GroupStart",
    "Mailbox",
    "RawMailbox",
    "address_items",
    "author_domains",
    "iter_mailboxes",
    "mailboxes_of",
    "parse_address_list",
    "parse_raw_addresses",
]

ADDRESSES_PARSED = 5000

_ATEXT = rb"A-Za-z0-9!#$%&'*+/=?^_`{|}~-"
_DOT_ATOM = rb"[" + _ATEXT + rb"]++(?:\.[" + _ATEXT + rb"]++)*+"
_LABEL = rb"[A-Za-z0-9]++(?:-++[A-Za-z0-9]++)*+"
_HOST = _LABEL + rb"(?:\." + _LABEL + rb")*+"
_SIMPLE = re.compile(  # what nearly all mail has: words <local@domain>, or local@domain
    rb'[ \t]*+(?:(?:"([^"\\\x00-\x1f\x7f]*+)"|([ ' + _ATEXT + rb"]*+))[ \t]*+"
    rb"<(" + _DOT_ATOM + rb")@(" + _HOST + rb")>|(" + _DOT_ATOM + rb")@(" + _HOST + rb"))[ \t]*+(?:,|$)"
)
_TOKEN = re.compile(
    rb'[ \t]++|("(?:[^"\\]++|\\.)*+"?)|(\[(?:[^\[\]\\]++|\\.)*+\]?)|([<>@,:;.(])|[^ \t"\[<>@,:;.(]++',
    re.DOTALL,
)
_COMMENT_MARK = re.compile(rb"[()]|\\.", re.DOTALL)
_QUOTED_PAIR = re.compile(rb"\\(.)", re.DOTALL)
_NOT_ATOM = re.compile(rb"[\x00-\x20\x7f()<>\[\]:;@\\,\"]")
_FORBIDDEN = re.compile(rb"[\x00\r\n]")
_LITERAL = re.compile(rb"\[(?:[^\x00\r\n\[\]\\]++|\\.)*+\]")
_DOMAIN_SEEN = re.compile(rb"@[ \t]*+([^\x00-\x20<>@,:;()\[\]\\\"]++)")


class RawMailbox(NamedTuple):
    """A mailbox in octets: `name` is the display name (or, for want of one, the comment after the address),
    without quotes, encoded-words as they are. `valid` if the grammar of RFC 5322 allows what was read.
    """

    name: bytes | None
    route: bytes | None
    local_part: bytes
    domain: bytes
    valid: bool


class GroupStart(NamedTuple):
    """`name:`"""

    name: bytes


class GroupEnd(NamedTuple):
    """`;`"""


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox for people and rules. `display_name` is decoded, "" where there is none; `local_part` is
    unquoted; `domain` is as written, "" where there is none. `valid` says whether RFC 5322 allows what was
    read.
    """

    display_name: str
    local_part: str
    domain: str
    valid: bool = True

    @property
    def address(self) -> str:
        """`local-part@domain` to show and to search; not quoted."""
        return f"{self.local_part}@{self.domain}" if self.domain else self.local_part


@dataclass(frozen=True, slots=True)
class Group:
    """`display-name: mailboxes;`"""

    display_name: str
    mailboxes: tuple[Mailbox, ...]


def parse_address_list(raw: bytes) -> tuple[Mailbox | Group, ...]:
    """The value of one From, To, Cc, ... field; any octets. At most ADDRESSES_PARSED addresses."""
    found: list[Mailbox | Group] = []
    group_name: bytes | None = None
    members: list[Mailbox] = []
    for item in parse_raw_addresses(raw):
        if isinstance(item, RawMailbox):
            (found if group_name is None else members).append(_decode(item))
        elif isinstance(item, GroupStart):
            group_name, members = item.name, []
        else:
            found.append(Group(decode_text(group_name or b""), tuple(members)))
            group_name = None
    return tuple(found)


def address_items(raw_values: Iterable[bytes]) -> list[RawMailbox | GroupStart | GroupEnd]:
    """What several fields list, in order; no further field once ADDRESSES_PARSED is passed."""
    items: list[RawMailbox | GroupStart | GroupEnd] = []
    for raw in raw_values:
        items += parse_raw_addresses(raw)
        if len(items) > ADDRESSES_PARSED:
            break
    return items


def iter_mailboxes(raw_values: Iterable[bytes]) -> Iterator[Mailbox]:
    """The mailboxes of several fields in order, those inside groups included, read as they are asked for."""
    for raw in raw_values:
        yield from mailboxes_of(parse_raw_addresses(raw))


def mailboxes_of(items: Iterable[RawMailbox | GroupStart | GroupEnd]) -> Iterator[Mailbox]:
    """The mailboxes among `items`, decoded as they are asked for."""
    for item in items:
        if isinstance(item, RawMailbox):
            yield _decode(item)


def _decode(item: RawMailbox) -> Mailbox:
    name = decode_text(item.name) if item.name else ""
    return Mailbox(name, _shown(item.local_part), _shown(item.domain), item.valid)


def _shown(octets: bytes) -> str:
    return decode_unknown(octets).replace("\0", "\ufffd")


def author_domains(from_fields: Iterable[bytes]) -> tuple[Domain, ...]:
    """The domains of the message's authors, as DMARC asks (RFC 9989): one each, in order, A-labels.

    `from_fields` are the values of ALL From fields of the message. Empty where no author has a domain name,
    as in an empty group or an address literal. In a field that breaks the grammar every domain that some
    reader could take for the author's counts; so what is unclear has more than one domain, or none, and
    never the convenient one.
    """
    found: dict[Domain, None] = {}
    for raw in from_fields:
        for item in parse_raw_addresses(raw):
            if isinstance(item, RawMailbox):
                for name in _domains_seen(item):
                    try:
                        found[Domain.parse(name)] = None
                    except ValueError:
                        continue  # no domain name, so nothing DMARC could look up
    return tuple(found)


def _domains_seen(item: RawMailbox) -> Iterator[str]:
    if item.valid:
        yield decode_unknown(item.domain)
        return
    for match in _DOMAIN_SEEN.finditer(b"@" + item.domain):
        yield decode_unknown(match[1])
    for match in _DOMAIN_SEEN.finditer(item.local_part):
        yield decode_unknown(match[1])


def parse_raw_addresses(raw: bytes) -> Iterator[RawMailbox | GroupStart | GroupEnd]:
    """The field's value as a flat list, as IMAP's ENVELOPE has it. A group that is not closed ends with the
    field."""
    raw = unfold(raw)
    position = count = 0
    while count < ADDRESSES_PARSED:
        simple = _SIMPLE.match(raw, position)
        if simple is None:
            break
        quoted, words, local_part, domain, bare_local, bare_domain = simple.groups()
        if bare_local is not None:
            yield RawMailbox(None, None, bare_local, bare_domain, True)
        else:
            yield RawMailbox(quoted or (words or b"").strip() or None, None, local_part, domain, True)
        position = simple.end()
        count += 1
    if position < len(raw) and count < ADDRESSES_PARSED:
        yield from _ListReader(raw, position).read(ADDRESSES_PARSED - count)


class _ListReader:
    """The whole grammar: one mailbox is gathered at a time, and given out when its comma, semicolon or end
    comes."""

    __slots__ = (
        "angle", "at", "comment", "domain", "gap", "in_angle", "in_group", "local", "position", "raw",
        "route", "valid", "words",
    )  # fmt: skip

    def __init__(self, raw: bytes, position: int) -> None:
        self.raw = raw
        self.position = position
        self.in_group = False
        self._begin()

    def _begin(self) -> None:
        self.words: list[bytes] = []  # of the phrase, quotes removed, with the spaces between
        self.local: list[bytes] = []  # of the local-part: words and dots, quotes kept
        self.domain: list[bytes] = []
        self.route: bytes | None = None
        self.comment: bytes | None = None
        self.at = self.angle = self.in_angle = self.gap = False
        self.valid = True

    def read(self, limit: int) -> Iterator[RawMailbox | GroupStart | GroupEnd]:
        raw = self.raw
        while limit > 0:
            token = _TOKEN.match(raw, self.position)
            if token is None:
                break
            self.position = token.end()
            kind = token.lastindex
            text = token[0]
            if kind == 3 and text in b",;" and not (text == b"," and self.in_angle and not self.at):
                if self._gathered():
                    limit -= 1
                    yield self._finish()
                if text == b";" and self.in_group:
                    self.in_group = False
                    yield GroupEnd()
            elif text == b":" and not (self.in_angle or self.at or self.in_group):
                self.in_group = True
                yield GroupStart(b"".join(self.words))
                self._begin()
            elif text == b"<" and self.angle and not self.in_angle:
                limit -= 1
                self.valid = False
                yield self._finish()
                self.valid = False
                self._open_angle()
            else:
                self._token(kind, text)
        if self._gathered():
            yield self._finish()
        if self.in_group:
            yield GroupEnd()

    def _gathered(self) -> bool:
        if self.words or self.local or self.domain or self.angle:
            return True
        self._begin()  # an empty element (RFC 5322 4.4), perhaps with a comment
        return False

    def _token(self, kind: int | None, text: bytes) -> None:
        if kind == 3:
            self._SPECIALS[text](self)
        elif kind is None and text[0] in b" \t":
            self.gap = True
        else:
            self._word(text)

    def _word(self, text: bytes) -> None:
        """An atom, a quoted-string or a domain-literal."""
        if self.angle and not self.in_angle:
            self.valid = False  # something after ">"
        elif self.at:
            self._join(self.domain, text)
        elif self.in_angle:
            self._join(self.local, text)
        else:
            self._join(self.local, text)
            if self.words and (self.gap or self.words[-1] != b"."):
                self.words.append(b" ")
            self.words.append(_unquote(text))
        self.gap = False

    def _join(self, pieces: list[bytes], text: bytes) -> None:
        if pieces and pieces[-1] not in (b".", b"@"):
            pieces.append(b" ")  # two words without a dot: a phrase, and no local-part or domain
        pieces.append(text)

    def _dot(self) -> None:
        if self.angle and not self.in_angle:
            self.valid = False
        elif self.at:
            self.domain.append(b".")
        else:
            self.local.append(b".")
            if not self.in_angle:  # `John Q. Public` (RFC 5322 4.1: obs-phrase)
                self.words += (b" ", b".") if self.words and self.gap else (b".",)
        self.gap = False

    def _at(self) -> None:
        if self.in_angle and not self.at and not self.local:
            self._route()
        elif self.at or (self.angle and not self.in_angle):
            self.valid = False
            self.domain.append(b"@")
        else:
            self.at = True

    def _route(self) -> None:
        """`@a,@b:` before the local-part (RFC 5322 4.4: obs-route)."""
        colon = self.raw.find(b":", self.position)
        close = self.raw.find(b">", self.position, colon if colon >= 0 else None)
        if colon < 0 or close >= 0:
            self.at = True
            self.valid = False
            return
        self.route = b"@" + self.raw[self.position : colon].replace(b" ", b"")
        self.position = colon + 1

    def _open_angle(self) -> None:
        if self.in_angle:
            self.valid = False
            return
        if self.at:  # `a@b <c@d>`: what stands before is meant as the name
            self.words = [_unquoted(self.local) + b"@" + b"".join(self.domain)]
        self.local, self.domain = [], []
        self.at = False
        self.angle = self.in_angle = True

    def _close_angle(self) -> None:
        if not self.in_angle:
            self.valid = False
        self.in_angle = False

    def _stray(self) -> None:
        self.valid = False

    def _comment(self) -> None:
        """Up to the parenthesis that closes this one; they are counted, so depth costs nothing."""
        depth = 1
        start = self.position
        for mark in _COMMENT_MARK.finditer(self.raw, start):
            if mark[0] == b"(":
                depth += 1
            elif mark[0] == b")":
                depth -= 1
                if depth == 0:
                    self.position = mark.end()
                    break
        else:
            self.position = len(self.raw)
            self.valid = False
        text = self.raw[start : self.position - (depth == 0)].strip(b" \t")
        self.comment = _QUOTED_PAIR.sub(rb"\1", text) or self.comment
        self.gap = True

    _SPECIALS = {  # noqa: RUF012 - a table, never changed
        b".": _dot,
        b"@": _at,
        b"<": _open_angle,
        b">": _close_angle,
        b"(": _comment,
        b":": _stray,
        b",": _stray,
        b";": _stray,
    }

    def _finish(self) -> RawMailbox:
        name: bytes | None = b"".join(self.words)
        local_part, domain = _unquoted(self.local), b"".join(self.domain)
        valid = self.valid and not self.in_angle and _valid_local(self.local) and _valid_domain(self.domain)
        if self.at and not self.angle:
            name = None
        elif not self.angle:  # words only: one may be a local name, more are somebody's
            name, local_part = (name, b"") if b" " in self.words else (None, b"".join(self.words))
        found = RawMailbox(name or self.comment or None, self.route, local_part, domain, valid)
        self._begin()
        return found


def _unquote(text: bytes) -> bytes:
    if text[:1] != b'"':
        return text
    text = text[1:-1] if len(text) > 1 and text.endswith(b'"') else text[1:]
    return _QUOTED_PAIR.sub(rb"\1", text) if b"\\" in text else text


def _unquoted(local: list[bytes]) -> bytes:
    return b"".join([_unquote(piece) for piece in local])


def _valid_local(local: list[bytes]) -> bool:
    """word *("." word), words being atoms or quoted-strings (RFC 5322 4.4: obs-local-part)."""
    return len(local) % 2 == 1 and all(
        (piece == b".") if index % 2 else _valid_word(piece) for index, piece in enumerate(local)
    )


def _valid_word(piece: bytes) -> bool:
    if piece[:1] == b'"':
        return len(piece) > 1 and piece.endswith(b'"') and not _FORBIDDEN.search(piece)
    return piece != b"." and not _NOT_ATOM.search(piece)


def _valid_domain(domain: list[bytes]) -> bool:
    """A domain-literal, or a name that mail can use."""
    text = b"".join(domain)
    if text[:1] == b"[":
        return _LITERAL.fullmatch(text) is not None
    try:
        Domain.parse(decode_unknown(text))
    except ValueError:
        return False
    return not text.endswith(b".")
