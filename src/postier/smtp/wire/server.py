"""The server's side of SMTP without I/O: bytes in, events out, replies in, bytes out (net.api.Core).

The core knows the grammar and the order of commands, and answers by itself whatever does not depend on the
mail: syntax errors, verbs out of order, NOOP, HELP, VRFY. The session gets only events that are in order and
answers each with `reply` before it asks for the next; from that reply the core knows how to read on.

    EHLO -> READY -MAIL-> MAIL -RCPT-> RCPT -DATA-> TEXT -end-> READY
                                          \\-BDAT-> OCTETS -reply-> CHUNKS ... -last-> READY

Lines are cut at CRLF only. A bare CR or LF, another protocol's verb, bytes behind STARTTLS and an endless
line end the dialogue: the core answers, gives a Violation, and drops all that follows, so nothing that
came with them can ever be read as a command.

Memory: a line of at most 12 KiB and what the driver hands over at once. Time: every byte is looked at once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from postier.base.cursor import ParseError
from postier.base.status import Reply
from postier.smtp.wire.body import MessageReader
from postier.smtp.wire.commands import (
    AUTH_LINE_LIMIT,
    BDAT,
    COMMANDS,
    FOREIGN_VERBS,
    LINE_LIMIT,
    Bdat,
    Command,
    Context,
    Protocol,
    State,
    decode_base64,
    help_reply,
    out_of_order,
    parse_bdat,
)
from postier.smtp.wire.events import (
    Auth,
    AuthCancelled,
    AuthResponse,
    ChunkEnd,
    Data,
    DataEnd,
    Ehlo,
    Event,
    MailFrom,
    Quit,
    RcptTo,
    Rset,
    StartTls,
    Violation,
    XClient,
)
from postier.smtp.wire.lines import BARE, LineBuffer
from postier.smtp.wire.newlines import NewlineNormaliser
from postier.smtp.wire.replies import CommandError, SmtpViolation, render

__all__ = ["MAX_IDLE", "SmtpServer"]

MAX_IDLE = 100
"""Commands between two messages that move no mail (NOOP, RSET, EHLO, BDAT 0, ...); each one more is an
error."""

_NOBODY: Mapping[int, Reply] = MappingProxyType({})

_NEXT: dict[type[Event], tuple[State | None, State | None]] = {
    Ehlo: (State.READY, None),
    MailFrom: (State.MAIL, None),
    RcptTo: (State.RCPT, None),
    Data: (State.TEXT, State.READY),
    DataEnd: (State.READY, State.READY),
    ChunkEnd: (State.CHUNKS, State.READY),
    Auth: (State.READY, State.READY),
    AuthResponse: (State.READY, State.READY),
    AuthCancelled: (State.READY, State.READY),
    StartTls: (State.CLOSED, None),
    XClient: (State.FRESH, None),
    Rset: (State.READY, State.READY),
    Quit: (State.CLOSED, State.CLOSED),
}
"""The state after a positive and after a negative reply to the event; None: as it was."""


class SmtpServer:
    """One dialogue. `requires_tls`, `requires_auth`: MAIL and what follows it wait for them (530).

    `strict_pipelining`: bytes behind EHLO and DATA that came before our reply are a Violation (RFC 2920 3.1),
    as only junk senders do it. `max_errors`: refused commands before the dialogue ends with 421.
    `normalise_newlines`: a CR or LF alone is a line end; CHUNKING, which counts octets, must not be offered.
    `protocol`: SMTP or LMTP.
    """

    def __init__(
        self,
        hostname: str,
        *,
        requires_tls: bool = False,
        requires_auth: bool = False,
        strict_pipelining: bool = False,
        normalise_newlines: bool = False,
        max_errors: int = 20,
        protocol: Protocol = Protocol.SMTP,
    ) -> None:
        self._protocol = protocol
        self._recipients = 0
        self._refuses_silently = False
        self.state = State.FRESH
        self.authenticated = False
        self.errors = 0
        self._idle = 0
        self.requires_tls = requires_tls
        self._hostname = hostname
        self._requires_auth = requires_auth
        self._strict_pipelining = strict_pipelining
        self._max_errors = max_errors
        self._capabilities: tuple[str, ...] = ()
        self._offered: frozenset[str] = frozenset()
        self._context = Context(self._offered)
        self._input = LineBuffer(AUTH_LINE_LIMIT)
        self._newlines = NewlineNormaliser() if normalise_newlines else None
        self._out: list[bytes] = []
        self._awaiting: Event | None = None
        self._greeted = False
        self._message = MessageReader()

    # ------------------------------------------------------------------ net.api.Core

    def receive(self, data: bytes) -> None:
        if self._newlines is not None:
            data = self._newlines.feed(data)
        self._input.receive(data)

    def next_event(self) -> Event | None:
        if self._awaiting is not None:
            return None
        try:
            event = self._read()
        except SmtpViolation as violation:
            event = self._end(violation)
        if event is not None and type(event) in _NEXT:
            self._awaiting = event
        return event

    def eof(self) -> None:
        """Nothing to do: a message that is not complete was never accepted."""

    def outgoing(self) -> bytes:
        if not self._out:
            return b""
        data = self._out[0] if len(self._out) == 1 else b"".join(self._out)
        self._out.clear()
        return data

    def has_buffered_input(self) -> bool:
        return bool(self._input) or bool(self._newlines)

    @property
    def is_closed(self) -> bool:
        """True when nothing more will be read: send `outgoing`, then close."""
        return self.state is State.CLOSED

    # ------------------------------------------------------------------ what the session says

    def greet(self, text: str) -> None:
        """The first line: 220, our name, `text`. RFC 5321 3.1."""
        self._say(Reply(220, "", f"{self._hostname} {text}"))

    def offer(self, capabilities: Sequence[str]) -> None:
        """What EHLO lists from now on, one keyword with its parameters each ("SIZE 1000000")."""
        self._capabilities = tuple(capabilities)
        self._offered = frozenset([line.partition(" ")[0] for line in capabilities])
        self._context = Context(self._offered)

    def reply(self, reply: Reply, others: Mapping[int, Reply] = _NOBODY) -> None:
        """The answer to the last event. Raises RuntimeError if there was none to answer.

        In LMTP the end of a message is answered for each recipient that was taken (RFC 2033 4.2): `others`
        has what some of them, counted from 0, hear instead.
        """
        event, self._awaiting = self._awaiting, None
        if event is None:
            raise RuntimeError("a reply without a command")
        if self._protocol is Protocol.LMTP and isinstance(event, DataEnd):
            for number in range(self._recipients):
                self._say(others.get(number, reply))
        else:
            self._say(reply)
        after_yes, after_no = _NEXT[type(event)]
        state = after_yes if reply.code < 400 else after_no
        if state is not None:
            self.state = state
        if reply.code >= 500 and not isinstance(event, RcptTo):
            self.errors += 1
        match event:
            case MailFrom() if reply.code < 400:
                self._context = Context(self._offered, event.smtputf8, event.is_binary)
                self._message = MessageReader(binary=event.is_binary)
                self._recipients = 0
            case RcptTo() if reply.code < 400:
                self._recipients += 1
            case Data() if reply.code < 400:
                self._message.begin_text()
            case DataEnd() if reply.code < 400:
                self.errors = self._idle = 0
            case Auth() | AuthResponse():
                self.authenticated = self.authenticated or reply.code == 235
            case XClient() if reply.code < 400:
                self._greeted = self.authenticated = False
            case Rset() if not self._greeted:
                self.state = State.FRESH

    def welcome(self) -> None:
        """The positive answer to an Ehlo: our name, and after EHLO what we offer. RFC 5321 4.1.1.1."""
        event = self._awaiting
        extended = isinstance(event, Ehlo) and event.extended
        lines = [self._hostname, *(self._capabilities if extended else ())]
        self._greeted = True
        self.reply(Reply(250, "", "\n".join(lines)))

    def challenge(self, encoded: str) -> None:
        """334 with a challenge in base64: the client's next line is an AuthResponse. RFC 4954 4."""
        self.reply(Reply(334, "", encoded))
        self.state = State.AUTH

    def hang_up(self, reply: Reply) -> None:
        """Answer `reply` (421 or 554) instead of whatever is due, and read nothing more."""
        self._awaiting = None
        self._say(reply)
        self._close()

    def forget(self) -> None:
        """TLS has begun: nothing from before it counts (RFC 3207 4.2)."""
        self.state = State.FRESH
        self.authenticated = False
        self.requires_tls = False
        self._greeted = False
        self._awaiting = None
        self._input.clear()
        if self._newlines is not None:
            self._newlines.clear()
        self._context = Context(self._offered)

    # ------------------------------------------------------------------ reading

    def _read(self) -> Event | None:
        while True:
            state = self.state
            if state is State.TEXT:
                return self._message.read_text(self._input)
            if state is State.OCTETS:
                try:
                    return self._message.read_octets(self._input)
                except CommandError as error:
                    self.state = State.READY if self._greeted else State.FRESH
                    if self._refuses_silently:
                        self.errors += 1
                    else:
                        self._refuse(error.reply)
                    continue
            if state is State.CLOSED:
                self._input.clear()
                return None
            line = self._input.line()
            if line is None:
                return None
            event = self._understand(line)
            if event is not None:
                return event

    # ------------------------------------------------------------------ understanding

    def _understand(self, line: bytes) -> Event | None:
        """The event of a command line, or None where the core answers by itself."""
        if self.errors > self._max_errors:
            raise SmtpViolation("too many errors", Reply(421, "4.7.0", "Too many errors, closing"))
        too_long = self._input.was_cut()
        try:
            if self.state is State.AUTH:
                return self._auth_response(line, too_long)
            if too_long:
                raise CommandError(500, "5.5.2", "Line too long")
            return self._command(line)
        except CommandError as error:
            self._refuse(error.reply if self.state is State.AUTH else _for_verb(line, error.reply))
            return None

    def _auth_response(self, line: bytes, too_long: bool) -> Event:
        if b"\r" in line:
            raise SmtpViolation("bare CR in an AUTH exchange", BARE)
        if line == b"*":
            return AuthCancelled(Reply(501, "5.7.0", "Authentication cancelled"))
        if too_long or len(line) > AUTH_LINE_LIMIT:
            return AuthCancelled(Reply(500, "5.5.6", "Authentication line too long"))
        try:
            return AuthResponse(decode_base64(line))
        except CommandError as error:
            return AuthCancelled(error.reply)

    def _command(self, line: bytes) -> Event | None:
        verb, blank, argument = line.partition(b" ")
        command = COMMANDS.get(verb.upper())
        try:
            self._look_at(line, verb, command)
            command = self._known(command)
        except CommandError as error:
            if verb.upper() == BDAT:  # octets follow that must never be read as commands
                raise SmtpViolation("BDAT that can't be taken", error.reply) from None
            raise
        if command.name == BDAT:
            self._begin_chunk(_parsed_chunk(argument), command)
            return None
        if command.idle:
            self._count_idle()
        self._check_turn(command)
        try:
            event = command.parse(blank + argument, self._context)
        except ParseError as error:
            raise CommandError(501, _syntax_status(command), f"Syntax: {command.syntax} ({error})") from None
        if event is None:
            self._say(command.answer or help_reply(argument, self._offered, self._protocol))
        return event

    def _count_idle(self) -> None:
        self._idle += 1
        self.errors += self._idle > MAX_IDLE

    def _known(self, command: Command | None) -> Command:
        """Raises CommandError for a verb that we don't have, or don't offer."""
        if command is not None and command.only_in not in (None, self._protocol):
            command = None
        if command is not None and (not command.extension or command.extension in self._offered):
            return command
        if command is not None and self.requires_tls:
            raise CommandError(530, "5.7.0", "Send STARTTLS first")
        raise CommandError(500, "5.5.1", "Command not known here")

    def _look_at(self, line: bytes, verb: bytes, command: Command | None) -> None:
        """What is wrong with a line whatever its command."""
        if b"\r" in line:
            raise SmtpViolation("bare CR in a command", BARE)
        if verb.upper() in FOREIGN_VERBS:
            raise SmtpViolation("another protocol's command", Reply(554, "5.5.1", "This is SMTP"))
        if len(line) + 2 > (command.limit if command else LINE_LIMIT):
            raise CommandError(500, "5.5.2", "Line too long")
        if b"\0" in line or not (line.isascii() or (command and command.eight_bit)):
            raise CommandError(500, "5.5.2", "A character does not belong into a command")

    def _check_turn(self, command: Command) -> None:
        """Raises CommandError if the command may not come now."""
        if self.requires_tls and not command.before_tls:
            raise CommandError(530, "5.7.0", "Send STARTTLS first")
        if self._requires_auth and not self.authenticated and not command.before_auth:
            raise CommandError(530, "5.7.0", "Authentication required")
        if self.state not in command.allowed_in:
            raise out_of_order(command, self.state, self._protocol)
        if command.extension == "AUTH" and self.authenticated:
            raise CommandError(503, "5.5.1", "Already authenticated")
        behind = bool(self._input)
        if behind and command.extension == "STARTTLS":
            raise SmtpViolation(
                "commands behind STARTTLS", Reply(554, "5.5.1", "Wait for the reply to STARTTLS")
            )
        if behind and command.ends_pipeline and self._strict_pipelining:
            status = "" if command.bare_reply else "5.5.0"
            raise SmtpViolation(
                "pipelining where none is allowed", Reply(554, status, "Wait for the reply (RFC 2920)")
            )

    def _begin_chunk(self, chunk: Bdat, command: Command) -> None:
        fault: CommandError | None = None
        if not (chunk.size or chunk.last):
            self._count_idle()
        try:
            self._check_turn(command)
        except CommandError as error:
            fault = error
        self._refuses_silently = (  # RFC 2033 4.3: no recipient, no reply
            self._protocol is Protocol.LMTP and chunk.last and self.state is State.MAIL
        )
        self._message.begin_chunk(chunk, fault)
        self.state = State.OCTETS

    # ------------------------------------------------------------------ answering

    def _say(self, reply: Reply) -> None:
        self._out.append(render(reply))

    def _refuse(self, reply: Reply) -> None:
        self.errors += 1
        self._say(reply)

    def _end(self, violation: SmtpViolation) -> Violation:
        self._say(violation.reply)
        self._close()
        return Violation(str(violation))

    def _close(self) -> None:
        self.state = State.CLOSED
        self._input.clear()


def _for_verb(line: bytes, reply: Reply) -> Reply:
    """`reply` as the verb of the line wants it: that to EHLO and HELO bears no enhanced code (RFC 2034 4)."""
    command = COMMANDS.get(line.partition(b" ")[0].upper())
    return Reply(reply.code, "", reply.text) if command is not None and command.bare_reply else reply


def _syntax_status(command: Command) -> str:
    """RFC 5248: a bad address has codes of its own."""
    return {b"MAIL": "5.1.7", b"RCPT": "5.1.3"}.get(command.name, "5.5.4")


def _parsed_chunk(argument: bytes) -> Bdat:
    """Raises SmtpViolation for a size that can't be read: where its octets end, nobody knows."""
    try:
        return parse_bdat(argument)
    except ParseError:
        raise SmtpViolation("BDAT of unknown size", Reply(501, "5.5.4", "Syntax: BDAT size [LAST]")) from None
