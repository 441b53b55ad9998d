"""`postier directory`: people that come from LDAP or Active Directory."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from postier.accounts.audit import AuditKind, note
from postier.accounts.login_ports import PasswordRefused
from postier.accounts.password import ProofTable
from postier.backend import Backend
from postier.base.address import Address
from postier.base.domain import Domain
from postier.cli.common import (
    ADDRESS,
    MAIL_DOMAIN,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    take_password,
    tell,
    with_backend,
)
from postier.cli.directory_groups import alias, share
from postier.cli.directory_words import facts, moment, servers_of
from postier.directories.kinds import KINDS, BadDirectory, check_directory, filled
from postier.directories.login import DirectoryPasswords, LoginRules
from postier.directories.probe import Probed, probe
from postier.directories.sync import SyncOptions, SyncReport
from postier.directories.terms import listing_terms
from postier.directories.upkeep import compare
from postier.net.tls import CertificateError
from postier.store.api import DirectoryLogin, LdapDirectory, StoreUnavailable, SyncState, Tx


@click.group("directory")
def command() -> None:
    """Let people come from LDAP or Active Directory, and compare accounts with it."""


command.add_command(share)
command.add_command(alias)


def _texts(name: str, field: str, help: str) -> Callable[[Any], Any]:
    return click.option(name, field, multiple=True, metavar="ATTRIBUTE", help=help)


@command.command("add")
@click.argument("name")
@click.option(
    "--kind",
    type=click.Choice(list(KINDS)),
    default="openldap",
    show_default=True,
    help="What is not said is as this kind usually has it.",
)
@click.option("--server", "servers", multiple=True, required=True, metavar="URL", help="ldaps://HOST[:PORT].")
@click.option("--domain", "domains", type=MAIL_DOMAIN, multiple=True, required=True, help="Of ours.")
@click.option("--base", required=True, metavar="DN", help="The entry below which people and groups are.")
@click.option("--bind-dn", default="", metavar="DN", help="Who may read; the password is asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.option(
    "--password-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Read the password from the first line of a file.",
)
@click.option(
    "--authorities",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    default=None,
    help="A PEM file of authorities to believe instead of the system's.",
)
@click.option("--clear", is_flag=True, help="No TLS: whoever listens reads every password.")
@click.option("--people", default="", metavar="FILTER", help="Which entries are people.")
@click.option(
    "--login-template",
    "template",
    default="",
    metavar="TEMPLATE",
    help="The name to bind as, from {address}, {user} and {domain}; without it the entry is searched.",
)
@_texts("--login-attribute", "login_attributes", "What a login name is compared with.")
@_texts("--address-attribute", "address_attributes", "Where addresses stand, the main one first.")
@_texts("--name-attribute", "name_attributes", "Where the person's name stands.")
@click.option("--id-attribute", default="", metavar="ATTRIBUTE", help="What never changes for a person.")
@click.option("--quota-attribute", default="", metavar="ATTRIBUTE", help="Where the megabytes stand.")
@click.option("--language-attribute", default="", metavar="ATTRIBUTE", help="Where the language stands.")
@click.option("--mail-groups", default="", metavar="FILTER", help="Groups whose address reaches the members.")
@click.option("--no-test", is_flag=True, help="Keep it although no server answers.")
@json_option
@data_option
def add(
    name: str,
    domains: tuple[Domain, ...],
    bind_dn: str,
    password_stdin: bool,
    password_file: Path | None,
    authorities: str | None,
    template: str,
    no_test: bool,
    json_: bool,
    data: Path,
    **more: Any,
) -> None:
    """Let the people of a domain come from the directory NAME; adding it again replaces what was said."""
    directory = filled(
        LdapDirectory(
            name,
            domains=tuple(domain.ascii for domain in domains),
            bind_dn=bind_dn,
            password="?" if bind_dn else "",
            login=DirectoryLogin.BIND if template else DirectoryLogin.SEARCH,
            template=template,
            authorities=authorities or "",
            **more,
        )
    )
    try:
        check_directory(directory)
    except BadDirectory as wrong:
        raise click.UsageError(str(wrong)) from None
    if bind_dn:
        directory = replace(directory, password=_secret(password_stdin, password_file))

    async def work(backend: Backend) -> list[Probed]:
        probed = [] if no_test else await _probed(directory)
        if probed and not any(one.ok for one in probed):
            raise Failure(f"{probed[0].words}; nothing is changed (--no-test keeps it all the same)")
        await backend.store.transact(lambda tx: _set(tx, directory))
        return probed

    probed = with_backend(data, work)
    for one in probed:
        if not one.ok:
            click.echo(f"warning: {one.words}", err=True)
    whose = ", ".join(directory.domains)
    sentence = f"people of {whose} come from {name}; see who: postier directory sync --dry-run"
    tell(json_, facts(directory, SyncState()), sentence)


def _secret(from_stdin: bool, file: Path | None) -> str:
    if file is None:
        return take_password(from_stdin)
    try:
        with file.open(encoding="utf-8") as lines:
            password = lines.readline().rstrip("\r\n")
    except OSError as error:
        raise Failure(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise Failure(f"{file}: not UTF-8") from None
    if not password:
        raise Failure(f"{file}: the password is empty")
    return password


async def _set(tx: Tx, directory: LdapDirectory) -> None:
    others = await tx.ldap_directories()
    try:
        check_directory(directory, others)
    except BadDirectory as wrong:
        raise Failure(str(wrong)) from None
    for domain in directory.domains:
        if await tx.domain(domain) is None:
            raise Failure(f"{domain} is not a domain of this server; add it with: postier domain add")
    groups = next((other.groups for other in others if other.name == directory.name), ())
    await tx.set_ldap_directory(replace(directory, groups=groups))
    domains = ", ".join(directory.domains)
    await note(tx, operator(), AuditKind.DIRECTORY, directory=directory.name, domains=domains)


async def _probed(directory: LdapDirectory) -> list[Probed]:
    try:
        return await probe(directory, listing_terms(directory))
    except CertificateError as error:
        raise Failure(str(error)) from None


async def find(backend: Backend, name: str) -> LdapDirectory:
    """Raises Failure."""
    for directory in await backend.store.reader.ldap_directories():
        if directory.name == name:
            return directory
    raise Failure(f"there is no directory {name}")


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the directories, what each gives, and how the last comparison went."""

    async def work(backend: Backend) -> list[tuple[LdapDirectory, SyncState, int]]:
        reader = backend.store.reader
        return [
            (one, await reader.sync_state(one.name), len(await reader.directory_people(one.name)))
            for one in await reader.ldap_directories()
        ]

    found = with_backend(data, work)
    if json_:
        print_json([{**facts(one, state), "accounts": count} for one, state, count in found])
        return
    print_table(
        ("NAME", "DOMAINS", "SERVERS", "ACCOUNTS", "COMPARED", "FOUND"),
        (
            (one.name, ", ".join(one.domains), servers_of(one), count, moment(state.at), state.words or "-")
            for one, state, count in found
        ),
        empty="no directories: all accounts are this server's own",
    )


