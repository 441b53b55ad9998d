"""Commands about the connection and who is on it: ID, LOGIN, AUTHENTICATE, ENABLE, COMPRESS, and those
without arguments."""

from __future__ import annotations

import binascii
from collections.abc import Callable
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Authenticate, Command, Compress, Enable, Id, Login

__all__ = [
    "Unauthenticate",
    "decode_base64",
    "no_arguments",
    "parse_authenticate",
    "parse_compress",
    "parse_enable",
    "parse_id",
    "parse_login",
]

ID_FIELDS = 30
ID_NAME_LIMIT = 30
ID_VALUE_LIMIT = 1024


@dataclass(frozen=True, slots=True)
class Unauthenticate(Command):
    """RFC 8437."""

    name = "UNAUTHENTICATE"


def no_arguments(command: Callable[[bytes], Command]) -> Callable[[Grammar, bytes], Command]:
    """The parse function of a command that is its name and nothing else."""

    def parse(g: Grammar, tag: bytes) -> Command:
        g.end()
        return command(tag)

    return parse


def parse_login(g: Grammar, tag: bytes) -> Login:
    """login = "LOGIN" SP userid SP password; both as UTF-8 (RFC 3501 knows ASCII only)."""
    g.space()
    username = g.text()
    g.space()
    password = g.text()
    g.end()
    return Login(tag, username, password)


def decode_base64(raw: bytes) -> bytes | None:
    """What `raw` encodes, None if it is not base64 with its padding and nothing else."""
    try:
        return binascii.a2b_base64(raw, strict_mode=True)
    except binascii.Error:
        return None


def parse_authenticate(g: Grammar, tag: bytes) -> Authenticate:
    """authenticate = "AUTHENTICATE" SP auth-type [SP (base64 / "=")]; "=" is empty response (RFC 4959)."""
    g.space()
    mechanism = g.atom().upper().decode()
    initial: bytes | None = None
    if g.take(b" "):
        g.needs("SASL-IR")
        initial = b"" if g.take(b"=") else decode_base64(g.rest())
        if initial is None:
            g.fail("an initial response in base64")
    g.end()
    return Authenticate(tag, mechanism, initial)


def parse_enable(g: Grammar, tag: bytes) -> Enable:
    """RFC 5161: enable = "ENABLE" 1*(SP capability)."""
    names = []
    while g.take(b" "):
        names.append(g.atom().upper().decode())
    if not names:
        g.fail("a capability")
    g.end()
    return Enable(tag, tuple(dict.fromkeys(names)))


def parse_compress(g: Grammar, tag: bytes) -> Compress:
    """RFC 4978: compress = "COMPRESS" SP algorithm."""
    g.space()
    mechanism = g.atom().upper().decode()
    g.end()
    return Compress(tag, mechanism)


def parse_id(g: Grammar, tag: bytes) -> Id:
    """RFC 2971: id = "ID" SP (NIL / "(" [string SP nstring *(SP string SP nstring)] ")"), with its limits:
    30 fields, names of 30 octets, values of 1024."""
    g.space()
    fields: list[tuple[str, str | None]] | None = None
    if not g.take_nocase(b"NIL"):
        g.expect(b"(", "NIL or a list")
        fields = []
        while not g.take(b")"):
            if fields:
                g.space()
            if len(fields) == ID_FIELDS:
                g.fail(f"{ID_FIELDS} fields at most")
            fields.append(_id_field(g))
    g.end()
    return Id(tag, None if fields is None else tuple(fields))


def _id_field(g: Grammar) -> tuple[str, str | None]:
    name = g.string_text()
    g.space()
    value = None if g.take_nocase(b"NIL") else g.string_text()
    if len(name) > ID_NAME_LIMIT or len(value or "") > ID_VALUE_LIMIT:
        g.fail("a shorter field")
    return name, value
