"""Signing and verifying, against ourselves and against another implementation."""

from __future__ import annotations

import asyncio
import base64
import re

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postier.base.clock import SystemClock
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.message import SignedMessage
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dkim.sign import OVERSIGNED, Signer, sign
from postier.mailauth.dkim.verify import DkimVerifier
from postier.testing.dns import ZoneResolver

RSA = keys.generate_rsa()
ED25519 = keys.generate_ed25519()
SIGNERS = [Signer("A.test", "r1", RSA), Signer("a.test", "e1", ED25519)]
ZONE: dict[str, list[object]] = {
    "r1._domainkey.a.test": [("TXT", keys.txt_record(RSA))],
    "e1._domainkey.a.test": [("TXT", keys.txt_record(ED25519))],
}
HEADER = (
    b"Received: from x by y\r\n"
    b"From: Ann <ann@a.test>\r\nTo: bob@b.test,\r\n\tcarl@c.test\r\nSubject: =?utf-8?q?h=C3=A9?=  two\r\n"
    b"Date: Tue, 03 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@a.test>\r\nMIME-Version: 1.0\r\n"
    b"List-Unsubscribe: <https://a.test/u>\r\n"
)
BODY = b"Hello  Bob,\r\n\r\nsee you \r\n\r\n"


def signed(header: bytes = HEADER, body: bytes = BODY, signers: list[Signer] = SIGNERS) -> bytes:
    hasher = BodyHasher()
    hasher.feed(body)
    return sign(signers, header, hasher.digest(), timestamp=1_790_000_000) + header + b"\r\n" + body


def verify(message: bytes, zone: dict[str, list[object]] = ZONE, chunk: int = 1000) -> tuple[DkimResult, ...]:
    header, _, body = message.partition(b"\r\n\r\n")
    verifier = DkimVerifier(SignedMessage(header + b"\r\n"))
    for start in range(0, len(body), chunk):
        verifier.feed(body[start : start + chunk])
    return asyncio.run(verifier.finish(ZoneResolver(zone), SystemClock()))


def results(message: bytes, zone: dict[str, list[object]] = ZONE) -> list[Dkim]:
    return [each.result for each in verify(message, zone)]


def test_both_keys_sign_and_verify() -> None:
    found = verify(signed())
    assert [(r.result, r.algorithm, r.selector, r.domain) for r in found] == [
        (Dkim.PASS, "rsa-sha256", "r1", "a.test"),
        (Dkim.PASS, "ed25519-sha256", "e1", "a.test"),
    ]
    assert all(len(r.signature) == 8 for r in found)


def test_lines_are_short_and_nothing_is_unsigned() -> None:
    fields = signed().removesuffix(HEADER + b"\r\n" + BODY)
    assert max(len(line) for line in fields.split(b"\r\n")) <= 78
    h = re.sub(rb"\s", b"", fields.partition(b"h=")[2].partition(b";")[0]).decode().lower().split(":")
    present = HEADER.decode().lower().split("\r\n")
    for name in OVERSIGNED:
        times = sum(line.startswith(f"{name.lower()}:") for line in present)
        assert h.count(name.lower()) == times + 1
    assert h.count("list-unsubscribe") == 1
    assert "received" not in h


@pytest.mark.parametrize("name", OVERSIGNED)
def test_no_signed_field_can_be_added(name: str) -> None:
    message = signed()
    added = name.encode() + b": x\r\n"
    assert results(added + message) == [Dkim.FAIL] * 2
    assert results(message.replace(b"From: Ann", added + b"From: Ann", 1)) == [Dkim.FAIL] * 2


def test_trace_can_be_added() -> None:
    assert results(b"Received: from y by z\r\n" + signed()) == [Dkim.PASS] * 2


