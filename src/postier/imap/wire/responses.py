"""Writing responses (RFC 3501 section 7 and the extensions), as whole lines with their CRLF.

The lines of a long FETCH are made by one template for each set of items: `fetch_template(items) % row` costs
half a microsecond, because every value comes ready (FlagTexts, internal_date, the stored ENVELOPE).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from postier.imap.wire.numbers import sequence_set_text
from postier.imap.wire.pieces import (
    RECENT,
    SYSTEM_FLAG_NAMES,
    FlagTexts,
    astring,
    flag_list,
    flag_name,
    internal_date,
    literal,
    literal_header,
    mailbox_name,
    nstring,
    string,
    text,
)
from postier.imap.wire.values import FetchItem

__all__ = [
    "RECENT",
    "SYSTEM_FLAG_NAMES",
    "FlagTexts",
    "append_uid_code",
    "astring",
    "copy_uid_code",
    "enabled",
    "exists",
    "expunge",
    "fetch_template",
    "flag_list",
    "flag_name",
    "flags",
    "highest_modseq",
    "highest_modseq_code",
    "id_response",
    "internal_date",
    "list_line",
    "literal",
    "literal_header",
    "mailbox_id_code",
    "mailbox_name",
    "modified_code",
    "namespace",
    "nstring",
    "permanent_flags_code",
    "recent",
    "section_label",
    "sequence_set_text",
    "status_line",
    "string",
    "tagged",
    "text",
    "untagged",
    "vanished",
]


def tagged(tag: bytes, status: bytes, message: str, code: bytes = b"") -> bytes:
    """`A1 OK [CODE] message`. `status`: b"OK", b"NO" or b"BAD". `code`: without brackets, made by a function
    of this file or a constant; `tag`: as the core gave it."""
    if code:
        return b"%b %b [%b] %b\r\n" % (tag, status, code, text(message))
    return b"%b %b %b\r\n" % (tag, status, text(message))


def untagged(status: bytes, message: str, code: bytes = b"") -> bytes:
    """`* OK [CODE] message`; also with BYE and PREAUTH."""
    return tagged(b"*", status, message, code)


# ---------------------------------------------------------------------- response codes


def append_uid_code(uidvalidity: int, uids: Iterable[int]) -> bytes:
    """RFC 4315 3."""
    return b"APPENDUID %d %b" % (uidvalidity, sequence_set_text(uids))


def copy_uid_code(uidvalidity: int, source: Iterable[int], target: Iterable[int]) -> bytes:
    """RFC 4315 3: the two sets name the same messages in the same order."""
    return b"COPYUID %d %b %b" % (uidvalidity, sequence_set_text(source), sequence_set_text(target))


def modified_code(numbers: Iterable[int]) -> bytes:
    """RFC 7162 3.1.3."""
    return b"MODIFIED " + sequence_set_text(numbers)


def highest_modseq_code(modseq: int) -> bytes:
    """RFC 7162 3.1.2.1; a mailbox in which nothing has ever happened is at 1."""
    return b"HIGHESTMODSEQ %d" % max(modseq, 1)


def mailbox_id_code(mailbox_id: bytes) -> bytes:
    """RFC 8474 4.1 and 4.2."""
    return b"MAILBOXID (%b)" % mailbox_id


def permanent_flags_code(names: Iterable[str], *, more: bool) -> bytes:
    """`more`: the client may make new keywords."""
    return b"PERMANENTFLAGS " + flag_list([*names, "\\*"] if more else names)


# ---------------------------------------------------------------------- mailboxes


def exists(count: int) -> bytes:
    return b"* %d EXISTS\r\n" % count


def recent(count: int) -> bytes:
    return b"* %d RECENT\r\n" % count


def expunge(number: int) -> bytes:
    return b"* %d EXPUNGE\r\n" % number


def vanished(uids: Iterable[int], *, earlier: bool = False) -> bytes:
    """RFC 7162 3.2.10."""
    return b"* VANISHED %b%b\r\n" % (b"(EARLIER) " if earlier else b"", sequence_set_text(uids))


def highest_modseq(modseq: int) -> bytes:
    """The untagged OK that tells it (RFC 7162 3.1.2.1)."""
    return b"* OK [%b] Highest\r\n" % highest_modseq_code(modseq)


def flags(names: Iterable[str]) -> bytes:
    return b"* FLAGS " + flag_list(names) + b"\r\n"


def list_line(
    name: str,
    attributes: Iterable[bytes],
    *,
    separator: bytes = b"/",
    command: bytes = b"LIST",
    child_info: Sequence[bytes] = (),
    old_name: str | None = None,
    utf8: bool = False,
) -> bytes:
    """`* LIST (\\HasNoChildren) "/" "name"`. `attributes`: names of RFC 3501 7.2.2, 5258, 6154. `child_info`:
    the selection options for a CHILDINFO item (RFC 5258 4), such as b"SUBSCRIBED". `old_name`: for an OLDNAME
    item (RFC 9051 6.3.9.7)."""
    items = []
    if child_info:
        items.append(b'"CHILDINFO" (' + b" ".join(b'"%b"' % option for option in child_info) + b")")
    if old_name is not None:
        items.append(b'"OLDNAME" (' + mailbox_name(old_name, utf8) + b")")
    extended = b" (" + b" ".join(items) + b")" if items else b""
    return b'* %b (%b) "%b" %b%b\r\n' % (
        command,
        b" ".join(attributes),
        separator,
        mailbox_name(name, utf8),
        extended,
    )


def status_line(name: str, items: Iterable[tuple[str, int | bytes]], *, utf8: bool = False) -> bytes:
    """`* STATUS "name" (MESSAGES 3 UNSEEN 1)`; a value that is no number comes ready."""
    pairs = b" ".join(
        [
            b"%b %b" % (item.encode("ascii"), value if isinstance(value, bytes) else b"%d" % value)
            for item, value in items
        ]
    )
    return b"* STATUS %b (%b)\r\n" % (mailbox_name(name, utf8), pairs)


def namespace(personal: str, other_users: str, shared: str, separator: str = "/") -> bytes:
    """RFC 2342 5: one namespace of each kind."""
    prefixes = (personal, other_users, shared)
    return b"* NAMESPACE " + b" ".join([_namespace(prefix, separator) for prefix in prefixes]) + b"\r\n"


def _namespace(prefix: str, separator: str) -> bytes:
    return b"((%b %b))" % (string(prefix.encode()), string(separator.encode()))


# ---------------------------------------------------------------------- who we are


def id_response(fields: Iterable[tuple[str, str]]) -> bytes:
    """RFC 2971 3.2; NIL for no fields."""
    pairs = b" ".join([string(name.encode()) + b" " + string(value.encode()) for name, value in fields])
    return b"* ID (%b)\r\n" % pairs if pairs else b"* ID NIL\r\n"


def enabled(capabilities: Iterable[str]) -> bytes:
    """RFC 5161 3.2, of names that this server knows."""
    return b" ".join([b"* ENABLED", *(astring(name) for name in capabilities)]) + b"\r\n"


# ---------------------------------------------------------------------- FETCH

_FETCH_FORMS = {
    "UID": b"UID %d",
    "FLAGS": b"FLAGS %b",
    "INTERNALDATE": b"INTERNALDATE %b",
    "RFC822.SIZE": b"RFC822.SIZE %d",
    "ENVELOPE": b"ENVELOPE %b",
    "BODY": b"BODY %b",
    "BODYSTRUCTURE": b"BODYSTRUCTURE %b",
    "MODSEQ": b"MODSEQ (%d)",
    "EMAILID": b"EMAILID (%b)",
    "THREADID": b"THREADID (%b)",
    "SAVEDATE": b"SAVEDATE %b",
    "PREVIEW": b"PREVIEW %b",
}


def fetch_template(items: tuple[FetchItem, ...], name: bytes = b"FETCH") -> bytes:
    """What makes a line by `template % (sequence number, value, value, ...)`, one value for each item in
    order: int for UID, RFC822.SIZE and MODSEQ, ready bytes for the others; a section's value is a literal or
    nstring of what it holds."""
    return b"* %d " + name + b" (" + b" ".join(map(_form, items)) + b")\r\n"


def _form(item: FetchItem) -> bytes:
    if isinstance(item, str):
        return _FETCH_FORMS[item]
    return section_label(item.label, item.partial).replace(b"%", b"%%") + b" %b"


def section_label(label: bytes, partial: tuple[int, int] | None) -> bytes:
    """`BODY[TEXT]<0>`: the answer names the first octet of a part, not its length (RFC 3501 7.4.2)."""
    return label if partial is None else b"%b<%d>" % (label, partial[0])
