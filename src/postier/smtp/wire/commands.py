"""The table of SMTP's verbs. A command is a row; HELP, limits and the replies 500, 502, 503 and 530 come
from the rows, and so do the tests of order."""

from __future__ import annotations

import base64
import binascii
import enum
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from postier.base.cursor import ParseError
from postier.base.status import Reply
from postier.smtp.wire.events import Auth, Data, Ehlo, Event, MailFrom, Quit, RcptTo, Rset, StartTls
from postier.smtp.wire.params import MAIL_PARAMS, RCPT_PARAMS, Parameter, parse_params
from postier.smtp.wire.paths import PathCursor
from postier.smtp.wire.replies import CommandError
from postier.smtp.wire.xclient import parse_xclient

__all__ = [
    "AUTH_LINE_LIMIT",
    "BDAT",
    "COMMANDS",
    "FOREIGN_VERBS",
    "LINE_LIMIT",
    "Bdat",
    "Command",
    "Context",
    "Protocol",
    "State",
    "decode_base64",
    "help_reply",
    "out_of_order",
    "parse_bdat",
]

LINE_LIMIT = 512
"""RFC 5321 4.5.3.1.4, CRLF included; parameters add to it."""

AUTH_LINE_LIMIT = 12288
"""RFC 4954 4, CRLF not included."""

_HELO_NAME = re.compile(rb"[A-Za-z0-9._:\[\]-]{1,255}")
_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,20}")


class State(enum.Enum):
    """Where the dialogue stands. CHUNKS: at least one BDAT was accepted, the last one was not yet seen."""

    FRESH = "no EHLO yet"
    READY = "between mail transactions"
    MAIL = "sender given"
    RCPT = "at least one recipient accepted"
    TEXT = "reading the text after DATA"
    OCTETS = "reading the octets after BDAT"
    CHUNKS = "between two chunks"
    AUTH = "within an AUTH exchange"
    CLOSED = "nothing more is read"


@dataclass(frozen=True, slots=True)
class Context:
    """What a command's meaning depends on: the extensions offered, and what MAIL said of the message."""

    offered: frozenset[str]
    smtputf8: bool = False
    binary: bool = False


@dataclass(frozen=True, slots=True)
class Bdat:
    """BDAT. The core reads its octets before anybody judges it (RFC 3030 2), so it is no event."""

    size: int
    last: bool


class Protocol(enum.Enum):
    """LMTP is SMTP with LHLO for EHLO, and with one reply for each recipient to the end of a message
    (RFC 2033 4)."""

    SMTP = "SMTP"
    LMTP = "LMTP"


Parse = Callable[[bytes, Context], Event | None]


@dataclass(frozen=True, slots=True)
class Command:
    """`parse` gets what follows the verb, its blank included; it raises ParseError or CommandError.

    `answer`: what the core says by itself where `parse` returns None. `extension`: the EHLO keyword
    without which the verb is unknown. `limit`: octets of the whole line, CRLF included. `before_tls`,
    `before_auth`: allowed where TLS or AUTH is asked for first. `ends_pipeline`: RFC 2920 3.1 lets nothing
    follow before the reply. `bare_reply`: RFC 2034 4 has no enhanced code in its replies. `idle`: it moves no
    mail, and a client that only sends such is slowly counted out. `only_in`: the protocol without which
    the verb is unknown.
    """

    name: bytes
    parse: Parse
    allowed_in: frozenset[State]
    rfc: str
    syntax: str
    answer: Reply | None = None
    extension: str = ""
    limit: int = LINE_LIMIT
    before_tls: bool = False
    before_auth: bool = False
    ends_pipeline: bool = False
    eight_bit: bool = False
    bare_reply: bool = False
    idle: bool = False
    only_in: Protocol | None = None


def _parse_ehlo(argument: bytes, context: Context) -> Event:
    return Ehlo(_helo_name(argument), extended=True)


def _parse_helo(argument: bytes, context: Context) -> Event:
    return Ehlo(_helo_name(argument), extended=False)


def _helo_name(argument: bytes) -> str:
    name = argument.strip(b" ")
    if not _HELO_NAME.fullmatch(name):
        raise ParseError(0, "a domain or an address literal")
    return name.decode("ascii")


