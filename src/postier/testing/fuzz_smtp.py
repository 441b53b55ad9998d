"""What SMTP's readers are thrown at, and what must hold (see fuzz_targets)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

from postier.base.address import Address
from postier.base.cursor import ParseError
from postier.base.status import Reply
from postier.net.proxy import MAX_V1, MAX_V2, ProxyError, missing, parse
from postier.smtp.wire.commands import BDAT, Protocol, parse_bdat
from postier.smtp.wire.events import (
    Auth,
    AuthCancelled,
    ChunkEnd,
    Data,
    DataChunk,
    DataEnd,
    Ehlo,
    Event,
    MailFrom,
    RcptTo,
    Violation,
    XClient,
)
from postier.smtp.wire.params import MAIL_PARAMS, RCPT_PARAMS, parse_params
from postier.smtp.wire.paths import PathCursor
from postier.smtp.wire.replies import CommandError
from postier.smtp.wire.server import SmtpServer
from postier.smtp.wire.xclient import XCLIENT_ATTRIBUTES, parse_xclient

__all__ = ["SMTP_TARGETS", "AnySender"]

CAPABILITIES = (
    "SIZE 1000", "8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "REQUIRETLS",
    "FUTURERELEASE 60 2027-01-01T00:00:00Z", "AUTH PLAIN", "XCLIENT ADDR",
)  # fmt: skip
OFFERED = frozenset(line.partition(" ")[0] for line in CAPABILITIES)
OK = Reply(250, "2.0.0", "OK")
NO = Reply(452, "4.3.1", "Not now")


class AnySender:
    """A session that says yes to everything, or no to every third question. DataChunks are joined."""

    def __init__(self, protocol: Protocol = Protocol.SMTP, *, refuses: bool = False) -> None:
        self.core = SmtpServer("mx.example", protocol=protocol)
        self.core.offer(CAPABILITIES)
        self.refuses = refuses
        self.events: list[Event] = []
        self.said = b""
        self.questions = 0

    def feed(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.core.receive(piece)
            while (event := self.core.next_event()) is not None:
                self.answer(event)
            self.said += self.core.outgoing()

    def answer(self, event: Event) -> None:
        last = self.events[-1] if self.events else None
        if isinstance(event, DataChunk):
            if isinstance(last, DataChunk):
                self.events[-1] = DataChunk(last.data + event.data)
            elif event.data:
                self.events.append(event)
            return
        self.events.append(event)
        if isinstance(event, Violation):
            return
        self.questions += 1
        if isinstance(event, AuthCancelled):
            self.core.reply(event.reply)
        elif self.refuses and self.questions % 3 == 0:
            self.core.reply(NO)
        elif isinstance(event, Ehlo):
            self.core.welcome()
        elif isinstance(event, Auth):
            self.core.challenge("")
        elif isinstance(event, Data):
            self.core.reply(Reply(354, "", "Go"))
        elif isinstance(event, XClient):
            self.core.reply(Reply(220, "", "mx.example"))
        else:
            self.core.reply(OK)


def _played(pieces: Iterable[bytes], protocol: Protocol, *, refuses: bool) -> tuple[list[Event], bytes]:
    """Events and answers. How much of a text comes before its violation depends on the pieces, and does
    not matter, as nothing of it is kept."""
    sender = AnySender(protocol, refuses=refuses)
    sender.feed(pieces)
    events = sender.events
    if events and isinstance(events[-1], Violation) and isinstance(events[-2:][0], DataChunk):
        del events[-2]
    return events, sender.said


def smtp(data: bytes) -> None:
    """A connection's input: the same events and answers however it is cut, a message only after a recipient,
    and nothing behind a violation. The first octet chooses protocol and temper, the second where to cut."""
    first, step = data[0] if data else 0, (data[1] if len(data) > 1 else 0) % 97 + 1
    protocol, refuses, stream = list(Protocol)[first % 2], bool(first & 64), data[2:]
    events, said = _played([stream], protocol, refuses=refuses)
    edges = [*range(0, len(stream), step), len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert _played(pieces, protocol, refuses=refuses) == (events, said)
    assert not any(isinstance(event, Violation) for event in events[:-1])
    for line in said.splitlines(keepends=True):
        assert line[:3].isdigit()
        assert line[3:4] in b" -"
        assert line.endswith(b"\r\n")
        assert line[:-2].isascii()
    _check_order(events)


def _check_order(events: Iterable[Event]) -> None:
    """Nothing of a message comes where nobody was named since the last sender."""
    named = False
    for event in events:
        match event:
            case RcptTo():
                named = True
            case MailFrom():
                named = False
            case Data() | DataChunk() | DataEnd() | ChunkEnd():
                assert named


def smtp_path(data: bytes) -> None:
    """What is read as a path is written the same way, and is read again as the same."""
    for read in (PathCursor.reverse_path, PathCursor.forward_path):
        try:
            found = read(PathCursor(data))
        except (ParseError, CommandError):
            continue
        if found is not None:
            assert Address.parse(str(found)) == found


def smtp_parameters(data: bytes) -> None:
    """Values for the fields of an event, or a reply that says why not."""
    for table in (MAIL_PARAMS, RCPT_PARAMS):
        try:
            fields = parse_params(PathCursor(data), table, OFFERED)
        except (ParseError, CommandError):
            continue
        assert set(fields) <= {row.field for row in table.values()}
        assert fields.get("hold_for") != 0


def smtp_bdat(data: bytes) -> None:
    """A size that can be counted; what follows it is never read as a command, whatever it is."""
    line, _, octets = data.partition(b"\n")
    try:
        chunk = parse_bdat(line)
    except ParseError:
        return
    assert 0 <= chunk.size < 10**20
    if chunk.size > len(octets) or b"\r" in line:
        return
    sender = AnySender()
    sender.feed([b"EHLO x\r\nMAIL FROM:<> BODY=BINARYMIME\r\nRCPT TO:<a@b.example>\r\nBDAT 2\r\n\r\n"])
    sender.feed([BDAT, b" ", line, b"\r\n", octets[: chunk.size], b"NOOP\r\n"])
    if len(line) < 500 and line.isascii() and b"\0" not in line:
        kept = b"".join(event.data for event in sender.events if isinstance(event, DataChunk))
        assert kept == b"\r\n" + octets[: chunk.size]
        assert sender.said.endswith(b"250 2.0.0 OK\r\n" * 2)


def xclient(data: bytes) -> None:
    """Attributes that are known, none with a line end."""
    try:
        found = parse_xclient(data)
    except ParseError:
        return
    assert set(found.attributes) <= {*XCLIENT_ATTRIBUTES, "LOGIN"}
    assert all(name == "LOGIN" or value.isprintable() for name, value in found.attributes.items())


def proxy(data: bytes) -> None:
    """A header is read to its end and no further, or refused; what it names is an address and a port."""
    header = b""
    try:
        while wanted := missing(header):
            assert wanted <= MAX_V2
            piece = data[len(header) : len(header) + wanted]
            if not piece:
                return
            header += piece
        found = parse(header)
    except ProxyError:
        return
    assert len(header) <= (MAX_V1 if header.startswith(b"PROXY") else MAX_V2 + 16)
    assert found is None or all(0 <= port < 65536 for _, port in found)


SMTP_TARGETS: dict[str, Callable[[bytes], None]] = {
    "smtp": smtp,
    "smtp_path": smtp_path,
    "smtp_parameters": smtp_parameters,
    "smtp_bdat": smtp_bdat,
    "xclient": xclient,
    "proxy": proxy,
}
