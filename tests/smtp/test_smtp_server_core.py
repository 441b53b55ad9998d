"""The server core as a machine: order, framing, limits, and that packets never matter."""

from __future__ import annotations

import pytest

from postier.base.address import Address
from postier.base.status import Reply
from postier.smtp.wire.body import MAX_UNWANTED
from postier.smtp.wire.commands import COMMANDS, Protocol, State
from postier.smtp.wire.events import (
    Auth,
    AuthCancelled,
    AuthResponse,
    ChunkEnd,
    Data,
    DataChunk,
    DataEnd,
    Ehlo,
    Event,
    MailFrom,
    Quit,
    RcptTo,
    Rset,
    StartTls,
    Violation,
)
from postier.smtp.wire.lines import MAX_SKIPPED
from postier.smtp.wire.server import MAX_IDLE, SmtpServer

OK = Reply(250, "2.0.0", "OK")
CAPABILITIES = [
    "PIPELINING",
    "SIZE 1000",
    "8BITMIME",
    "SMTPUTF8",
    "CHUNKING",
    "DSN",
    "AUTH PLAIN",
    "STARTTLS",
    "XCLIENT",
]
ANSWERS: dict[type[Event], Reply] = {
    Data: Reply(354, "", "Go"),
    StartTls: Reply(220, "2.0.0", "Go"),
    Quit: Reply(221, "2.0.0", "Bye"),
    Auth: Reply(235, "2.7.0", "Welcome"),
    AuthResponse: Reply(235, "2.7.0", "Welcome"),
}


def make(**rules: bool | int | Protocol) -> SmtpServer:
    core = SmtpServer("mx.example", **rules)  # type: ignore[arg-type]
    core.offer(CAPABILITIES)
    return core


def run(core: SmtpServer, *packets: bytes) -> list[Event]:
    """All events, everything accepted; pieces of text joined, for their cut is the packets'."""
    events: list[Event] = []
    for packet in packets:
        core.receive(packet)
        while (event := core.next_event()) is not None:
            if isinstance(event, DataChunk) and events and isinstance(events[-1], DataChunk):
                events[-1] = DataChunk(events[-1].data + event.data)
            else:
                events.append(event)
            if isinstance(event, Ehlo):
                core.welcome()
            elif isinstance(event, AuthCancelled):
                core.reply(event.reply)
            elif not isinstance(event, DataChunk | Violation):
                core.reply(ANSWERS.get(type(event), OK))
    return events


def codes(core: SmtpServer) -> list[bytes]:
    return [line[:3] for line in core.outgoing().splitlines() if line[3:4] == b" "]


ENVELOPE = b"EHLO a.example\r\nMAIL FROM:<a@a.example>\r\nRCPT TO:<b@b.example>\r\n"
DIALOGUE = (
    ENVELOPE + b"DATA\r\n..stuffed\r\n..\r\n\r\n...x\r\nlast.\r\n.\r\n"
    b"MAIL FROM:<> BODY=8BITMIME SIZE=12\r\nRCPT TO:<Postmaster> NOTIFY=never\r\n"
    b"BDAT 5\r\nMAIL\rBDAT 0\r\nBDAT 4 LAST\r\n\nabcRSET\r\nNOOP\r\nQUIT\r\nMAIL FROM:<a@a.example>\r\n"
)
EVENTS: list[Event] = [
    Ehlo("a.example", extended=True),
    MailFrom(Address.parse("a@a.example")),
    RcptTo(Address.parse("b@b.example")),
    Data(),
    DataChunk(b".stuffed\r\n.\r\n\r\n..x\r\nlast.\r\n"),
    DataEnd(),
    MailFrom(None, size=12, body="8BITMIME"),
    RcptTo(None, notify="NEVER"),
    DataChunk(b"MAIL\r"),
    ChunkEnd(5),
    ChunkEnd(0),
    DataChunk(b"\nabc"),
    DataEnd(),
    Rset(),
    Quit(),
]


