"""The core of a POP3 server: lines in, events out, replies in, bytes out.

One command is handed out at a time, so a reply always belongs to the event before it and pipelining
(RFC 2449 6.6) needs no thought. The core answers by itself what needs nobody else: NOOP, UTF8, most of LANG,
lines that are too long, unknown, misplaced or malformed, and secrets that would travel in clear. It also
speaks the language that the client has asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from postier.base.cursor import Cursor, ParseError
from postier.pop3.wire.capabilities import Policy, capability_lines
from postier.pop3.wire.commands import COMMANDS, MAX_LINE, USUAL, Command, State
from postier.pop3.wire.events import (
    Auth,
    AuthCancelled,
    AuthResponse,
    Lang,
    Pass,
    Pop3Event,
    Stls,
    TooManyErrors,
    User,
)
from postier.pop3.wire.words import LANGUAGES, WORDS, language_for
from postier.sasl.encoding import MAX_RESPONSE, decode_base64, encode_base64

__all__ = ["MAX_ERRORS", "MAX_LINE", "MAX_SKIPPED", "Pop3Server"]

ENOUGH = 64 * 1024
"""Octets of messages that wait to be sent together."""

MAX_ERRORS = 10
"""Refused lines in one connection before it is closed."""

MAX_SKIPPED = 1024 * 1024
"""Octets of a line that is too long which are skipped before the connection is closed."""

_TOO_LONG = bytes(bytearray(b"too long"))  # stands for such a line; known by identity


class Pop3Server:
    """See net.api.Core.

    `confidential`: TLS is on, or clear text is allowed. `offers_stls`: it can be started. `mechanisms`: those
    of SASL that are offered now.
    """

    __slots__ = (
        "_buffer",
        "_confidential",
        "_errors",
        "_in_exchange",
        "_language",
        "_mechanisms",
        "_name",
        "_offers_stls",
        "_out",
        "_over",
        "_position",
        "_skipped",
        "_state",
        "_unsent",
        "_utf8",
    )

    def __init__(
        self,
        *,
        confidential: bool,
        offers_stls: bool,
        mechanisms: Callable[[], Sequence[str]] = lambda: (),
    ) -> None:
        self._mechanisms = mechanisms
        self._confidential = confidential
        self._offers_stls = offers_stls
        self._state = State.AUTHORIZATION
        self._name = ""
        self._in_exchange = False
        self._language = next(iter(LANGUAGES))
        self._utf8 = False
        self._buffer = b""
        self._position = 0
        self._skipped = 0
        self._errors = 0
        self._over = False
        self._out: list[bytes] = []
        self._unsent = 0

    # ------------------------------------------------------------------ bytes in, events out

    def receive(self, data: bytes) -> None:
        if self._position < len(self._buffer):
            data = self._buffer[self._position :] + data
        self._buffer, self._position = data, 0

    def next_event(self) -> Pop3Event | None:
        while not self._over:
            if self._errors >= MAX_ERRORS:
                return self._end("Too many errors, goodbye")
            line = self._next_line()
            if self._skipped > MAX_SKIPPED:
                return self._end("Line too long, goodbye")
            if line is None:
                return None
            event = self._read_response(line) if self._in_exchange else self._read_command(line)
            if event is not None:
                return event
        return None

    def _end(self, text: str) -> TooManyErrors:
        self._over = True
        self.error(text)
        return TooManyErrors()

    def eof(self) -> None:
        """A line that never ended is no command."""

    def has_buffered_input(self) -> bool:
        return self._position < len(self._buffer) or self._skipped > 0

    def outgoing(self) -> bytes:
        if not self._out:
            return b""
        data = b"".join(self._out)
        self._out.clear()
        self._unsent = 0
        return data

    @property
    def has_much_to_send(self) -> bool:
        """Time to flush: answers to pipelined commands wait for each other only up to a bound."""
        return self._unsent > ENOUGH

    # ------------------------------------------------------------------ replies

    def ok(self, text: str = "", **facts: object) -> None:
        """`text` is ours, never the peer's; with `facts`, in English (see words)."""
        self.send(b"+OK %b\r\n" % self._say(text, facts) if text else b"+OK\r\n")

    def error(self, text: str, code: str = "", **facts: object) -> None:
        """`code` is an extended response code (RFC 2449 8, RFC 3206): "AUTH", "SYS/TEMP", "SYS/PERM"."""
        said = self._say(text, facts)
        self.send(b"-ERR [%b] %b\r\n" % (code.encode(), said) if code else b"-ERR %b\r\n" % said)

    def _say(self, text: str, facts: Mapping[str, object]) -> bytes:
        said = WORDS[self._language].get(text, text)
        return (said.format_map(facts) if facts else said).encode()

    def speak(self, language: str) -> None:
        """From this response on (RFC 6856 3.2)."""
        self._language = language
        self.send(b"+OK %b %b\r\n" % (language.encode(), self._say("English is spoken", {})))

    def tell_capabilities(self, policy: Policy) -> None:
        """The answer to Capa."""
        self.ok()
        self.send_lines(
            capability_lines(
                self._state,
                confidential=self._confidential,
                offers_stls=self._offers_stls,
                mechanisms=self._mechanisms(),
                policy=policy,
            )
        )
        self.end_lines()

    def challenge(self, data: bytes) -> None:
        """The next line will be an AuthResponse or AuthCancelled."""
        self._in_exchange = True
        self.send(b"+ %b\r\n" % encode_base64(data))

    def send(self, data: bytes) -> None:
        """Octets as they are: a piece of a multi-line response, dots stuffed already (see wire.multiline)."""
        self._out.append(data)
        self._unsent += len(data)

    def send_lines(self, lines: Iterable[bytes]) -> None:
        """Lines of a multi-line response that can't start with a dot, without CRLF."""
        self.send(b"".join(b"%b\r\n" % line for line in lines))

    def end_lines(self) -> None:
        self.send(b".\r\n")

    # ------------------------------------------------------------------ state

    @property
    def state(self) -> State:
        return self._state

    @property
    def utf8(self) -> bool:
        """The client takes UTF-8 in header fields (RFC 6856 2.1)."""
        return self._utf8

    def enter_transaction(self) -> None:
        """The client is logged in and has its maildrop."""
        self._state = State.TRANSACTION

    def start_over(self) -> None:
        """TLS has begun: forget all that was said in clear (RFC 2595 4)."""
        self._confidential = True
        self._offers_stls = False
        self._name = ""
        self._in_exchange = False
        self._language = next(iter(LANGUAGES))
        self._utf8 = False

    # ------------------------------------------------------------------ inside

    def _next_line(self) -> bytes | None:
        """The next line without its end, _TOO_LONG for one that was skipped, None if none is complete.

        `_skipped` counts a line's octets from the moment it is too long; past MAX_SKIPPED all is over.
        """
        limit = MAX_RESPONSE if self._in_exchange else MAX_LINE
        start = self._position
        end = self._buffer.find(b"\n", start)
        seen = (end if end >= 0 else len(self._buffer)) - start
        if self._skipped or seen > limit + 1:
            self._skipped += seen
        if end < 0:
            if self._skipped:
                self._buffer, self._position = b"", 0
            return None
        self._position = end + 1
        if not self._skipped:
            if self._buffer[end - 1 : end] == b"\r":
                end -= 1
            return self._buffer[start:end] if end - start <= limit else _TOO_LONG
        if self._skipped <= MAX_SKIPPED:
            self._skipped = 0
        return _TOO_LONG

    def _refuse(self, text: str, **facts: object) -> None:
        self._errors += 1
        self.error(text, "", **facts)

    def _read_command(self, line: bytes) -> Pop3Event | None:
        keyword = line[:4].upper().rstrip(b" ")
        command = COMMANDS.get(keyword)
        if line is _TOO_LONG or len(line) > (USUAL if command is None else command.longest):
            self._refuse("Line too long")
        elif command is None or line[len(keyword) : len(keyword) + 1] not in (b"", b" "):
            self._refuse("Unknown command")
        elif self._state not in command.allowed_in:
            self._refuse("Not in the {state} state", state=self._state.value)
        elif command.shows_secret and not self._confidential:
            self._refuse("Start TLS first")
        else:
            return self._parse(command, line)
        return None

    def _parse(self, command: Command, line: bytes) -> Pop3Event | None:
        try:
            event = command.parse(Cursor(line, len(command.keyword)))
        except ParseError as error:
            self._refuse("Syntax error: {why}", why=error)
            return None
        match event:
            case None:
                self._answer(command)
            case Lang(wanted) if wanted != "*":
                self._change_language(wanted)
                return None
            case User(name):
                self._name = name
            case Pass() if not self._name:
                self._refuse("USER first")
                return None
            case Pass(_, password):
                name, self._name = self._name, ""
                return Pass(name, password)
            case Auth(mechanism) if mechanism not in self._mechanisms():
                self._refuse("No such mechanism, or not without TLS")
                return None
            case Stls() if not self._offers_stls:
                self._refuse("TLS is on already" if self._confidential else "TLS is not available")
                return None
            case Stls() if self._utf8:  # RFC 6856 2.1
                self._refuse("STLS must come before UTF8")
                return None
        return event

    def _answer(self, command: Command) -> None:
        if command.keyword == b"UTF8":
            self._utf8 = True
            self.ok("UTF-8 it is")
        else:
            self.ok()

    def _change_language(self, wanted: str | None) -> None:
        if wanted is None:
            self.ok()
            self.send_lines(f"{tag} {name}".encode() for tag, name in LANGUAGES.items())
            self.end_lines()
        elif language := language_for(wanted):
            self.speak(language)
        else:
            self._refuse("No such language")

    def _read_response(self, line: bytes) -> Pop3Event:
        self._in_exchange = False
        if line == b"*":
            self._refuse("Authentication cancelled")
            return AuthCancelled()
        data = None if line is _TOO_LONG else decode_base64(line)
        if data is None:
            self._refuse("Line too long" if line is _TOO_LONG else "Not base64")
            return AuthCancelled()
        return AuthResponse(data)
