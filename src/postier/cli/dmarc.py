"""`postier dmarc`: what other servers report about our domains' mail, and what to do about it."""

from __future__ import annotations

from pathlib import Path

import click

from postier.admin.report_files import report_files
from postier.backend import Backend
from postier.cli.common import data_option, json_option, print_json, with_backend
from postier.reports.intake import Arrival, Taken, read_arrival, take_reports

_BATCH_ROWS = 20_000
_BATCH_FILES = 50


@click.group("dmarc")
def command() -> None:
    """Read reports about our domains' mail, and learn from them."""


@command.command("import")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@json_option
@data_option
def import_(files: tuple[str, ...], json_: bool, data: Path) -> None:
    """Store the reports in files, folders, mailboxes (mbox); "-" is the standard input.

    DMARC aggregate and failure reports, TLS reports; XML or JSON, packed or not, or whole mails with them.
    What can't be read is kept with the reason.
    """
    unreadable: list[Arrival] = []

    async def work(backend: Backend) -> Taken:
        taken = Taken()
        batch: list[Arrival] = []
        rows = 0
        for name, content in report_files(files):
            arrival = read_arrival(name, content)
            batch.append(arrival)
            rows += arrival.rows
            if arrival.reason:
                unreadable.append(arrival._replace(content=b""))
            if rows >= _BATCH_ROWS or len(batch) >= _BATCH_FILES:
                taken = taken.plus(await take_reports(backend.store, backend.clock, batch))
                batch, rows = [], 0
        return taken.plus(await take_reports(backend.store, backend.clock, batch)) if batch else taken

    taken = with_backend(data, work)
    if json_:
        refused = [{"file": one.origin, "reason": one.reason} for one in unreadable]
        print_json({**taken._asdict(), "unreadable_files": refused})
        return
    for one in unreadable:
        click.echo(f"unreadable  {one.origin}: {one.reason}")
    click.echo(_taken_words(taken))


def _taken_words(taken: Taken) -> str:
    return (
        f"{taken.aggregate} aggregate reports with {taken.rows} rows, {taken.failure} failure reports,"
        f" {taken.tls} TLS reports; {taken.known} were there already, {taken.unreadable} are unreadable"
    )
