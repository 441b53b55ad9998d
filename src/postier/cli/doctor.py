"""`postier doctor`: is everything as it should be, and what to do where it is not."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import pwd
import shutil
import sys
from dataclasses import asdict
from pathlib import Path

import click

from postier.acme.names import IS_ABSENT
from postier.acme.problems import AcmeProblem
from postier.admin.certificates import check_certificates, is_superseded, list_certificates
from postier.admin.client_check import check_client_documents
from postier.admin.diagnosis import (
    Finding,
    check_certificate,
    check_devices,
    check_lists,
    check_port,
    check_postmaster,
    check_python,
    check_queue,
    check_reports,
    check_validation,
)
from postier.admin.dns_check import CheckedRecord
from postier.admin.own_tlsa import check_tlsa
from postier.backend import Backend, client_settings, open_resolver, stored_certificate
from postier.base.domain import Domain
from postier.certificates import files_of
from postier.certifying import read_plan, wanted_certificates
from postier.cli.common import Failure, data_option, json_option, print_json, print_table, with_backend
from postier.config.settings import Settings
from postier.directories.probe import probe
from postier.directories.terms import listing_terms
from postier.dns.api import Resolver
from postier.net.certificates import CertificateError, read_files
from postier.oidc.looking import look_at
from postier.publishing import check_dns
from postier.sending import open_document_fetcher
from postier.services import SERVICES, SMTP
from postier.tokens import announced, token_sources

GREETINGS = {"smtp": b"220 ", "submission": b"220 ", "imap": b"* OK", "pop3": b"+OK"}
ENOUGH_DISK = 1_000_000_000
UNASKED = frozenset({"CNAME", "SRV", "TLSA"})
"""Records that mail does without, and TLSA, which is compared with the certificate itself."""
DNS_STATES = {"ok": "ok", "missing": "failed", "different": "failed", "unknown": "warning"}


@click.command("doctor")
@click.option("--no-dns", is_flag=True, help="Leave the DNS out.")
@json_option
@data_option
def command(no_dns: bool, json_: bool, data: Path) -> None:
    """Check ports, certificate, DNS records and storage. Exit code 1 if something failed."""

    async def work(backend: Backend) -> list[Finding]:
        settings = backend.settings
        findings = [check_python(sys.version_info[:3]), _check_user(settings), _check_disk(settings)]
        findings += [*await _certificates(backend), *await _renewals(backend)]
        findings.append(await check_postmaster(backend.store))
        findings += await check_queue(backend.store, backend.clock.now())
        findings += await check_reports(backend.store, backend.clock.now())
        findings += await check_devices(backend.store, backend.clock.now())
        findings += await asyncio.gather(*_ports(settings))
        findings += await _directories(backend)
        findings += await _providers(backend)
        if not no_dns:
            findings += await _check_dns(backend)
        return findings

    findings = with_backend(data, work)
    if json_:
        print_json([asdict(finding) for finding in findings])
    else:
        print_table(
            ("STATE", "WHAT", "FOUND"), ((f.state, f.subject, f.detail) for f in findings), empty="nothing"
        )
    failed = sum(finding.state == "failed" for finding in findings)
    if failed:
        raise Failure(f"{failed} of {len(findings)} checks failed")


async def _certificates(backend: Backend) -> list[Finding]:
    """That of the settings, unless a stored one is shown in its place; then the others."""
    settings, host = backend.settings, backend.settings.server.hostname
    path, key = files_of(settings)
    of_files = check_certificate(path, Domain(host), dt.datetime.now(dt.UTC))
    try:
        first = await asyncio.to_thread(read_files, path, key)
    except CertificateError:
        return [of_files]
    stored = await backend.store.reader.certificates()
    wanted = await wanted_certificates(backend)
    listed = list_certificates(first, stored, wanted, host, backend.clock.now())
    of_stored = check_certificates(listed)
    return of_stored if is_superseded(listed, host) else [of_files, *of_stored]


async def _renewals(backend: Backend) -> list[Finding]:
    """What went wrong with certificates from the authority, and which of their names are left out."""
    if not backend.settings.acme.directory:
        return []
    try:
        await asyncio.to_thread(read_plan, backend.settings)
    except AcmeProblem as problem:
        return [Finding("failed", "renewal", f"no certificate is renewed: {problem}")]
    found: list[Finding] = []
    for one in await backend.store.reader.renewals():
        subject = f"renewal for {one.subject}"
        if one.problem:
            found.append(Finding("warning" if one.certificate else "failed", subject, one.problem))
        strange = [line for line in one.left_out if not line.endswith(IS_ABSENT)]  # absent ones are a choice
        found += [Finding("warning", subject, f"without {line}") for line in strange]
    return found


def _ports(settings: Settings) -> list[asyncio.Task[Finding]]:
    hosts = [_reachable(host) for host in settings.server.bind] or ["127.0.0.1"]
    return [
        asyncio.create_task(
            check_port(
                service.name,
                host,
                service.port + settings.server.port_base,
                GREETINGS[service.name.removesuffix("s") if service.implicit_tls else service.name],
                tls=service.implicit_tls,
            )
        )
        for service in SERVICES
        for host in hosts
    ]


async def _providers(backend: Backend) -> list[Finding]:
    """Each provider whose tokens let people in."""
    findings = []
    for source in token_sources(backend):
        subject = f"provider {source.provider.issuer}"
        looked = await look_at(source)
        if looked.problem:
            findings.append(Finding("failed", subject, looked.problem))
        else:
            findings.append(Finding("ok", subject, f"answers, with {looked.keys} keys"))
    return findings


async def _directories(backend: Backend) -> list[Finding]:
    """Each server of each directory that people come from, and how the last comparison went."""
    findings, reader = [], backend.store.reader
    for directory in await reader.ldap_directories():
        subject = f"directory {directory.name}"
        try:
            probed = await probe(directory, listing_terms(directory))
        except CertificateError as error:
            findings.append(Finding("failed", subject, str(error)))
            continue
        findings += [Finding("ok" if one.ok else "failed", subject, one.words) for one in probed]
        state = await reader.sync_state(directory.name)
        if state.at and state.succeeded < state.at:
            findings.append(Finding("warning", subject, f"not compared: {state.words}"))
    return findings


def _reachable(host: str) -> str:
    """Whom to call to reach a server that listens on `host`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - recognised, not bound


