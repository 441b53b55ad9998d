"""Lines and literals, messages, exchanges and limits: what the core makes of bytes, and what it asks for."""

from __future__ import annotations

import pytest

from postier.imap.wire import core as core_module
from postier.imap.wire.append import (
    Append,
    AppendLine,
    AppendLiteral,
    AppendMessage,
    LiteralChunk,
    LiteralEnd,
    LiteralUse,
)
from postier.imap.wire.core import ImapEvent, ImapServer
from postier.imap.wire.framing import AFTER_LOGIN, BEFORE_LOGIN
from postier.imap.wire.values import (
    Authenticate,
    AuthenticateResponse,
    BadCommand,
    Capability,
    Compress,
    Create,
    Idle,
    IdleDone,
    Login,
    Noop,
    StarttlsCommand,
    State,
    Status,
)


def server(state: State = State.AUTHENTICATED) -> ImapServer:
    core = ImapServer()
    core.state = state
    return core


def events(core: ImapServer, data: bytes = b"") -> list[ImapEvent]:
    """All events that come without the session's help."""
    core.receive(data)
    found = []
    while (event := core.next_event()) is not None:
        found.append(event)
    return found


def one(core: ImapServer, data: bytes = b"") -> ImapEvent:
    (event,) = events(core, data)
    return event


def in_step(core: ImapServer) -> bool:
    return events(core, b"sync NOOP\r\n") == [Noop(b"sync")]


# ---------------------------------------------------------------------- lines


def test_pipelined_commands() -> None:
    core = server()
    assert events(core, b"a NOOP\r\nb CAPABILITY\r\nc NO") == [Noop(b"a"), Capability(b"b")]
    assert core.has_buffered_input()
    assert one(core, b"OP\r\n") == Noop(b"c")
    assert not core.has_buffered_input()


def test_a_line_without_cr_is_bad_and_in_step() -> None:
    core = server()
    assert one(core, b"a NOOP\n") == BadCommand(b"a", "Lines end with CR LF")
    assert in_step(core)


def test_nothing_is_parsed_before_the_session_asks() -> None:
    """The state in which a pipelined command counts is the one after the command before it."""
    core = server(State.NOT_AUTHENTICATED)
    core.receive(b"a LOGIN x y\r\nb CREATE z\r\n")
    assert core.next_event() == Login(b"a", "x", "y")
    core.state = State.AUTHENTICATED
    assert core.next_event() == Create(b"b", "z")


def test_input_behind_starttls_and_compress_stays_visible() -> None:
    core = server(State.NOT_AUTHENTICATED)
    core.receive(b"a STARTTLS\r\nb NOOP\r\n")
    assert core.next_event() == StarttlsCommand(b"a")
    assert core.has_buffered_input()
    core = server()
    core.receive(b"a COMPRESS DEFLATE\r\n\x00")
    assert core.next_event() == Compress(b"a", "DEFLATE")
    assert core.has_buffered_input()


@pytest.mark.parametrize(
    ("state", "limit"), [(State.NOT_AUTHENTICATED, 8 * 1024), (State.SELECTED, 64 * 1024)]
)
def test_long_lines(state: State, limit: int) -> None:
    core = server(state)
    event = one(core, b"a NOOP" + b" " * (limit - 6) + b"\r\n")
    assert isinstance(event, BadCommand)
    assert not event.fatal
    for excess in (1, 1000 * limit if state is State.NOT_AUTHENTICATED else limit):
        core = server(state)
        event = one(core, b"a NOOP" + b" " * (limit - 6 + excess) + b"\r\nb NOOP\r\n")
        assert event == BadCommand(b"a", "Line too long", fatal=True)
        assert events(core, b"c NOOP\r\n") == []
        assert not core.has_buffered_input()


def test_a_line_without_end_is_not_kept() -> None:
    core = server()
    for _ in range(1000):
        core.receive(b"x" * 1024)
        if core.next_event() is not None:
            break
    assert events(core, b"x" * 100_000) == []
    assert not core.has_buffered_input()


# ---------------------------------------------------------------------- literals as arguments