def test_nobody_to_sign_for() -> None:
    assert sign([], HEADER, b"", timestamp=0) == b""


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), max_size=60).map(str.encode)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(st.lists(TEXT, max_size=8), TEXT)
def test_what_we_sign_others_verify(lines: list[bytes], subject: bytes) -> None:
    header = b"From: ann@a.test\r\nSubject: " + subject.replace(b"\x85", b"").strip() + b"\r\n"
    message = signed(header, b"".join(line + b"\r\n" for line in lines))
    assert results(message) == [Dkim.PASS] * 2
    records = {f"{name}.".encode(): entries[0][1].encode() for name, entries in ZONE.items()}  # type: ignore[index]
    assert dkim.DKIM(message).verify(idx=0, dnsfunc=lambda name, timeout=5: records[name])


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None, max_examples=60)
@given(
    st.lists(TEXT, max_size=8),
    st.sampled_from([b"simple", b"relaxed"]),
    st.sampled_from([b"simple", b"relaxed"]),
    st.booleans(),
)
def test_what_others_sign_we_verify(lines: list[bytes], header: bytes, body: bytes, length: bool) -> None:
    message = HEADER + b"\r\n" + b"".join(line + b"\r\n" for line in lines)
    pem = RSA.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    field = dkim.sign(message, b"r1", b"a.test", pem, canonicalize=(header, body), length=length)
    assert results(field + message) == [Dkim.PASS]


def remade(**tags: str) -> bytes:
    """A message signed by our RSA key, with tags put in before the signature was made."""
    hasher = BodyHasher()
    hasher.feed(BODY)
    values = {
        "v": "1", "a": "rsa-sha256", "c": "relaxed/relaxed", "d": "a.test", "s": "r1", "h": "from",
        "bh": base64.b64encode(hasher.digest()).decode(),
    } | tags  # fmt: skip
    field = "dkim-signature:" + "; ".join(f"{name}={value}" for name, value in values.items()) + "; b="
    data = base64.b64encode(SIGNERS[0].signature_of(b"from:Ann <ann@a.test>\r\n" + field.encode())).decode()
    return field.encode() + data.encode() + b"\r\n" + HEADER + b"\r\n" + BODY


def test_remade() -> None:
    assert results(remade()) == [Dkim.PASS]


@pytest.mark.parametrize(
    ("tags", "result"),
    [
        ({"a": "rsa-sha1"}, Dkim.PERMERROR),
        ({"v": "2"}, Dkim.PERMERROR),
        ({"i": "@b.test"}, Dkim.PERMERROR),
        ({"i": "a.test"}, Dkim.PERMERROR),
        ({"i": "ann@x.a.test"}, Dkim.PASS),
        ({"x": "1"}, Dkim.FAIL),
        ({"t": "5", "x": "4"}, Dkim.PERMERROR),
        ({"t": "now"}, Dkim.PERMERROR),
        ({"l": "999999"}, Dkim.FAIL),
        ({"l": "-1"}, Dkim.PERMERROR),
        ({"c": "odd"}, Dkim.PERMERROR),
        ({"c": "relaxed"}, Dkim.FAIL),  # the body is then in the simple form
        ({"q": "dns/txt : http"}, Dkim.PASS),
        ({"h": "to"}, Dkim.PERMERROR),
        ({"h": "from:: "}, Dkim.PASS),
        ({"h": "from : dkim-signature"}, Dkim.PASS),  # it never signs itself
        ({"d": "a..test"}, Dkim.PERMERROR),
        ({"bh": "!!!"}, Dkim.PERMERROR),
        ({"s": "none"}, Dkim.PERMERROR),
        ({"zz": "unknown"}, Dkim.PASS),
    ],
)
def test_tags(tags: dict[str, str], result: Dkim) -> None:
    assert results(remade(**tags)) == [result]


def test_a_body_longer_than_its_signed_part_says_so() -> None:
    whole = BODY.replace(b"  ", b" ").replace(b" \r\n\r\n", b"\r\n")
    message = remade(l=str(len(whole)))
    (exact,) = verify(message)
    assert (exact.result, exact.body_length_short) == (Dkim.PASS, False)
    (longer,) = verify(message + b"and buy this\r\n")
    assert (longer.result, longer.body_length_short) == (Dkim.PASS, True)