def test_a_dialogue_gives_the_same_events_wherever_it_is_cut():
    assert run(make(), DIALOGUE) == EVENTS
    for cut in range(1, len(DIALOGUE)):
        core = make()
        assert run(core, DIALOGUE[:cut], DIALOGUE[cut:]) == EVENTS, cut
    for step in (1, 2, 3, 5):
        pieces = [DIALOGUE[i : i + step] for i in range(0, len(DIALOGUE), step)]
        assert run(make(), *pieces) == EVENTS


def test_a_pipelined_batch_is_answered_in_order():
    core = make()
    run(core, ENVELOPE + b"NONSENSE\r\nNOOP\r\nVRFY bob\r\nEXPN all\r\nDATA\r\n")
    assert codes(core) == [b"250", b"250", b"250", b"500", b"250", b"252", b"502", b"354"]


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r\n", b"\r\n.\r", b"\r.\r", b"\r\r\n.\r\n"]
)
def test_smuggling_ends_the_connection(end: bytes):
    text = ENVELOPE + b"DATA\r\nSubject: x\r\n\r\nhello" + end
    text += b"MAIL FROM:<evil@a.example>\r\nRCPT TO:<b@b.example>\r\n"
    for packets in ([text], [text[i : i + 1] for i in range(len(text))]):
        core = make()
        events = run(core, *packets)
        assert isinstance(events[-1], Violation)
        assert MailFrom(Address.parse("evil@a.example")) not in events
        assert codes(core)[-1] == b"554"
        assert run(core, b"\r\n.\r\nMAIL FROM:<>\r\n") == []
        assert not core.outgoing()


@pytest.mark.parametrize("line", [b"NOOP\n", b"NOOP\rx\r\n", b"\n", b"RSET\r\r\n"])
def test_a_bare_line_end_in_a_command_ends_the_connection(line: bytes):
    core = make()
    events = run(core, b"EHLO a.example\r\n" + line + b"NOOP\r\n")
    assert isinstance(events[-1], Violation)
    assert codes(core) == [b"250", b"554"]


@pytest.mark.parametrize(
    "chunks", [b"BDAT 3\r\na\nb", b"BDAT 3\r\na\rb", b"BDAT 1\r\n\rBDAT 1 LAST\r\na", b"BDAT 1 LAST\r\n\r"]
)
def test_a_bare_line_end_in_a_chunk_ends_the_connection(chunks: bytes):
    core = make()
    assert isinstance(run(core, ENVELOPE + chunks + b"NOOP\r\n")[-1], Violation)
    assert codes(core)[-1] == b"554"


def test_a_chunk_nobody_wants_is_still_read_to_its_end():
    core = make()
    events = run(
        core, b"EHLO a.example\r\nBDAT 9\r\nQUIT\r\n\n\rxNOOP\r\nMAIL FROM:<>\r\nBDAT 6 LAST\r\nQUIT\r\n"
    )
    assert events == [Ehlo("a.example", extended=True), MailFrom(None)]
    assert codes(core) == [b"250", b"503", b"250", b"250", b"554"]
    assert core.state is State.READY


def test_a_chunk_of_unknown_size_ends_the_connection():
    for size in (b"", b"x", b"-1", b"1 FIRST", b"1" * 21, b"1 LAST LAST"):
        core = make()
        assert isinstance(run(core, ENVELOPE + b"BDAT " + size + b"\r\nNOOP\r\n")[-1], Violation)


@pytest.mark.parametrize(
    ("size", "closes"), [(MAX_UNWANTED, False), (MAX_UNWANTED + 1, True), (10**19, True)]
)
def test_a_refused_chunk_may_not_go_on_for_ever(size: int, closes: bool):
    core = make()
    events = run(core, b"EHLO a\r\nBDAT %d\r\nabc" % size)
    assert (core.state is State.CLOSED) == closes
    assert codes(core) == [b"250", b"503"][: 1 + closes]
    assert isinstance(events[-1], Violation) == closes


