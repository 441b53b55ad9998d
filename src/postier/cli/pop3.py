"""`postier pop3`: what POP3 asks of a person, and what a POP3 program has deleted."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from postier.accounts import people
from postier.accounts.pop3_rules import Pop3Usual, applied, change_rules
from postier.accounts.resting import bring_back
from postier.admin.pop3_resting import RestingLetter, resting_letters
from postier.backend import Backend, pop3_usual
from postier.base.address import Address
from postier.cli.common import (
    ADDRESS,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.store.api import Pop3Rules, RestingTotal, Uid

DAY = 24 * 3600
LONGEST_DAYS = 36_500
LONGEST_DELAY = 24 * 3600


@click.group("pop3")
def command() -> None:
    """Rules of POP3 for a person, and mail that a POP3 program has deleted."""


class _Number(click.ParamType[int | str]):
    """A number up to `most`, or one of `words`."""

    def __init__(self, name: str, most: int, *words: str) -> None:
        self.name = name
        self._most = most
        self._words = words

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> int | str:
        if value in self._words:
            return str(value)
        if (
            str(value).isascii()
            and str(value).isdigit()
            and len(str(value)) < 10
            and int(value) <= self._most
        ):
            return int(value)
        self.fail(f"expected a number up to {self._most}, or {' or '.join(self._words)}", param, context)


@command.command("set")
@click.argument("address", type=ADDRESS)
@click.option("--rest", type=click.Choice(("on", "off", "default")), help="Whether deleted mail rests.")
@click.option(
    "--expire",
    type=_Number("days", LONGEST_DAYS, "never", "default"),
    help="Days that the inbox keeps a message; never; default.",
)
@click.option(
    "--login-delay",
    type=_Number("seconds", LONGEST_DELAY, "default"),
    help="Seconds between two logins of a device, 0 for any; default.",
)
@json_option
@data_option
def set_(
    address: Address,
    rest: str | None,
    expire: int | str | None,
    login_delay: int | str | None,
    json_: bool,
    data: Path,
) -> None:
    """Set rules for one person; "default" is what the settings say."""
    if (rest, expire, login_delay) == (None, None, None):
        raise click.UsageError("say what to set: --rest, --expire or --login-delay")
    if expire == 0:
        raise click.UsageError("--expire 0 would keep nothing; say never, or 1 day at least")

    def change(rules: Pop3Rules) -> Pop3Rules:
        if rest is not None:
            rules = rules._replace(rest=None if rest == "default" else rest == "on")
        if expire is not None:
            days = {"default": None, "never": 0}
            rules = rules._replace(expire=days[expire] if isinstance(expire, str) else expire * DAY)
        if login_delay is not None:
            rules = rules._replace(login_delay=None if isinstance(login_delay, str) else login_delay)
        return rules

    async def work(backend: Backend) -> tuple[Pop3Usual, RestingTotal]:
        account = await people.find_person(backend.store.reader, address)
        rules = await change_rules(backend.store, account.account_id, change, by=operator())
        total = await backend.store.reader.resting_total(account.account_id)
        return applied(rules, pop3_usual(backend.settings)), total

    _tell_rules(address, *with_backend(data, work), json_)


@command.command("show")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def show(address: Address, json_: bool, data: Path) -> None:
    """Tell what holds for one person, and how much rests."""

    async def work(backend: Backend) -> tuple[Pop3Usual, RestingTotal]:
        reader = backend.store.reader
        account = await people.find_person(reader, address)
        rules = applied(await reader.pop3_rules(account.account_id), pop3_usual(backend.settings))
        return rules, await reader.resting_total(account.account_id)

    _tell_rules(address, *with_backend(data, work), json_)


def _tell_rules(address: Address, rules: Pop3Usual, total: RestingTotal, json_: bool) -> None:
    facts = {
        "address": address.lookup_key,
        "rest": rules.rest,
        "expire": rules.expire,
        "login_delay": rules.login_delay,
        "resting": {"messages": total.messages, "octets": total.octets},
    }
    rest = f"rests for {_time(rules.rest)}" if rules.rest else "is gone at once"
    kept = f"for {_time(rules.expire)}" if rules.expire else "for ever"
    delay = f"{rules.login_delay} s between two logins" if rules.login_delay else "logins at any time"
    tell(
        json_,
        facts,
        f"{address.lookup_key}: what is deleted over POP3 {rest}; the inbox keeps mail {kept}; {delay};"
        f" {total.messages} messages ({total.octets / 1e6:.1f} MB) rest now",
    )


def _time(seconds: int) -> str:
    return f"{seconds // DAY} days" if seconds % DAY == 0 else f"{seconds / 3600:.1f} hours"


@command.command("resting")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def resting(address: Address, json_: bool, data: Path) -> None:
    """List what rests: deleted by a POP3 program, and not yet gone."""

    async def work(backend: Backend) -> list[RestingLetter]:
        account = await people.find_person(backend.store.reader, address)
        return await resting_letters(backend.store.reader, account.account_id)

    found = with_backend(data, work)
    if json_:
        print_json([letter._asdict() for letter in found])
        return
    print_table(
        ("NUMBER", "CAME", "GONE AFTER", "KB", "FROM", "SUBJECT"),
        (
            (
                letter.number,
                _day(letter.arrived),
                _day(letter.until),
                f"{letter.size / 1000:.1f}",
                letter.sender or "-",
                letter.subject or "-",
            )
            for letter in found
        ),
        empty=f"nothing of {address.lookup_key} rests",
    )


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


@command.command("bring-back")
@click.argument("address", type=ADDRESS)
@click.argument("numbers", metavar="[NUMBER]...", type=click.IntRange(1, 2**32 - 1), nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All that rests.")
@json_option
@data_option
def bring_back_(address: Address, numbers: tuple[int, ...], all_: bool, json_: bool, data: Path) -> None:
    """Move what rests back to the inbox, by its NUMBER in the list; every device gets it again."""
    if all_ == bool(numbers):
        raise click.UsageError("give the numbers of the list, or --all")

    async def work(backend: Backend) -> int:
        account = await people.find_person(backend.store.reader, address)
        wanted = None if all_ else [Uid(number) for number in numbers]
        return await bring_back(backend.store, account.account_id, wanted, by=operator())

    moved = with_backend(data, work)
    if numbers and not moved:
        raise Failure(f"nothing of {address.lookup_key} rests under that number")
    done = {"address": address.lookup_key, "brought_back": moved}
    said = "1 message is" if moved == 1 else f"{moved} messages are"
    tell(json_, done, f"{said} in the inbox of {address.lookup_key} again")
