"""OAUTHBEARER, XOAUTH2 and EXTERNAL: what they read, and what they say of a token that is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.sasl.api import BearerToken, Challenge, Channel, ClientCertificate, Exchange, SaslError
from postier.sasl.external import External
from postier.sasl.mechanisms import offered
from postier.sasl.oauth import MAX_TOKEN, OAuthBearer, XOAuth2

TOKEN = "vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="
FACTS = {"status": "invalid_token", "scope": "mail", "openid-configuration": "https://id.example/.well-known"}


def test_the_example_of_rfc_7628() -> None:
    """RFC 7628 4.1."""
    said = (
        b"n,a=user@example.com,\x01host=server.example.com\x01port=143\x01auth=Bearer "
        + TOKEN.encode()
        + b"\x01\x01"
    )
    assert OAuthBearer().start(said) == BearerToken("user@example.com", "", TOKEN)
    exchange = OAuthBearer()
    assert exchange.start(None) == Challenge(b"")
    assert exchange.respond(said) == BearerToken("user@example.com", "", TOKEN)
    assert TOKEN not in repr(BearerToken("a", "b", TOKEN))


def test_a_client_that_only_asks_whom_to_ask() -> None:
    """RFC 7628 4.3."""
    assert OAuthBearer().start(b"n,a=user@example.com,\x01host=x\x01auth=\x01\x01") == BearerToken(
        "user@example.com", "", ""
    )
    assert json.loads(OAuthBearer().refused(FACTS) or b"") == FACTS
    assert OAuthBearer().refused({}) is None


def test_xoauth2() -> None:
    said = f"user=user@example.com\x01auth=Bearer {TOKEN}\x01\x01".encode()
    assert XOAuth2().start(said) == BearerToken("", "user@example.com", TOKEN)
    assert json.loads(XOAuth2().refused(FACTS) or b"") == {
        "status": "401",
        "schemes": "bearer",
        "scope": "mail",
    }
    assert XOAuth2().refused({}) is None


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"n,,",
        b"n,a=x",
        b"n,x,\x01auth=Bearer abc\x01\x01",
        b"n,,\x01auth=Basic abc\x01\x01",
        b"n,,\x01auth=Bearer a b\x01\x01",
        b"n,,\x01auth=Bearer a\x00b\x01\x01",
        b"n,,\x01auth=Bearer a\x01auth=Bearer b\x01\x01",
        b"n,,\x01auth\x01\x01",
        b"n,,\x01auth=Bearer \xff\x01\x01",
        b"n,,\x01auth=Bearer " + b"a" * (MAX_TOKEN + 1024) + b"\x01\x01",
    ],
)
def test_messages_that_are_none(said: bytes) -> None:
    for exchange in (OAuthBearer(), XOAuth2()):
        with pytest.raises(SaslError):
            exchange.start(said)


def test_a_token_is_bound_to_no_channel() -> None:
    with pytest.raises(SaslError):
        OAuthBearer().start(b"p=tls-exporter,,\x01auth=Bearer abc\x01\x01")


def test_external_says_as_whom_it_wants_to_act() -> None:
    """RFC 4422 A."""
    channel = Channel(True, certificate=b"DER")
    exchange = External(channel)
    assert exchange.start(None) == Challenge(b"")
    assert exchange.respond(b"") == ClientCertificate("", "", b"DER")
    assert External(channel).start("tänze@b.example".encode()) == ClientCertificate(
        "tänze@b.example", "", b"DER"
    )
    for bad in (b"a\0b", b"\xff", b"a" * 1001):
        with pytest.raises(SaslError):
            External(channel).start(bad)


def test_external_is_offered_to_who_showed_a_certificate() -> None:
    assert offered(Channel(True, certificate=b"DER"), {ClientCertificate}) == ("EXTERNAL",)
    assert offered(Channel(True), {ClientCertificate}) == ()


@given(st.binary(max_size=300), st.sampled_from([OAuthBearer, XOAuth2]))
def test_nothing_a_client_sends_raises_anything_else(said: bytes, make: type[Exchange]) -> None:
    try:
        assert isinstance(make().start(said), BearerToken)
    except SaslError:
        pass
