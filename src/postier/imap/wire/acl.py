"""Access control lists (RFC 4314): SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS and what answers them."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.pieces import astring, mailbox_name
from postier.imap.wire.values import Command

__all__ = [
    "RIGHTS_CAPABILITY",
    "DeleteAcl",
    "GetAcl",
    "ListRights",
    "MyRights",
    "RightsChange",
    "SetAcl",
    "acl_line",
    "list_rights_line",
    "my_rights_line",
    "of_identifier",
    "parse_setacl",
    "shown_rights",
]

RIGHTS_CAPABILITY = "RIGHTS=kxte"
"""The rights that are new in RFC 4314 (5.1.1)."""

_STANDARD = "lrswipkxtea"  # RFC 4314 2.1
_VIRTUAL = {"c": "kx", "d": "te"}  # RFC 4314 2.1.1
_IDENTIFIER_OCTETS = 1000


class RightsChange(enum.Enum):
    REPLACE = ""
    ADD = "+"
    REMOVE = "-"


@dataclass(frozen=True, slots=True)
class SetAcl(Command):
    """`rights`: letters of RFC 4314 2.1, each once; the virtual ones are expanded."""

    mailbox: str
    identifier: str
    change: RightsChange
    rights: str
    name = "SETACL"


@dataclass(frozen=True, slots=True)
class DeleteAcl(Command):
    mailbox: str
    identifier: str
    name = "DELETEACL"


@dataclass(frozen=True, slots=True)
class GetAcl(Command):
    mailbox: str
    name = "GETACL"


@dataclass(frozen=True, slots=True)
class ListRights(Command):
    mailbox: str
    identifier: str
    name = "LISTRIGHTS"


@dataclass(frozen=True, slots=True)
class MyRights(Command):
    mailbox: str
    name = "MYRIGHTS"


# ---------------------------------------------------------------------- commands


def parse_setacl(g: Grammar, tag: bytes) -> SetAcl:
    """setacl = "SETACL" SP mailbox SP identifier SP mod-rights."""
    g.space()
    mailbox = g.mailbox()
    g.space()
    identifier = _identifier(g)
    g.space()
    change, rights = _mod_rights(g)
    g.end()
    return SetAcl(tag, mailbox, identifier, change, rights)


def of_identifier(command: Callable[[bytes, str, str], Command]) -> Callable[[Grammar, bytes], Command]:
    """The parse function of DELETEACL and LISTRIGHTS: mailbox SP identifier."""

    def parse(g: Grammar, tag: bytes) -> Command:
        g.space()
        mailbox = g.mailbox()
        g.space()
        identifier = _identifier(g)
        g.end()
        return command(tag, mailbox, identifier)

    return parse


def _identifier(g: Grammar) -> str:
    """An identifier, "-" before it for negative rights; never empty, and nothing that SASLprep forbids
    (RFC 4314 3)."""
    start = g.position
    identifier = g.text()
    is_long = len(identifier.encode()) > _IDENTIFIER_OCTETS
    if not identifier.removeprefix("-") or is_long or not identifier.isprintable():
        g.position = start
        g.fail("an identifier")
    return identifier


def _mod_rights(g: Grammar) -> tuple[RightsChange, str]:
    """["+" / "-"] *rights; a letter that is none makes the command BAD (RFC 4314 3.1)."""
    start = g.position
    letters = g.astring().decode("latin-1")
    change = RightsChange.REPLACE
    if letters[:1] in ("+", "-"):
        change, letters = RightsChange(letters[0]), letters[1:]
    rights = "".join(_VIRTUAL.get(letter, letter) for letter in letters)
    if not set(rights) <= set(_STANDARD):
        g.position = start
        g.fail(f"rights among {_STANDARD}cd")
    return change, "".join(dict.fromkeys(rights))


# ---------------------------------------------------------------------- responses


def shown_rights(rights: str) -> str:
    """The virtual rights go with their members (RFC 4314 2.1.1)."""
    return rights + "".join(
        letter for letter, members in _VIRTUAL.items() if not set(members).isdisjoint(rights)
    )


def acl_line(mailbox: str, entries: Iterable[tuple[str, str]], *, utf8: bool = False) -> bytes:
    """RFC 4314 3.6; `entries`: identifiers and their rights."""
    pairs = [astring(text) for identifier, rights in entries for text in (identifier, shown_rights(rights))]
    return b" ".join((b"* ACL", mailbox_name(mailbox, utf8), *pairs)) + b"\r\n"


def list_rights_line(
    mailbox: str, identifier: str, required: str, optional: str, *, utf8: bool = False
) -> bytes:
    """RFC 4314 3.7. No right is tied to another; a virtual one stands alone where a member is optional."""
    virtual = [letter for letter in shown_rights(optional) if letter in _VIRTUAL]
    groups = [astring(letter) for letter in (*optional, *virtual)]
    words = (b"* LISTRIGHTS", mailbox_name(mailbox, utf8), astring(identifier), astring(required), *groups)
    return b" ".join(words) + b"\r\n"


def my_rights_line(mailbox: str, rights: str, *, utf8: bool = False) -> bytes:
    """RFC 4314 3.8."""
    return b"* MYRIGHTS %b %b\r\n" % (mailbox_name(mailbox, utf8), astring(shown_rights(rights)))