def test_synchronizing_literal() -> None:
    """The exchange of RFC 3501 6.2.3 with literals, RFC 7888 3."""
    core = server(State.NOT_AUTHENTICATED)
    assert events(core, b"A001 LOGIN {11}\r\n") == []
    assert core.outgoing() == b"+ OK\r\n"
    assert events(core, b"FRED FOOBAR {7}\r\n") == []
    assert core.outgoing() == b"+ OK\r\n"
    assert one(core, b"fat man\r\n") == Login(b"A001", "FRED FOOBAR", "fat man")


def test_non_synchronizing_literal() -> None:
    core = server(State.NOT_AUTHENTICATED)
    assert one(core, b"A001 LOGIN {11+}\r\nFRED FOOBAR {7+}\r\nfat man\r\n") == Login(
        b"A001", "FRED FOOBAR", "fat man"
    )
    assert core.outgoing() == b""


def test_a_literal_counts_octets() -> None:
    core = server(State.NOT_AUTHENTICATED)
    assert one(core, b"a LOGIN {3+}\r\n\xc3\xa4x {2+}\r\n\xc3\xb6\r\n") == Login(b"a", "äx", "ö")


def test_a_literal_may_hold_lines_and_announcements() -> None:
    core = server(State.NOT_AUTHENTICATED)
    password = b"\r\na NOOP {5}\r\n"
    assert one(core, b"a LOGIN x {%d+}\r\n%b\r\n" % (len(password), password)) == Login(
        b"a", "x", password.decode()
    )


def test_a_literal_where_none_can_stand_keeps_step() -> None:
    core = server()
    for line in (b'a CREATE "x {3+}\r\nabc"\r\n', b"a NOOP {3+}\r\nabc\r\n", b"a STATUS x{3+}\r\n)))\r\n"):
        assert isinstance(one(core, line), BadCommand)
        assert in_step(core)


@pytest.mark.parametrize(("state", "limit"), [(State.NOT_AUTHENTICATED, 8192 - 40), (State.SELECTED, 65536)])
def test_long_arguments(state: State, limit: int) -> None:
    fits = server(state)
    assert events(fits, b"a ID {%d}\r\n" % limit) == []
    assert fits.outgoing() == b"+ OK\r\n"
    for size in (limit + 41, 1000 * limit, 10**18, 10**30):
        core = server(state)
        assert one(core, b"a ID {%d}\r\n" % size) == BadCommand(b"a", "Too many or too long literals")
        assert core.outgoing() == b""
        assert in_step(core)


def test_a_long_argument_that_does_not_wait_is_skipped() -> None:
    size = 65537
    core = server()
    event = one(core, b"a CREATE {%d+}\r\n%b foo {5+}\r\nb x\r\n\r\n" % (size, b"b NOOP\r\n" * 8192 + b"."))
    assert event == BadCommand(b"a", "Too many or too long literals")
    assert in_step(core)


def test_a_refused_command_ends_at_a_literal_that_waits() -> None:
    core = server()
    event = one(core, b"a CREATE {65537+}\r\n" + b"x" * 65537 + b" {5}\r\n")
    assert isinstance(event, BadCommand)
    assert core.outgoing() == b""
    assert in_step(core)


@pytest.mark.parametrize("verb", [b"CREATE", b"APPEND x"])
@pytest.mark.parametrize(
    ("state", "limit"), [(State.NOT_AUTHENTICATED, BEFORE_LOGIN.skip), (State.SELECTED, AFTER_LOGIN.skip)]
)
def test_a_literal_not_worth_skipping_ends_the_connection(state: State, limit: int, verb: bytes) -> None:
    assert events(server(state), b"a %b (x {%d+}\r\n" % (verb, limit)) == []
    for size in (limit + 1, 1000 * limit, 10**30):
        core = server(state)
        event = one(core, b"a %b (x {%d+}\r\n" % (verb, size))
        assert event == BadCommand(b"a", "Literal too long", fatal=True)
        assert events(core, b"a NOOP\r\n") == []


def test_number_of_arguments() -> None:
    for count in (100, 101, 1000):
        core = server()
        event = one(core, b"a STATUS x " + b"{1+}\r\nx " * count + b"\r\n")
        assert isinstance(event, BadCommand)
        assert event.text.startswith("Syntax" if count == 100 else "Too many")
        assert in_step(core)