def test_refused_chunk_ends_the_transaction():
    core = make()
    core.receive(ENVELOPE + b"BDAT 3\r\nabcBDAT 3 LAST\r\nabc")
    while (event := core.next_event()) is not None:
        if isinstance(event, Ehlo):
            core.welcome()
        elif isinstance(event, ChunkEnd):
            core.reply(Reply(452, "4.3.1", "Disk full"))
        elif not isinstance(event, DataChunk):
            core.reply(OK)
    assert codes(core) == [b"250", b"250", b"250", b"452", b"503"]


STATES = [State.FRESH, State.READY, State.MAIL, State.RCPT, State.CHUNKS]


@pytest.mark.parametrize("protocol", list(Protocol), ids=lambda protocol: protocol.value)
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.name.decode())
def test_every_verb_in_every_state(command, state: State, protocol: Protocol):
    hello = b"EHLO" if protocol is Protocol.SMTP else b"LHLO"
    ways = {
        State.FRESH: b"",
        State.READY: b"EHLO a.example\r\n",
        State.MAIL: b"EHLO a.example\r\nMAIL FROM:<>\r\n",
        State.RCPT: ENVELOPE,
        State.CHUNKS: ENVELOPE + b"BDAT 0\r\n",
    }
    arguments = {
        b"EHLO": b" a.example", b"HELO": b" a.example", b"LHLO": b" a.example",
        b"MAIL": b" FROM:<a@a.example>", b"RCPT": b" TO:<b@b.example>", b"BDAT": b" 0 LAST",
        b"AUTH": b" PLAIN", b"XCLIENT": b" ADDR=192.0.2.1",
    }  # fmt: skip
    core = make(protocol=protocol)
    run(core, ways[state].replace(b"EHLO", hello))
    assert core.state is state
    core.outgoing()
    run(core, command.name + arguments.get(command.name, b"") + b"\r\n")
    if command.only_in not in (None, protocol):
        assert codes(core) == [b"500"]  # RFC 2033 4.1
        return
    if protocol is Protocol.LMTP and command.name == b"BDAT" and state is State.MAIL:
        assert codes(core) == []  # RFC 2033 4.3
        return
    assert (codes(core)[0] in (b"503", b"554")) == (state not in command.allowed_in)


LINE_TOO_LONG = (b"500 5.5.2 Line too long", b"500 Line too long")


def test_every_verb_has_its_limit():
    for command in COMMANDS.values():
        for length, is_too_long in (
            (command.limit, False),
            (command.limit + 1, True),
            (command.limit * 1000, True),
        ):
            protocol = command.only_in or Protocol.SMTP
            core = make(protocol=protocol)
            run(
                core,
                b"EHLO a.example\r\n" if protocol is Protocol.SMTP else b"LHLO a.example\r\n",
                command.name + b" " + b"x" * (length - len(command.name) - 3) + b"\r\n",
            )
            reply = core.outgoing().splitlines()[-1]
            assert (reply in LINE_TOO_LONG) == is_too_long or reply.startswith(b"501 5.5.4 Syntax: BDAT")


