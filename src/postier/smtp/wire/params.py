"""The parameters of MAIL FROM and RCPT TO: one table for each, a row for each parameter.

A new ESMTP parameter is a row here and a field of the event. A row's `growth` says by how many octets the
extension lengthens the command line (RFC 5321 4.5.3.1.4 has 512 without any).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from postier.base.cursor import Cursor
from postier.smtp.wire.replies import CommandError

__all__ = ["MAIL_PARAMS", "RCPT_PARAMS", "Parameter", "decode_xtext", "parse_params"]

_KEYWORD = re.compile(rb"[A-Za-z0-9][A-Za-z0-9-]*")
_VALUE = re.compile(rb"[!-<>-~\x80-\xff]+")
_XTEXT = re.compile(rb"(?:[!-*,-<>-~]|\+[0-9A-F]{2})+")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
_ADDRESS_TYPE = re.compile(rb"[A-Za-z0-9-]+")
_DATE_TIME = re.compile(
    rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]{1,9})?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_UNICODE = re.compile(r"[^\x00-\x7f]")
_NOTIFY = frozenset({b"SUCCESS", b"FAILURE", b"DELAY"})

ParamValue = str | int | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """`field`: of the event. `parse`: from the value (None: there was none) to the field's value; raises
    ValueError. `extension`: the EHLO keyword without which the parameter is unknown."""

    keyword: bytes
    field: str
    parse: Callable[[bytes | None], ParamValue]
    extension: str
    growth: int
    rfc: str


def parse_params(
    cursor: Cursor, known: dict[bytes, Parameter], offered: frozenset[str]
) -> dict[str, ParamValue]:
    """Mail-parameters / Rcpt-parameters = esmtp-param *(SP esmtp-param), as fields of the event.

    Raises CommandError: 555 for what is unknown or not offered, 501 for a bad value or one given twice.
    """
    fields: dict[str, ParamValue] = {}
    while not cursor.at_end():
        if not cursor.take(b" "):
            raise CommandError(501, "5.5.4", "A parameter or the end of the line belongs here")
        if cursor.at_end():
            break  # a blank at the end of the line does no harm
        row = known.get(cursor.require(_KEYWORD, "a parameter").upper())
        value = cursor.require(_VALUE, "a value") if cursor.take(b"=") else None
        if row is None or row.extension not in offered:
            raise CommandError(555, "5.5.4", "A parameter is not known here")
        if row.field in fields:
            raise CommandError(501, "5.5.4", f"{row.keyword.decode()} is there twice")
        try:
            fields[row.field] = row.parse(value)
        except ValueError:
            raise CommandError(501, "5.5.4", f"{row.keyword.decode()} has a bad value") from None
    return fields


def decode_xtext(text: str) -> str:
    """The meaning of an xtext (RFC 3461 4); bytes that are no UTF-8 are replaced."""
    found = _HEXCHAR.sub(lambda hexchar: bytes.fromhex(hexchar[1].decode()), text.encode())
    return found.decode("utf-8", "replace")


def _size(value: bytes | None) -> int:
    if value is None or not value.isdigit() or len(value) > 20:
        raise ValueError
    return int(value)


def _body(value: bytes | None) -> str:
    body = (value or b"").upper()
    if body not in (b"7BIT", b"8BITMIME", b"BINARYMIME"):
        raise ValueError
    return body.decode()


def _hold_for(value: bytes | None) -> int:
    if value is None or not value.isdigit() or len(value) > 9 or not int(value):
        raise ValueError
    return int(value)


def _hold_until(value: bytes | None) -> str:
    if value is None or not _DATE_TIME.fullmatch(value):
        raise ValueError
    return value.decode()


def _flag(value: bytes | None) -> bool:
    if value is not None:
        raise ValueError
    return True


def _auth(value: bytes | None) -> str:
    if value == b"<>":
        return ""
    return decode_xtext(_xtext(value, 500))


def _ret(value: bytes | None) -> str:
    ret = (value or b"").upper()
    if ret not in (b"FULL", b"HDRS"):
        raise ValueError
    return ret.decode()


def _envid(value: bytes | None) -> str:
    return _xtext(value, 100)


def _xtext(value: bytes | None, longest: int) -> str:
    if value is None or len(value) > longest or not _XTEXT.fullmatch(value):
        raise ValueError
    return value.decode()


def _notify(value: bytes | None) -> str:
    kinds = (value or b"").upper().split(b",")
    if kinds != [b"NEVER"] and (not _NOTIFY.issuperset(kinds) or len(set(kinds)) < len(kinds)):
        raise ValueError
    return b",".join(kinds).decode()


def _orcpt(value: bytes | None) -> str:
    """addr-type ";" xtext (RFC 3461 4.2). What is not ASCII (RFC 6533 3) is turned into the form that every
    host takes, as the next one may lack SMTPUTF8."""
    if value is None or len(value) > 500:
        raise ValueError
    kind, _, address = value.partition(b";")
    if not _ADDRESS_TYPE.fullmatch(kind):
        raise ValueError
    escape = _UNICODE.sub(_embedded if kind.lower() == b"utf-8" else _hexchars, address.decode("utf-8"))
    return f"{kind.decode()};{_xtext(escape.encode(), 3000)}"


def _embedded(found: re.Match[str]) -> str:
    return f"\\x{{{ord(found[0]):02X}}}"


def _hexchars(found: re.Match[str]) -> str:
    return "".join(f"+{octet:02X}" for octet in found[0].encode())


def _table(*rows: Parameter) -> dict[bytes, Parameter]:
    return {row.keyword: row for row in rows}


MAIL_PARAMS = _table(
    Parameter(b"SIZE", "size", _size, "SIZE", 26, "1870 4"),
    Parameter(b"BODY", "body", _body, "8BITMIME", 17, "6152 2"),
    Parameter(b"SMTPUTF8", "smtputf8", _flag, "SMTPUTF8", 10, "6531 3.4"),
    Parameter(b"AUTH", "auth", _auth, "AUTH", 500, "4954 5"),
    Parameter(b"RET", "ret", _ret, "DSN", 9, "3461 4.3"),
    Parameter(b"ENVID", "envid", _envid, "DSN", 107, "3461 4.4"),
    Parameter(b"REQUIRETLS", "requiretls", _flag, "REQUIRETLS", 11, "8689 2"),
    Parameter(b"HOLDFOR", "hold_for", _hold_for, "FUTURERELEASE", 34, "4865 3"),
    Parameter(b"HOLDUNTIL", "hold_until", _hold_until, "FUTURERELEASE", 0, "4865 3"),
)

RCPT_PARAMS = _table(
    Parameter(b"NOTIFY", "notify", _notify, "DSN", 29, "3461 4.1"),
    Parameter(b"ORCPT", "orcpt", _orcpt, "DSN", 507, "3461 4.2"),
)
