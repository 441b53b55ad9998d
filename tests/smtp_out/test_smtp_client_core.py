"""The client core alone: bytes and events, no sockets."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.smtp.wire.client import Capabilities, MalformedReply, PeerReply, Replied, SmtpClient, Verb
from postier.smtp.wire.client_data import DataWriter
from postier.smtp.wire.client_replies import MAX_KEPT, MAX_LINE, MAX_LINES, MAX_TEXT, ReplyReader

EHLO = (
    b"250-mx.b.example greets you\r\n250-PIPELINING\r\n250-SIZE 5000\r\n"
    b"250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8\r\n"
)


def events(core: SmtpClient, data: bytes) -> list[Replied | MalformedReply]:
    core.receive(data)
    found = []
    while (event := core.next_event()) is not None:
        found.append(event)
    return found


def greeted(ehlo: bytes = EHLO) -> SmtpClient:
    core = SmtpClient()
    events(core, b"220 mx.b.example ESMTP\r\n")
    core.ehlo("mail.example")
    assert core.outgoing() == b"EHLO mail.example\r\n"
    events(core, ehlo)
    return core


# ---------------------------------------------------------------------- replies


def replies(data: bytes, piece: int) -> list[PeerReply | MalformedReply]:
    reader, found = ReplyReader(), []
    for start in range(0, len(data), piece):
        reader.receive(data[start : start + piece])
        while (reply := reader.next_reply()) is not None:
            found.append(reply)
            if isinstance(reply, MalformedReply):
                return found
    return found


@pytest.mark.parametrize("piece", [1, 2, 7, 4096])
def test_replies_do_not_depend_on_packets(piece: int) -> None:
    data = b"220 hello\r\n250-first\r\n250-\r\n250 last\r\n550 5.1.1 <a@b> unknown\r\n354\r\n250 x\n"
    assert replies(data, piece) == [
        PeerReply(220, "", ("hello",)),
        PeerReply(250, "", ("first", "", "last")),
        PeerReply(550, "5.1.1", ("<a@b> unknown",)),
        PeerReply(354, "", ("",)),
        PeerReply(250, "", ("x",)),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"25 short\r\n",
        b"650 what\r\n",
        b"150 what\r\n",
        b"250_no\r\n",
        b"\r\n",
        b"250-one\r\n550 two\r\n",
        b"250 a\rb\r\n",
        b"220 " + b"x" * MAX_LINE,
        b"250-more\r\n" * (MAX_LINES + 1),
    ],
)
def test_what_is_no_reply_is_an_error_value(data: bytes) -> None:
    assert isinstance(replies(data, 4096)[-1], MalformedReply)
    assert isinstance(replies(data, 1)[-1], MalformedReply)


def test_the_longest_line_and_the_longest_reply_are_read() -> None:
    line = b"250 " + b"x" * (MAX_LINE - 5) + b"\r\n"
    (reply,) = replies(line, 100)
    assert isinstance(reply, PeerReply)
    assert len(reply.lines[0]) == MAX_LINE - 5
    (reply,) = replies(b"250-x\r\n" * (MAX_LINES - 1) + b"250 y\r\n", 100)
    assert isinstance(reply, PeerReply)
    assert len(reply.lines) == MAX_LINES


def test_of_a_reply_of_many_long_lines_only_the_beginning_is_kept() -> None:
    line = b"x" * 1019
    long = (b"550-" + line + b"\r\n") * 99 + b"550 " + line + b"\r\n"
    first, second = replies(long + b"550 5.1.1 unknown\r\n", 4096)
    assert isinstance(first, PeerReply)
    assert len(first.lines) == MAX_KEPT // 1024
    assert len(first.text) == MAX_TEXT
    assert second == PeerReply(550, "5.1.1", ("unknown",))


@given(st.binary(max_size=400), st.integers(1, 50))
def test_any_bytes_are_replies_or_an_error(data: bytes, piece: int) -> None:
    assert replies(data, piece) == replies(data, 1)


def test_a_status_of_another_class_does_not_count() -> None:
    (reply,) = replies(b"550 4.2.2 full\r\n", 100)
    assert isinstance(reply, PeerReply)
    assert (reply.enhanced, reply.status, reply.text) == ("", "5.0.0", "550 4.2.2 full")


def test_the_text_holds_every_line_and_no_control() -> None:
    (reply,) = replies(b"550-5.7.1 You \x1b[31mare\r\n550 5.7.1 listed \xff\r\n", 100)
    assert isinstance(reply, PeerReply)
    assert reply.text == "550 5.7.1 You  [31mare listed \ufffd"
    (reply,) = replies("550 a\x9bb\u2028c\u202ed\r\n".encode(), 100)
    assert isinstance(reply, PeerReply)
    assert reply.text == "550 a b c d"


# ---------------------------------------------------------------------- capabilities


def test_capabilities_are_read_from_ehlo() -> None:
    lines = (
        "mx.example hi",
        "SIZE 1000",
        "auth=LOGIN",
        "AUTH plain",
        "LIMITS RCPTMAX=20 MAILMAX=5",
        "STARTTLS",
        "X",
    )
    able = Capabilities.parse(lines)
    assert (able.name, able.size, able.rcpt_max, able.mail_max) == ("mx.example", 1000, 20, 5)
    assert able.auth == {"LOGIN", "PLAIN"}
    assert able.starttls
    assert not able.pipelining


@pytest.mark.parametrize("size", ["SIZE", "SIZE x", "SIZE " + "9" * 30, "SIZE -1", "SIZE \u0663"])
def test_a_size_that_is_none_is_no_limit(size: str) -> None:
    assert Capabilities.parse(("h", size)).size == 0


# ---------------------------------------------------------------------- commands


def test_a_pipelined_transaction_is_one_packet() -> None:
    core = greeted()
    core.mail("a@a.example", size=10, body="8BITMIME", smtputf8=True, ret="HDRS", envid="e1")
    core.rcpt("b@b.example", notify="NEVER", orcpt="rfc822;b@b.example")
    core.rcpt("c@b.example")
    core.data()
    assert core.outgoing() == (
        b"MAIL FROM:<a@a.example> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=e1\r\n"
        b"RCPT TO:<b@b.example> NOTIFY=NEVER ORCPT=rfc822;b@b.example\r\n"
        b"RCPT TO:<c@b.example>\r\nDATA\r\n"
    )
    found = events(core, b"250 ok\r\n250 ok\r\n550 no\r\n354 go\r\n")
    assert [e.verb for e in found if isinstance(e, Replied)] == [Verb.MAIL, Verb.RCPT, Verb.RCPT, Verb.DATA]
    core.send_data(b".hello")
    core.end_data()
    assert core.outgoing() == b"..hello\r\n.\r\n"
    assert core.in_transaction
    assert events(core, b"250 done\r\n") == [Replied(Verb.END_OF_DATA, PeerReply(250, "", ("done",)))]
    assert not core.in_transaction


def test_without_pipelining_each_command_waits_for_its_reply() -> None:
    core = greeted(b"250 mx.b.example\r\n")
    core.mail("", size=10, body="8BITMIME", ret="FULL", envid="x")
    core.rcpt("b@b.example", notify="NEVER")
    core.data()
    assert core.outgoing() == b"MAIL FROM:<>\r\n"
    assert core.outgoing() == b""
    assert [e.verb for e in events(core, b"250 ok\r\n") if isinstance(e, Replied)] == [Verb.MAIL]
    assert core.outgoing() == b"RCPT TO:<b@b.example>\r\n"
    events(core, b"250 ok\r\n")
    assert core.outgoing() == b"DATA\r\n"


def test_nothing_is_pipelined_behind_a_command_that_ends_a_group() -> None:
    core = greeted()
    core.noop()
    core.mail("a@a.example")
    assert core.outgoing() == b"NOOP\r\n"
    events(core, b"250 ok\r\n")
    assert core.outgoing() == b"MAIL FROM:<a@a.example>\r\n"


@pytest.mark.parametrize("path", ["a@b>\r\nRCPT TO:<x@y", "a\n@b", "a\0@b", "a\x7f@b"])
def test_no_path_brings_a_command_of_its_own(path: str) -> None:
    core = greeted()
    with pytest.raises(ValueError):
        core.mail(path)
    core.mail("a@a.example")
    with pytest.raises(ValueError):
        core.rcpt(path)
    assert core.outgoing() == b"MAIL FROM:<a@a.example>\r\n"


def test_data_only_after_the_go_ahead_and_no_command_within() -> None:
    core = greeted()
    with pytest.raises(RuntimeError):
        core.send_data(b"x")
    core.data()
    events(core, b"354 go\r\n")
    with pytest.raises(RuntimeError):
        core.quit()


def test_starttls_forgets_what_was_said_in_clear() -> None:
    core = greeted(b"250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n")
    core.start_tls()
    assert len(events(core, b"220 go\r\n")) == 1
    core.receive(b"250-injected\r\n250 SIZE 1\r\n")
    assert core.has_buffered_input()
    core.forget()
    assert not core.has_buffered_input()
    assert core.capabilities == Capabilities()
    assert core.next_event() is None


def test_a_reply_to_nothing_is_unasked() -> None:
    core = greeted()
    (event,) = events(core, b"421 4.3.2 going down\r\n")
    assert isinstance(event, Replied)
    assert event.verb is Verb.UNASKED


def test_nothing_is_read_behind_nonsense() -> None:
    core = greeted()
    core.noop()
    found = events(core, b"what\r\n250 ok\r\n")
    assert len(found) == 1
    assert isinstance(found[0], MalformedReply)


# ---------------------------------------------------------------------- data


def written(data: bytes, cuts: list[int]) -> bytes:
    writer, out, start = DataWriter(), [], 0
    for cut in [*sorted(c % (len(data) + 1) for c in cuts), len(data)]:
        out.append(writer.feed(data[start:cut]))
        start = cut
    return b"".join(out) + writer.finish()


@pytest.mark.parametrize(
    ("data", "wire"),
    [
        (b"", b".\r\n"),
        (b"a\r\n", b"a\r\n.\r\n"),
        (b"a", b"a\r\n.\r\n"),
        (b".\r\n", b"..\r\n.\r\n"),
        (b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n"),
        (b"a\r\r\nb\r\n", b"a\r\nb\r\n.\r\n"),
        (b"a\r\r\r\nb", b"a\r\n\r\nb\r\n.\r\n"),
        (b"a\r\n.\r\nMAIL FROM:<>\r\n", b"a\r\n..\r\nMAIL FROM:<>\r\n.\r\n"),
        (b"a\r", b"a\r\n.\r\n"),
        (b"\r\r", b"\r\n\r\n.\r\n"),
        (b"\n\n..", b"\r\n\r\n...\r\n.\r\n"),
    ],
)
def test_the_writer_ends_lines_and_doubles_dots(data: bytes, wire: bytes) -> None:
    assert written(data, []) == wire
    assert written(data, list(range(len(data)))) == wire


@given(
    st.lists(st.sampled_from([b"\r", b"\n", b".", b"a", b"\r\n", b"\r\n.\r\n", b"\n.\n"]), max_size=40).map(
        b"".join
    ),
    st.lists(st.integers(0, 100), max_size=8),
)
def test_no_message_can_look_like_its_own_end(data: bytes, cuts: list[int]) -> None:
    wire = written(data, cuts)
    assert wire == written(data, [])
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", wire)
    lines = wire.removesuffix(b".\r\n").split(b"\r\n")
    assert all(not line.startswith(b".") or line.startswith(b"..") for line in lines)
    assert wire.endswith(b".\r\n")
    unstuffed = b"\r\n".join(line.removeprefix(b".") for line in lines)
    assert unstuffed.removesuffix(b"\r\n") == re.sub(rb"\r?\r?\n|\r", b"\r\n", data).removesuffix(b"\r\n")
