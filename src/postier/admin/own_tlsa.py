"""Our own TLSA records (RFC 7672): what to publish, and whether what is published is true.

Published is "3 1 1", the SHA-256 of the key: it outlives renewals that keep the key. A new key lies beside
the one in use as `<key>.next` for as long as both must be published, and takes its place after that.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from postier.admin.diagnosis import Finding
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.smtp.outbound.dane import problem_with, usable

__all__ = ["check_tlsa", "key_digests", "next_key", "own_keys"]


def own_keys(key: Path) -> list[str]:
    """SHA-256, in hexadecimal, of the public keys of `key` and of the one that follows it, if there is one.

    A file that can't be read has none: the server would not start with it.
    """
    try:
        found = key.read_bytes()
    except OSError:
        found = b""
    return key_digests([found, next_key(key)])


def next_key(key: Path) -> bytes:
    """The key that is announced beside `key`; b"" for none."""
    try:
        return key.with_name(key.name + ".next").read_bytes()
    except OSError:
        return b""


def key_digests(keys: Iterable[bytes]) -> list[str]:
    """The same of keys in PEM; of what can't be read none."""
    found = []
    for key in keys:
        try:
            public = load_pem_private_key(key, None).public_key()
        except (ValueError, TypeError):
            continue
        spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        found.append(hashlib.sha256(spki).hexdigest())
    return list(dict.fromkeys(found))


def _chain(certificate: bytes) -> list[bytes]:
    """DER, ours first. Raises ValueError."""
    found = x509.load_pem_x509_certificates(certificate)
    return [each.public_bytes(Encoding.DER) for each in found]


async def check_tlsa(resolver: Resolver, hostname: str, port: int, certificate: bytes) -> Finding:
    """Compares the published records with the certificate (a PEM chain) as others would."""
    name = f"_{port}._tcp.{hostname}"
    subject = f"TLSA {name}"
    try:
        answer = await resolver.tlsa(name)
        chain = await asyncio.to_thread(_chain, certificate)
    except NotFound:
        return Finding("ok", subject, "none is published; DANE needs a signed zone")
    except TemporaryFailure as error:
        return Finding("warning", subject, f"the DNS does not answer: {error}")
    except ValueError:
        return Finding("failed", subject, "the certificate cannot be read")
    records = usable(answer.records)
    if not answer.records:
        return Finding("ok", subject, "none is published; DANE needs a signed zone")
    problem = problem_with(chain, records, [hostname]) if records else "none of the records can be used"
    if problem:
        advice = "others hold mail back: publish what postier dns records prints, or remove them all"
        return Finding("failed", subject, f"{problem}; {advice}")
    if not answer.secure:
        return Finding("warning", subject, "they match, but the answer is not signed as far as we can see")
    return Finding("ok", subject, "they match the certificate")
