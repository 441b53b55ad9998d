"""SCRAM as the server: the example of RFC 7677, our own client, and clients that cheat."""

from __future__ import annotations

import base64
import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.sasl.api import Challenge, Channel, SaltWanted, SaslError, ScramProof, ScramSalt
from postier.sasl.client import choose
from postier.sasl.scram import MAX_MESSAGE, MAX_NONCE, Scram, scram_keys, scram_signature

SALT = ScramSalt(base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
KEYS = scram_keys(b"pencil", SALT.salt, SALT.iterations)
FIRST = b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO"
NONCE = b"rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
PROOF = b"dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
FINAL = b"c=biws,r=" + NONCE + b",p=" + PROOF
LOOSE = Channel(True)
BOUND = Channel(True, ("tls-exporter",), lambda name: b"the connection")


def begun(first: bytes, channel: Channel = LOOSE, *, plus: bool = False) -> Scram:
    exchange = Scram(channel, plus=plus)
    wanted = exchange.start(first)
    assert isinstance(wanted, SaltWanted)
    exchange.salted(SALT)
    return exchange


def test_the_example_of_rfc_7677() -> None:
    """RFC 7677 3."""
    exchange = Scram(Channel(True), plus=False)
    assert exchange.start(FIRST) == SaltWanted("user")
    said = b"r=" + NONCE + b",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    assert exchange.salted(SALT) == Challenge(said)
    proof = exchange.respond(FINAL)
    assert isinstance(proof, ScramProof)
    assert (proof.authorization_id, proof.authentication_id) == ("", "user")
    signature = scram_signature(proof, KEYS)
    assert signature is not None
    assert exchange.accepted(signature) == b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
    assert scram_signature(proof, scram_keys(b"pencils", SALT.salt, SALT.iterations)) is None


@pytest.mark.parametrize("password", ["pencil", "", "pässword", "x" * 1000])
def test_our_own_client_gets_in(password: str) -> None:
    client = choose(["SCRAM-SHA-256"], "a=b,c@d.example", password)
    assert client is not None
    exchange = Scram(Channel(True), plus=False)
    assert exchange.start(client.first) == SaltWanted("a=b,c@d.example")
    challenge = exchange.salted(SALT)
    assert isinstance(challenge, Challenge)
    proof = exchange.respond(client.answer(challenge.data))
    assert isinstance(proof, ScramProof)
    signature = scram_signature(proof, scram_keys(password.encode(), SALT.salt, SALT.iterations))
    assert signature is not None
    last = exchange.accepted(signature)
    assert last is not None
    assert client.answer(last) == b""
    client.finish()


def _bound_final(header: bytes) -> bytes:
    return b"c=" + base64.b64encode(header) + b",r=" + NONCE + b",p=" + PROOF


def test_plus_takes_the_proof_of_this_connection_only() -> None:
    first = b"p=tls-exporter,,n=user,r=rOprNGfwEbeRWgbNEkqO"
    exchange = begun(first, BOUND, plus=True)
    assert isinstance(exchange.respond(_bound_final(b"p=tls-exporter,,the connection")), ScramProof)
    for other in (b"p=tls-exporter,,another", b"p=tls-exporter,,", b"n,,", b"p=tls-unique,,the connection"):
        with pytest.raises(SaslError, match="channel-bindings-dont-match"):
            begun(first, BOUND, plus=True).respond(_bound_final(other))


@pytest.mark.parametrize(
    ("channel", "plus", "flag", "text"),
    [
        (BOUND, True, b"n", "channel-bindings-dont-match"),
        (BOUND, True, b"y", "channel-bindings-dont-match"),
        (BOUND, True, b"p=tls-unique", "unsupported-channel-binding-type"),
        (BOUND, True, b"p=", "channel-binding-not-supported"),
        (BOUND, False, b"p=tls-exporter", "channel-binding-not-supported"),
        (BOUND, False, b"y", "server-does-support-channel-binding"),
        (Channel(True), False, b"p=tls-exporter", "channel-binding-not-supported"),
        (Channel(True), False, b"x", "Not a SCRAM message"),
    ],
)
def test_nobody_takes_the_binding_away(channel: Channel, plus: bool, flag: bytes, text: str) -> None:
    """RFC 5802 6."""
    with pytest.raises(SaslError, match=text):
        Scram(channel, plus=plus).start(flag + b",,n=user,r=abc")


@pytest.mark.parametrize(("channel", "flag"), [(BOUND, b"n"), (Channel(True), b"n"), (Channel(True), b"y")])
def test_who_cannot_bind_uses_the_other_one(channel: Channel, flag: bytes) -> None:
    assert Scram(channel, plus=False).start(flag + b",,n=user,r=abc") == SaltWanted("user")


@pytest.mark.parametrize(
    "first",
    [
        b"",
        b"n",
        b"n,",
        b"n,,",
        b"n,,n=user",
        b"n,,r=abc,n=user",
        b"n,,n=,r=abc",
        b"n,,n=user,r=",
        b"n,,n=user,r=a b",
        b"n,,n=user,r=\xc3\xa4",
        b"n,,n=user,r=" + b"x" * (MAX_NONCE + 1),
        b"n,,m=ext,n=user,r=abc",
        b"n,,n=user,r=abc,1=x",
        b"n,,n=user,r=abc,x",
        b"n,,n=us=er,r=abc",
        b"n,,n=us=2cer,r=abc",
        b"n,,n=us\0er,r=abc",
        b"n,user,n=user,r=abc",
        b"n,a=us=er,n=user,r=abc",
        b"n,,n=\xff,r=abc",
        b"n,,n=" + b"x" * MAX_MESSAGE + b",r=abc",
    ],
)
def test_first_messages_that_are_none(first: bytes) -> None:
    with pytest.raises(SaslError):
        Scram(Channel(True), plus=False).start(first)


def test_names_and_extensions_are_read() -> None:
    exchange = Scram(Channel(True), plus=False)
    assert exchange.start(b"n,a=other=3Done,n=a=2Cb=3D2C,r=abc,x=1") == SaltWanted("a,b=2C")
    exchange.salted(SALT)
    binding = base64.b64encode(b"n,a=other=3Done,")
    proof = exchange.respond(b"c=" + binding + b",r=abc" + SALT.nonce.encode() + b",y=2,p=" + PROOF)
    assert isinstance(proof, ScramProof)
    assert proof.authorization_id == "other=one"


@pytest.mark.parametrize(
    "final",
    [
        b"",
        FINAL[:-1],
        b"c=biws,r=" + NONCE,
        b"c=biws,r=" + NONCE[:-1] + b",p=" + PROOF,
        b"r=" + NONCE + b",c=biws,p=" + PROOF,
        b"c=biws,r=" + NONCE + b",p=" + PROOF + b",x=1",
        b"c=bi ws,r=" + NONCE + b",p=" + PROOF,
        b"c=biws,r=" + NONCE + b",p=\xc3\xa4",
        b"c=eSws,r=" + NONCE + b",p=" + PROOF,
    ],
)
def test_final_messages_that_are_none(final: bytes) -> None:
    with pytest.raises(SaslError):
        begun(FIRST).respond(final)


@pytest.mark.parametrize("proof", [b"", b"AAAA", base64.b64encode(bytes(33)), base64.b64encode(bytes(32))])
def test_a_proof_of_any_length_is_only_wrong(proof: bytes) -> None:
    found = begun(FIRST).respond(b"c=biws,r=" + NONCE + b",p=" + proof)
    assert isinstance(found, ScramProof)
    assert scram_signature(found, KEYS) is None


def test_what_is_stored_proves_nothing() -> None:
    """Who reads the stored key can't log in with it: the client's key is its preimage."""
    found = begun(FIRST).respond(FINAL)
    assert isinstance(found, ScramProof)
    stolen = ScramProof("", "user", found.messages, hashlib.sha256(KEYS.stored_key).digest())
    assert scram_signature(stolen, KEYS) is None


@given(st.binary(max_size=300), st.binary(max_size=300))
def test_nothing_a_client_sends_raises_anything_else(first: bytes, final: bytes) -> None:
    exchange = Scram(Channel(True), plus=False)
    try:
        exchange.start(b"n,,n=user,r=" + first)
        exchange.salted(SALT)
        exchange.respond(final)
    except SaslError:
        pass
