"""What the verbs share: finding the data, opening the store, printing, failing in one line."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.table import Table

from postier.accounts.audit import Actor
from postier.accounts.new_password import hash_new_password
from postier.accounts.people import PeopleError
from postier.accounts.quality import WeakPassword
from postier.app import ServeError, require_readable_program
from postier.backend import Backend, open_backend
from postier.base.address import Address
from postier.base.domain import Domain
from postier.config.settings import ConfigError, Settings, load_settings
from postier.store.api import AlreadyExists, NoSuchAccount, StoreError

__all__ = [
    "ADDRESS",
    "DOMAIN",
    "MAIL_DOMAIN",
    "Failure",
    "as_json",
    "checked_hash",
    "data_option",
    "force_option",
    "json_option",
    "language_option",
    "operator",
    "print_json",
    "print_table",
    "read_settings",
    "run",
    "take_password",
    "tell",
    "with_backend",
]

Result = TypeVar("Result")
_CALLER = os.getuid()
"""Before root becomes the owner of the data."""

Failure = click.ClickException
"""Raise it with one sentence: it becomes a line on the standard error stream and exit code 1."""


class _AddressType(click.ParamType[Address]):
    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(value)
        except ValueError as error:
            self.fail(str(error), param, context)


class _DomainType(click.ParamType[Domain]):
    name = "domain"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Domain:
        if isinstance(value, Domain):
            return value
        try:
            return Domain.parse(value)
        except ValueError as error:
            self.fail(str(error), param, context)


class _MailDomainType(_DomainType):
    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Domain:
        domain = super().convert(value, param, context)
        if not domain.can_take_mail:
            self.fail(
                f"{domain} cannot be a mail domain: it needs two names or more, without _", param, context
            )
        return domain


ADDRESS = _AddressType()
DOMAIN = _DomainType()
MAIL_DOMAIN = _MailDomainType()

data_option = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    default=lambda: Path(os.environ.get("POSTIER_DATA", "/var/lib/postier")),
    show_default="$POSTIER_DATA or /var/lib/postier",
    help="The server's data directory.",
)
json_option = click.option("--json", "json_", is_flag=True, help="Print JSON.")
force_option = click.option("--force", is_flag=True, help="Take a password that is easy to guess.")


def language_option(languages: Iterable[str]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--lang` or `--language`: one of `languages`, by default what the environment asks for, as far as there
    is a choice (POSIX: LC_ALL, LC_MESSAGES, LANG)."""
    known = sorted(languages)

    def asked() -> str:
        names = ("LC_ALL", "LC_MESSAGES", "LANG")
        value = next((os.environ[name] for name in names if os.environ.get(name)), "")
        return value[:2] if value[:2] in known else "en"

    return click.option(
        "--lang",
        "--language",
        "lang",
        type=click.Choice(known),
        default=asked,
        show_default="$LANG",
        help="In which words.",
    )


def operator() -> Actor:
    """Who runs the command, for the audit log: by sudo, whoever called it."""
    name = os.environ.get("SUDO_USER", "") if _CALLER == 0 else ""
    if not name:
        try:
            name = pwd.getpwuid(_CALLER).pw_name
        except KeyError:
            name = str(_CALLER)
    return Actor("cli", name)


def read_settings(data: Path) -> Settings:
    """Raises Failure where there is no server, or its settings are broken."""
    if not (data / "postier.toml").is_file():
        raise Failure(f"no Postier server in {data} (no postier.toml); make one with: postier init")
    _become_owner(data)
    try:
        return load_settings(data)
    except ConfigError as error:
        raise Failure(str(error)) from None


def _become_owner(data: Path) -> None:
    """Root acts as whoever owns the data, so that no file of the server ends up belonging to root."""
    owner = data.stat()
    if os.geteuid() != 0 or owner.st_uid == 0:
        return
    os.setgroups([])
    os.setgid(owner.st_gid)
    os.setuid(owner.st_uid)
    try:
        require_readable_program(f"the owner of {data}")
    except ServeError as error:
        raise Failure(str(error)) from None


def run(work: Awaitable[Result]) -> Result:
    """Run to the end; faults of the store and of values become a Failure."""

    async def whole() -> Result:
        return await work

    try:
        return asyncio.run(whole())
    except AlreadyExists as error:
        raise Failure(f"already there: {error}") from None
    except OverflowError:
        raise Failure("a number is too large") from None
    except (NoSuchAccount, PeopleError) as error:
        raise Failure(str(error)) from None
    except (StoreError, sqlite3.Error) as error:
        raise Failure(f"the store cannot do that now: {error}") from None
    except OSError as error:
        known = error.filename and error.strerror
        raise Failure(f"{error.filename}: {error.strerror}" if known else str(error)) from None


def with_backend(data: Path, work: Callable[[Backend], Awaitable[Result]]) -> Result:
    """Open the data (whether or not the server runs), do the work, close."""
    settings = read_settings(data)

    async def whole() -> Result:
        async with open_backend(settings, f"cli-{os.getpid()}") as backend:
            return await work(backend)

    return run(whole())


def take_password(from_stdin: bool) -> str:
    """One line of the standard input, or asked for twice on the terminal."""
    if not from_stdin:
        answer: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return answer
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise Failure("the password is empty")
    return password


def checked_hash(password: str, address: Address, *, force: bool = False, by_program: bool = False) -> str:
    """Of a password that somebody sets. Raises Failure for one that is easy to guess where a person typed it;
    what a program hands over was chosen elsewhere (`by_program`): it is taken, with a word on stderr."""
    try:
        return hash_new_password(password, address.lookup_key, force=force)
    except WeakPassword as error:
        if not by_program or not password:
            raise Failure(f"{error}; --force takes it all the same") from None
        click.echo(f"Warning: {address}: {error}", err=True)
        return checked_hash(password, address, force=True)
    except ValueError as error:
        raise Failure(str(error)) from None


def as_json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def print_json(value: object) -> None:
    click.echo(as_json(value))


def tell(json_: bool, facts: object, sentence: str) -> None:
    """What was done: `facts` for a program, `sentence` for a person."""
    if json_:
        print_json(facts)
    else:
        click.echo(sentence)


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """A plain table for people; `empty` is the sentence for none. Piped, nothing is cut off. Cells may hold
    what strangers said: none of it reaches the terminal as a command."""
    listed = [[_harmless(str(cell)) for cell in row] for row in rows]
    if not listed:
        click.echo(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in listed:
        table.add_row(*row)
    console = Console(markup=False, highlight=False)
    if not console.is_terminal:
        console = Console(markup=False, highlight=False, width=10_000)
        lines = [[line.rstrip() for line in _plain(console, table)]]
        click.echo("\n".join(lines[0]))
        return
    console.print(table)


def _harmless(cell: str) -> str:
    if cell.isprintable():
        return cell
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in cell)


def _plain(console: Console, table: Table) -> list[str]:
    with console.capture() as captured:
        console.print(table)
    return captured.get().splitlines()