def test_size_of_a_command() -> None:
    core = server()
    piece = b" {65000+}\r\n" + b"x" * 65000
    assert isinstance(one(core, b"a LIST" + piece * 16 + b"\r\n"), BadCommand)
    assert in_step(core)
    event = one(core, b"a LIST" + piece * 17 + b"\r\n")
    assert event == BadCommand(b"a", "Too many or too long literals")
    assert in_step(core)


def test_what_only_looks_like_a_literal_is_text() -> None:
    core = server()
    for tail in (b"}", b"{}", b"{+}", b"{1-}", b"{a}", b"{1", b"1}"):
        assert isinstance(one(core, b"a CREATE x" + tail + b"\r\n"), Create | BadCommand)
        assert in_step(core)


# ---------------------------------------------------------------------- APPEND

DATE = 837596665
END = LiteralEnd(AppendLine((), None))


def message(
    size: int, flags: tuple[str, ...] = (), date: int | None = None, *, binary: bool = False
) -> AppendLine:
    """A message of `size` octets begins, and its literal is announced."""
    return AppendLine((AppendMessage(flags, date),), AppendLiteral(size, LiteralUse.MESSAGE, binary))


def test_append() -> None:
    """RFC 3501 6.3.11."""
    core = server()
    event = one(core, b'A003 APPEND saved-messages (\\seen $X) "17-Jul-1996 02:44:25 -0700" {10}\r\n')
    assert event == Append(b"A003", "saved-messages", message(10, ("\\Seen", "$X"), DATE))
    assert core.outgoing() == b""
    core.accept_literal()
    assert core.outgoing() == b"+ OK\r\n"
    assert events(core, b"01234") == []
    assert one(core, b"56789") == LiteralChunk(b"0123456789")
    assert one(core, b"\r\n") == END
    assert in_step(core)


@pytest.mark.parametrize("options", [b"", b" (\\Seen)", b' "17-Jul-1996 02:44:25 -0700"', b" ()"])
def test_append_without_waiting(options: bytes) -> None:
    core = server()
    event = one(core, b"a APPEND x" + options + b" {3+}\r\nabc\r\nb NOOP\r\n")
    assert isinstance(event, Append)
    core.accept_literal()
    assert core.outgoing() == b""
    assert events(core) == [LiteralChunk(b"abc"), END, Noop(b"b")]


@pytest.mark.parametrize(
    ("date", "seconds"),
    [
        (b"17-Jul-1996 02:44:25 -0700", DATE),
        (b" 1-Jan-1970 00:00:00 +0000", 0),
        (b"1-jan-1970 01:00:00 +0100", 0),
        (b"31-Dec-1969 23:59:59 +0000", -1),
    ],
)
def test_internal_dates(date: bytes, seconds: int) -> None:
    event = one(server(), b'a APPEND x "' + date + b'" {1}\r\n')
    assert event == Append(b"a", "x", message(1, (), seconds))


@pytest.mark.parametrize(
    "date", [b"", b"x", b"30-Feb-2020 00:00:00 +0000", b"01-Jan-2020 24:00:00 +0000", b"01-Jan-2020"]
)
def test_dates_that_are_none(date: bytes) -> None:
    core = server()
    assert isinstance(one(core, b'a APPEND x "' + date + b'" {1}\r\n'), BadCommand)
    assert core.outgoing() == b""
    assert in_step(core)


def test_append_to_a_name_that_is_a_literal() -> None:
    core = server()
    assert events(core, b"a append {5}\r\n") == []
    assert core.outgoing() == b"+ OK\r\n"
    assert one(core, b"inbox ~{0}\r\n") == Append(b"a", "INBOX", message(0, binary=True))
    core.accept_literal()
    assert one(core, b"\r\n") == END


def test_a_message_comes_in_chunks_of_one_size() -> None:
    core = server()
    size = 2 * core_module.CHUNK + 5
    one(core, b"a APPEND x {%d+}\r\n" % size)
    core.accept_literal()
    found = events(core, b"m" * size)
    assert [len(chunk.data) for chunk in found if isinstance(chunk, LiteralChunk)] == [
        core_module.CHUNK,
        core_module.CHUNK,
        5,
    ]


