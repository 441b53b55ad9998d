"""`postier demo`: a small Internet on the loopback."""

from __future__ import annotations

import signal
import sys
import tempfile
import threading
from pathlib import Path

import click

from postier.cli.common import Failure, print_json
from postier.demo.rows import Chapter, Row
from postier.demo.story import play
from postier.demo.world import PASSWORD, DemoError, Organisation, World


@click.command("demo")
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data here; else it goes with the demo.",
)
@click.option(
    "--port-base",
    default=20000,
    show_default=True,
    type=click.IntRange(1024, 40000),
    help="Added to every standard port.",
)
@click.option("--check", is_flag=True, help="Play the whole story and end: 0 if all of it holds.")
@click.option("--json", "json_", is_flag=True, help="With --check: print the rows as JSON at the end.")
def command(data: Path | None, port_base: int, check: bool, json_: bool) -> None:
    """Two organisations, their DNS and a forger, all on this machine; nothing leaves it."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory(prefix="postier-demo-") as folder:
        root = data or Path(folder)
        root.mkdir(parents=True, exist_ok=True)
        try:
            with World(root.resolve(), port_base) as world:
                if check:
                    _check(world, json_)
                else:
                    _show(world)
                    threading.Event().wait()
        except DemoError as error:
            raise Failure(str(error)) from None
        except KeyboardInterrupt:
            click.echo("\nstopped")


def _check(world: World, json_: bool) -> None:
    rows: list[dict[str, object]] = []
    heard = 0

    def tell(number: int, chapter: Chapter, row: Row) -> None:
        nonlocal heard
        rows.append(
            {"step": number, "title": chapter.title, "holds": row.holds, "what": row.what, "seen": row.seen}
        )
        if json_:
            return
        if number != heard:
            heard = number
            click.echo(f"\n{number}. {chapter.title}")
        mark = "ok  " if row.holds else "FAIL"
        click.echo(f"   {mark} {row.what:<52} {row.seen}")

    good = play(world, tell)
    failed = sum(not row["holds"] for row in rows)
    if json_:
        print_json(rows)
    else:
        click.echo(f"\n{len(rows) - failed} of {len(rows)} hold." if failed else f"\nAll {len(rows)} hold.")
    if not good:
        raise Failure(f"{failed} rows of the story do not hold")


def _show(world: World) -> None:
    click.echo("The demo's Internet is up. Stop it with Ctrl-C.\n")
    click.echo(f"  DNS                {world.dns_address[0]}:{world.dns_address[1]}\n")
    for organisation in world.organisations:
        _show_organisation(organisation)
    click.echo(
        "Try:  curl --cacert {ca} --user {user}:{password} imaps://{host}:{port}/INBOX".format(
            ca=world.harbor.data / "tls" / "ca.pem",
            user="bob@harbor.test",
            password=PASSWORD,
            host=world.harbor.address,
            port=world.harbor.port(993),
        )
    )


def _show_organisation(organisation: Organisation) -> None:
    people = ", ".join(f"{person}@{organisation.domain}" for person in organisation.people)
    click.echo(f"  {organisation.domain} on {organisation.address}")
    click.echo(f"    people           {people} (password {PASSWORD})")
    click.echo(f"    other servers    {organisation.port(25)} (STARTTLS)")
    click.echo(f"    submission       {organisation.port(465)} (TLS), {organisation.port(587)} (STARTTLS)")
    click.echo(f"    IMAP             {organisation.port(993)} (TLS), {organisation.port(143)} (STARTTLS)")
    click.echo(f"    POP3             {organisation.port(995)} (TLS), {organisation.port(110)} (STLS)")
    click.echo(f"    certificates     {organisation.data / 'tls' / 'ca.pem'}\n")
