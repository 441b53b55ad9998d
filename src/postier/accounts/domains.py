"""What belongs to a domain of ours beside its addresses: its DKIM keys and how they are used.

Kept in `store.Domain.settings` as one JSON object, so that every worker on every machine reads the same.
"""

from __future__ import annotations

import functools
import time
from dataclasses import replace

import msgspec

from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.mailauth.dkim.keys import (
    generate_ed25519,
    generate_rsa,
    private_key_from_pem,
    private_key_to_pem,
)
from postier.mailauth.dkim.sign import Signer
from postier.store.api import Domain as DomainRecord
from postier.store.api import Reader, Tx

__all__ = [
    "DkimKey",
    "DomainSettings",
    "NoSuchDomain",
    "add_domain",
    "set_language",
    "settings_of",
    "signers_for",
]


class NoSuchDomain(Exception):
    """None of ours."""


class DkimKey(msgspec.Struct, frozen=True):
    """`algorithm`: "rsa" or "ed25519" (RFC 6376, RFC 8463). `private_key`: PKCS #8 in PEM.

    `active` keys sign; the others are published so that what they signed can still be verified.
    """

    selector: str
    algorithm: str
    private_key: str
    active: bool = True


class DomainSettings(msgspec.Struct, frozen=True):
    """`language`: of its people who have chosen none, "" for English."""

    dkim: tuple[DkimKey, ...] = ()
    language: str = ""


def settings_of(domain: DomainRecord) -> DomainSettings:
    """Raises msgspec.ValidationError if the stored object is damaged."""
    return msgspec.json.decode(domain.settings, type=DomainSettings)


async def add_domain(tx: Tx, domain: Domain, clock: Clock) -> DomainRecord:
    """Register a domain and make its two signing keys. Raises AlreadyExists."""
    year = time.gmtime(clock.now()).tm_year
    keys = (
        DkimKey(f"postier{year}r", "rsa", private_key_to_pem(generate_rsa()).decode()),
        DkimKey(f"postier{year}e", "ed25519", private_key_to_pem(generate_ed25519()).decode()),
    )
    settings = msgspec.json.encode(DomainSettings(dkim=keys)).decode()
    record = DomainRecord(domain.ascii, None, settings)
    await tx.add_domain(record)
    return record


async def set_language(tx: Tx, domain: Domain, language: str) -> None:
    """Raises NoSuchDomain."""
    record = await tx.domain(domain.ascii)
    if record is None:
        raise NoSuchDomain(domain.ascii)
    settings = msgspec.structs.replace(settings_of(record), language=language)
    await tx.update_domain(replace(record, settings=msgspec.json.encode(settings).decode()))


async def signers_for(reader: Reader, domain: str) -> tuple[Signer, ...]:
    """Who signs for `domain` (A-labels): none if it is not ours."""
    record = await reader.domain(domain)
    return _signers(record.name, record.settings) if record is not None else ()


@functools.lru_cache(maxsize=1000)
def _signers(name: str, settings: str) -> tuple[Signer, ...]:
    known = msgspec.json.decode(settings, type=DomainSettings)
    return tuple(
        Signer(name, key.selector, private_key_from_pem(key.private_key.encode()))
        for key in known.dkim
        if key.active
    )
