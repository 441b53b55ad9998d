"""People who are logged in and mean no good, or whose program is broken: limits, and an answer in words."""

from __future__ import annotations

import time
import zlib
from typing import Any

import pytest

from postier.demo.clients import Wire

MOST_SECONDS = 10.0
"""Generous: each of these must cost milliseconds."""

MAILBOXES = 500


def _tagged(client: Any, command: bytes) -> bytes:
    """The tagged response, however many come before it."""
    began = time.monotonic()
    client.send(b"z " + command + b"\r\n")
    while not (line := client.response()).startswith(b"z "):
        assert line, "closed without an answer"
    assert time.monotonic() - began < MOST_SECONDS
    return bytes(line)


# ------------------------------------------------------------------ IMAP


@pytest.fixture(scope="module")
def filled(house: Any) -> Any:
    """alice has ten messages."""
    with house.imap() as client:
        for number in range(10):
            client.must("APPEND INBOX", b"Subject: %d\r\n\r\nbody\r\n" % number)
    return house


@pytest.mark.parametrize(
    "command",
    [
        b"FETCH 1:4294967295 (FLAGS)",
        b"FETCH " + b"1:*," * 1500 + b"1 (UID)",
        b"UID FETCH 1:4294967295 (FLAGS)",
        b"FETCH 1 BODY.PEEK[" + b"1." * 2000 + b"1]",
        b"FETCH 1 BODY.PEEK[]<4294967295.4294967295>",
        b"FETCH 1 (" + b"BODY.PEEK[] " * 500 + b"UID)",
        b"FETCH 0 FLAGS",
        b"FETCH 99999999999999999999999 FLAGS",
        b"FETCH 1 BODY.PEEK[HEADER.FIELDS (" + b"x" * 5000 + b")]",
        b"SEARCH " + b"1:10," * 1500 + b"1",
        b"SEARCH " + b"TEXT x " * 500,
        b"SEARCH CHARSET no-such-charset TEXT x",
        b"SEARCH SINCE 99-Foo-9999",
        b"STORE 1 +FLAGS (" + b" ".join(b"$k%d" % n for n in range(1000)) + b")",
        b"STORE 1 +FLAGS (" + b"k" * 4000 + b")",
        b'LIST "" "' + b"*%" * 1000 + b'x"',
        b'LIST "" (' + b'"*%*%*%" ' * 200 + b'"x")',
        b'LSUB "" ' + b"%" * 4000,
        b'CREATE "' + b"a/" * 2000 + b'b"',
        b'CREATE "' + b"n" * 5000 + b'"',
        b'CREATE "&AAA-"',
        b'CREATE "&"',
        b'CREATE "a/../b"',
        b'RENAME INBOX "' + b"x/" * 500 + b'y"',
        b"COPY 1:* INBOX",
        b"STATUS INBOX (" + b"MESSAGES " * 1000 + b"UNSEEN)",
        b"ID (" + b'"k" "v" ' * 500 + b'"k" "v")',
        b"ENABLE " + b"X " * 1000 + b"CONDSTORE",
        b"SORT (DATE) UTF-8 ALL",
        b"FETCH 1 " + b"(" * 3000,
    ],
    ids=lambda command: command[:24].decode(),
)
def test_an_imap_command_that_asks_too_much_is_answered_soon(filled: Any, command: bytes) -> None:
    with filled.bounded(), filled.imap() as client:
        client.must("SELECT INBOX")
        answer = _tagged(client, command)
        assert answer.split()[1] in (b"OK", b"NO", b"BAD"), answer
        assert len(answer) < 1000
        assert _tagged(client, b"NOOP").startswith(b"z OK")
    assert "Traceback" not in filled.log.read_text(), filled.log.read_text()[-3000:]


def test_a_compressed_bomb_ends_its_connection_only(filled: Any) -> None:
    """RFC 4978: what grows a thousandfold is no mail program's input."""
    with filled.bounded(), filled.imap() as client:
        assert _tagged(client, b"COMPRESS DEFLATE").startswith(b"z OK")
        squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
        bomb = squeeze.compress(b"a" * 200_000_000) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        try:
            client.send(bomb)
            while client.line(30):
                pass
        except (OSError, zlib.error, EOFError):
            pass  # it was thrown out in the middle of it
    filled.assert_well()


