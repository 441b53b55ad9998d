from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.sasl.api import Challenge, Channel, ClientCertificate, Credentials, SaslError
from postier.sasl.encoding import MAX_RESPONSE, decode_base64, decode_initial_response, encode_base64
from postier.sasl.mechanisms import MECHANISMS, offered


def test_plain_with_initial_response() -> None:
    """RFC 4616 4, first example."""
    assert MECHANISMS["PLAIN"].make(Channel()).start(b"\0tim\0tanstaaftanstaaf") == Credentials(
        "", "tim", "tanstaaftanstaaf"
    )


def test_plain_after_an_empty_challenge() -> None:
    """RFC 4616 4, second example: acting for another."""
    exchange = MECHANISMS["PLAIN"].make(Channel())
    assert exchange.start(None) == Challenge(b"")
    found = exchange.respond(b"Ursel\0Kurt\0xipj3plmq")
    assert found == Credentials("Ursel", "Kurt", "xipj3plmq")
    assert isinstance(found, Credentials)
    assert "xipj3plmq" not in repr(found)


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"tim",
        b"\0tim",
        b"\0tim\0",
        b"\0\0password",
        b"\0tim\0pass\0word",
        b"\0tim\xff\0password",
        b"\0tim\0\xff",
        b"\0" + b"a" * 1001 + b"\0password",
    ],
)
def test_plain_refuses(message: bytes) -> None:
    with pytest.raises(SaslError):
        MECHANISMS["PLAIN"].make(Channel()).start(message)


def test_login_with_and_without_initial_response() -> None:
    exchange = MECHANISMS["LOGIN"].make(Channel())
    assert exchange.start(None) == Challenge(b"Username:")
    assert exchange.respond(b"tim") == Challenge(b"Password:")
    assert exchange.respond("tänze".encode()) == Credentials("", "tim", "tänze")

    exchange = MECHANISMS["LOGIN"].make(Channel())
    assert exchange.start(b"tim") == Challenge(b"Password:")
    assert exchange.respond(b"secret") == Credentials("", "tim", "secret")


@pytest.mark.parametrize(("name", "password"), [(b"", b"x"), (b"x", b""), (b"a\0b", b"x"), (b"a", b"\xff")])
def test_login_refuses(name: bytes, password: bytes) -> None:
    exchange = MECHANISMS["LOGIN"].make(Channel())
    exchange.start(name)
    with pytest.raises(SaslError):
        exchange.respond(password)


def test_nothing_that_shows_the_password_is_offered_in_clear() -> None:
    assert offered(Channel(confidential=True), {Credentials}) == ("PLAIN", "LOGIN")
    assert offered(Channel(confidential=False), {Credentials}) == ()


def test_nothing_is_offered_that_nobody_checks() -> None:
    assert offered(Channel(confidential=True), {ClientCertificate}) == ()


@given(st.binary(max_size=500))
def test_base64_round_trip(message: bytes) -> None:
    assert decode_base64(encode_base64(message)) == message


@pytest.mark.parametrize(
    "line", [b"YQ", b"YQ=", b"YQ==\n", b"Y Q==", b"YQ==YQ==", b"=", b"*", b"Y-==", b"\x80"]
)
def test_base64_is_strict(line: bytes) -> None:
    assert decode_base64(line) is None


def test_base64_is_bounded() -> None:
    assert decode_base64(b"A" * MAX_RESPONSE) == bytes(MAX_RESPONSE * 3 // 4)
    assert decode_base64(b"A" * (MAX_RESPONSE + 4)) is None


def test_an_empty_initial_response_is_an_equals_sign() -> None:
    assert decode_initial_response(b"=") == b""
    assert decode_initial_response(b"YQ==") == b"a"
    assert decode_initial_response(b"==") is None
