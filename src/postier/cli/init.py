"""`postier init`: a new server in a folder of its own."""

from __future__ import annotations

import ipaddress
import os
import pwd
import tomllib
from pathlib import Path
from typing import Any

import click

from postier.accounts import domains, people
from postier.accounts.new_password import make_scram_keys
from postier.acme.names import LABELS
from postier.backend import Backend, dns_records
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.base.domain import Domain
from postier.cli.common import (
    ADDRESS,
    DOMAIN,
    MAIL_DOMAIN,
    Failure,
    checked_hash,
    data_option,
    force_option,
    operator,
    take_password,
    with_backend,
)
from postier.cli.dns import print_records
from postier.config.settings import FILE_NAME, ConfigError, load_settings, parse_value, render_settings
from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.store.api import Tx

LOOPBACK = "127.0.0.1"


@click.command("init")
@data_option
@click.option("--domain", type=MAIL_DOMAIN, required=True, help="The first domain whose mail ends here.")
@click.option("--hostname", type=DOMAIN, help="The server's own name.  [default: mail.DOMAIN]")
@click.option("--admin", type=ADDRESS, help="The first person, who also gets postmaster's mail.")
@click.option("--password-stdin", is_flag=True, help="Read the admin's password from the standard input.")
@click.option("--port-base", default=0, type=click.IntRange(0, 61000), help="Added to every standard port.")
@click.option("--bind", multiple=True, help="An address to listen on; may be given again.  [default: all]")
@click.option(
    "--trust-loopback", is_flag=True, help="For tests and benchmarks: the loopback only, and no TLS asked."
)
@click.option(
    "--set", "chosen", multiple=True, metavar="NAME=VALUE", help="Any setting, its value as in TOML."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@force_option
def command(
    data: Path,
    domain: Domain,
    hostname: Domain | None,
    admin: Address | None,
    password_stdin: bool,
    port_base: int,
    bind: tuple[str, ...],
    trust_loopback: bool,
    chosen: tuple[str, ...],
    yes: bool,
    force: bool,
) -> None:
    """Write settings, certificate and keys, and print the DNS records to publish."""
    hostname = hostname or Domain.parse(f"mail.{domain}")
    if admin is not None and admin.domain != domain:
        raise click.UsageError(f"--admin must be an address of {domain}")
    if trust_loopback:
        bind = bind or (LOOPBACK,)
    values: dict[str, Any] = {"server.hostname": hostname.ascii, "server.bind": list(bind)}
    values |= {"server.port_base": port_base} if port_base else {}
    values |= {"server.trust_loopback": True} if trust_loopback else {}
    values |= _chosen(chosen)
    for name, value in values.items():
        _check(name, value)
    _refuse_taken(data)
    if not yes:
        click.confirm(f"Make a server for {domain} in {data}?", default=True, abort=True)
    password = take_password(password_stdin) if admin is not None else ""
    password_hash = (
        checked_hash(password, admin, force=force, by_program=password_stdin) if admin is not None else ""
    )
    _write(data, values, hostname, domain)
    _fill(data, domain, admin, password, password_hash)
    click.echo(f"A server for {domain} is ready in {data}.\n")
    click.echo(f"Publish these records in the DNS:\n(again: postier dns records {domain} --data {data})\n")
    records = with_backend(data, lambda backend: dns_records(backend, domain))
    print_records(records)
    if not any(record.type in ("A", "AAAA") for record in records):
        click.echo(f"\nAnd an A or AAAA record for {hostname}, with this machine's public address.")
    click.echo(f"\nStart it with: postier serve --data {data}")
    click.echo(
        "When it runs and the records are there, get a certificate that everybody believes:\n"
        f"postier tls request --data {data} --directory URL --agree-terms   (docs/certificates.md)"
    )


def _chosen(pairs: tuple[str, ...]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            values[name.strip()] = tomllib.loads(f"value = {text}")["value"] if equals else None
        except tomllib.TOMLDecodeError:
            raise click.UsageError(f"--set {name}: not a TOML value: {text}") from None
    return values


def _check(name: str, value: Any) -> None:
    try:
        parse_value(name, value, "the command line")
    except ConfigError as error:
        raise click.UsageError(str(error)) from None


def _refuse_taken(data: Path) -> None:
    if data.exists() and any(data.iterdir()):
        raise Failure(f"{data} is not empty; name a new folder with --data")


def _write(data: Path, values: dict[str, Any], hostname: Domain, domain: Domain) -> None:
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        data.chmod(0o700)
        (data / FILE_NAME).write_text(render_settings(values), encoding="utf-8")
        settings = load_settings(data)
        folder = data / "tls"
        folder.mkdir(mode=0o700)
        listening = [ipaddress.ip_address(address) for address in settings.server.bind]
        addresses = [address for address in listening if not address.is_unspecified]
        authority = make_ca(f"Postier on {hostname}")
        write_key_pair(authority, folder / "ca.pem", folder / "ca-key.pem")
        leaf = issue_certificate(authority, _names(hostname, domain), addresses)
        write_key_pair(leaf, settings.data / settings.tls.certificate, settings.data / settings.tls.key)
        _give_away(data, settings.server.user)
    except ConfigError as error:
        (data / FILE_NAME).unlink()
        raise Failure(str(error)) from None
    except OSError as error:
        raise Failure(f"cannot write to {data}: {error.strerror}") from None


def _names(hostname: Domain, domain: Domain) -> list[str]:
    """What the server is called, and what programs look for under the domain."""
    found = [hostname.ascii, domain.ascii, *(f"{label}.{domain}" for label in LABELS)]
    return list(dict.fromkeys(found))


def _give_away(data: Path, user: str) -> None:
    """The data belongs to whom the server becomes, where that user exists and we may say so."""
    if os.geteuid() != 0 or not user:
        return
    try:
        entry = pwd.getpwnam(user)
    except KeyError:
        return  # the server stays who it is, and doctor says so
    for path in (data, *data.rglob("*")):
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _fill(data: Path, domain: Domain, admin: Address | None, password: str, password_hash: str) -> None:
    async def work(backend: Backend) -> None:
        async def change(tx: Tx) -> None:
            await domains.add_domain(tx, domain, SystemClock(), by=operator())

        await backend.store.transact(change)
        if admin is None:
            return
        await people.add_person(backend.store, admin, password_hash, by=operator())
        await people.set_postmaster(backend.store, admin, by=operator())
        iterations = backend.settings.login.iterations_of_new_keys
        await make_scram_keys(backend.store, admin, password, iterations)

    with_backend(data, work)
