"""`postier user`: the people who have a mailbox here."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from pathlib import Path

import click

from postier.accounts import people
from postier.accounts.new_password import make_all_scram_keys, make_scram_keys
from postier.accounts.second_factors import reset_factors
from postier.accounts.sending import Usage, set_limits, usage_of
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import (
    ADDRESS,
    Failure,
    checked_hash,
    data_option,
    force_option,
    json_option,
    operator,
    print_json,
    print_table,
    take_password,
    tell,
    with_backend,
)
from postier.queue.meanings import LANGUAGES
from postier.sending import daily_limits
from postier.store.api import Account, AccountId, SecondFactor


@click.group("user")
def command() -> None:
    """Add, import, list, change and remove people, and name the postmaster."""


@command.command("add")
@click.argument("address", type=ADDRESS)
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.option("--name", "display_name", default="", help="The person's name.")
@click.option("--quota", default=0, type=click.IntRange(min=0), help="Megabytes; 0 for no limit.")
@click.option("--language", type=click.Choice(LANGUAGES), help="For reports; if not given, the domain's.")
@force_option
@json_option
@data_option
def add(
    address: Address,
    password_stdin: bool,
    display_name: str,
    quota: int,
    language: str | None,
    force: bool,
    json_: bool,
    data: Path,
) -> None:
    """Add a person with a mailbox."""
    password = take_password(password_stdin)
    password_hash = checked_hash(password, address, force=force, by_program=password_stdin)

    async def work(backend: Backend) -> None:
        await people.add_person(
            backend.store,
            address,
            password_hash,
            display_name=display_name,
            quota=quota * 1_000_000,
            language=language or "",
            by=operator(),
        )
        iterations = backend.settings.login.iterations_of_new_keys
        await make_scram_keys(backend.store, address, password, iterations)

    with_backend(data, work)
    tell(json_, {"added": address.lookup_key}, f"{address.lookup_key} added")


@command.command("import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@force_option
@json_option
@data_option
def import_(file: Path, force: bool, json_: bool, data: Path) -> None:
    """Add people from a CSV file with the columns address,password. All of them, or none."""
    rows = list(_read_csv(file, force))

    async def work(backend: Backend) -> None:
        await people.add_people(
            backend.store, [(address, hashed) for address, _, hashed in rows], by=operator()
        )
        iterations = backend.settings.login.iterations_of_new_keys
        chosen = [(address, password) for address, password, _ in rows]
        await make_all_scram_keys(backend.store, chosen, iterations)

    with_backend(data, work)
    added = [address.lookup_key for address, _, _ in rows]
    tell(json_, {"added": added}, f"{len(added)} {'person' if len(added) == 1 else 'people'} added")


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the people."""

    async def work(backend: Backend) -> tuple[list[Account], dict[AccountId, str]]:
        reader, origins = backend.store.reader, {}
        for directory in await reader.ldap_directories():
            for person in await reader.directory_people(directory.name):
                origins[person.account_id] = directory.name
        return await reader.accounts(), origins

    accounts, origins = with_backend(data, work)
    if json_:
        print_json([{**_as_dict(one), "directory": origins.get(one.account_id, "")} for one in accounts])
        return
    print_table(
        ("ADDRESS", "NAME", "MESSAGES", "MB", "QUOTA MB", "STATE"),
        (
            (
                account.name,
                account.display_name,
                account.messages,
                f"{account.used / 1e6:.1f}",
                account.quota // 1_000_000 or "-",
                _state(account, origins.get(account.account_id, "")),
            )
            for account in accounts
        ),
        empty="no people yet; add one with: postier user add NAME@DOMAIN",
    )


@command.command("passwd")
@click.argument("address", type=ADDRESS)
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@force_option
@json_option
@data_option
def passwd(address: Address, password_stdin: bool, force: bool, json_: bool, data: Path) -> None:
    """Set a person's password; whoever is logged in by the old one is logged out."""
    password = take_password(password_stdin)
    password_hash = checked_hash(password, address, force=force, by_program=password_stdin)

    async def work(backend: Backend) -> bool:
        await people.set_password(backend.store, address, password_hash, by=operator())
        iterations = backend.settings.login.iterations_of_new_keys
        await make_scram_keys(backend.store, address, password, iterations)
        return bool(await backend.store.reader.queue_entries(1, reverse_path=address.lookup_key))

    name, mail_waits = address.lookup_key, with_backend(data, work)
    said = f"password of {name} changed"
    if mail_waits:
        said += f"; mail from there waits in the queue, have a look: postier queue list --sender {name}"
    tell(json_, {"changed": name}, said)