def test_several_messages() -> None:
    """RFC 3502: another message may follow in place of the end."""
    core = server()
    one(core, b"a APPEND x {1+}\r\n1 (\\Seen) {2}\r\n")
    core.accept_literal()
    assert events(core) == [LiteralChunk(b"1"), LiteralEnd(message(2, ("\\Seen",)))]
    core.accept_literal()
    assert core.outgoing() == b"+ OK\r\n"
    assert events(core, b"22 {0+}\r\n") == [LiteralChunk(b"22"), LiteralEnd(message(0))]
    core.accept_literal()
    assert events(core, b"\r\n") == [END]
    assert in_step(core)


@pytest.mark.parametrize("tail", [b"x\r\n", b" x\r\n", b"\n", b" {3+}\n", b" (a {3+}\r\nabc)\r\n"])
def test_rubbish_behind_a_message(tail: bytes) -> None:
    core = server()
    one(core, b"a APPEND x {1+}\r\n1" + tail)
    core.accept_literal()
    chunk, *rest = events(core)
    assert chunk == LiteralChunk(b"1")
    if tail == b" {3+}\n":
        assert rest == []
        rest = events(core, b"abc\r\n")
    (bad,) = rest
    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.fatal) == (b"a", False)
    assert in_step(core)


def test_refused_message_that_waits() -> None:
    core = server()
    one(core, b"a APPEND x {1000000000000}\r\n")
    core.refuse_literal()
    assert core.outgoing() == b""
    assert in_step(core)


def test_refused_message_that_does_not_wait_is_skipped_with_its_command() -> None:
    core = server()
    one(core, b"a APPEND x {300000+}\r\n")
    core.refuse_literal()
    for _ in range(30):
        assert events(core, b"b NOOP\r\n\r\n" * 1000) == []
        assert not core.has_buffered_input()
    assert events(core, b" (x) {4+}\r\n\r\n\r\n\r\n") == []
    assert in_step(core)


def test_refused_in_the_middle_of_a_message() -> None:
    core = server()
    one(core, b"a APPEND x {200000}\r\n")
    core.accept_literal()
    assert len(events(core, b"x" * 100_000)) == 1
    core.refuse_literal()
    assert events(core, b"x" * 100_000 + b"\r\n") == []
    assert in_step(core)


def test_a_message_too_large_to_skip_ends_the_connection() -> None:
    for size, fatal in ((AFTER_LOGIN.skip, False), (AFTER_LOGIN.skip + 1, True), (10**25, True)):
        core = server()
        one(core, b"a APPEND x {%d+}\r\n" % size)
        core.refuse_literal()
        found = events(core, b"x")
        assert bool(found) is fatal
        assert all(event == BadCommand(b"*", "Literal too long", fatal=True) for event in found)


def test_wrong_append_is_skipped() -> None:
    core = server()
    event = one(core, b"a APPEND x (\\) {2000000+}\r\n" + b"x" * 2_000_000 + b"\r\n")
    assert isinstance(event, BadCommand)
    assert not event.fatal
    assert in_step(core)


def test_a_message_waits_for_the_session() -> None:
    core = server()
    assert isinstance(one(core, b"a APPEND x {1+}\r\n1\r\n"), Append)
    assert events(core, b"b NOOP\r\n") == []


def test_deciding_about_nothing_is_a_fault() -> None:
    for decide in (ImapServer.accept_literal, ImapServer.refuse_literal):
        with pytest.raises(RuntimeError):
            decide(server())


# ---------------------------------------------------------------------- AUTHENTICATE, IDLE


def test_authenticate_exchange() -> None:
    core = server(State.NOT_AUTHENTICATED)
    assert one(core, b"a AUTHENTICATE LOGIN\r\n") == Authenticate(b"a", "LOGIN", None)
    core.challenge(b"Username:")
    assert core.outgoing() == b"+ VXNlcm5hbWU6\r\n"
    assert one(core, b"YWxpY2U=\r\n") == AuthenticateResponse(b"alice")
    core.challenge(b"")
    assert core.outgoing() == b"+ \r\n"
    assert one(core, b"\r\n") == AuthenticateResponse(b"")
    assert in_step(core)


