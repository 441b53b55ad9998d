"""Who owns a client's certificate: addresses of the subject alternative names, and nothing else."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence

import pytest
from cryptography import x509

from postier.accounts.client_certificates import MAX_ADDRESSES, addresses_of
from postier.net.authority import make_ca
from postier.testing.certificates import CLIENT, SERVER, make_certificate, smtp_utf8_mailbox

CA = make_ca("people")


def der(others: Sequence[x509.GeneralName], **options: object) -> bytes:
    pair = make_certificate(CA, others=others, **{"usage": CLIENT, **options})  # type: ignore[arg-type]
    return ssl.PEM_cert_to_DER_cert(pair.certificate.decode())


def found(certificate: bytes) -> list[str]:
    return [str(address) for address in addresses_of(certificate, time.time())]


def test_the_addresses_of_a_certificate() -> None:
    names = [
        x509.DNSName("a.example"),
        x509.RFC822Name("Alice@A.Example"),
        smtp_utf8_mailbox("jürgen@a.example"),
        x509.RFC822Name("alice@a.example"),
    ]
    assert found(der(names)) == ["Alice@a.example", "jürgen@a.example"]


@pytest.mark.parametrize(
    ("others", "options"),
    [
        ([], {"common_name": "alice@a.example"}),
        ([x509.DNSName("alice.a.example")], {}),
        ([x509.RFC822Name("a.example")], {}),
        ([x509.RFC822Name("alice@a.example")], {"days": (-10, -1)}),
        ([x509.RFC822Name("alice@a.example")], {"days": (1, 10)}),
        ([x509.RFC822Name("alice@a.example")], {"usage": SERVER}),
        ([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x16\x0falice@a.example")], {}),
        ([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9"), b"\x0c\x02\xff@")], {}),
        ([x509.OtherName(x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3"), b"\x0c\x0falice@a.example")], {}),
    ],
)
def test_what_is_nobodys_address(others: list[x509.GeneralName], options: dict[str, object]) -> None:
    assert found(der(others, **options)) == []


def test_without_a_word_about_its_use_it_is_for_clients_as_well() -> None:
    assert found(der([x509.RFC822Name("alice@a.example")], usage=None)) == ["alice@a.example"]


def test_junk_is_nobodys() -> None:
    good = der([x509.RFC822Name("alice@a.example")])
    for junk in (b"", b"junk", good[:-10], good + b"x"):
        assert found(junk) == []


def test_a_certificate_with_very_many_addresses() -> None:
    names = [x509.RFC822Name(f"a{number}@a.example") for number in range(500)]
    assert len(found(der(names))) == MAX_ADDRESSES