@command.command("language")
@click.argument("address", type=ADDRESS)
@click.argument("language", type=click.Choice((*LANGUAGES, "default")))
@json_option
@data_option
def language(address: Address, language: str, json_: bool, data: Path) -> None:
    """Set the language in which a person is told what became of mail; "default" is the domain's."""

    async def work(backend: Backend) -> None:
        await people.set_language(
            backend.store, address, "" if language == "default" else language, by=operator()
        )

    with_backend(data, work)
    done = {"address": address.lookup_key, "language": language}
    tell(json_, done, f"language of {address.lookup_key}: {language}")


@command.command("quota")
@click.argument("address", type=ADDRESS)
@click.option("--storage", type=click.IntRange(min=0), help="Megabytes; 0 for no limit.")
@click.option("--messages", type=click.IntRange(min=0), help="Messages; 0 for no limit.")
@click.option("--mailboxes", type=click.IntRange(min=0), help="Mailboxes; 0 for no limit.")
@json_option
@data_option
def quota(
    address: Address,
    storage: int | None,
    messages: int | None,
    mailboxes: int | None,
    json_: bool,
    data: Path,
) -> None:
    """Show or set what a person may keep here."""
    octets = None if storage is None else storage * 1_000_000

    async def work(backend: Backend) -> Account:
        return await people.set_limits(
            backend.store,
            address,
            octets=octets,
            messages=messages,
            mailboxes=mailboxes,
            by=operator(),
        )

    account = with_backend(data, work)
    tell(
        json_,
        _as_dict(account),
        f"{account.name}: {account.quota // 1_000_000 or 'any number of'} MB,"
        f" {account.message_quota or 'any number of'} messages,"
        f" {account.mailbox_quota or 'any number of'} mailboxes",
    )


@command.command("limit")
@click.argument("address", type=ADDRESS)
@click.option("--recipients", type=click.IntRange(min=0), help="Recipients in a day; 0 for no limit.")
@click.option("--new", type=click.IntRange(min=0), help="New ones among them in a day; 0 for no limit.")
@click.option("--default", is_flag=True, help="No limits of its own: those of the settings.")
@json_option
@data_option
def limit(
    address: Address, recipients: int | None, new: int | None, default: bool, json_: bool, data: Path
) -> None:
    """Show or set how much a person may send in a day, and show what was sent today."""
    if default and (recipients, new) != (None, None):
        raise Failure("--default leaves no limit of its own: give it alone")

    async def work(backend: Backend) -> Usage:
        usual = daily_limits(backend)
        account = await people.find_person(backend.store.reader, address)
        if default or (recipients, new) != (None, None):
            await set_limits(
                backend.store, account, recipients=recipients, strangers=new, reset=default, by=operator()
            )
        return await usage_of(backend.store.reader, account.account_id, usual, backend.clock.now())

    sent, limits = with_backend(data, work)
    tell(
        json_,
        {
            "address": address.lookup_key,
            "recipients": limits.recipients,
            "new": limits.strangers,
            "own": {"recipients": sent.max_recipients, "new": sent.max_strangers},
            "today": {"recipients": sent.recipients, "new": sent.strangers},
        },
        f"{address.lookup_key}: {limits.recipients or 'any number of'} recipients a day,"
        f" {limits.strangers or 'any number'} of them new; today {sent.recipients}, {sent.strangers} new",
    )


@command.command("admin")
@click.argument("address", type=ADDRESS)
@click.option("--off", is_flag=True, help="An administrator no longer.")
@json_option
@data_option
def admin(address: Address, off: bool, json_: bool, data: Path) -> None:
    """Make a person an administrator, who may set quotas and annotations of the server over IMAP,
    and use the HTTP API."""

    async def work(backend: Backend) -> None:
        await people.set_administrator(backend.store, address, not off, by=operator())

    with_backend(data, work)
    said = "is no administrator" if off else "is an administrator"
    tell(json_, {"address": address.lookup_key, "administrator": not off}, f"{address.lookup_key} {said}")


@command.command("postmaster")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def postmaster(address: Address, json_: bool, data: Path) -> None:
    """Name who reads the mail of postmaster, in every domain that has no other."""

    async def work(backend: Backend) -> None:
        await people.set_postmaster(backend.store, address, by=operator())

    with_backend(data, work)
    tell(json_, {"postmaster": address.lookup_key}, f"{address.lookup_key} is postmaster")


@command.command("disable")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def disable(address: Address, json_: bool, data: Path) -> None:
    """Let a person no longer log in, by whatever means; who is logged in is logged out. Mail still comes."""
    _set_enabled(address, False, json_, data)


@command.command("enable")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def enable(address: Address, json_: bool, data: Path) -> None:
    """Let a person log in again."""
    _set_enabled(address, True, json_, data)


def _set_enabled(address: Address, enabled: bool, json_: bool, data: Path) -> None:
    with_backend(data, lambda backend: people.set_enabled(backend.store, address, enabled, by=operator()))
    said = f"{address.lookup_key} may {'' if enabled else 'not '}log in"
    tell(json_, {"address": address.lookup_key, "enabled": enabled}, said)


