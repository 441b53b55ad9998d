"""Lines that are too long, unknown, broken or of another protocol: a clear answer, and others are served."""

from __future__ import annotations

import random
import socket
from typing import Any

import pytest

from postier.demo.clients import Wire

CLEAR_PORTS = (25, 110, 143, 587)
TLS_PORTS = (465, 993, 995)
MAIL_PORTS = CLEAR_PORTS + TLS_PORTS
SMTP_PORTS = (25, 465, 587)

REFUSALS = {
    25: b"5", 587: b"5", 465: b"5", 143: (b"* BAD", b"* BYE"), 993: (b"* BAD", b"* BYE"),
    110: b"-ERR", 995: b"-ERR",
}  # fmt: skip


def _answers(wire: Wire) -> list[bytes]:
    """All lines until the server closes."""
    lines = []
    try:
        while line := wire.line(20):
            lines.append(line)
    except ConnectionError:
        pass  # it closed while we were still talking
    return lines


def _send(wire: Wire, data: bytes) -> None:
    """As much as the server takes."""
    try:
        wire.send(data)
    except OSError:
        pass  # it closed: what it said before is still to be read


def _refused(port: int, line: bytes) -> bool:
    """Untagged, or with any tag of ours."""
    return line.startswith(REFUSALS[port]) or (port in (143, 993) and b" BAD" in line[:20])


@pytest.mark.parametrize("port", MAIL_PORTS)
def test_an_endless_line_is_refused(house: Any, port: int) -> None:
    with house.bounded(), house.wire(port) as wire:
        for _ in range(500):
            _send(wire, b"x" * 100_000)
        _send(wire, b"\r\n")
        _send(wire, b"QUIT\r\n" if port not in (143, 993) else b"a LOGOUT\r\n")
        answers = _answers(wire)
        assert answers == [] or _refused(port, answers[0]), answers
    house.assert_well()


@pytest.mark.parametrize("port", MAIL_PORTS)
def test_a_line_just_too_long_is_refused_in_words(house: Any, port: int) -> None:
    with house.wire(port) as wire:
        _send(wire, b"a NOOP " + b"x" * 20_000 + b"\r\n")
        answer = wire.line(20)
        assert _refused(port, answer)
        assert b"long" in answer.lower()


@pytest.mark.parametrize("port", MAIL_PORTS)
def test_unknown_verbs_are_refused_and_not_for_ever(house: Any, port: int) -> None:
    tag = b"a " if port in (143, 993) else b""
    with house.wire(port) as wire:
        _send(wire, (tag + b"FROBNICATE now\r\n") * 200)
        answers = _answers(wire)
    assert 0 < len(answers) < 100
    assert _refused(port, answers[0])


@pytest.mark.parametrize("port", MAIL_PORTS)
@pytest.mark.parametrize("junk", [b"\0", b"NOOP \0", b"\xff\xfe\xfd", b"\xed\xa0\x80 x", b"\x1b[2J"])
def test_nul_and_broken_utf8_are_refused(house: Any, port: int, junk: bytes) -> None:
    tag = b"a " if port in (143, 993) else b""
    with house.wire(port) as wire:
        _send(wire, tag + junk + b"\r\n" + tag + b"NOOP\r\n")
        answer = wire.line(20)
    assert _refused(port, answer), answer
    assert junk.strip(b"NOP ") not in answer


@pytest.mark.parametrize(
    "path",
    [b"<\xc3\x28@x.test>", b"<\xed\xa0\x80@x.test>", b"<a@\xff.test>", b"<a\0b@x.test>", b"<a@x.test\0>"],
)
def test_broken_paths_are_refused(house: Any, path: bytes) -> None:
    with house.wire(25) as wire:
        wire.send(b"EHLO attacker.test\r\n")
        while wire.line()[3:4] == b"-":
            pass
        wire.send(b"MAIL FROM:" + path + b" SMTPUTF8\r\n")
        answer = wire.line()
        assert answer.startswith((b"501 5.", b"553 5.", b"500 5.")), answer
        assert path[1:5] not in answer


@pytest.mark.parametrize("port", SMTP_PORTS)
@pytest.mark.parametrize("verb", [b"GET / HTTP/1.1", b"POST /x HTTP/1.0", b"CONNECT a:25 HTTP/1.1"])
def test_http_on_an_smtp_port_ends_at_once(house: Any, port: int, verb: bytes) -> None:
    before = house.count("bob")
    with house.wire(port) as wire:
        _send(wire, verb + b"\r\nHost: x\r\n\r\nMAIL FROM:<>\r\nRCPT TO:<bob@orchard.test>\r\nDATA\r\n.\r\n")
        answers = _answers(wire)
    assert len(answers) == 1
    assert answers[0].startswith(b"5")
    assert house.count("bob") == before


@pytest.mark.parametrize("port", [25, 80, 110, 143, 465, 587, 993, 995])
def test_random_bytes_from_the_first_on(house: Any, port: int) -> None:
    noise = random.Random(port)
    with house.bounded():
        for _ in range(25):
            with house.socket(port) as peer:
                try:
                    peer.sendall(noise.randbytes(noise.randrange(1, 5000)))
                    peer.shutdown(socket.SHUT_WR)
                    while peer.recv(65536):
                        pass
                except (ConnectionResetError, BrokenPipeError):
                    pass  # a close in the middle of our noise
    house.assert_well()


@pytest.mark.parametrize("port", TLS_PORTS)
def test_random_bytes_within_tls(house: Any, port: int) -> None:
    noise = random.Random(port)
    for _ in range(10):
        with house.wire(port) as wire:
            _send(wire, noise.randbytes(2000) + b"\r\n")
            _send(wire, b"\r\n".join(noise.randbytes(20) for _ in range(100)) + b"\r\n")
            answers = _answers(wire)
            assert answers == [] or _refused(port, answers[0]), answers
    house.assert_well()


def test_early_talkers_are_sent_away(house: Any) -> None:
    before = house.count("bob")
    with house.socket(25) as peer:
        peer.sendall(
            b"EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<bob@orchard.test>\r\nDATA\r\n"
            b"Subject: x\r\n\r\nx\r\n.\r\nQUIT\r\n"
        )
        told = b""
        try:
            while data := peer.recv(65536):
                told += data
        except ConnectionResetError:
            pass  # closed while our bytes were on the way
    assert house.count("bob") == before
    assert b"\r\n250 2.0.0" not in told
