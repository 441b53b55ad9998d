"""Our own TLSA records: true across renewals, and a lie in the DNS is told."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postier.admin.diagnosis import Finding
from postier.admin.own_tlsa import check_tlsa, key_digests, own_keys
from postier.net.authority import KeyPair, issue_certificate, make_ca, write_key_pair
from postier.testing.dns import ZoneResolver

NAME = "_25._tcp.mail.a.example"


def digest(pair: KeyPair) -> bytes:
    key = x509.load_pem_x509_certificate(pair.certificate).public_key()
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[KeyPair, KeyPair]:
    ca = make_ca("test")
    now, after = issue_certificate(ca, ["mail.a.example"]), issue_certificate(ca, ["mail.a.example"])
    write_key_pair(now, tmp_path / "cert.pem", tmp_path / "key.pem")
    return now, after


def test_the_key_in_use_and_the_next_one_are_published(
    tmp_path: Path, pairs: tuple[KeyPair, KeyPair]
) -> None:
    now, after = pairs
    assert own_keys(tmp_path / "key.pem") == [digest(now).hex()]
    (tmp_path / "key.pem.next").write_bytes(after.key)
    assert own_keys(tmp_path / "key.pem") == [digest(now).hex(), digest(after).hex()]
    (tmp_path / "key.pem.next").replace(tmp_path / "key.pem")
    assert own_keys(tmp_path / "key.pem") == [digest(after).hex()]
    (tmp_path / "key.pem").write_bytes(b"no key")
    assert own_keys(tmp_path / "key.pem") == []


def check(folder: Path, *records: object, secure: bool = True) -> Finding:
    resolver = ZoneResolver({NAME: [("TLSA", one) for one in records]}, secure=secure)
    return asyncio.run(check_tlsa(resolver, "mail.a.example", 25, (folder / "cert.pem").read_bytes()))


def test_published_records_are_compared_with_the_certificate(
    tmp_path: Path, pairs: tuple[KeyPair, KeyPair]
) -> None:
    now, after = pairs
    true, lie = (3, 1, 1, digest(now)), (3, 1, 1, digest(after))
    assert check(tmp_path).state == "ok"
    assert check(tmp_path, true).state == "ok"
    assert check(tmp_path, lie, true).state == "ok"
    assert check(tmp_path, true, secure=False).state == "warning"
    assert check(tmp_path, lie).state == "failed"
    assert "others hold mail back" in check(tmp_path, lie).detail
    assert check(tmp_path, (1, 1, 1, digest(now))).state == "failed"


def test_digests_of_keys_that_lie_in_the_store(pairs: tuple[KeyPair, KeyPair]) -> None:
    now, after = pairs
    assert key_digests([now.key, b"", after.key, now.key]) == [digest(now).hex(), digest(after).hex()]
