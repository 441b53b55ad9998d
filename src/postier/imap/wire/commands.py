"""The commands: one row each. Framing, states, CAPABILITY and the tests read these rows.

Adding a command is adding a row here and a parse function in the file of its group.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from postier.base.cursor import ParseError
from postier.imap.wire import (
    access,
    acl,
    fetch,
    listing,
    mailboxes,
    messages,
    metadata,
    notify,
    quota,
    search,
)
from postier.imap.wire.append import Append, parse_append, parse_replace
from postier.imap.wire.batches import parse_uid_batches
from postier.imap.wire.grammar import Grammar
from postier.imap.wire.multisearch import parse_multisearch
from postier.imap.wire.sort import parse_sort
from postier.imap.wire.thread import parse_thread
from postier.imap.wire.updates import parse_cancel_update
from postier.imap.wire.values import (
    BadCommand,
    Capability,
    Check,
    Close,
    Command,
    Delete,
    Examine,
    Idle,
    Logout,
    Namespace,
    Noop,
    Select,
    StarttlsCommand,
    State,
    Subscribe,
    Unselect,
    Unsubscribe,
)

__all__ = [
    "COMMANDS",
    "Row",
    "judge_start",
    "parse_command",
    "parse_streamed",
    "takes_stream",
    "too_long",
]

Parse = Callable[[Grammar, bytes], Command]
ParseStreamed = Callable[[Grammar, bytes], Append | None]
Result = TypeVar("Result")

_ANY = State.NOT_AUTHENTICATED | State.AUTHENTICATED | State.SELECTED
_BEFORE = State.NOT_AUTHENTICATED
_AFTER = State.AUTHENTICATED | State.SELECTED
_SELECTED = State.SELECTED


@dataclass(frozen=True, slots=True)
class Row:
    """A command: its verb, how the rest of it is read (from the space behind the verb), where it is allowed
    and where it is specified.

    `parse_uid` reads the form behind UID. `capability` is the one that announces the command, "" for
    RFC 3501's own. `parse_streamed` (and `parse_uid_streamed`) reads the command up to a literal that is to
    be streamed; None from it means that the literal is an ordinary argument. `too_long`: the response code
    of the NO to a literal that is longer than an argument may be; "" where that is BAD.
    """

    name: bytes
    parse: Parse
    states: State
    rfc: str
    capability: str = ""
    parse_uid: Parse | None = None
    parse_streamed: ParseStreamed | None = None
    parse_uid_streamed: ParseStreamed | None = None
    too_long: str = ""


def _ended(parse: ParseStreamed) -> Parse:
    """A command that may be over without any literal to be streamed (RFC 4469: URLs alone)."""

    def read(g: Grammar, tag: bytes) -> Command:
        command = parse(g, tag)
        if command is None or command.line.literal is not None:
            g.fail("a literal's octets")
        return command

    return read


_parse_uid_replace = partial(parse_replace, by_uid=True)


COMMANDS = {
    row.name: row
    for row in (
        Row(b"CAPABILITY", access.no_arguments(Capability), _ANY, "3501 6.1.1"),
        Row(b"NOOP", access.no_arguments(Noop), _ANY, "3501 6.1.2"),
        Row(b"LOGOUT", access.no_arguments(Logout), _ANY, "3501 6.1.3"),
        Row(b"ID", access.parse_id, _ANY, "2971 3.1", "ID"),
        Row(b"STARTTLS", access.no_arguments(StarttlsCommand), _BEFORE, "3501 6.2.1", "STARTTLS"),
        Row(b"AUTHENTICATE", access.parse_authenticate, _BEFORE, "3501 6.2.2"),
        Row(b"LOGIN", access.parse_login, _BEFORE, "3501 6.2.3"),
        Row(
            b"UNAUTHENTICATE",
            access.no_arguments(access.Unauthenticate),
            _AFTER,
            "8437 3",
            "UNAUTHENTICATE",
        ),
        Row(b"ENABLE", access.parse_enable, _AFTER, "5161 3.1", "ENABLE"),
        Row(b"COMPRESS", access.parse_compress, _AFTER, "4978 3", "COMPRESS=DEFLATE"),
        Row(b"SELECT", mailboxes.select(Select), _AFTER, "3501 6.3.1"),
        Row(b"EXAMINE", mailboxes.select(Examine), _AFTER, "3501 6.3.2"),
        Row(b"CREATE", mailboxes.parse_create, _AFTER, "3501 6.3.3"),
        Row(b"DELETE", mailboxes.one_mailbox(Delete), _AFTER, "3501 6.3.4"),
        Row(b"RENAME", mailboxes.parse_rename, _AFTER, "3501 6.3.5"),
        Row(b"SUBSCRIBE", mailboxes.one_mailbox(Subscribe), _AFTER, "3501 6.3.6"),
        Row(b"UNSUBSCRIBE", mailboxes.one_mailbox(Unsubscribe), _AFTER, "3501 6.3.7"),
        Row(b"LIST", listing.parse_list, _AFTER, "3501 6.3.8"),
        Row(b"LSUB", listing.parse_lsub, _AFTER, "3501 6.3.9"),
        Row(b"NAMESPACE", access.no_arguments(Namespace), _AFTER, "2342 5", "NAMESPACE"),
        Row(b"SETACL", acl.parse_setacl, _AFTER, "4314 3.1", "ACL"),
        Row(b"DELETEACL", acl.of_identifier(acl.DeleteAcl), _AFTER, "4314 3.2", "ACL"),
        Row(b"GETACL", mailboxes.one_mailbox(acl.GetAcl), _AFTER, "4314 3.3", "ACL"),
        Row(b"LISTRIGHTS", acl.of_identifier(acl.ListRights), _AFTER, "4314 3.4", "ACL"),
        Row(b"MYRIGHTS", mailboxes.one_mailbox(acl.MyRights), _AFTER, "4314 3.5", "ACL"),
        Row(b"GETQUOTA", quota.parse_getquota, _AFTER, "9208 4.1.1", "QUOTA"),
        Row(b"GETQUOTAROOT", mailboxes.one_mailbox(quota.GetQuotaRoot), _AFTER, "9208 4.1.2", "QUOTA"),
        Row(b"SETQUOTA", quota.parse_setquota, _AFTER, "9208 4.1.3", "QUOTASET"),
        Row(b"GETMETADATA", metadata.parse_getmetadata, _AFTER, "5464 4.2", "METADATA"),
        Row(
            b"SETMETADATA",
            metadata.parse_setmetadata,
            _AFTER,
            "5464 4.3",
            "METADATA",
            too_long=metadata.TOO_LONG,
        ),
        Row(b"STATUS", mailboxes.parse_status, _AFTER, "3501 6.3.10"),
        Row(b"APPEND", _ended(parse_append), _AFTER, "3501 6.3.11", parse_streamed=parse_append),
        Row(b"NOTIFY", notify.parse_notify, _AFTER, "5465 3.1", "NOTIFY"),
        Row(b"IDLE", access.no_arguments(Idle), _AFTER, "2177 3", "IDLE"),
        Row(b"CHECK", access.no_arguments(Check), _SELECTED, "3501 6.4.1"),
        Row(b"CLOSE", access.no_arguments(Close), _SELECTED, "3501 6.4.2"),
        Row(b"UNSELECT", access.no_arguments(Unselect), _SELECTED, "3691 2", "UNSELECT"),
        Row(
            b"EXPUNGE", messages.parse_expunge, _SELECTED, "3501 6.4.3", parse_uid=messages.parse_uid_expunge
        ),
        Row(
            b"SEARCH",
            search.parse_search,
            _SELECTED,
            "3501 6.4.4",
            parse_uid=partial(search.parse_search, by_uid=True),
        ),
        Row(b"SORT", parse_sort, _SELECTED, "5256 3", "SORT", partial(parse_sort, by_uid=True)),
        Row(b"UIDBATCHES", parse_uid_batches, _SELECTED, "10022 3.1", "UIDBATCHES"),
        Row(b"ESEARCH", parse_multisearch, _AFTER, "7377 2", "MULTISEARCH", parse_multisearch),
        Row(b"CANCELUPDATE", parse_cancel_update, _SELECTED, "5267 4.3.5", "CONTEXT"),
        Row(b"THREAD", parse_thread, _SELECTED, "5256 3", "THREAD", partial(parse_thread, by_uid=True)),
        Row(
            b"FETCH",
            fetch.parse_fetch,
            _SELECTED,
            "3501 6.4.5",
            parse_uid=partial(fetch.parse_fetch, by_uid=True),
        ),
        Row(
            b"STORE",
            messages.parse_store,
            _SELECTED,
            "3501 6.4.6",
            parse_uid=partial(messages.parse_store, by_uid=True),
        ),
        Row(
            b"COPY",
            messages.parse_copy,
            _SELECTED,
            "3501 6.4.7",
            parse_uid=partial(messages.parse_copy, by_uid=True),
        ),
        Row(
            b"MOVE",
            messages.parse_move,
            _SELECTED,
            "6851 3.1",
            "MOVE",
            parse_uid=partial(messages.parse_move, by_uid=True),
        ),
        Row(
            b"REPLACE",
            _ended(parse_replace),
            _SELECTED,
            "8508 3.2",
            "REPLACE",
            parse_uid=_ended(_parse_uid_replace),
            parse_streamed=parse_replace,
            parse_uid_streamed=_parse_uid_replace,
        ),
    )
}


def parse_command(
    data: bytes, state: State, *, utf8: bool = False, off: frozenset[str] = frozenset()
) -> Command:
    """The command that `data` is (see Grammar for its form), or the BadCommand that says why it is none."""
    return _read(Grammar(data, utf8=utf8, off=off), state, _whole)


def parse_streamed(
    data: bytes, state: State, *, utf8: bool = False, off: frozenset[str] = frozenset()
) -> Append | BadCommand | None:
    """The same for `data` that ends in the announcement of a literal: the command that takes the literal as a
    stream, or None where it is an ordinary argument whose octets must be collected first."""
    return _read(Grammar(data, utf8=utf8, off=off), state, _up_to_its_literal)


def takes_stream(line: bytes) -> bool:
    """Whether the command that begins with `line` is one whose literals may have to be streamed."""
    words = line[:300].upper().split(b" ", 3)[1:]
    row = COMMANDS.get(words[1] if words[:1] == [b"UID"] and len(words) > 1 else b"".join(words[:1]))
    return row is not None and row.parse_streamed is not None


def too_long(start: bytes, tag: bytes, *, off: frozenset[str] = frozenset()) -> BadCommand:
    """What to say of literals that are too many or too long, in the command that begins with `start`."""
    code = ""
    with contextlib.suppress(ParseError):
        g = Grammar(start)
        g.tag()
        g.space()
        row, _ = _row(g)
        if row is not None and row.capability not in off:
            code = row.too_long
    return BadCommand(tag, "Too many or too long literals", code=code, status="NO" if code else "BAD")


def judge_start(data: bytes, state: State, *, off: frozenset[str] = frozenset()) -> BadCommand | None:
    """What is wrong already with a command of which `data` is the first line, before its literal is asked
    for: its tag, its name, or that it is not allowed here."""
    return _read(Grammar(data, off=off), state, _no_arguments_yet)


def _no_arguments_yet(g: Grammar, tag: bytes, row: Row, by_uid: bool) -> BadCommand | None:
    return _unknown(tag) if by_uid and row.parse_uid is None else None


def _whole(g: Grammar, tag: bytes, row: Row, by_uid: bool) -> Command:
    parse = row.parse_uid if by_uid else row.parse
    return _unknown(tag) if parse is None else parse(g, tag)


def _up_to_its_literal(g: Grammar, tag: bytes, row: Row, by_uid: bool) -> Append | None:
    parse = row.parse_uid_streamed if by_uid else row.parse_streamed
    return None if parse is None else parse(g, tag)


def _unknown(tag: bytes) -> BadCommand:
    return BadCommand(tag, "Unknown command")


def _read(
    g: Grammar, state: State, arguments: Callable[[Grammar, bytes, Row, bool], Result]
) -> Result | BadCommand:
    """tag SP ["UID" SP] command, then its `arguments`, if they are right and allowed."""
    tag = b"*"
    try:
        first = g.tag()
        if not g.at_end():
            g.space()
        tag = first
        row, by_uid = _row(g)
        if row is None or row.capability.upper() in g.off:
            return _unknown(tag)
        if state not in row.states:
            return BadCommand(tag, "Command not allowed in this state", code="CLIENTBUG")
        return arguments(g, tag, row, by_uid)
    except ParseError as error:
        return BadCommand(tag, f"Syntax: {error}")


def _row(g: Grammar) -> tuple[Row | None, bool]:
    name = g.word()
    if name != b"UID":
        return COMMANDS.get(name), False
    g.space()
    return COMMANDS.get(g.word()), True
