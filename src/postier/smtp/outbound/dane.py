"""DANE for SMTP (RFC 7672): does what a host showed match the TLSA records of its name?

DANE-EE(3) compares the host's own certificate or key, and asks neither for a name nor for a date (3.1.1).
DANE-TA(2) wants a chain from it to an issuer that matches, all in their time, and a name (3.1.2). What the
public authorities say counts for nothing here, so usages 0 and 1 are not for SMTP (3.1.3).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from postier.dns.api import Tlsa

__all__ = ["problem_with", "usable"]

MAX_CHAIN = 10
"""Certificates of a host that are looked at."""
MAX_RECORDS = 20

TA, EE = 2, 3
_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.InvalidVersion, x509.DuplicateExtension)
"""What the library says of certificates that are none."""

_DIGESTS: dict[int, Callable[[bytes], bytes]] = {
    1: lambda data: hashlib.sha256(data).digest(),
    2: lambda data: hashlib.sha512(data).digest(),
}
_LENGTHS = {1: 32, 2: 64}


def usable(records: Iterable[Tlsa]) -> tuple[Tlsa, ...]:
    """The records that can be matched, sorted; with digest agility (RFC 7671 9): of the digests for one
    usage and selector only the strongest counts."""
    good = [record for record in records if _is_usable(record)]
    strongest = {
        (record.usage, record.selector): record.matching_type
        for record in sorted(good, key=lambda record: record.matching_type)
    }
    kept = {r for r in good if r.matching_type in (0, strongest[r.usage, r.selector])}
    return tuple(sorted(kept, key=_order)[:MAX_RECORDS])


def _order(record: Tlsa) -> tuple[int, int, int, bytes]:
    """DANE-EE first: it is the cheaper."""
    return (-record.usage, record.selector, record.matching_type, record.data)


def _is_usable(record: Tlsa) -> bool:
    known = record.usage in (TA, EE) and record.selector in (0, 1)
    if record.matching_type == 0:
        return known and len(record.data) > 0
    return known and len(record.data) == _LENGTHS.get(record.matching_type)


def problem_with(
    chain: Sequence[bytes], records: Sequence[Tlsa], names: Sequence[str], now: datetime | None = None
) -> str:
    """Why the chain (DER, the host's own first) does not match, "" if it does.

    `records`: usable ones. `names`: of which the certificate must have one, for DANE-TA.
    """
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in chain[:MAX_CHAIN]]
    except _UNREADABLE:
        return "a certificate of the host can't be read"
    if not certificates:
        return "the host showed no certificate"
    own, above = certificates[0], certificates[1:]
    why = "no certificate matches a TLSA record"
    for record in records:
        if record.usage == EE and _matches(record, own):
            return ""
        if record.usage == TA:
            for anchor in _anchors(record, above):
                why = _problem_of_chain(own, above, anchor, names, now)
                if not why:
                    return ""
    return why


def _matches(record: Tlsa, certificate: x509.Certificate) -> bool:
    try:
        data = _selected(record.selector, certificate)
    except _UNREADABLE:
        return False
    digest = _DIGESTS.get(record.matching_type)
    return (digest(data) if digest else data) == record.data


def _selected(selector: int, certificate: x509.Certificate) -> bytes:
    if selector == 0:
        return certificate.public_bytes(Encoding.DER)
    return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _anchors(record: Tlsa, above: Sequence[x509.Certificate]) -> list[x509.Certificate]:
    """The issuers that a record vouches for; "2 0 0" carries one itself, which the host may leave out."""
    if (record.selector, record.matching_type) == (0, 0):
        try:
            return [x509.load_der_x509_certificate(record.data)]
        except _UNREADABLE:
            return []
    return [certificate for certificate in above if _matches(record, certificate)]


def _problem_of_chain(
    own: x509.Certificate,
    above: Sequence[x509.Certificate],
    anchor: x509.Certificate,
    names: Sequence[str],
    now: datetime | None,
) -> str:
    why = "the host has no name"
    for name in dict.fromkeys(names):
        try:
            builder = PolicyBuilder().store(Store([anchor])).time(now or datetime.now(UTC))
            builder = builder.max_chain_depth(MAX_CHAIN)
            builder.build_server_verifier(x509.DNSName(name)).verify(own, list(above))
            return ""
        except (VerificationError, *_UNREADABLE) as error:
            why = f"the chain to the issuer named by TLSA is no good: {error}"[:200]
    return why