@pytest.mark.parametrize("line", [b"*", b"!!!!", b"YWxpY2U", b"a NOOP", b"YQ==YQ=="])
def test_authenticate_cancelled_or_not_base64(line: bytes) -> None:
    core = server(State.NOT_AUTHENTICATED)
    one(core, b"a AUTHENTICATE PLAIN\r\n")
    core.challenge(b"")
    assert one(core, line + b"\r\n") == AuthenticateResponse(None)
    assert in_step(core)


def test_authenticate_response_limit() -> None:
    for size, fatal in ((12288, False), (12289, True), (10**6, True)):
        core = server(State.NOT_AUTHENTICATED)
        one(core, b"a AUTHENTICATE PLAIN\r\n")
        core.challenge(b"")
        event = one(core, b"eHh4" * (size // 3) + (b"eA==" if size % 3 else b"") + b"\r\n")
        assert event == (
            BadCommand(b"*", "Line too long", fatal=True) if fatal else AuthenticateResponse(b"x" * size)
        )


def test_idle() -> None:
    core = server()
    assert one(core, b"a IDLE\r\n") == Idle(b"a")
    core.continue_idle()
    assert core.outgoing() == b"+ idling\r\n"
    assert one(core, b"done\r\n") == IdleDone(True)
    assert in_step(core)
    one(core, b"a IDLE\r\n")
    core.continue_idle()
    assert one(core, b"b NOOP\r\n") == IdleDone(False)


# ---------------------------------------------------------------------- patience


def test_too_many_bad_commands() -> None:
    core = server()
    found = events(core, b"a FROB\r\n" * 100)
    assert [event.fatal for event in found if isinstance(event, BadCommand)] == [False] * 19 + [True]


def test_after_login_a_good_command_forgives() -> None:
    core = server()
    found = events(core, (b"a FROB\r\n" * 19 + b"a NOOP\r\n") * 5)
    assert not any(event.fatal for event in found if isinstance(event, BadCommand))
    core = server(State.NOT_AUTHENTICATED)
    found = events(core, (b"a FROB\r\na NOOP\r\n") * 100)
    assert isinstance(found[-1], BadCommand)
    assert found[-1].fatal
    assert len(found) == 39


def test_answers_leave_in_order() -> None:
    core = server()
    core.send(b"* 1 EXISTS\r\n")
    core.send(b"a OK\r\n")
    assert core.outgoing() == b"* 1 EXISTS\r\na OK\r\n"
    assert core.outgoing() == b""


def test_a_command_without_its_end_is_never_given() -> None:
    core = server()
    assert events(core, b"a STATUS x (MESSAGES)") == []
    core.eof()
    assert core.next_event() is None
    assert one(server(), b"a STATUS x (MESSAGES)\r\n") == Status(b"a", "x", ("MESSAGES",))


@pytest.mark.parametrize(
    ("state", "line"),
    [
        (State.AUTHENTICATED, b"FROB {4}"),
        (State.AUTHENTICATED, b"UID NOOP {4}"),
        (State.NOT_AUTHENTICATED, b"CREATE {4}"),
        (State.NOT_AUTHENTICATED, b"APPEND x {4}"),
        (State.AUTHENTICATED, b"SEARCH TEXT {4}"),
        (State.AUTHENTICATED, b"LOGIN {4}"),
        (State.AUTHENTICATED, b"{4}"),
    ],
)
def test_no_literal_is_asked_for_by_a_command_that_fails_anyhow(state: State, line: bytes) -> None:
    core = server(state)
    answer = one(core, b"a " + line + b"\r\n")
    assert isinstance(answer, BadCommand)
    assert answer.tag == b"a"
    assert core.outgoing() == b""
    unasked = line.replace(b"{4}", b"{4+}")
    answer = one(core, b"a " + unasked + b"\r\nabcd\r\n")
    assert isinstance(answer, BadCommand)
    assert events(core, b"b NOOP\r\n") == [Noop(b"b")]
