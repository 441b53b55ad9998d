"""`postier advise`: IMAP or POP3, for a person and each of their devices, with their own numbers."""

from __future__ import annotations

from pathlib import Path

import click

from postier.accounts.advice import Advice, Loss, Wishes, advise
from postier.accounts.people import find_person
from postier.admin.advice_facts import account_losses, gather_facts
from postier.admin.advice_json import advice_facts, loss_facts
from postier.admin.advice_words import (
    LANGUAGES,
    advice_text,
    loss_sentence,
    number_columns,
    number_rows,
    words,
)
from postier.admin.device_words import readable
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import (
    ADDRESS,
    data_option,
    json_option,
    language_option,
    print_json,
    print_table,
    with_backend,
)
from postier.store.api import Account


@click.command("advise")
@click.argument("address", type=ADDRESS, required=False)
@click.option("--all", "all_", is_flag=True, help="Name the accounts that lose mail today.")
@click.option(
    "--devices",
    default=0,
    type=click.IntRange(0, 1000),
    help="How many they will use; 0: as the ledger says.",
)
@click.option("--offline", is_flag=True, help="All mail is to be there without a network.")
@click.option("--mobile", is_flag=True, help="They use mobile lines.")
@language_option(LANGUAGES)
@json_option
@data_option
def command(
    address: Address | None,
    all_: bool,
    devices: int,
    offline: bool,
    mobile: bool,
    lang: str,
    json_: bool,
    data: Path,
) -> None:
    """Advise ADDRESS on IMAP or POP3, by what their mailbox and their devices are.

    With --all, name every account of which one device takes mail away by POP3 while others read.
    """
    wishes = Wishes(devices, offline, mobile)
    if all_ and (address is not None or wishes != Wishes()):
        raise click.UsageError("--all is about everybody: it takes no address and no wishes")
    if all_:
        _tell_losses(data, lang, json_)
        return
    if address is None:
        raise click.UsageError("say whom to advise, or --all")

    async def work(backend: Backend) -> tuple[str, Advice]:
        reader = backend.store.reader
        account = await find_person(reader, address)
        facts = await gather_facts(reader, backend.blobs, account, backend.clock.now())
        return account.name, advise(facts, wishes)

    name, advice = with_backend(data, work)
    if json_:
        print_json(advice_facts(name, advice, lang))
        return
    for line in advice_text(lang, name, advice):
        click.echo(line)
    print_table(number_columns(lang), number_rows(lang, advice), empty="")
    facts = advice.facts
    if facts.quota:
        used, quota = readable(lang, facts.used), readable(lang, facts.quota)
        click.echo(words(lang, "quota", used=used, quota=quota, percent=facts.percent_full))


def _tell_losses(data: Path, lang: str, json_: bool) -> None:
    async def work(backend: Backend) -> list[tuple[Account, list[Loss]]]:
        return await account_losses(backend.store.reader, backend.clock.now())

    found = with_backend(data, work)
    if json_:
        print_json(
            [{"account": account.name, "loses_mail": loss_facts(lost, lang)} for account, lost in found]
        )
        return
    rows = [
        [account.name, loss_sentence(lang, loss), words(lang, "all.do", address=account.name)]
        for account, lost in found
        for loss in lost
    ]
    print_table(words(lang, "all.columns").split(","), rows, empty=words(lang, "all.none"))
