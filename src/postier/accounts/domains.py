"""What belongs to a domain of ours beside its addresses: its DKIM keys and how they are used.

Kept in `store.Domain.settings` as one JSON object, so that every worker on every machine reads the same.
`by`: who does it, for the audit log.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace

import msgspec

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.accounts.dkim_keys import DkimKey, KeyState, begin_rotation, first_keys
from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.mailauth.dkim.keys import private_key_from_pem
from postier.mailauth.dkim.sign import Signer
from postier.store.api import Domain as DomainRecord
from postier.store.api import Reader, Tx

__all__ = [
    "DkimKey",
    "DomainSettings",
    "NoSuchDomain",
    "add_domain",
    "change_keys",
    "rotate_keys",
    "set_language",
    "settings_of",
    "signers_for",
]


class NoSuchDomain(Exception):
    """None of ours."""


class DomainSettings(msgspec.Struct, frozen=True):
    """`language`: of its people who have chosen none, "" for English."""

    dkim: tuple[DkimKey, ...] = ()
    language: str = ""


def settings_of(domain: DomainRecord) -> DomainSettings:
    """Raises msgspec.ValidationError if the stored object is damaged."""
    return msgspec.json.decode(domain.settings, type=DomainSettings)


async def add_domain(tx: Tx, domain: Domain, clock: Clock, *, by: Actor = BY_SERVER) -> DomainRecord:
    """Register a domain and make its two signing keys. Raises AlreadyExists."""
    settings = msgspec.json.encode(DomainSettings(dkim=first_keys(clock.now()))).decode()
    record = DomainRecord(domain.ascii, None, settings)
    await tx.add_domain(record)
    await note(tx, by, AuditKind.DOMAIN_ADDED, domain=domain.ascii)
    return record


async def set_language(tx: Tx, domain: Domain, language: str, *, by: Actor = BY_SERVER) -> None:
    """Raises NoSuchDomain."""
    await _change(tx, domain, lambda settings: msgspec.structs.replace(settings, language=language))
    await note(tx, by, AuditKind.DOMAIN_LANGUAGE, domain=domain.ascii, language=language)


async def rotate_keys(tx: Tx, domain: Domain, clock: Clock, *, by: Actor = BY_SERVER) -> None:
    """Announce two new keys. Raises NoSuchDomain, RotationUnderWay."""
    await change_keys(tx, domain, lambda keys: begin_rotation(keys, clock.now()), by=by)


async def change_keys(
    tx: Tx,
    domain: Domain,
    change: Callable[[tuple[DkimKey, ...]], tuple[DkimKey, ...]],
    *,
    by: Actor = BY_SERVER,
) -> None:
    """Raises NoSuchDomain, and what `change` raises."""
    before, after = await _change(
        tx, domain, lambda settings: msgspec.structs.replace(settings, dkim=change(settings.dkim))
    )
    was = {key.selector: key.state for key in before.dkim}
    now = {key.selector: key.state.value for key in after.dkim}
    for selector, state in now.items():
        if was.pop(selector, None) != state:
            await note(tx, by, AuditKind.DKIM, domain=domain.ascii, selector=selector, state=state)
    for selector in was:
        await note(tx, by, AuditKind.DKIM, domain=domain.ascii, selector=selector, state="removed")


async def _change(
    tx: Tx, domain: Domain, change: Callable[[DomainSettings], DomainSettings]
) -> tuple[DomainSettings, DomainSettings]:
    """Before and after."""
    record = await tx.domain(domain.ascii)
    if record is None:
        raise NoSuchDomain(domain.ascii)
    before = settings_of(record)
    after = change(before)
    if after != before:
        await tx.update_domain(replace(record, settings=msgspec.json.encode(after).decode()))
    return before, after


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
        if key.state is KeyState.USED
    )
