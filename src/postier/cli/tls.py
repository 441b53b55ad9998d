"""`postier tls`: the TLS of other domains, and what is demanded of partners; our certificates beside it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import click

from postier.admin.tls_look import HostTls, look_at_hosts
from postier.admin.ways import release_tls, require_tls
from postier.backend import Backend
from postier.base.domain import Domain
from postier.cli import tls_acme, tls_certificates
from postier.cli.common import (
    DOMAIN,
    MAIL_DOMAIN,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.net.tls import CertificateError, verifying_client_context
from postier.sending import open_outbound
from postier.smtp.outbound.routes import Unroutable
from postier.smtp.outbound.sts_cache import StsAnswer
from postier.smtp.outbound.tls_results import DAY, KEEP_DAYS
from postier.store.api import TlsContract, TlsResult


@click.group("tls")
def command() -> None:
    """Look after our certificates, look at the TLS of others, demand it of partners."""


@command.command("require")
@click.argument("domain", type=MAIL_DOMAIN)
@click.option("--name", type=DOMAIN, default=None, help="The name that certificates of its hosts must have.")
@click.option(
    "--ca",
    type=click.Path(path_type=Path, resolve_path=True),
    default=None,
    help="PEM file of the authority to believe, in place of the public ones.",
)
@json_option
@data_option
def require(domain: Domain, name: Domain | None, ca: Path | None, json_: bool, data: Path) -> None:
    """Mail for DOMAIN waits rather than go without TLS and a good certificate."""
    contract = TlsContract(domain.ascii, name.ascii if name else "", str(ca) if ca else "")
    if ca is not None:
        try:
            verifying_client_context(ca)
        except CertificateError as error:
            raise Failure(str(error)) from None

    async def work(backend: Backend) -> None:
        if await backend.store.reader.domain(domain.ascii) is not None:
            raise Failure(f"{domain} is a domain of this server: its mail does not leave")
        await require_tls(backend.store, contract, by=operator())

    with_backend(data, work)
    tell(
        json_,
        contract._asdict(),
        f"mail for {domain} goes over TLS to a host with a certificate {_demand(contract)}, or waits",
    )


@command.command("contracts")
@json_option
@data_option
def contracts(json_: bool, data: Path) -> None:
    """List the domains whose mail waits rather than go without TLS."""

    async def work(backend: Backend) -> list[TlsContract]:
        return await backend.store.reader.tls_contracts()

    found = with_backend(data, work)
    if json_:
        print_json([one._asdict() for one in found])
        return
    print_table(
        ("DOMAIN", "CERTIFICATE"),
        ((one.domain, _demand(one)) for one in found),
        empty="no domain is required to have TLS",
    )


@command.command("remove")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def remove(domain: Domain, json_: bool, data: Path) -> None:
    """Leave it to DOMAIN itself again."""

    async def work(backend: Backend) -> bool:
        return await release_tls(backend.store, domain.ascii, by=operator())

    if not with_backend(data, work):
        raise Failure(f"nothing is required of {domain}")
    tell(json_, {"removed": domain.ascii}, f"{domain} says itself what TLS its mail needs")


@command.command("test")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def test(domain: Domain, json_: bool, data: Path) -> None:
    """Connect to each host of DOMAIN and look at its TLS; no mail is sent. Exit code 1 if mail would wait."""

    async def work(backend: Backend) -> tuple[StsAnswer, list[HostTls]]:
        outbound = open_outbound(backend)
        hosts = look_at_hosts(
            outbound.routes, outbound.policies, domain.ascii, backend.settings.server.hostname
        )
        try:
            return await outbound.policies.sts.policy_for(domain.ascii), [host async for host in hosts]
        except Unroutable as error:
            raise Failure(str(error)) from None

    sts, hosts = with_backend(data, work)
    if json_:
        print_json({"mta_sts": _sts_facts(sts), "hosts": [asdict(host) for host in hosts]})
    else:
        click.echo(f"MTA-STS  {_sts_words(sts)}")
        for host in hosts:
            click.echo(host.host)
            for label, words in _host_words(host):
                click.echo(f"  {label:<12} {words}")
    if all(host.fault for host in hosts):
        raise Failure(f"no host of {domain} would get mail now")


@command.command("report")
@click.option("--days", type=click.IntRange(1, KEEP_DAYS), default=7, show_default=True, help="How far back.")
@click.option("--all", "all_", is_flag=True, help="Also what went well.")
@json_option
@data_option
def report(days: int, all_: bool, json_: bool, data: Path) -> None:
    """Tell how TLS went with other domains: sessions by day, policy, host and result (RFC 8460)."""

    async def work(backend: Backend) -> list[tuple[TlsResult, int]]:
        today = int(backend.clock.now()) // DAY
        return await backend.store.reader.tls_results(today - days + 1, today)

    found = with_backend(data, work)
    if json_:
        print_json([_result_facts(result, sessions) for result, sessions in found])
        return
    print_table(
        ("DAY", "DOMAIN", "POLICY", "HOST", "FROM", "SESSIONS", "RESULT", "DETAIL"),
        (
            (_day(r.day), r.domain, r.kind, r.host, r.source or "-", n, r.result or "ok", r.detail or "-")
            for r, n in found
            if all_ or r.result
        ),
        empty="no failures" if found and not all_ else "nothing was sent elsewhere",
    )


def _day(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * DAY))


def _result_facts(result: TlsResult, sessions: int) -> dict[str, object]:
    return {
        "day": _day(result.day),
        "destination": result.destination,
        "policy_domain": result.domain,
        "policy_type": result.kind,
        "policy_string": result.policy.split("\n") if result.policy else [],
        "mx_host": result.host,
        "sending_ip": result.source or None,
        "result_type": result.result or None,
        "detail": result.detail or None,
        "sessions": sessions,
    }


def _demand(contract: TlsContract) -> str:
    whose = f"for {contract.name}" if contract.name else "for its own name"
    return f"{whose}, from {contract.authorities}" if contract.authorities else whose


def _sts_facts(sts: StsAnswer) -> dict[str, object]:
    policy = sts.policy
    return {
        "mode": policy.mode.value if policy else None,
        "mx": list(policy.mx) if policy else [],
        "max_age": policy.max_age if policy else None,
        "failure": sts.failure or None,
        "detail": sts.detail or None,
    }


def _sts_words(sts: StsAnswer) -> str:
    failed = f"the newest policy can't be had: {sts.detail}" if sts.failure else ""
    if sts.policy is None:
        return failed or "no policy"
    words = f"{sts.policy.mode}: {', '.join(sts.policy.mx) or 'no hosts'}"
    return f"{words} ({failed})" if failed else words


def _host_words(host: HostTls) -> Iterator[tuple[str, str]]:
    yield "STARTTLS", host.tls or "no"
    if host.names or host.until:
        yield "certificate", f"for {', '.join(host.names) or 'nobody'} until {host.until}"
    if host.tls:
        yield "public", host.public or "good for the host's name"
    if host.policy:
        yield "demanded by", "nobody" if host.policy == "opportunistic" else host.policy
    yield "mail", f"waits: {host.fault}" if host.fault else "goes"


tls_certificates.attach(command)
tls_acme.attach(command)