def test_an_over_long_line_is_skipped_in_bounded_memory():
    core = make()
    run(core, b"EHLO a.example\r\n")
    core.outgoing()
    for _ in range(MAX_SKIPPED // 65536 - 1):
        assert run(core, b"x" * 65536) == []
        assert len(core._input._buffer) < 16384
    run(core, b"\r\nNOOP\r\n")
    assert codes(core) == [b"500", b"250"]


def test_an_endless_line_ends_the_connection():
    core = make()
    events = [event for _ in range(MAX_SKIPPED // 65536 + 1) for event in run(core, b"x" * 65536)]
    assert [type(event) for event in events] == [Violation]
    assert codes(core) == [b"500"]


@pytest.mark.parametrize(
    "line", [b"NOOP \0", b"HELO \xff", "EHLO bücher.example".encode(), b"MAIL FROM:<a\0@a.example>"]
)
def test_what_does_not_belong_into_a_command(line: bytes):
    core = make()
    run(core, b"EHLO a.example\r\n", line + b"\r\n")
    assert codes(core)[-1] in (b"500", b"501")


def test_too_many_errors_end_the_connection():
    core = make(max_errors=20)
    events = run(core, b"NONSENSE\r\n" * 21 + b"NOOP\r\n")
    assert [type(event) for event in events] == [Violation]
    assert codes(core) == [b"500"] * 21 + [b"421"]


def test_chunks_of_nothing_end_some_time():
    core = make()
    run(core, b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.example>\r\n")
    core.outgoing()
    events = run(core, b"BDAT 0\r\n" * (MAX_IDLE + 30))
    assert isinstance(events[-1], Violation)
    assert codes(core)[-1] == b"421"


@pytest.mark.parametrize(
    "command", [each.name for each in COMMANDS.values() if each.idle and each.only_in is not Protocol.LMTP]
)
def test_a_client_that_moves_no_mail_is_counted_out(command: bytes):
    argument = {b"RSET": b"", b"XCLIENT": b" ADDR=192.0.2.1"}.get(command, b" x.example")
    line = command + argument + b"\r\n"
    core = make(max_errors=20)
    events = run(core, b"EHLO x\r\n" + line * (MAX_IDLE + 22))
    assert isinstance(events[-1], Violation)
    assert codes(core)[-1] == b"421"
    core = make(max_errors=20)
    events = run(core, b"EHLO x\r\n" + line * (MAX_IDLE - 1))
    assert not any(isinstance(event, Violation) for event in events)


def test_who_moves_mail_may_ask_again():
    core = make(max_errors=0)
    events = run(core, b"EHLO x\r\n")
    for _ in range(3):
        events += run(
            core, b"NOOP\r\n" * (MAX_IDLE - 1), ENVELOPE.partition(b"\r\n")[2] + b"DATA\r\n", b".\r\n"
        )
    assert not any(isinstance(event, Violation) for event in events)


@pytest.mark.parametrize(
    "line", [b"BDAT 6%b" % (b" " * 600), b"BDAT 6\0", b"BDAT \xff 6", b"BDAT", b"BDAT -6", b"BDAT 6 LATER"]
)
def test_octets_of_a_chunk_that_is_no_chunk_are_never_commands(line: bytes):
    core = make()
    events = run(core, ENVELOPE + line + b"\r\nRSET\r\n")
    assert isinstance(events[-1], Violation)
    assert codes(core)[-1][:1] == b"5"


def test_commands_behind_starttls_end_the_connection():
    core = make()
    events = run(core, b"EHLO a.example\r\nSTARTTLS\r\nMAIL FROM:<evil@a.example>\r\n")
    assert [type(event) for event in events] == [Ehlo, Violation]
    assert codes(core) == [b"250", b"554"]


def test_tls_forgets_everything():
    core = make(requires_tls=True)
    run(core, b"EHLO a.example\r\nMAIL FROM:<>\r\nSTARTTLS\r\n")
    assert codes(core) == [b"250", b"530", b"220"]
    assert core.state is State.CLOSED
    core.forget()
    run(core, b"MAIL FROM:<>\r\nEHLO a.example\r\nMAIL FROM:<>\r\n")
    assert codes(core) == [b"503", b"250", b"250"]


def test_starttls_shows_what_waits_behind_it():
    core = make()
    run(core, b"EHLO a.example\r\nSTARTTLS\r\n")
    assert not core.has_buffered_input()
    core.receive(b"R")
    assert core.has_buffered_input()


def test_authentication_comes_first_where_it_is_required():
    core = make(requires_auth=True)
    run(
        core,
        b"EHLO a.example\r\nMAIL FROM:<>\r\nVRFY x\r\nBDAT 4\r\nQUIT",
        b"AUTH PLAIN AGEAYg==\r\nMAIL FROM:<>\r\nAUTH PLAIN =\r\n",
    )
    assert codes(core) == [b"250", b"530", b"530", b"530", b"235", b"250", b"503"]


def test_an_exchange_with_challenge_and_its_ends():
    for line, wanted in (
        (b"*", AuthCancelled(Reply(501, "5.7.0", "Authentication cancelled"))),
        (b"!!", AuthCancelled(Reply(501, "5.5.2", "That is not base64"))),
        (b"A" * 12289, AuthCancelled(Reply(500, "5.5.6", "Authentication line too long"))),
        (b"A" * 200000, AuthCancelled(Reply(500, "5.5.6", "Authentication line too long"))),
        (b"A" * 12288, AuthResponse(b"\0" * 9216)),
        (b"", AuthResponse(b"")),
    ):
        core = make()
        run(core, b"EHLO a.example\r\n")
        core.receive(b"AUTH login\r\n")
        assert core.next_event() == Auth("LOGIN", None)
        core.challenge("VXNlcjo=")
        assert core.outgoing().endswith(b"334 VXNlcjo=\r\n")
        assert run(core, line + b"\r\n") == [wanted]
        assert core.authenticated == isinstance(wanted, AuthResponse)
        assert run(core, b"RSET\r\n") == [Rset()]


def test_initial_responses():
    core = make()
    assert run(core, b"EHLO a\r\nAUTH PLAIN =\r\n")[-1] == Auth("PLAIN", b"")
    core = make()
    run(core, b"EHLO a\r\nAUTH PLAIN %%%\r\nAUTH\r\nAUTH PLAIN a b\r\n")
    assert codes(core) == [b"250", b"501", b"501", b"501"]


def test_junk_senders_pipeline_where_none_is_allowed():
    for line in (b"EHLO a.example\r\n", b"HELO a.example\r\n"):
        assert isinstance(run(make(strict_pipelining=True), line + b"MAIL FROM:<>\r\n")[-1], Violation)
    core = make(strict_pipelining=True)
    run(core, b"EHLO a.example\r\n")
    assert isinstance(run(core, ENVELOPE.partition(b"\n")[2] + b"DATA\r\nx\r\n.\r\n")[-1], Violation)


@pytest.mark.parametrize(
    "line", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"connect a:25 HTTP/1.1", b"USER anonymous"]
)
def test_another_protocols_client_is_dropped(line: bytes):
    core = make()
    assert [type(event) for event in run(core, line + b"\r\n\r\nEHLO a.example\r\n")] == [Violation]


def test_a_positive_reply_resets_the_count_of_errors():
    core = make(max_errors=3)
    run(core, b"X\r\n" * 3 + ENVELOPE + b"DATA\r\n.\r\n" + b"X\r\n" * 3 + b"NOOP\r\n")
    assert codes(core)[-1] == b"250"


def test_help_shows_the_table():
    core = make()
    core.offer(["PIPELINING"])
    run(core, b"EHLO a\r\nHELP\r\nHELP mail\r\nHELP STARTTLS\r\n")
    lines = core.outgoing().decode().splitlines()[-3:]
    assert "STARTTLS" not in lines[0]
    assert "MAIL" in lines[0]
    assert lines[1] == "214 2.0.0 MAIL FROM:<address> (RFC 5321 4.1.1.2)"
    assert lines[2] == lines[0]


def test_a_verb_that_is_not_offered_is_unknown():
    core = make()
    core.offer(["PIPELINING"])
    run(core, b"EHLO a\r\nSTARTTLS\r\nAUTH PLAIN\r\nBDAT 3\r\nabc\r\n")
    assert codes(core)[:4] == [b"250", b"500", b"500", b"500"]


def test_ehlo_lists_what_is_offered_and_helo_does_not():
    core = make()
    core.offer(["SIZE 10", "DSN"])
    run(core, b"EHLO a\r\n")
    assert core.outgoing() == b"250-mx.example\r\n250-SIZE 10\r\n250 DSN\r\n"
    run(core, b"HELO a\r\n")
    assert core.outgoing() == b"250 mx.example\r\n"


def test_nothing_is_read_before_the_reply():
    core = make()
    core.receive(b"EHLO a\r\nNOOP\r\n")
    assert core.next_event() == Ehlo("a", extended=True)
    assert core.next_event() is None
    assert core.has_buffered_input()
    assert not core.outgoing()
    with pytest.raises(RuntimeError):
        make().reply(OK)
