"""More than anybody needs: of octets, recipients, levels, fields. Refused in words, memory bounded."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from postier.demo.clients import ImapClient, Wire

BOB = b"bob@orchard.test"
HUNDRED_MB = 100_000_000
BLOCK = b"x" * 998 + b"\r\n"


@contextlib.contextmanager
def _greeted(house: Any) -> Iterator[Wire]:
    """At port 25 after EHLO."""
    with house.wire(25) as wire:
        wire.send(b"EHLO attacker.test\r\n")
        while wire.line()[3:4] == b"-":
            pass
        yield wire


def _ask(wire: Wire, line: bytes) -> bytes:
    wire.send(line + b"\r\n")
    return wire.line()


def _data(wire: Wire, *pieces: bytes) -> bytes:
    """A message to bob in pieces; the reply to its end."""
    assert _ask(wire, b"MAIL FROM:<zoe@elsewhere.test>").startswith(b"250")
    assert _ask(wire, b"RCPT TO:<" + BOB + b">").startswith(b"250")
    assert _ask(wire, b"DATA").startswith(b"354")
    for piece in pieces:
        wire.send(piece)
    return _ask(wire, b".")


def _fetched(client: ImapClient, items: str) -> bytes:
    """Of the last message in INBOX."""
    client.must("SELECT INBOX")
    return b"".join(client.must(f"FETCH * ({items})"))


# ------------------------------------------------------------------ IMAP literals


def test_a_literal_before_login_is_refused_before_it_is_sent(house: Any) -> None:
    with house.bounded(), house.wire(993) as wire:
        wire.send(b"a LOGIN {%d}\r\n" % HUNDRED_MB)
        answer = wire.line()
        assert answer.startswith((b"a BAD ", b"a NO ", b"* BYE ")), answer
    house.assert_well()


def test_a_message_past_the_limit_is_refused_before_it_is_sent(house: Any) -> None:
    with house.bounded(), house.imap() as client:
        client.send(b"a APPEND INBOX {%d}\r\n" % HUNDRED_MB)
        assert client.line().startswith(b"a NO [TOOBIG] ")
        assert client.command("NOOP")[1].startswith(b"D2 OK")


def test_a_message_that_is_announced_and_never_sent(house: Any) -> None:
    before = house.count("alice")
    with house.bounded(), contextlib.ExitStack() as stack:
        for _ in range(20):
            client = stack.enter_context(house.imap())
            client.send(b"a APPEND INBOX {49000000}\r\n")
            assert client.line().startswith(b"+ ")
            client.send(b"Subject: only the beginning\r\n")
        house.assert_well()
    assert house.count("alice") == before


def test_a_literal_that_was_sent_without_asking_is_skipped(house: Any) -> None:
    with house.bounded(), house.imap() as client:
        try:
            client.send(b"a APPEND INBOX {%d+}\r\n" % HUNDRED_MB)
            for _ in range(HUNDRED_MB // 1_000_000):
                client.send(b"x" * 1_000_000)
            client.send(b"\r\nb NOOP\r\n")
        except OSError:
            pass  # closed in the middle: that is allowed, silence is not
        answers = [client.line(), client.line()]
    assert answers[0].startswith((b"a NO [TOOBIG] ", b"a BAD ", b"* BYE ")), answers
    assert answers[1].startswith((b"b OK", b"* BYE ")) or answers[1] == b""
    house.assert_well()


def test_a_big_argument_without_asking_before_login(house: Any) -> None:
    with house.bounded(), house.wire(993) as wire:
        try:
            wire.send(b"a LOGIN {%d+}\r\n" % HUNDRED_MB)
            for _ in range(HUNDRED_MB // 1_000_000):
                wire.send(b"x" * 1_000_000)
        except OSError:
            pass  # it need not listen to all of it
        assert wire.line().startswith((b"a BAD ", b"a NO ", b"* BYE "))
    house.assert_well()


def test_thousands_of_small_literals(house: Any) -> None:
    with house.bounded(), house.wire(993) as wire:
        try:
            wire.send(b"a LOGIN " + b"{1+}\r\nx " * 50_000 + b"\r\n")
        except OSError:
            pass  # it need not listen to all of it
        assert wire.line().startswith((b"a BAD ", b"* BYE "))


@pytest.mark.parametrize("nested", [b"(" * 5000, b"NOT " * 5000 + b"ALL", b"OR SEEN " * 5000 + b"ALL"])
def test_search_keys_nested_without_end(house: Any, nested: bytes) -> None:
    with house.imap() as client:
        client.must("SELECT INBOX")
        client.send(b"a SEARCH " + nested + b"\r\nb NOOP\r\n")
        answers = [client.line()]
        while not answers[-1].startswith(b"b "):
            answers.append(client.line())
        assert answers[-1].startswith(b"b OK")
        assert answers[-2].startswith((b"a BAD ", b"a NO [LIMIT] ", b"a OK "))


# ------------------------------------------------------------------ SMTP


def test_ten_thousand_recipients(house: Any) -> None:
    """RFC 5321 4.5.3.1.10: those past the limit are temporary refusals; the message goes to the others."""
    before = house.count("bob")
    with house.bounded(), _greeted(house) as wire:
        assert _ask(wire, b"MAIL FROM:<zoe@elsewhere.test>").startswith(b"250")
        replies = []
        for _ in range(100):
            wire.send((b"RCPT TO:<" + BOB + b">\r\n") * 100)
            replies += [wire.line()[:9] for _ in range(100)]
            if replies[-1] == b"":
                break
        assert set(replies) <= {b"250 2.1.5", b"452 4.5.3", b"421 4.7.0", b""}, set(replies)
        assert replies[0] == b"250 2.1.5"
    house.assert_well()
    assert house.count("bob") == before + 1


def test_ten_thousand_unknown_recipients(house: Any) -> None:
    """Guessing addresses is not for ever."""
    with house.bounded(), _greeted(house) as wire:
        assert _ask(wire, b"MAIL FROM:<zoe@elsewhere.test>").startswith(b"250")
        replies = []
        with contextlib.suppress(OSError):
            for number in range(100):
                wire.send(
                    b"".join(b"RCPT TO:<n%d@orchard.test>\r\n" % (number * 100 + n) for n in range(100))
                )
        while reply := wire.line():
            replies.append(reply[:9])
    assert replies[0] == b"550 5.1.1"
    assert replies[-1].startswith(b"421")
    assert len(replies) < 200


def test_a_message_past_the_limit_is_refused_at_its_end(house: Any) -> None:
    with house.bounded(), _greeted(house) as wire:
        piece = BLOCK * 1000
        answer = _data(wire, b"Subject: big\r\n\r\n", *[piece] * 60)
        assert answer.startswith(b"552 5.3.4 "), answer
        assert _ask(wire, b"NOOP").startswith(b"250")
    house.assert_well()


def test_a_size_that_is_declared_too_big(house: Any) -> None:
    with _greeted(house) as wire:
        for size in (b"100000000", b"9" * 20, b"9" * 21, b"-1", b"x"):
            answer = _ask(wire, b"MAIL FROM:<zoe@elsewhere.test> SIZE=" + size)
            assert answer.startswith((b"552 5.3.4 ", b"501 5.5.4 ")), answer


def test_a_chunk_that_is_announced_too_big(house: Any) -> None:
    with house.bounded(), _greeted(house) as wire:
        assert _ask(wire, b"MAIL FROM:<zoe@elsewhere.test>").startswith(b"250")
        assert _ask(wire, b"RCPT TO:<" + BOB + b">").startswith(b"250")
        try:
            wire.send(b"BDAT 100000000 LAST\r\n")
            for _ in range(100):
                wire.send(b"x" * 1_000_000)
        except OSError:
            pass  # it need not listen to all of it
        assert wire.line().startswith((b"552 5.3.4 ", b"5"))
    house.assert_well()


# ------------------------------------------------------------------ messages


def _deep(levels: int) -> bytes:
    head = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(levels)
    )
    tail = b"".join(b"\r\n--b%d--\r\n" % level for level in reversed(range(levels)))
    return b"Subject: deep\r\nMIME-Version: 1.0\r\n" + head + b"\r\nbottom\r\n" + tail


def _dolls(levels: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * levels + b"Subject: innermost\r\n\r\nx\r\n"


FROM = b"From: zoe@elsewhere.test\r\n"
PART = b"--b\r\n\r\nx\r\n"
HEADERS = {
    "one field of 5 MB": b"X-Long: " + b"y" * 60 + b"\r\n " + (b"z" * 70 + b"\r\n ") * 70_000 + b"end\r\n",
    "100,000 fields": b"".join(b"X-%d: value\r\n" % number for number in range(100_000)),
    "50,000 recipients": b"To: " + b",\r\n ".join(b"p%d@x.test" % n for n in range(50_000)) + b"\r\n",
    "10,000 encoded words": b"Subject:" + b"\r\n =?UTF-8?B?w6k=?=" * 10_000 + b"\r\n",
    "10,000 references": b"References:" + b"".join(b"\r\n <%d@x.test>" % n for n in range(10_000)) + b"\r\n",
    "comments in comments": b"To: " + b"(" * 900 + b"\r\n " + (b"(" * 900 + b"\r\n ") * 20 + b"a@x.test\r\n",
}
BODIES = {
    "multiparts 200 deep": _deep(200),
    "messages 200 deep": _dolls(200),
    "20,000 parts": b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + PART * 20_000 + b"--b--\r\n",
    "5,000 parameters": b"Content-Type: text/plain"
    + b"".join(b";\r\n p*%d=v" % n for n in range(5000))
    + b"\r\n\r\nx\r\n",
    "broken utf-8 everywhere": b"Subject: \xff\xc3\x28\xed\xa0\x80\r\nTo: \xfe <\xff@x.test>\r\n"
    b"Content-Type: text/plain; charset=\xff; name*=utf-8''%ff%c3\r\n\r\n\xff\xfe\xc3\x28\r\n",
}
MESSAGES = {name: FROM + header + b"\r\nbody\r\n" for name, header in HEADERS.items()} | {
    name: FROM + body for name, body in BODIES.items()
}


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_that_is_hard_to_read_is_kept_or_refused_in_words(house: Any, name: str) -> None:
    """Stored means: as it came, and every way of reading it ends soon."""
    message = MESSAGES[name]
    before = house.count("bob")
    with house.bounded(120), _greeted(house) as wire:
        answer = _data(wire, message)
        assert answer.startswith((b"250 2.0.0 ", b"554 5.6.0 ", b"552 5.3.4 ", b"550 5.6.0 ")), answer
        stored = answer.startswith(b"250")
        assert house.count("bob") == before + stored
        if stored:
            began = time.monotonic()
            with house.imap("bob") as client:
                assert message in _fetched(client, "BODY.PEEK[]")
                listed = _fetched(client, "ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[1.1.1.1]")
                assert b"ENVELOPE (" in listed
                assert not re.search(rb"[^\r]\n", listed)
                client.must("SEARCH TEXT nowhere")
            assert time.monotonic() - began < 30
    house.assert_well()


# ------------------------------------------------------------------ peers that do not read


def test_peers_that_ask_for_much_and_read_nothing(house: Any) -> None:
    size = 10_000_000
    with house.imap("alice") as client:
        client.must("CREATE Big")
        client.must("APPEND Big", b"Subject: big\r\n\r\n" + BLOCK * (size // len(BLOCK)))
    with house.bounded(), contextlib.ExitStack() as stack:
        for _ in range(8):
            client = stack.enter_context(house.imap("alice"))
            client.must("EXAMINE Big")
            client.send(b"".join(b"f%d FETCH 1 BODY.PEEK[]\r\n" % number for number in range(200)))
        house.assert_well()
    house.assert_well()


def _rest(peer: socket.socket) -> bytes:
    """What was answered until the close."""
    told = b""
    with contextlib.suppress(OSError):
        while data := peer.recv(65536):
            told += data
    return told


@pytest.mark.parametrize(
    ("port", "command"), [(25, b"HELP\r\n"), (110, b"CAPA\r\n"), (143, b"a CAPABILITY\r\n")]
)
def test_peers_that_send_commands_and_read_no_answers(house: Any, port: int, command: bytes) -> None:
    with house.bounded(), house.socket(port) as peer:
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        peer.settimeout(1)
        assert peer.recv(4096)
        peer.sendall(b"EHLO attacker.test\r\n" if port == 25 else b"")
        assert port != 25 or b"250" in peer.recv(4096)
        sent = 0
        try:
            while sent < 20_000_000:
                sent += peer.send(command * 5000)
        except (TimeoutError, ConnectionError):
            pass  # it has stopped listening, or has closed: both are right
        stuck = sent < 20_000_000
        assert stuck or b"421 4.7.0 " in _rest(peer)
    house.assert_well()
