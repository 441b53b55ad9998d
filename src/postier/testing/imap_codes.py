"""Response codes: what stands in the brackets of OK, NO, BAD and BYE (RFC 9051 7.1, RFC 5530, extensions)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from postier.testing.imap_words import Words

__all__ = ["Code", "read_code"]

_URL = re.compile(rb"[^\x00-\x20\]\x7f-\xff]++")
_REST = re.compile(rb"[^\r\n\]\x00\x80-\xff]++")
_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}+")


class Code(NamedTuple):
    """`value` is what the function of the code's row makes of its arguments, None without any."""

    name: str
    value: Any = None


def read_code(w: Words) -> Code:
    """Up to the closing bracket, which stays. Raises ParseError for a code that no row knows."""
    name = w.name()
    if name in _BARE:
        return Code(name)
    read = _ROWS.get(name)
    if read is None:
        w.fail("a response code that the tables know")
    if name in _OPTIONAL and w.peek() == 0x5D:
        return Code(name)
    w.space()
    return Code(name, read(w))


_BARE = {
    *("ALERT", "PARSE", "READ-ONLY", "READ-WRITE", "TRYCREATE", "UIDNOTSTICKY", "CLOSED", "NOMODSEQ"),
    *("UNAVAILABLE", "AUTHENTICATIONFAILED", "AUTHORIZATIONFAILED", "EXPIRED", "PRIVACYREQUIRED"),
    *("CONTACTADMIN", "NOPERM", "INUSE", "EXPUNGEISSUED", "CORRUPTION", "SERVERBUG", "CLIENTBUG"),
    *("CANNOT", "LIMIT", "OVERQUOTA", "ALREADYEXISTS", "NONEXISTENT", "HASCHILDREN", "NOTSAVED"),
    *("COMPRESSIONACTIVE", "UNKNOWN-CTE", "TOOBIG", "USEATTR", "NOTIFICATIONOVERFLOW", "UIDREQUIRED"),
}


def _nz_number(w: Words) -> int:
    return w.nz_number()


def _names(w: Words) -> tuple[str, ...]:
    return w.atoms()


def _charsets(w: Words) -> tuple[bytes, ...]:
    w.expect(b"(")
    found = [w.astring()]
    while w.take(b" "):
        found.append(w.astring())
    w.expect(b")")
    return tuple(found)


def _permanent_flags(w: Words) -> frozenset[bytes]:
    return w.flags(wild=True)


def _append_uid(w: Words) -> tuple[int, list[int]]:
    validity = w.nz_number()
    w.space()
    return validity, w.uid_set()


def _copy_uid(w: Words) -> tuple[int, list[int], list[int]]:
    """As many sources as copies (RFC 4315 3)."""
    validity = w.nz_number()
    w.space()
    sources = w.uid_set()
    w.space()
    copies = w.uid_set()
    return (validity, sources, copies) if len(sources) == len(copies) else w.fail("sets of equal size")


def _object_id(w: Words) -> bytes:
    w.expect(b"(")
    found = w.require(_OBJECT_ID, "an object id")
    w.expect(b")")
    return found


def _rest(w: Words) -> bytes:
    return w.require(_REST, "arguments")


def _message_limit(w: Words) -> tuple[int, int]:
    """RFC 9738: the limit, and the UID up to which it was done, 0 for all."""
    limit = w.nz_number()
    return limit, w.nz_number() if w.take(b" ") else 0


_OPTIONAL = {"BADCHARSET", "INPROGRESS"}
_ROWS: dict[str, Callable[[Words], Any]] = {
    "APPENDUID": _append_uid,
    "BADCHARSET": _charsets,
    "BADCOMPARATOR": _rest,
    "BADEVENT": _rest,
    "BADURL": lambda w: w.require(_URL, "a URL"),
    "CAPABILITY": _names,
    "COPYUID": _copy_uid,
    "HIGHESTMODSEQ": Words.modseq,
    "INPROGRESS": _rest,
    "MAILBOXID": _object_id,
    "MESSAGELIMIT": _message_limit,
    "METADATA": _rest,
    "MODIFIED": Words.uid_set,
    "NOUPDATE": Words.quoted,
    "PERMANENTFLAGS": _permanent_flags,
    "SAVELIMIT": _nz_number,
    "UIDNEXT": _nz_number,
    "UIDVALIDITY": _nz_number,
    "UNSEEN": _nz_number,
}