@pytest.mark.slow
def test_hundreds_of_mailboxes_at_once(filled: Any) -> None:
    """Made as fast as they come; the server stays as it is, and they can go again."""
    with filled.bounded(), filled.imap("bob") as client:
        client.send(b"".join(b"m%d CREATE Many/%d\r\n" % (number, number) for number in range(MAILBOXES)))
        for _ in range(MAILBOXES):
            assert client.line().split()[1] in (b"OK", b"NO")
        assert _tagged(client, b'LIST "" *').startswith(b"z OK")
        client.send(b"".join(b"m%d DELETE Many/%d\r\n" % (number, number) for number in range(MAILBOXES)))
        for _ in range(MAILBOXES):
            assert client.line().split()[1] in (b"OK", b"NO")
    filled.assert_well()


# ------------------------------------------------------------------ POP3


@pytest.mark.parametrize(
    "command",
    ["RETR 0", "RETR -1", "RETR 99", "RETR 99999999999999999999999", "RETR x", "RETR", "RETR 1 1",
     "RETR \u0661", "TOP 1 -1", "TOP 1", "DELE 0", "LIST 99", "UIDL 99", "USER alice", "STLS", "AUTH X"],
)  # fmt: skip
def test_a_pop3_command_that_makes_no_sense_is_refused(filled: Any, command: str) -> None:
    with filled.pop() as client:
        client.send(command.encode() + b"\r\n")
        assert client.line().startswith(b"-ERR ")
        assert client.must("NOOP").startswith("+OK")


def test_top_of_more_lines_than_there_are(filled: Any) -> None:
    with filled.pop() as client:
        assert client.multiline("TOP 1 999999999") == [b"Subject: 0\r\n", b"\r\n", b"body\r\n"]


# ------------------------------------------------------------------ SMTP


def _ask(wire: Wire, line: bytes) -> bytes:
    wire.send(line + b"\r\n")
    while (reply := wire.line())[3:4] == b"-":
        pass
    return reply


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"MAIL FROM:<a@x.test> SIZE=1 SIZE=1", b"501 5.5.4"),
        (b"MAIL FROM:<a@x.test> FROB=1", b"555 5.5.4"),
        (b"MAIL FROM:<a@x.test>" + b" X=1" * 900, b"5"),
        (b"MAIL FROM:<" + b"a" * 65 + b"@x.test>", b"5"),
        (b"MAIL FROM:<a@" + b"x" * 64 + b".test>", b"5"),
        (b"MAIL FROM:<a@" + b"x." * 200 + b"test>", b"5"),
        (b"MAIL FROM:a@x.test", b"501 5"),
        (b"MAIL FROM:<a@x.test", b"501 5"),
        (b"MAIL FROM:<@a,@b:c@x.test>", b"250"),
        (b"RCPT TO:<bob@orchard.test>", b"503 5.5.1"),
        (b"DATA", b"503 5.5.1"),
        (b"AUTH PLAIN AAAA", b"5"),
        (b"STARTTLS now", b"501 5"),
        (b"EHLO", b"501 "),
        (b"EHLO " + b"x" * 300, b"5"),
        (b"VRFY bob@orchard.test", b"252 2"),
        (b"EXPN staff", b"502 5"),
        (b"TURN", b"5"),
    ],
    ids=lambda value: value[:30].decode(),
)
def test_an_smtp_command_that_makes_no_sense_has_its_code(filled: Any, line: bytes, code: bytes) -> None:
    with filled.wire(25) as wire:
        assert _ask(wire, b"EHLO attacker.test").startswith(b"250")
        answer = _ask(wire, line)
        assert answer.startswith(code), answer
        assert _ask(wire, b"NOOP").startswith(b"250")


@pytest.mark.parametrize("line", [b"BDAT", b"BDAT x", b"BDAT -1 LAST", b"BDAT 99999999999999999999"])
def test_a_chunk_of_unknown_length_ends_the_connection(filled: Any, line: bytes) -> None:
    """Nobody knows where the next command begins."""
    with filled.wire(25) as wire:
        assert _ask(wire, b"EHLO attacker.test").startswith(b"250")
        assert _ask(wire, line).startswith(b"5")
        assert wire.line() == b""


def test_a_hundred_thousand_empty_chunks(filled: Any) -> None:
    with filled.bounded(), filled.wire(25) as wire:
        for line in (b"EHLO attacker.test", b"MAIL FROM:<a@x.test>", b"RCPT TO:<bob@orchard.test>"):
            assert _ask(wire, line).startswith(b"250")
        for _ in range(100):
            wire.send(b"BDAT 0\r\n" * 1000)
            replies = {wire.line()[:3] for _ in range(1000)}
            assert replies <= {b"250", b"421", b"554", b""}
            if b"" in replies:
                break
    filled.assert_well()
