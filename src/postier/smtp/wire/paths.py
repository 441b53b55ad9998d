"""Paths: `<user@example.org>` and all that may stand for it (RFC 5321 4.1.2, RFC 6531 3.3)."""

from __future__ import annotations

import re

from postier.base.address import Address
from postier.base.cursor import Cursor
from postier.base.domain import AddressLiteral, Domain

__all__ = ["PathCursor"]

_ATEXT = re.compile(rb"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\x80-\xff.-]+")
_DOMAIN = re.compile(rb"[A-Za-z0-9\x80-\xff._-]+")
_LITERAL = re.compile(rb"\[[0-9A-Za-z:.-]+\]")
_LONGEST_LOCAL_PART = 64  # octets as written, quotes included (RFC 5321 4.5.3.1.1)
_LONGEST_MAILBOX = 254  # 256 with the angle brackets (4.5.3.1.3)
_QTEXT = re.compile(rb"[ !#-\[\]-~\x80-\xff]+")


class PathCursor(Cursor):
    """Reads paths; what it has read is ASCII unless `utf8` has become True."""

    __slots__ = ("utf8",)

    def __init__(self, data: bytes, position: int = 0) -> None:
        super().__init__(data, position)
        self.utf8 = False

    def reverse_path(self) -> Address | None:
        """Reverse-path = Path / "<>"; None for the latter. Raises ParseError."""
        return None if self.take(b"<>") else self.path()

    def forward_path(self) -> Address | None:
        """ "<Postmaster>" / Path; None for the former, in any case. Raises ParseError."""
        return None if self.take_nocase(b"<POSTMASTER>") else self.path()

    def path(self) -> Address:
        """Path = "<" [ A-d-l ":" ] Mailbox ">"; the source route is read and ignored (appendix C)."""
        self.expect(b"<", "<")
        if self.peek() == 0x40:
            self.source_route()
        address = self.mailbox()
        self.expect(b">", ">")
        return address

    def source_route(self) -> None:
        """A-d-l ":" = "@" Domain *( "," "@" Domain ) ":"."""
        while True:
            self.expect(b"@", "@")
            self.domain()
            if self.take(b":"):
                return
            self.expect(b",", "a comma or a colon")

    def mailbox(self) -> Address:
        """Mailbox = Local-part "@" ( Domain / address-literal )."""
        start = self.position
        local_part = self.quoted_string() if self.peek() == 0x22 else self.dot_string()
        if self.position - start > _LONGEST_LOCAL_PART:
            self.fail("a local-part of at most 64 octets")
        self.expect(b"@", "@")
        domain = self.address_literal() if self.peek() == 0x5B else self.domain()
        if self.position - start > _LONGEST_MAILBOX:
            self.fail("an address of at most 254 octets")
        try:
            return Address(local_part, domain)
        except ValueError as error:
            self.fail(f"another address ({error})")

    def dot_string(self) -> str:
        """Dot-string = Atom *("." Atom)."""
        found = self.require(_ATEXT, "a local-part")
        if found[0] == 0x2E or found[-1] == 0x2E or b".." in found:
            self.fail("a local-part without empty parts between its dots")
        return self.text(found)

    def quoted_string(self) -> str:
        """Quoted-string = DQUOTE *QcontentSMTP DQUOTE, without its quoting."""
        self.expect(b'"')
        pieces: list[bytes] = []
        while not self.take(b'"'):
            if self.take(b"\\"):
                if not 0x20 <= self.peek() <= 0x7E:
                    self.fail("a printable character after the backslash")
                pieces.append(self.take_bytes(1))
            else:
                pieces.append(self.require(_QTEXT, "the end of the quoted string"))
        return self.text(b"".join(pieces))

    def domain(self) -> Domain:
        """Domain = sub-domain *("." sub-domain), U-labels too (RFC 6531 3.3)."""
        text = self.text(self.require(_DOMAIN, "a domain"))
        try:
            if text.endswith("."):
                raise ValueError("a dot at the end")
            return Domain.parse(text)
        except ValueError:
            self.fail("a domain name")

    def address_literal(self) -> AddressLiteral:
        """address-literal = "[" ( IPv4-address-literal / IPv6-address-literal ) "]" (4.1.3)."""
        try:
            return AddressLiteral.parse(self.require(_LITERAL, "an address literal").decode())
        except ValueError:
            self.fail("an IPv4 or IPv6 address literal")

    def text(self, found: bytes) -> str:
        if found.isascii():
            return found.decode("ascii")
        self.utf8 = True
        try:
            return found.decode("utf-8")
        except UnicodeDecodeError:
            self.fail("UTF-8")
