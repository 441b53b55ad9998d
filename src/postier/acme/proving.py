"""Showing an authority that a name is ours: a document (HTTP-01, RFC 8555 8.3), a certificate (TLS-ALPN-01,
RFC 8737), or a record in the DNS (DNS-01, RFC 8555 8.4).

Documents and certificates are rows of the store, which every worker shows. A record is written into the zone
after its row, and its row is removed after it, so that nothing is left behind in the zone by a crash.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from postier.acme.client import Authorization, Challenge
from postier.acme.problems import AcmeProblem
from postier.acme.services import AcmeServices
from postier.base.log import Log
from postier.dns.api import DnsError, Resolver
from postier.dns.edit import IsAlias, UpdateError, ZoneChange, ZoneEditor
from postier.store.api import AcmeChallenge

__all__ = ["LIFETIME", "choose", "show", "withdraw", "withdraw_expired"]

LIFETIME = 3600
"""Seconds after which a proof is withdrawn, whatever became of it."""
_MAX_ALIASES = 8
_TTL = 60

log = Log("acme")


def choose(authorization: Authorization, kind: str) -> Challenge:
    """The one of that kind. Raises AcmeProblem where the authority does not offer it."""
    for challenge in authorization.challenges:
        if challenge.kind == kind:
            return challenge
    offered = ", ".join(sorted({each.kind for each in authorization.challenges})) or "nothing that we know"
    name = ("*." if authorization.wildcard else "") + authorization.name
    raise AcmeProblem(
        f"the authority does not offer {kind} for {name}, only {offered}: see acme.challenge", names=(name,)
    )


def _row(authorization: Authorization, challenge: Challenge, now: float) -> AcmeChallenge:
    places = {
        "http-01": (challenge.token, challenge.authorization),
        "tls-alpn-01": (authorization.name, challenge.authorization),
        "dns-01": (f"_acme-challenge.{authorization.name}", challenge.text),
    }
    return AcmeChallenge(challenge.kind, *places[challenge.kind], int(now) + LIFETIME)


async def show(
    services: AcmeServices, proofs: Sequence[tuple[Authorization, Challenge]]
) -> list[AcmeChallenge]:
    """Returns when an authority can see all of it. Raises AcmeProblem, StoreError."""
    rows = [_row(authorization, challenge, services.clock.now()) for authorization, challenge in proofs]
    for row in rows:
        await services.store.transact(lambda tx, one=row: tx.set_acme_challenge(one))  # type: ignore[misc]
    records = [row for row in rows if row.kind == "dns-01"]
    if records:
        try:
            editor = _editor(services)
            for row in records:
                await _write(editor, row)
        except UpdateError as error:
            raise AcmeProblem(f"the proof cannot be written into the zone: {error}") from None
        await _wait_for(services, records)
    elif any(row.kind == "tls-alpn-01" for row in rows):
        await asyncio.sleep(services.pauses.seen)
    return rows


async def withdraw(services: AcmeServices, rows: Sequence[AcmeChallenge]) -> None:
    """What can't be taken out of a zone now is tried again by withdraw_expired. Raises StoreError."""
    for row in rows:
        if row.kind == "dns-01":
            try:
                await _take_out(_editor(services), row)
            except UpdateError as error:
                log.warning("proof not taken out of the zone", name=row.place, why=error)
                continue
        await services.store.transact(lambda tx, one=row: tx.remove_acme_challenge(one))  # type: ignore[misc]


async def withdraw_expired(services: AcmeServices) -> None:
    """What processes left behind that were killed. Raises StoreError."""
    now = services.clock.now()
    for kind in ("http-01", "tls-alpn-01", "dns-01"):
        left = [row for row in await services.store.reader.acme_challenges(kind) if row.expires <= now]
        if left and kind == "dns-01" and _without_editor(services):
            for row in left:  # nobody can reach the zone any more
                await services.store.transact(lambda tx, one=row: tx.remove_acme_challenge(one))  # type: ignore[misc]
            continue
        await withdraw(services, left)


def _without_editor(services: AcmeServices) -> bool:
    try:
        return services.open_editor() is None
    except UpdateError:
        return False


def _editor(services: AcmeServices) -> ZoneEditor:
    editor = services.open_editor()
    if editor is None:
        raise UpdateError("there is no dns_update.server")
    return editor


async def _write(editor: ZoneEditor, row: AcmeChallenge) -> None:
    owner = await _owner(editor, row.place)
    before = await editor.read(owner, "TXT")
    if row.proof not in {record.value for record in before.records}:
        if not before.records:
            before = replace(before, ttl=_TTL)
        await editor.change(await editor.zone_of(owner), [ZoneChange(before, (), (row.proof,))])


async def _take_out(editor: ZoneEditor, row: AcmeChallenge) -> None:
    owner = await _owner(editor, row.place)
    before = await editor.read(owner, "TXT")
    ours = tuple([record for record in before.records if record.value == row.proof])
    if ours:
        await editor.change(await editor.zone_of(owner), [ZoneChange(before, ours, ())])


async def _owner(editor: ZoneEditor, name: str) -> str:
    """The name to write to: a CNAME there leads to a zone that is easier to change, which is usual."""
    for _ in range(_MAX_ALIASES):
        try:
            await editor.read(name, "TXT")
        except IsAlias:
            name = (await editor.read(name, "CNAME")).records[0].value
        else:
            return name
    raise UpdateError(f"{name} leads in circles")


async def _wait_for(services: AcmeServices, rows: Sequence[AcmeChallenge]) -> None:
    """Until the DNS shows them to everybody, as far as we can tell; at the latest the authority will see."""
    loop = asyncio.get_running_loop()
    end = loop.time() + services.pauses.dns
    while True:
        resolver = services.open_resolver()
        if all([await _is_seen(resolver, row) for row in rows]):
            return
        if loop.time() >= end:
            log.warning("the DNS does not show a proof yet", name=rows[0].place)
            return
        await asyncio.sleep(services.pauses.dns_poll)


async def _is_seen(resolver: Resolver, row: AcmeChallenge) -> bool:
    try:
        return row.proof.encode() in (await resolver.txt(row.place)).records
    except DnsError:
        return False
