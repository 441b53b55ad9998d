"""`postier audit`: who logged in, who changed rights, who administered, and when."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from postier.accounts.audit import MOST, Wanted, audit_log
from postier.accounts.audit_kinds import GROUPS, LANGUAGES, AuditKind, kinds_of, sentence
from postier.admin.audit_json import entry_facts
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
from postier.cli.moment import MOMENT
from postier.store.api import AuditEntry

_COLUMNS = {
    "en": ("WHEN", "TIMES", "ACCOUNT", "WHAT", "BY"),
    "fr": ("QUAND", "FOIS", "COMPTE", "QUOI", "PAR"),
}
_NONE = {"en": "no entry was found", "fr": "aucune entrée"}


@click.command("audit")
@click.argument("address", type=ADDRESS, required=False)
@click.option("--since", type=MOMENT, default=0.0, help='Not before: "2h" ago, or a date and time.')
@click.option(
    "--kind",
    "kinds",
    type=click.Choice([*GROUPS, *(kind.value for kind in AuditKind)]),
    multiple=True,
    metavar="KIND",
    help=f"Only these: {', '.join(GROUPS)}, or one kind as --json names it. May be repeated.",
)
@click.option(
    "--limit", type=click.IntRange(1, MOST), default=50, show_default=True, help="The latest so many."
)
@language_option(LANGUAGES)
@json_option
@data_option
def command(
    address: Address | None,
    since: float,
    kinds: tuple[str, ...],
    limit: int,
    lang: str,
    json_: bool,
    data: Path,
) -> None:
    """Tell who logged in, who changed rights, and who administered: all of it, or what concerns ADDRESS.

    Accounts that were removed have their entries still.
    """
    chosen = tuple(dict.fromkeys(kind for word in kinds for kind in kinds_of(word)))
    wanted = Wanted(address.lookup_key if address else "", chosen, int(since))

    async def work(backend: Backend) -> list[AuditEntry]:
        return await audit_log(backend.store.reader, None, wanted, limit)

    found = with_backend(data, work)
    if json_:
        print_json([entry_facts(entry, lang) for entry in found])
        return
    rows = (
        (
            _moment(entry),
            entry.times if entry.times > 1 else "",
            entry.name or "-",
            sentence(lang, entry.kind, entry.facts),
            " ".join(entry.actor).strip(),
        )
        for entry in found
    )
    print_table(_COLUMNS[lang], rows, empty=_NONE[lang])


def _moment(entry: AuditEntry) -> str:
    """Of this machine's zone; of what is told together the first and the last."""
    first = datetime.datetime.fromtimestamp(entry.at).astimezone()
    last = datetime.datetime.fromtimestamp(entry.last).astimezone()
    if last == first:
        return f"{first:%Y-%m-%d %H:%M:%S}"
    is_same_day = first.date() == last.date()
    return f"{first:%Y-%m-%d %H:%M:%S} - " + (
        f"{last:%H:%M:%S}" if is_same_day else f"{last:%Y-%m-%d %H:%M:%S}"
    )