def key_of(bits: int) -> dict[str, list[object]]:
    """A record with a modulus of that size; nobody has its private half."""
    key = rsa.RSAPublicNumbers(65537, (1 << bits) - 1).public_key()
    data = base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
    return {"r1._domainkey.a.test": [("TXT", f"v=DKIM1; p={data}")]}


@pytest.mark.parametrize("record", ["v=DKIM1; p=AAAA", "v=DKIM1; k=ed25519; p=AAAA", "", "p", "v=DKIM1; p=é"])
def test_broken_keys(record: str) -> None:
    zone: dict[str, list[object]] = {"r1._domainkey.a.test": [("TXT", record)]}
    assert results(signed(signers=SIGNERS[:1]), zone) == [Dkim.PERMERROR]


def test_keys_we_do_not_take() -> None:
    too_long = "v=DKIM1; p=" + "A" * 9000
    for zone in (key_of(768), key_of(4100), {"r1._domainkey.a.test": [("TXT", too_long)]}):
        assert results(signed(signers=SIGNERS[:1]), zone) == [Dkim.POLICY]


def test_a_key_for_other_services_or_hashes() -> None:
    for extra in ("s=tlsrpt", "h=sha1", "t=s; k=rsa; h=sha1:sha512"):
        record = keys.txt_record(RSA).replace("k=rsa", extra)
        assert results(signed(signers=SIGNERS[:1]), {"r1._domainkey.a.test": [("TXT", record)]}) == [
            Dkim.PERMERROR
        ]


@pytest.mark.parametrize("key", [RSA, ED25519])
def test_pem_there_and_back(key: keys.PrivateKey) -> None:
    pem = keys.private_key_to_pem(key)
    assert keys.txt_record(keys.private_key_from_pem(pem)) == keys.txt_record(key)


def test_keys_that_can_not_sign() -> None:
    curve = generate_private_key(SECP256R1())
    pem = curve.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for broken in (pem, b"", b"-----BEGIN PRIVATE KEY-----\n"):
        with pytest.raises(ValueError):
            keys.private_key_from_pem(broken)
    with pytest.raises(ValueError):
        keys.generate_rsa(1024)
    with pytest.raises(ValueError):
        Signer("no domain", "s", ED25519)


def test_zone_file_strings() -> None:
    strings = keys.zone_file_strings(keys.txt_record(RSA))
    pieces = re.findall(r'"([^"]*)"', strings)
    assert "".join(pieces) == keys.txt_record(RSA)
    assert [len(piece) for piece in pieces[:-1]] == [255]


def test_sections_that_are_no_header() -> None:
    for section in (b"", b"\r\n", b":", b"DKIM-Signature", b" folded\r\n", b"DKIM-Signature:\r\n"):
        verifier = DkimVerifier(SignedMessage(section))
        verifier.feed(b"x")
        found = asyncio.run(verifier.finish(ZoneResolver({}), SystemClock()))
        assert [each.result for each in found] in ([], [Dkim.PERMERROR])


PIECES = [b"DKIM-Signature:", b"From: a@a.test", b"\r\n", b"\r\n ", b"\n", b"\r", b"\xff", b"\xc3\xa9", b"\0"]
TAGS = b"; = : v=1; b=; b=AAAA a=rsa-sha256; bh=AAAA; d=a.test; s=r1; h=from; h= l=9; i=@a.test; c=simple;"
SECTIONS = st.lists(st.sampled_from(PIECES + TAGS.split()), max_size=60).map(b"".join)


@given(SECTIONS, st.binary(max_size=40))
def test_no_section_breaks_the_verifier(section: bytes, body: bytes) -> None:
    for header in (section, b"DKIM-Signature:" + section + b"\r\nFrom: a@a.test\r\n"):
        verifier = DkimVerifier(SignedMessage(header))
        verifier.feed(body)
        found = asyncio.run(verifier.finish(ZoneResolver(ZONE), SystemClock()))
        assert all(each.result is not Dkim.PASS and each.reason for each in found)