@command.command("test")
@click.argument("name")
@click.option("--login", type=ADDRESS, help="Also try this person's password, which is asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@json_option
@data_option
def test(name: str, login: Address | None, password_stdin: bool, json_: bool, data: Path) -> None:
    """Look at each server of the directory: reached, certificate, the account that reads, people."""
    password = take_password(password_stdin) if login is not None else ""

    async def work(backend: Backend) -> tuple[list[Probed], str]:
        probed = await _probed(await find(backend, name))
        if login is None:
            return probed, ""
        rules = LoginRules(backend.settings.directories.timeout)
        passwords = DirectoryPasswords(backend.store, backend.clock, ProofTable(), rules)
        try:
            if not await passwords.answers_for(login.lookup_key):
                raise Failure(f"{login.lookup_key} is not asked of a directory")
            return probed, await passwords.check(login.lookup_key, password)
        except PasswordRefused as refused:
            raise Failure(f"{login.lookup_key} is not let in: {refused}") from None
        except StoreUnavailable as error:
            raise Failure(str(error)) from None
        finally:
            passwords.close()

    probed, account = with_backend(data, work)
    rows = [one._asdict() for one in probed]
    if json_:
        print_json({"servers": rows, "account": account} if login is not None else rows)
    else:
        print_table(
            ("STATE", "FOUND"), (("ok" if one.ok else "failed", one.words) for one in probed), empty="none"
        )
        if account:
            click.echo(f"{login}: the password is right; the account is {account}")
    if not all(one.ok for one in probed):
        raise Failure(f"{sum(not one.ok for one in probed)} of {len(probed)} servers failed")
    if login is not None and not account:
        raise Failure(f"{login.lookup_key} is not let in")


@command.command("sync")
@click.argument("name", required=False)
@click.option("--dry-run", is_flag=True, help="Only say what would be changed.")
@click.option("--adopt", is_flag=True, help="Hand accounts of our own over to people with their address.")
@click.option("--force", is_flag=True, help="However many people are gone.")
@json_option
@data_option
def sync(name: str | None, dry_run: bool, adopt: bool, force: bool, json_: bool, data: Path) -> None:
    """Compare accounts with the directory NAME, or with all, and make them what it says."""

    async def work(backend: Backend) -> list[tuple[str, SyncReport]]:
        every = await backend.store.reader.ldap_directories()
        if name is not None:
            every = [await find(backend, name)]
        options, owner = SyncOptions(adopt=adopt, force=force, dry_run=dry_run), f"cli-{os.getpid()}"
        reports = []
        for directory in every:
            report = await compare(backend.store, backend.clock, directory, owner, options)
            if report is None:
                raise Failure(f"{directory.name} is being compared by somebody else; try again later")
            reports.append((directory.name, report))
        return reports

    reports = with_backend(data, work)
    if json_:
        print_json(
            [
                {
                    "directory": directory,
                    "people": report.people,
                    "changes": report.changes,
                    "problems": report.problems,
                    "stopped": report.stopped,
                }
                for directory, report in reports
            ]
        )
    else:
        rows = [(d, "change", text) for d, report in reports for text in report.changes]
        rows += [(d, "problem", text) for d, report in reports for text in report.problems]
        if rows:
            print_table(("DIRECTORY", "WHAT", "FOUND"), rows, empty="")
        for directory, report in reports:
            if not report.stopped:
                click.echo(f"{directory}: {report.words}" + (" (nothing was changed)" if dry_run else ""))
    stopped = [f"{directory}: {report.stopped}" for directory, report in reports if report.stopped]
    if stopped:
        raise Failure("; ".join(stopped))


@command.command("remove")
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@data_option
def remove(name: str, yes: bool, json_: bool, data: Path) -> None:
    """Nobody comes from the directory any more; accounts and mail stay, without passwords."""
    if not yes:
        click.confirm(f"Let nobody come from {name} any more?", abort=True)

    async def change(tx: Tx) -> None:
        if not await tx.remove_ldap_directory(name):
            raise Failure(f"there is no directory {name}")
        await note(tx, operator(), AuditKind.DIRECTORY_REMOVED, directory=name)

    async def work(backend: Backend) -> None:
        await backend.store.transact(change)

    with_backend(data, work)
    tell(json_, {"removed": name}, f"{name} removed; give its people passwords with: postier user passwd")