def _parse_mail(argument: bytes, context: Context) -> Event:
    """ "MAIL FROM:" Reverse-path [SP Mail-parameters]; a blank before the path does no harm."""
    cursor = PathCursor(argument)
    cursor.expect_nocase(b" FROM:")
    cursor.take(b" ")
    path = cursor.reverse_path()
    fields: dict[str, Any] = {} if cursor.at_end() else parse_params(cursor, MAIL_PARAMS, context.offered)
    if cursor.utf8 and not fields.get("smtputf8"):
        raise CommandError(550, "5.6.7", "This address needs SMTPUTF8")
    if "hold_for" in fields and "hold_until" in fields:
        raise CommandError(501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other")
    mail = MailFrom(path, **fields)
    if mail.is_binary and "BINARYMIME" not in context.offered:
        raise CommandError(501, "5.5.4", "BODY has a bad value")
    return mail


def _parse_rcpt(argument: bytes, context: Context) -> Event:
    """ "RCPT TO:" ( "<Postmaster>" / Forward-path ) [SP Rcpt-parameters]."""
    cursor = PathCursor(argument)
    cursor.expect_nocase(b" TO:")
    cursor.take(b" ")
    path = cursor.forward_path()
    if cursor.utf8 and not context.smtputf8:
        raise CommandError(553, "5.6.7", "This address needs SMTPUTF8")
    if not (context.smtputf8 or argument.isascii()):  # RFC 6533 3
        raise CommandError(501, "5.5.4", "ORCPT has a bad value")
    fields: dict[str, Any] = {} if cursor.at_end() else parse_params(cursor, RCPT_PARAMS, context.offered)
    return RcptTo(path, **fields)


def _parse_data(argument: bytes, context: Context) -> Event:
    if argument.strip(b" "):
        raise ParseError(0, "the end of the line")
    if context.binary:  # RFC 3030 3
        raise CommandError(503, "5.5.1", "A binary message comes by BDAT")
    return Data()


def _parse_xclient(argument: bytes, context: Context) -> Event:
    return parse_xclient(argument)


def parse_bdat(argument: bytes) -> Bdat:
    """ "BDAT" SP chunk-size [SP "LAST"]. Raises ParseError."""
    size, _, last = argument.strip(b" ").partition(b" ")
    if not size.isdigit() or len(size) > 20 or last.upper() not in (b"", b"LAST"):
        raise ParseError(0, "a size")
    return Bdat(int(size), bool(last))


def _parse_auth(argument: bytes, context: Context) -> Event:
    """ "AUTH" SP mechanism [SP initial-response]; "=" is an empty initial response."""
    mechanism, blank, initial = argument.strip(b" ").partition(b" ")
    if not _MECHANISM.fullmatch(mechanism):
        raise ParseError(0, "a mechanism")
    name = mechanism.decode("ascii").upper()
    if not blank:
        return Auth(name, None)
    return Auth(name, b"" if initial == b"=" else decode_base64(initial))


def decode_base64(line: bytes) -> bytes:
    """Raises CommandError unless `line` is base64 and nothing else (RFC 4954 4)."""
    try:
        return base64.b64decode(line, validate=True)
    except binascii.Error:
        raise CommandError(501, "5.5.2", "That is not base64") from None


def _bare(event: Callable[[], Event]) -> Parse:
    """A verb without argument; blanks after it do no harm."""

    def parse(argument: bytes, context: Context) -> Event:
        if argument.strip(b" "):
            raise ParseError(0, "the end of the line")
        return event()

    return parse


def _ignored(argument: bytes, context: Context) -> None:
    """Whatever stands there, the row's `answer` is given."""


def _limit(params: dict[bytes, Parameter]) -> int:
    return LINE_LIMIT + sum(row.growth for row in params.values())


_ANY = frozenset(State) - {State.TEXT, State.OCTETS, State.AUTH, State.CLOSED}
_NOT_IN_CHUNKS = _ANY - {State.CHUNKS}
_READY = frozenset({State.READY})
_BETWEEN = frozenset({State.FRESH, State.READY})
_RCPT = frozenset({State.MAIL, State.RCPT})
_DATA = frozenset({State.RCPT})
_BDAT = frozenset({State.RCPT, State.CHUNKS})
_OK = Reply(250, "2.0.0", "OK")
_VRFY = Reply(252, "2.5.0", "Send some mail, and you will see")
_EXPN = Reply(502, "5.5.1", "Lists are not shown")

BDAT = b"BDAT"

COMMANDS = {
    command.name: command
    for command in (
        Command(
            b"EHLO", _parse_ehlo, _NOT_IN_CHUNKS, "5321 4.1.1.1", "EHLO domain",
            before_tls=True, before_auth=True, ends_pipeline=True, bare_reply=True,
            idle=True, only_in=Protocol.SMTP,
        ),
        Command(
            b"HELO", _parse_helo, _NOT_IN_CHUNKS, "5321 4.1.1.1", "HELO domain",
            before_tls=True, before_auth=True, ends_pipeline=True, bare_reply=True,
            idle=True, only_in=Protocol.SMTP,
        ),
        Command(
            b"LHLO", _parse_ehlo, _NOT_IN_CHUNKS, "2033 4.1", "LHLO domain",
            before_tls=True, before_auth=True, ends_pipeline=True, bare_reply=True,
            idle=True, only_in=Protocol.LMTP,
        ),
        Command(
            b"MAIL", _parse_mail, _READY, "5321 4.1.1.2", "MAIL FROM:<address>",
            limit=_limit(MAIL_PARAMS), eight_bit=True,
        ),
        Command(
            b"RCPT", _parse_rcpt, _RCPT, "5321 4.1.1.3", "RCPT TO:<address>",
            limit=_limit(RCPT_PARAMS), eight_bit=True,
        ),
        Command(b"DATA", _parse_data, _DATA, "5321 4.1.1.4", "DATA", ends_pipeline=True),
        Command(BDAT, _ignored, _BDAT, "3030 2", "BDAT size [LAST]", extension="CHUNKING"),
        Command(
            b"RSET", _bare(Rset), _ANY, "5321 4.1.1.5", "RSET",
            before_tls=True, before_auth=True, idle=True,
        ),
        Command(
            b"NOOP", _ignored, _ANY, "5321 4.1.1.9", "NOOP",
            answer=_OK, before_tls=True, before_auth=True, eight_bit=True, idle=True,
        ),
        Command(
            b"AUTH", _parse_auth, _READY, "4954 4", "AUTH mechanism [initial-response]",
            extension="AUTH", limit=AUTH_LINE_LIMIT, before_auth=True,
        ),
        Command(
            b"STARTTLS", _bare(StartTls), _READY, "3207 4", "STARTTLS",
            extension="STARTTLS", before_tls=True, before_auth=True,
        ),
        Command(
            b"XCLIENT", _parse_xclient, _BETWEEN, "", "XCLIENT attribute=value ...",
            extension="XCLIENT", before_tls=True, before_auth=True, idle=True, only_in=Protocol.SMTP,
        ),
        Command(
            b"HELP", _ignored, _ANY, "5321 4.1.1.8", "HELP [command]",
            before_tls=True, before_auth=True, idle=True,
        ),
        Command(
            b"VRFY", _ignored, _ANY, "5321 4.1.1.6", "VRFY name",
            answer=_VRFY, eight_bit=True, idle=True,
        ),
        Command(
            b"EXPN", _ignored, _ANY, "5321 4.1.1.7", "EXPN list",
            answer=_EXPN, eight_bit=True, idle=True,
        ),
        Command(
            b"QUIT", _bare(Quit), _ANY, "5321 4.1.1.10", "QUIT",
            before_tls=True, before_auth=True,
        ),
    )
}  # fmt: skip

FOREIGN_VERBS = frozenset(
    (b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"DELETE", b"PATCH", b"TRACE", b"PRI", b"USER")
)
"""Another protocol's client, perhaps a browser sent here by somebody's page (a cross-protocol attack)."""

_OUT_OF_ORDER = {
    State.FRESH: "Send {hello} first",
    State.READY: "Send MAIL FROM first",
    State.MAIL: "Send RCPT TO first",
    State.RCPT: "A mail transaction is under way; end it with DATA or RSET",
    State.CHUNKS: "Chunks of a message are under way; go on with BDAT or RSET",
}


def out_of_order(command: Command, state: State, protocol: Protocol) -> CommandError:
    """503 for a verb that is not `allowed_in` the state, with the step that is missing."""
    is_smtp = protocol is Protocol.SMTP
    if state is State.MAIL and command.allowed_in in (_DATA, _BDAT):
        return CommandError(554 if is_smtp else 503, "5.5.1", "No valid recipients")  # RFC 2033 4.2
    if state is State.MAIL and command.allowed_in in (_READY, _BETWEEN):
        state = State.RCPT
    return CommandError(503, "5.5.1", _OUT_OF_ORDER[state].format(hello="EHLO" if is_smtp else "LHLO"))


def help_reply(argument: bytes, offered: Iterable[str], protocol: Protocol) -> Reply:
    """214 with the verbs that are offered, or with the syntax of the one asked for."""
    extensions = {"", *offered}
    known = {
        name: command
        for name, command in COMMANDS.items()
        if command.extension in extensions and command.only_in in (None, protocol)
    }
    asked = known.get(argument.strip(b" ").upper())
    if asked is not None:
        return Reply(214, "2.0.0", f"{asked.syntax} (RFC {asked.rfc})" if asked.rfc else asked.syntax)
    return Reply(214, "2.0.0", "Commands: " + " ".join(name.decode() for name in known))
