"""The server's side of an IMAP connection, without I/O: bytes in, commands out (RFC 3501, RFC 7888).

Goal: frame lines and literals, parse each command when the session asks for it, and keep the connection in
step whatever comes in. Rules:

- A literal's size is judged before "+" invites it. Arguments are collected, within limits that are much
  smaller before login; the message of an APPEND streams past in chunks and is never held.
- A refused literal that was sent without waiting (LITERAL+) is skipped without being kept, with all of its
  command; where skipping would cost more than the peer is worth, the connection ends (`BadCommand.fatal`).
- What comes out depends on the bytes, never on how they were cut into packets.
- Nothing is read past an event whose answer decides what comes next: commands are parsed in `next_event`,
  in the state that the session has set by then.

Cost: every byte is looked at once, and a line that arrives in pieces is searched from where it was left.
"""

from __future__ import annotations

import binascii
import enum
from collections.abc import Callable

from postier.base.cursor import ParseError
from postier.imap.wire.access import decode_base64
from postier.imap.wire.append import Append, AppendLine, LiteralChunk, LiteralEnd, Place, parse_following
from postier.imap.wire.commands import judge_start, parse_command, parse_streamed, takes_stream, too_long
from postier.imap.wire.framing import AFTER_LOGIN, BEFORE_LOGIN, InputBuffer, Limits, TooLong
from postier.imap.wire.grammar import Grammar, Literal, announced_literal
from postier.imap.wire.values import (
    AuthenticateResponse,
    BadCommand,
    Command,
    IdleDone,
    State,
)

__all__ = ["ImapEvent", "ImapServer"]

ImapEvent = Command | AuthenticateResponse | LiteralChunk | LiteralEnd | IdleDone

CHUNK = 64 * 1024
"""Octets of a LiteralChunk; only the last one of a literal is smaller."""

MAX_ARGUMENTS = 100
"""Literals in one command."""

MAX_UNASKED = 4096
"""Octets of a literal that does not wait, where LITERAL- is announced (RFC 7888 5)."""

MAX_RESPONSE = 16 * 1024
"""A line of AUTHENTICATE: 12,288 octets in base64 (RFC 4422 names no limit)."""

MAX_BAD_COMMANDS = 20
"""Wrong commands in a row; before login in all."""


class _Mode(enum.Enum):
    COMMAND = enum.auto()  # the next line of a command
    ARGUMENT = enum.auto()  # the octets of a literal that is an argument
    DECISION = enum.auto()  # the session has an APPEND and decides about its literal
    MESSAGE = enum.auto()  # the octets of a literal that is streamed
    TAIL = enum.auto()  # what follows it: the end of the line or another literal
    SKIP = enum.auto()  # the octets of a refused literal
    DISCARD = enum.auto()  # the rest of a refused command
    EXCHANGE = enum.auto()  # a line of AUTHENTICATE
    IDLE = enum.auto()  # the line that ends IDLE
    CLOSED = enum.auto()


class _Again(enum.Enum):
    """What a step returns that made progress without an event."""

    AGAIN = 0


_AGAIN = _Again.AGAIN
_Step = ImapEvent | _Again | None


