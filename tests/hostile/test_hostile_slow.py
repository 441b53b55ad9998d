"""Peers that take their time, and many of them: the others do not wait."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

pytestmark = pytest.mark.slow

HANDSHAKES = 150
CLIENT_HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
PROMPT_SECONDS = 5.0


def _promptly(work: Callable[[], object]) -> None:
    """Generous for a busy machine, far below any time-out of the server."""
    began = time.monotonic()
    work()
    assert time.monotonic() - began < PROMPT_SECONDS


@pytest.mark.parametrize("port", [993, 465, 995])
def test_handshakes_that_never_go_on(house: Any, port: int) -> None:
    with house.bounded(), contextlib.ExitStack() as stack:
        for _ in range(HANDSHAKES):
            stack.enter_context(house.socket(port)).sendall(CLIENT_HELLO)
        _promptly(house.assert_well)


@pytest.mark.parametrize(
    ("port", "begin"), [(143, b"a STARTTLS\r\n"), (110, b"STLS\r\n"), (587, b"EHLO x\r\n")]
)
def test_handshakes_after_a_promise_that_never_come(house: Any, port: int, begin: bytes) -> None:
    with house.bounded(), contextlib.ExitStack() as stack:
        for _ in range(50):
            peer = stack.enter_context(house.socket(port))
            assert peer.recv(1000)
            peer.sendall(begin)
            assert peer.recv(1000)
            if port == 587:
                peer.sendall(b"STARTTLS\r\n")
                assert peer.recv(1000).startswith(b"220 ")
            peer.sendall(CLIENT_HELLO)
        _promptly(house.assert_well)


def test_one_address_can_not_have_all_connections(house: Any) -> None:
    """Past its share it hears why (RFC 5321 3.8: 421) and others come in."""
    refused = 0
    with house.bounded(), contextlib.ExitStack() as stack:
        peers = [stack.enter_context(house.socket(25)) for _ in range(400)]
        for peer in peers:
            greeting = peer.recv(1000)
            assert greeting.startswith((b"220 ", b"421 4."))
            refused += greeting.startswith(b"421")
        assert 100 <= refused < 400
        _promptly(house.assert_well)
    _promptly(house.assert_well)


def test_letters_that_come_one_by_one(house: Any) -> None:
    with house.bounded(), contextlib.ExitStack() as stack:
        peers = [stack.enter_context(house.wire(port)) for port in (25, 110, 143, 465, 587, 993, 995)] * 5
        for letter in b"NOOP a very slow line":
            for peer in peers:
                peer.send(bytes([letter]))
        _promptly(house.assert_well)
        for peer in peers[:7]:
            peer.send(b"\r\n")
            assert peer.line()


def test_tls_that_ends_without_goodbye_in_the_middle_of_a_message(house: Any) -> None:
    """Truncation: what was cut off is not delivered (the end of DATA never came)."""
    before = house.count("bob")
    for _ in range(20):
        with house.wire(25) as wire:
            wire.send(b"EHLO x.test\r\n")
            while wire.line()[3:4] == b"-":
                pass
            wire.send(b"STARTTLS\r\n")
            assert wire.line().startswith(b"220")
            wire.start_tls(house.tls(), "mail.orchard.test")
            wire.send(b"EHLO x.test\r\n")
            while wire.line()[3:4] == b"-":
                pass
            for line in (b"MAIL FROM:<>", b"RCPT TO:<bob@orchard.test>", b"DATA"):
                wire.send(line + b"\r\n")
                assert wire.line()[:1] in b"23"
            wire.send(b"Subject: half\r\n\r\nhalf")
    house.assert_well()
    assert house.count("bob") == before + 1


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_tls_is_refused(house: Any, version: ssl.TLSVersion) -> None:
    """RFC 8996."""
    context = house.tls()
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.minimum_version = version
    with pytest.warns(DeprecationWarning, match="TLSv1"):
        context.maximum_version = version
    with house.socket(993) as peer, pytest.raises(ssl.SSLError):
        context.wrap_socket(peer, server_hostname="mail.orchard.test")


def test_guessing_passwords_is_refused_and_hurts_nobody_else(own_house: Any) -> None:
    house = own_house()

    def guess(_: int) -> bytes:
        with house.wire(993) as wire:
            wire.send(b"a LOGIN alice@orchard.test wrong\r\n")
            return wire.line(60)

    with ThreadPoolExecutor(10) as pool:
        answers = list(pool.map(guess, range(10)))
    assert all(answer.startswith(b"a NO [AUTHENTICATIONFAILED] ") for answer in answers), answers
    refused = guess(0)
    assert refused.startswith((b"a NO [LIMIT] ", b"a NO [UNAVAILABLE] ")), refused
    house.assert_well()


def test_a_listener_that_is_flooded_with_resets(house: Any) -> None:
    with house.bounded():
        for _ in range(500):
            peer = house.socket(25)
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            peer.close()
        _promptly(house.assert_well)
