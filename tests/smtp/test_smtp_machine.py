"""The core against a model of RFC 5321 4.1.4, by dialogues and packets that hypothesis thinks of.

What a command is answered depends on its own words ("no" is refused), so that the model knows it before the
packets are cut. A message that is taken has the sender, the recipients and the octets of its own transaction.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from postier.base.status import Reply
from postier.smtp.wire.commands import Protocol
from postier.smtp.wire.events import ChunkEnd, Data, DataChunk, DataEnd, Ehlo, Event, MailFrom, RcptTo, Rset
from postier.smtp.wire.server import SmtpServer

FRESH, READY, MAIL, RCPT, CHUNKS, CLOSED = "fresh", "ready", "mail", "rcpt", "chunks", "closed"
NAMES = st.sampled_from(["a", "b", "no"])
BODIES = st.lists(st.sampled_from([b"x\r\n", b".\r\n", b"..\r\n", b"QUIT\r\n", b"no\r\n"]), max_size=4).map(
    b"".join
)
Message = tuple[str, tuple[str, ...], bytes]


@dataclass
class Envelope:
    """As the session of the test keeps it: a new one for each MAIL, none after a failure."""

    sender: str
    recipients: list[str] = field(default_factory=list)
    text: bytes = b""


class Dialogue(RuleBasedStateMachine):
    protocol = Protocol.SMTP

    def __init__(self) -> None:
        super().__init__()
        self.core = SmtpServer("mx.example", max_errors=1000, protocol=self.protocol)
        self.core.offer(["CHUNKING", "8BITMIME"])
        self.envelope: Envelope | None = None
        self.taken: list[Message] = []
        self.codes: list[int] = []
        self.waiting = b""
        self.state, self.greeted = FRESH, False
        self.model = Envelope("")
        self.expected_codes: list[int] = []
        self.expected: list[Message] = []

    # ------------------------------------------------------------------ what is said, and what must follow

    def say(self, line: bytes, *codes: int) -> None:
        """What comes behind a violation must not be answered."""
        self.waiting += line
        if self.state != CLOSED:
            self.expected_codes += codes

    @property
    def is_lmtp(self) -> bool:
        return self.protocol is Protocol.LMTP

    @rule(lmtp=st.booleans())
    def hello(self, lmtp: bool) -> None:
        verb = b"LHLO" if lmtp else b"EHLO"
        if lmtp is not self.is_lmtp:
            self.say(verb + b" x\r\n", 500)
        elif self.state == CHUNKS:
            self.say(verb + b" x\r\n", 503)
        else:
            self.say(verb + b" x\r\n", 250)
            self.greeted = True
            self.move(READY)

    def move(self, state: str) -> None:
        if self.state != CLOSED:
            self.state = state

    @rule(name=NAMES)
    def mail(self, name: str) -> None:
        line = b"MAIL FROM:<%b@x.example>\r\n" % name.encode()
        if self.state != READY:
            self.say(line, 503)
        elif name == "no":
            self.say(line, 550)
        else:
            self.say(line, 250)
            self.model = Envelope(name)
            self.move(MAIL)

    @rule(name=NAMES)
    def rcpt(self, name: str) -> None:
        line = b"RCPT TO:<%b@y.example>\r\n" % name.encode()
        if self.state not in (MAIL, RCPT):
            self.say(line, 503)
        elif name == "no":
            self.say(line, 550)
        else:
            self.say(line, 250)
            self.model.recipients.append(name)
            self.move(RCPT)

    @rule(name=st.sampled_from(["a", "b"]))
    def envelope_of(self, name: str) -> None:
        """So that most dialogues come as far as a message."""
        self.hello(self.is_lmtp)
        self.mail(name)
        self.rcpt(name)

    @rule(body=BODIES)
    def data(self, body: bytes) -> None:
        if self.state != RCPT:
            self.say(b"DATA\r\n", 554 if self.state == MAIL and not self.is_lmtp else 503)
            return
        stuffed = b"".join(b"." * line.startswith(b".") + line for line in body.splitlines(keepends=True))
        self.say(b"DATA\r\n" + stuffed + b".\r\n", 354)
        self.finish(body)

    @rule(body=BODIES, last=st.booleans())
    def bdat(self, body: bytes, last: bool) -> None:
        line = b"BDAT %d%b\r\n" % (len(body), b" LAST" if last else b"") + body
        if self.state not in (RCPT, CHUNKS):
            is_silent = self.is_lmtp and last and self.state == MAIL  # RFC 2033 4.3
            code = 554 if self.state == MAIL and not self.is_lmtp else 503
            self.say(line, *([] if is_silent else [code]))
            self.move(READY if self.greeted else FRESH)
            return
        self.say(line)
        if last:
            self.finish(body)
            return
        self.model.text += body
        refused = b"no" in self.model.text
        self.expected_codes += [] if self.state == CLOSED else [452 if refused else 250]
        self.move(READY if refused else CHUNKS)

    def finish(self, rest: bytes) -> None:
        if self.state == CLOSED:
            return
        text = self.model.text + rest
        refused = b"no" in text
        many = len(self.model.recipients) if self.is_lmtp else 1
        self.expected_codes += [452 if refused else 250] * many
        if not refused:
            self.expected.append((self.model.sender, tuple(self.model.recipients), text))
        self.move(READY)

    @rule()
    def rset(self) -> None:
        self.say(b"RSET\r\n", 250)
        self.move(READY if self.greeted else FRESH)

    @rule(
        line=st.sampled_from(
            [(b"NOOP\r\n", 250), (b"VRFY x\r\n", 252), (b"EXPN x\r\n", 502), (b"X\r\n", 500)]
        )
    )
    def idle(self, line: tuple[bytes, int]) -> None:
        self.say(*line)

    @rule(line=st.sampled_from([b"NOOP\n", b"RSET\r\r\n", b"GET / HTTP/1.1\r\n"]))
    def violate(self, line: bytes) -> None:
        self.say(line, 554)
        self.move(CLOSED)

    # ------------------------------------------------------------------ packets

    @rule(size=st.integers(1, 60))
    def packet(self, size: int) -> None:
        piece, self.waiting = self.waiting[:size], self.waiting[size:]
        self.core.receive(piece)
        while (event := self.core.next_event()) is not None:
            self.answer(event)
        lines = self.core.outgoing().splitlines()
        self.codes += [int(line[:3]) for line in lines if line[3:4] == b" "]

    def answer(self, event: Event) -> None:
        ok, no = Reply(250, "2.0.0", "OK"), Reply(550, "5.0.0", "No")
        match event:
            case Ehlo():
                self.envelope = None
                self.core.welcome()
            case MailFrom(path) if path is not None:
                refused = path.local_part == "no"
                self.envelope = None if refused else Envelope(path.local_part)
                self.core.reply(no if refused else ok)
            case RcptTo(path) if path is not None:
                assert self.envelope is not None
                refused = path.local_part == "no"
                self.envelope.recipients += [] if refused else [path.local_part]
                self.core.reply(no if refused else ok)
            case Data():
                self.core.reply(Reply(354, "", "Go"))
            case DataChunk(octets):
                assert self.envelope is not None
                self.envelope.text += octets
            case DataEnd() | ChunkEnd():
                assert self.envelope is not None
                refused = b"no" in self.envelope.text
                if isinstance(event, DataEnd) and not refused:
                    found = self.envelope
                    self.taken.append((found.sender, tuple(found.recipients), found.text))
                if isinstance(event, DataEnd) or refused:
                    self.envelope = None
                self.core.reply(Reply(452, "4.0.0", "No") if refused else ok)
            case Rset():
                self.envelope = None
                self.core.reply(ok)

    @invariant()
    def nothing_is_answered_that_was_not_asked(self) -> None:
        assert self.codes == self.expected_codes[: len(self.codes)]
        assert self.taken == self.expected[: len(self.taken)]

    def teardown(self) -> None:
        self.packet(len(self.waiting) + 1)
        assert self.codes == self.expected_codes
        assert self.taken == self.expected
        assert self.core.is_closed == (self.state == CLOSED)


class LmtpDialogue(Dialogue):
    protocol = Protocol.LMTP


TestSmtpDialogue = Dialogue.TestCase
TestLmtpDialogue = LmtpDialogue.TestCase
TestSmtpDialogue.settings = TestLmtpDialogue.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None
)