@command.command("app-passwords")
@click.argument("address", type=ADDRESS)
@click.argument("state", type=click.Choice(("demanded", "optional")))
@json_option
@data_option
def app_passwords(address: Address, state: str, json_: bool, data: Path) -> None:
    """Demand that a person's mail programs log in with app passwords (tokens and certificates do as well),
    not with the password of the account; or leave it to them."""
    demanded = state == "demanded"

    async def work(backend: Backend) -> None:
        await people.set_app_passwords_only(backend.store, address, demanded, by=operator())

    with_backend(data, work)
    done = {"address": address.lookup_key, "app_passwords_only": demanded}
    tell(json_, done, f"{address.lookup_key}: app passwords are {state}")


@command.command("remove")
@click.argument("address", type=ADDRESS)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@data_option
def remove(address: Address, yes: bool, json_: bool, data: Path) -> None:
    """Remove a person and all mail in the mailboxes."""
    if not yes:
        click.confirm(f"Remove {address.lookup_key} and all of this person's mail?", abort=True)

    async def work(backend: Backend) -> None:
        await people.remove_person(backend.store, address, by=operator())

    with_backend(data, work)
    tell(json_, {"removed": address.lookup_key}, f"{address.lookup_key} removed")


@command.command("second-factor")
@click.argument("address", type=ADDRESS)
@click.option("--reset", is_flag=True, help="Take all of them away, for who has lost them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@data_option
def second_factor(address: Address, reset: bool, yes: bool, json_: bool, data: Path) -> None:
    """Show what ADDRESS proves beside the password by the web, or take it away."""
    if reset and not yes:
        click.confirm(f"Let {address.lookup_key} in with the password alone?", abort=True)

    async def work(backend: Backend) -> tuple[Account, list[SecondFactor], int, int]:
        account = await people.find_person(backend.store.reader, address)
        gone = await reset_factors(backend.store, account, by=operator()) if reset else 0
        account = await people.find_person(backend.store.reader, address)
        factors = await backend.store.reader.second_factors(account.account_id)
        left = await backend.store.reader.recovery_codes(account.account_id)
        return account, [factor for factor in factors if factor.confirmed], left, gone

    account, factors, left, gone = with_backend(data, work)
    if reset:
        said = f"{account.name} is let in with the password alone; second factors taken away: {gone}"
        tell(json_, {"reset": account.name, "removed": gone}, said)
        return
    facts = [_factor(factor) for factor in factors]
    if json_:
        known = {"address": account.name, "second_factor": account.second_factor}
        print_json({**known, "factors": facts, "recovery_codes": left})
        return
    print_table(
        ("NUMBER", "KIND", "NAME", "SINCE", "LAST USED"),
        ([str(value) for value in fact.values()] for fact in facts),
        empty="no second factor",
    )
    if account.second_factor:
        click.echo(f"recovery codes left: {left}")


def _factor(factor: SecondFactor) -> dict[str, object]:
    def day(moment: int) -> str:
        return datetime.datetime.fromtimestamp(moment, datetime.UTC).date().isoformat() if moment else "never"

    return {
        "number": factor.factor_id,
        "kind": factor.kind,
        "name": factor.name,
        "created": day(factor.created),
        "last_used": day(factor.last_used),
    }


def _read_csv(file: Path, force: bool) -> Iterator[tuple[Address, str, str]]:
    """Address, password and its hash of each row."""
    for number, row in _rows(file):
        if not row or (number == 1 and row[0].strip().lower() == "address"):
            continue
        if len(row) < 2:
            raise Failure(f"{file}, line {number}: expected address,password")
        try:
            address = Address.parse(row[0].strip())
            yield address, row[1], checked_hash(row[1], address, force=force, by_program=True)
        except (ValueError, Failure) as error:
            raise Failure(f"{file}, line {number}: {error}") from None


def _rows(file: Path) -> Iterator[tuple[int, list[str]]]:
    """Each row with the number of its last line."""
    with file.open(newline="", encoding="utf-8-sig") as lines:
        reader = csv.reader(lines)
        try:
            for row in reader:
                yield reader.line_num, row
        except (UnicodeDecodeError, csv.Error) as error:
            raise Failure(f"{file}, after line {reader.line_num}: not CSV in UTF-8 ({error})") from None


def _state(account: Account, origin: str) -> str:
    state = "enabled" if account.enabled else "disabled"
    return f"{state}, from {origin}" if origin else state


def _as_dict(account: Account) -> dict[str, object]:
    return {
        "address": account.name,
        "name": account.display_name,
        "kind": account.kind.value,
        "messages": account.messages,
        "used": account.used,
        "quota": account.quota,
        "message_quota": account.message_quota,
        "mailbox_quota": account.mailbox_quota,
        "administrator": account.administrator,
        "language": account.language,
        "enabled": account.enabled,
        "app_passwords_only": account.app_passwords_only,
        "second_factor": account.second_factor,
    }