def _check_user(settings: Settings) -> Finding:
    owner = settings.data.stat().st_uid
    if owner != 0:
        return Finding("ok", "user", f"the data belongs to {_user_name(owner)}, not to root")
    return Finding(
        "warning",
        "user",
        f"the data belongs to root, so the server stays root; make a system user {settings.server.user!r} "
        f"and give it the folder: chown -R {settings.server.user} {settings.data}",
    )


def _user_name(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return f"user {number}"


def _check_disk(settings: Settings) -> Finding:
    free = shutil.disk_usage(settings.data).free
    if free < ENOUGH_DISK:
        return Finding("failed", "disk", f"only {free / 1e6:.0f} MB are free in {settings.data}; make room")
    if not os.access(settings.data, os.W_OK):
        return Finding("failed", "disk", f"{settings.data} cannot be written to")
    return Finding("ok", "disk", f"{free / 1e9:.1f} GB free")


async def _check_dns(backend: Backend) -> list[Finding]:
    resolver = open_resolver(backend.settings)
    findings: list[Finding] = []
    for domain in await backend.store.reader.domains():
        checked = await check_dns(backend, resolver, Domain(domain.name))
        findings += [_as_finding(one) for one in checked if one.record.type not in UNASKED]
        provider = await announced(backend)(domain.name)
        settings = client_settings(backend.settings, Domain(domain.name)).knowing(provider)
        findings += await check_client_documents(open_document_fetcher(backend, resolver).get, settings)
    findings.append(await check_validation(resolver))
    findings.append(await _check_tlsa(backend, resolver))
    return findings + await check_lists(resolver, backend.settings.policy.dnsbl)


async def _check_tlsa(backend: Backend, resolver: Resolver) -> Finding:
    settings = backend.settings
    port = SMTP.port + settings.server.port_base
    shown = await stored_certificate(backend)
    chain = shown.chain.encode() if shown else (settings.data / settings.tls.certificate).read_bytes()
    return await check_tlsa(resolver, settings.server.hostname, port, chain)


def _as_finding(checked: CheckedRecord) -> Finding:
    record = checked.record
    state = DNS_STATES[checked.state] if record.required else "warning"
    detail = checked.advice or record.value[:60]
    return Finding("ok" if checked.state == "ok" else state, f"DNS {record.type} {record.name}", detail)
