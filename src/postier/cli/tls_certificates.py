"""`postier tls list|import|drop`: the certificates that this server shows."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from postier.accounts.audit import AuditKind, note
from postier.admin.certificates import ListedCertificate, list_certificates, to_store
from postier.backend import Backend, tls_keys
from postier.base.domain import Domain
from postier.certificates import files_of, names_to_serve
from postier.certifying import wanted_certificates
from postier.cli.common import (
    DOMAIN,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.net.certificates import Certificate, CertificateError, problem, read_files
from postier.net.tls import server_context
from postier.store.api import Tx

__all__ = ["attach"]

NEW_KEY = (
    "Note: its key is a new one. If TLSA records are published for this server, others hold mail back until "
    "they have the new ones: postier dns records"
)

SHOWN_AFTER = "shown within a few seconds where the server runs"


@click.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the certificates that this server shows: for which names, until when, and what is missing."""

    async def work(backend: Backend) -> list[ListedCertificate]:
        try:
            first = await asyncio.to_thread(read_files, *files_of(backend.settings))
        except CertificateError as error:
            raise Failure(str(error)) from None
        stored = await backend.store.reader.certificates()
        wanted = await wanted_certificates(backend)
        host = backend.settings.server.hostname
        return list_certificates(first, stored, wanted, host, backend.clock.now())

    found = with_backend(data, work)
    if json_:
        print_json([_facts(one) for one in found])
        return
    print_table(
        ("NAME", "ALSO FOR", "FROM", "UNTIL", "ORIGIN", "DOMAINS", "STATE"),
        (
            (
                one.name,
                ", ".join(one.names[1:]) or "-",
                one.issuer or "-",
                _day(one.until),
                one.origin,
                ", ".join(one.domains) or "-",
                _state(one),
            )
            for one in found
        ),
        empty="none",
    )
    missing = [name for one in found for name in one.missing]
    if missing:
        click.echo(f"\nno certificate is for: {', '.join(missing)}")


def _facts(one: ListedCertificate) -> dict[str, Any]:
    facts = asdict(one)
    del facts["soon"]
    return facts | {"until": _moment(one.until), "state": _state(one)}


def _state(one: ListedCertificate) -> str:
    if one.fault:
        return f"shown, but {one.fault}" if one.origin == "settings" else f"not shown: {one.fault}"
    return "expires soon" if one.soon else "good"


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment))


def _moment(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment))


@click.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--key", type=click.Path(path_type=Path, dir_okay=False), help="Its private key; default: FILE."
)
@click.option("--name", "names", type=DOMAIN, multiple=True, help="A name that it must be for.")
@json_option
@data_option
def import_(file: Path, key: Path | None, names: Sequence[Domain], json_: bool, data: Path) -> None:
    """Show the certificate in FILE to whoever asks for its names; one of the same first name gives way to it.

    FILE is PEM: the certificate first, then those of its issuers.
    """
    try:
        new = read_files(file, key or file)
    except CertificateError as error:
        raise Failure(str(error)) from None

    async def work(backend: Backend) -> bool:
        ours = await names_to_serve(backend.settings, backend.store.reader)
        now = backend.clock.now()
        _judge(new, now, ours, names)
        if new.covers(backend.settings.server.hostname) and new.key_digest not in await tls_keys(backend):
            click.echo(NEW_KEY, err=True)
        until = time.strftime("%Y-%m-%d", time.gmtime(new.not_after))

        async def keep(tx: Tx) -> bool:
            before = {one.name for one in await tx.certificates()}
            await tx.set_certificate(to_store(new, "import", now))
            said = ", ".join(new.names)
            await note(tx, operator(), AuditKind.CERTIFICATE, names=said, origin="import", until=until)
            return new.names[0] in before

        return await backend.store.transact(keep)

    replaced = with_backend(data, work)
    facts = {"name": new.names[0], "names": list(new.names), "until": _moment(new.not_after)}
    words = f"certificate for {', '.join(new.names)} until {_day(new.not_after)}: {SHOWN_AFTER}"
    tell(json_, facts | {"replaced": replaced}, words)


def _judge(new: Certificate, now: float, ours: Sequence[str], names: Sequence[Domain]) -> None:
    """Raises Failure for what the server would not show."""
    why = problem(new, now, ours)
    other = next((name.ascii for name in names if not new.covers(name.ascii)), "")
    if other and not why:
        why = f"it is not for {other}, but for {', '.join(new.names)}"
    if why:
        raise Failure(f"cannot use {new.where}: {why}")
    try:
        server_context(new)  # OpenSSL has the last word
    except CertificateError as error:
        raise Failure(str(error)) from None


@click.command("drop")
@click.argument("name")
@json_option
@data_option
def drop(name: str, json_: bool, data: Path) -> None:
    """Show the certificate of this NAME no more (see the list); not the one of the settings."""
    wanted = name.lower().removesuffix(".")

    async def work(backend: Backend) -> bool:
        async def forget(tx: Tx) -> bool:
            removed = await tx.remove_certificate(wanted)
            if removed:
                await note(tx, operator(), AuditKind.CERTIFICATE_REMOVED, name=wanted)
            return removed

        return await backend.store.transact(forget)

    if not with_backend(data, work):
        raise Failure(f"no certificate {wanted} is stored")
    tell(json_, {"dropped": wanted}, f"certificate {wanted} is not shown any more")


def attach(group: click.Group) -> None:
    """Make them verbs of `postier tls`."""
    for verb in (list_, import_, drop):
        group.add_command(verb)