class ImapServer:
    """A net.api.Core whose events are the values of imap.wire.values.

    The session sets `state` (RFC 3501 3), `utf8`, True once the client has enabled UTF8=ACCEPT or IMAP4rev2,
    and `off`, the capabilities that are switched off.
    """

    __slots__ = (
        "_append",
        "_arguments",
        "_bad",
        "_buffer",
        "_literal",
        "_mode",
        "_out",
        "_parts",
        "_place",
        "_size",
        "_tag",
        "_verdict",
        "_wanted",
        "held",
        "off",
        "state",
        "utf8",
    )

    def __init__(self) -> None:
        self.state = State.NOT_AUTHENTICATED
        self.utf8 = False
        self.off: frozenset[str] = frozenset()
        self._mode = _Mode.COMMAND
        self._buffer = InputBuffer()
        self._out: list[bytes] = []
        self._parts: list[bytes] = []  # of the command so far: lines and literals
        self._size = 0  # octets in `_parts`
        self._arguments = 0  # literals in `_parts`
        self._literal: Literal | None = None  # of the message that waits for DECISION
        self._wanted = 0  # octets still to come of the literal being read or skipped
        self._append: Append | None = None  # whose literals are streamed
        self._place = Place.MESSAGE  # of that command's grammar behind the literal
        self._tag = b"*"  # of the message being streamed; b"*" once that command is answered
        self._verdict: BadCommand | None = None  # to be told when the refused command has ended
        self._bad = 0
        self.held = 0
        """Octets that wait to be sent."""

    # ------------------------------------------------------------------ the driver's side

    def receive(self, data: bytes) -> None:
        if self._mode is not _Mode.CLOSED:
            self._buffer.append(data)

    def next_event(self) -> ImapEvent | None:
        try:
            while True:
                event = _STEPS[self._mode](self)
                if event is not _AGAIN:
                    return event
        except TooLong:
            return self._close(BadCommand(self._known_tag(), "Line too long", fatal=True))

    def eof(self) -> None:
        """Nothing ends by the end of input: a command without its CRLF was never given."""

    def outgoing(self) -> bytes:
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        self.held = 0
        return data

    def has_buffered_input(self) -> bool:
        return bool(self._buffer or self._parts)

    # ------------------------------------------------------------------ the session's side

    def send(self, data: bytes) -> None:
        """Queue whole responses, each with its CRLF."""
        self._out.append(data)
        self.held += len(data)

    def accept_literal(self) -> None:
        """Answer to Append, or to LiteralEnd, with a literal: its octets may come."""
        literal = self._decided()
        if literal.waits:
            self._out.append(b"+ OK\r\n")
        self._wanted = literal.size
        self._mode = _Mode.MESSAGE

    def refuse_literal(self) -> None:
        """The other answer; the session gives the tagged response itself. What is sent all the same is
        skipped, with the rest of the command. May also be called before the LiteralEnd has come."""
        if self._mode in (_Mode.MESSAGE, _Mode.TAIL):
            self._mode = _Mode.SKIP
            self._tag = b"*"
            return
        literal = self._decided()
        if literal.waits:
            self._mode = _Mode.COMMAND
        else:
            self._skip(literal, None)

    def refuse_pending(self) -> None:
        """Refuse the literal that waits for a decision, if one does."""
        if self._mode is _Mode.DECISION:
            self.refuse_literal()

    def challenge(self, data: bytes) -> None:
        """Answer to Authenticate or AuthenticateResponse: go on with `data`; another response follows."""
        self._out.append(b"+ " + binascii.b2a_base64(data, newline=False) + b"\r\n")
        self._mode = _Mode.EXCHANGE

    def continue_idle(self) -> None:
        """Answer to Idle: the next line is its end."""
        self._out.append(b"+ idling\r\n")
        self._mode = _Mode.IDLE

    # ------------------------------------------------------------------ commands and their arguments

    @property
    def _limits(self) -> Limits:
        return BEFORE_LOGIN if self.state is State.NOT_AUTHENTICATED else AFTER_LOGIN

    def _read_command(self) -> _Step:
        limits = self._limits
        line = self._buffer.line(min(limits.line, limits.command - self._size))
        if line is None:
            return None
        content = line.removesuffix(b"\r")
        if not content and not self._parts and line:
            return _AGAIN  # an empty line between commands, as some clients send behind a literal
        self._parts.append(content)
        self._size += len(content) + 2
        literal = announced_literal(content)
        if not line.endswith(b"\r"):
            return self._refuse(literal, _bad_ending(self._known_tag()))
        if literal is not None:
            return self._announced(literal)
        event = parse_command(self._finish_command(), self.state, utf8=self.utf8, off=self.off)
        if isinstance(event, BadCommand):
            return self._judge(event)
        if self.state is not State.NOT_AUTHENTICATED:
            self._bad = 0
        return event

    def _finish_command(self) -> bytes:
        """What was collected; the next command starts with nothing."""
        data = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts = []
        self._size = self._arguments = 0
        return data

    def _announced(self, literal: Literal) -> _Step:
        """A line ends in a literal: a message to be streamed, or an argument to be collected."""
        if self._arguments == 0:
            verdict = judge_start(self._parts[0], self.state, off=self.off)
            if verdict is not None:
                return self._refuse(literal, verdict)
        if self._should_have_waited(literal):
            return self._refuse(literal, _too_big(self._known_tag()))
        if self._arguments <= 1 and takes_stream(self._parts[0]):
            event = parse_streamed(b"".join(self._parts), self.state, utf8=self.utf8, off=self.off)
            if isinstance(event, BadCommand):
                return self._refuse(literal, event)
            if isinstance(event, Append):
                self._finish_command()
                self._append, self._tag = event, event.tag
                return self._decide(literal, event, event.line)
        limits = self._limits
        self._arguments += 1
        if (
            literal.size > limits.argument
            or self._size + literal.size > limits.command
            or self._arguments > MAX_ARGUMENTS
        ):
            return self._refuse(literal, too_long(self._parts[0], self._known_tag(), off=self.off))
        self._parts.append(b"\r\n")
        self._wanted = literal.size
        self._mode = _Mode.ARGUMENT
        if literal.waits:
            self._out.append(b"+ OK\r\n")
        return _AGAIN

    def _should_have_waited(self, literal: Literal) -> bool:
        """RFC 7888: any literal may come unasked with LITERAL+, short ones with LITERAL-, else none."""
        if literal.waits or "LITERAL+" not in self.off:
            return False
        return literal.size > MAX_UNASKED or "LITERAL-" in self.off

    def _read_argument(self) -> _Step:
        if len(self._buffer) < self._wanted:
            return None
        self._parts.append(self._buffer.take(self._wanted))
        self._size += self._wanted
        self._mode = _Mode.COMMAND
        return _AGAIN

    # ------------------------------------------------------------------ messages

    def _decide(self, literal: Literal, event: ImapEvent, line: AppendLine) -> ImapEvent:
        self._literal = literal
        self._place = line.place
        self._mode = _Mode.DECISION
        return event

    def _decided(self) -> Literal:
        """Raises RuntimeError if no literal waits for a decision: a fault of the session."""
        literal, self._literal = self._literal, None
        if literal is None:
            raise RuntimeError("no literal waits for a decision")
        return literal

    def _wait(self) -> _Step:
        return None

    def _read_message(self) -> _Step:
        if self._wanted == 0:
            self._mode = _Mode.TAIL
            return _AGAIN
        count = min(self._wanted, CHUNK)
        if len(self._buffer) < count:
            return None
        self._wanted -= count
        return LiteralChunk(self._buffer.take(count))

    def _read_tail(self) -> _Step:
        """What stands behind a literal of APPEND, to the end of the line."""
        line = self._buffer.line(AFTER_LOGIN.line)
        if line is None:
            return None
        self._mode = _Mode.COMMAND
        content = line.removesuffix(b"\r")
        literal = announced_literal(content)
        following = self._following(content) if line.endswith(b"\r") else _bad_ending(self._tag)
        if isinstance(following, BadCommand):
            return self._refuse(literal, following)
        if literal is None or following.literal is None:
            return LiteralEnd(following)
        if self._should_have_waited(literal):
            return self._refuse(literal, _too_big(self._tag))
        return self._decide(literal, LiteralEnd(following), following)

    def _following(self, content: bytes) -> AppendLine | BadCommand:
        assert self._append is not None, "a literal of no command ended"
        try:
            g = Grammar(content, utf8=self.utf8, off=self.off)
            return parse_following(g, self._append, self._place)
        except ParseError as error:
            return BadCommand(self._tag, f"Syntax: {error}")

    # ------------------------------------------------------------------ refusing

    def _refuse(self, literal: Literal | None, verdict: BadCommand) -> _Step:
        """End this command with `verdict`, told after all of it has been skipped."""
        self._finish_command()
        if literal is None or literal.waits:
            return self._judge(verdict)
        self._skip(literal, verdict)
        return _AGAIN

    def _skip(self, literal: Literal, verdict: BadCommand | None) -> None:
        self._wanted = literal.size
        self._verdict = verdict
        self._tag = b"*" if verdict is None else verdict.tag
        self._mode = _Mode.SKIP

    def _read_skipped(self) -> _Step:
        if self._wanted > self._limits.skip:
            return self._close(BadCommand(self._tag, "Literal too long", fatal=True))
        count = min(self._wanted, len(self._buffer))
        self._buffer.drop(count)
        self._wanted -= count
        if self._wanted:
            return None
        self._mode = _Mode.DISCARD
        return _AGAIN

    def _read_discarded(self) -> _Step:
        """The rest of a refused command, up to its end or a literal that waits: that one will not come."""
        line = self._buffer.line(self._limits.line)
        if line is None:
            return None
        literal = announced_literal(line.removesuffix(b"\r"))
        if literal is not None and not literal.waits:
            self._skip(literal, self._verdict)
            return _AGAIN
        verdict, self._verdict = self._verdict, None
        self._mode = _Mode.COMMAND
        return _AGAIN if verdict is None else self._judge(verdict)

    def _known_tag(self) -> bytes:
        """The tag of the command that is being read, b"*" before it can be told."""
        if self._mode not in (_Mode.COMMAND, _Mode.ARGUMENT):
            return self._tag
        start = self._parts[0] if self._parts else self._buffer.start()
        try:
            g = Grammar(start)
            tag = g.tag()
            g.space()
        except ParseError:
            return b"*"
        return tag

    def _judge(self, verdict: BadCommand) -> ImapEvent:
        """Count it; one too many ends the connection."""
        self._bad += 1
        if self._bad < MAX_BAD_COMMANDS:
            return verdict
        return self._close(BadCommand(verdict.tag, "Too many bad commands", fatal=True))

    def _close(self, verdict: BadCommand) -> BadCommand:
        self._mode = _Mode.CLOSED
        self._buffer.clear()
        self._parts = []
        return verdict

    # ------------------------------------------------------------------ exchanges

    def _read_response(self) -> _Step:
        line = self._buffer.line(MAX_RESPONSE)
        if line is None:
            return None
        self._mode = _Mode.COMMAND
        return AuthenticateResponse(decode_base64(line.removesuffix(b"\r")))

    def _read_idle(self) -> _Step:
        line = self._buffer.line(BEFORE_LOGIN.line)
        if line is None:
            return None
        self._mode = _Mode.COMMAND
        return IdleDone(line.upper() == b"DONE\r")


def _too_big(tag: bytes) -> BadCommand:
    return BadCommand(tag, "The literal should have waited for the go-ahead", code="TOOBIG")


def _bad_ending(tag: bytes) -> BadCommand:
    return BadCommand(tag, "Lines end with CR LF")


_STEPS: dict[_Mode, Callable[[ImapServer], _Step]] = {
    _Mode.COMMAND: ImapServer._read_command,
    _Mode.ARGUMENT: ImapServer._read_argument,
    _Mode.DECISION: ImapServer._wait,
    _Mode.MESSAGE: ImapServer._read_message,
    _Mode.TAIL: ImapServer._read_tail,
    _Mode.SKIP: ImapServer._read_skipped,
    _Mode.DISCARD: ImapServer._read_discarded,
    _Mode.EXCHANGE: ImapServer._read_response,
    _Mode.IDLE: ImapServer._read_idle,
    _Mode.CLOSED: ImapServer._wait,
}
