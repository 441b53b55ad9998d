"""Certificates judged before they are shown: what is broken, what is doubtful, and for whom they are."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives import serialization

from postier.net.authority import KeyPair, issue_certificate, make_ca
from postier.net.certificates import (
    MAX_PEM,
    Certificate,
    CertificateError,
    covers,
    problem,
    read_certificate,
    serves,
)
from postier.net.tls import server_context
from postier.testing.certificates import CLIENT, make_certificate, new_key

CA = make_ca("test authority")
OTHER = make_ca("another")


def read(pair: KeyPair, *behind: KeyPair) -> Certificate:
    return read_certificate(b"".join(each.certificate for each in (pair, *behind)), pair.key, "certificate x")


def doubt(pair: KeyPair, *behind: KeyPair, names: tuple[str, ...] = ("b.example",)) -> str:
    return problem(read(pair, *behind), time.time(), names)


def test_what_a_certificate_says() -> None:
    found = read(make_certificate(CA, ["Mail.B.example", "*.b.example", "mail.b.example"]), CA)
    assert found.names == ("mail.b.example", "*.b.example")
    assert found.issuer == "test authority"
    assert found.chain.count(b"BEGIN CERTIFICATE") == 2
    assert len(found.end_point) == 32
    assert "PRIVATE" not in repr(found)
    assert not problem(found, time.time(), ["b.example"])
    assert problem(found, found.not_after, None) == "it has expired"
    assert problem(found, found.not_after - 1, None) == ""
    assert problem(found, found.not_before - 1, None) == "it is not valid yet"
    server_context(found)


@pytest.mark.parametrize("kind", ["p256", "p384", "ed25519", "2048"])
def test_keys_that_are_good(kind: str) -> None:
    pair = make_certificate(CA, ["b.example"], key=new_key(kind))
    assert doubt(pair) == ""
    server_context(read(pair))


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (make_certificate(CA, ["b.example"], key=new_key("1024")), "1024 bits: too weak"),
        (make_certificate(CA, ["b.example"], key=new_key("secp256k1")), "curve secp256k1"),
        (make_certificate(CA, ["b.example"], days=(-9, -1)), "it has expired"),
        (make_certificate(CA, ["b.example"], days=(1, 9)), "it is not valid yet"),
        (make_certificate(CA, ["b.example"], usage=CLIENT), "not for servers"),
        (make_certificate(CA, ["other.example"]), "it is for other.example, and for no name of this server"),
        (make_certificate(CA, [], common_name="b.example"), "it is for no name at all"),
        (make_certificate(CA, ["example"]), "for no name of this server"),
        (make_certificate(CA, ["b*.b.example.net", "*"]), "it is for no name at all"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_speaks_against_one(pair: KeyPair, why: str) -> None:
    assert why in doubt(pair)
    assert "\n" not in doubt(pair)


def test_a_chain_in_the_wrong_order_is_doubtful() -> None:
    assert doubt(make_certificate(CA, ["b.example"]), OTHER) == "its chain is out of order"
    assert doubt(make_certificate(CA, ["b.example"]), CA) == ""


def _locked(pair: KeyPair) -> bytes:
    return serialization.load_pem_private_key(pair.key, None).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


GOOD = make_certificate(CA, ["b.example"])


@pytest.mark.parametrize(
    ("chain", "key", "why"),
    [
        (b"", GOOD.key, "the chain holds no PEM (no start line)"),
        (b"junk", GOOD.key, "the chain holds no PEM (no start line)"),
        (GOOD.key, GOOD.key, "the chain holds no PEM (no start line)"),
        (GOOD.certificate[:200] + GOOD.certificate[-40:], GOOD.key, "the chain is broken"),
        (GOOD.certificate, b"", "the key holds no PEM (no start line)"),
        (GOOD.certificate, GOOD.certificate, "the key holds no PEM (no start line)"),
        (GOOD.certificate, GOOD.key[:80] + GOOD.key[-30:], "the key is broken"),
        (GOOD.certificate, OTHER.key, "the key is not the certificate's (key values mismatch)"),
        (GOOD.certificate, _locked(GOOD), "the key is locked with a passphrase"),
        (b"x" * (MAX_PEM + 1), GOOD.key, "more than 256 KiB"),
    ],
)
def test_what_can_not_be_used_at_all(chain: bytes, key: bytes, why: str) -> None:
    with pytest.raises(CertificateError) as caught:
        read_certificate(chain, key, "certificate x")
    assert str(caught.value) == f"cannot use certificate x: {why}"


@pytest.mark.parametrize(
    ("pattern", "name", "is_for"),
    [
        ("b.example", "b.example", True),
        ("*.b.example", "mail.b.example", True),
        ("*.b.example", "b.example", False),
        ("*.b.example", "a.mail.b.example", False),
        ("*.b.example", "mailb.example", False),
        ("m*.b.example", "mail.b.example", False),
        ("mail.*.example", "mail.b.example", False),
        ("*", "example", False),
    ],
)
def test_wildcards_stand_for_exactly_the_left_most_label(pattern: str, name: str, is_for: bool) -> None:
    """RFC 9525 6.3."""
    assert covers(pattern, name) == is_for


def test_whom_a_certificate_serves() -> None:
    wild = read(issue_certificate(CA, ["*.b.example"]))
    assert serves(wild, ["b.example"])
    assert serves(wild, ["a.example", "mail.b.example"])
    assert not serves(wild, ["a.mail.b.example"])
    assert not serves(read(GOOD), ["mail.b.example"])
