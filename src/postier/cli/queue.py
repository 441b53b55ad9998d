"""`postier queue`: outgoing mail, why it waits, and what to do about it."""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click

from postier.admin.routes import parse_host
from postier.admin.ways import set_route
from postier.backend import Backend
from postier.base.domain import Domain
from postier.blobs.api import BlobUnreadable
from postier.bus.api import QUEUE_TOPIC
from postier.cli.common import (
    DOMAIN,
    Failure,
    as_json,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.message.headers import split_message
from postier.queue import manage
from postier.queue.manage import Verb, Wanted
from postier.queue.meanings import meaning
from postier.queue.outgoing import open_message
from postier.store.api import MailRoute, QueueEntry, QueueRecipient, QueueState, RecipientState

HEADER_OCTETS = 64 * 1024
SHOWN = 200
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class _SpanType(click.ParamType[float]):
    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> float:
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d{1,9})([smhd])", value)
        if found is None:
            self.fail(f"{value!r} is not a time such as 30m, 4h or 2d", param, context)
        return float(int(found[1]) * _UNITS[found[2]])


SPAN = _SpanType()


def _filters(command: Callable[..., None]) -> Callable[..., None]:
    """Options that choose entries; the command gets them as `wanted`."""

    @functools.wraps(command)
    def run(
        destination: str, sender: str, recipient: str, state: str | None, older_than: float, trace: str,
        host: str, **others: Any,
    ) -> None:  # fmt: skip
        chosen = None if state is None else QueueState(state)
        wanted = Wanted(destination.lower(), sender, recipient, chosen, older_than, trace, host)
        command(wanted=wanted, **others)

    for option in (
        click.option("--host", default="", help="Only those for which this host spoke last."),
        click.option("--trace", default="", help="Only those of the message with this trace."),
        click.option("--older-than", type=SPAN, default=0.0, help="Only those that came so long ago (4h)."),
        click.option("--state", type=click.Choice([s.value for s in QueueState]), help="Only those."),
        click.option("--recipient", default="", help="Only those with this recipient."),
        click.option("--sender", default="", help="Only those from this address; <> for reports."),
        click.option("--destination", default="", help="Only those for this domain."),
    ):
        run = option(run)
    return run


@click.group("queue")
def command() -> None:
    """Look at outgoing mail and move it."""


@command.command("list")
@_filters
@click.option("--after", default=0, type=click.IntRange(min=0), help="Only entries past this number.")
@click.option(
    "--limit", type=click.IntRange(min=1), help=f"At most so many; {SHOWN} if not given, all as JSON."
)
@json_option
@data_option
def list_(wanted: Wanted, after: int, limit: int | None, json_: bool, data: Path) -> None:
    """List what waits, and why."""

    async def work(backend: Backend) -> None:
        found = manage.entries(backend.store.reader, wanted, backend.clock.now(), after=after)
        if json_:
            lead = "["
            count = 0
            async for entry in found:
                click.echo(lead + "\n" + _indented(as_json(_as_dict(entry))), nl=False)
                lead, count = ",", count + 1
                if count == limit:
                    break
            click.echo("\n]" if count else "[]")
            return
        page: list[QueueEntry] = []
        async for entry in found:
            if len(page) == (limit or SHOWN):
                _print_entries(page)
                click.echo(f"\nthere are more: --after {page[-1].entry_id}, or --limit")
                return
            page.append(entry)
        _print_entries(page)

    with_backend(data, work)


def _print_entries(found: list[QueueEntry]) -> None:
    print_table(
        ("ENTRY", "AGE", "FROM", "TO", "TRIES", "NEXT TRY", "WHY IT WAITS"),
        (
            (
                entry.entry_id,
                _span(time.time() - entry.arrived),
                entry.reverse_path or "<>",
                ", ".join(recipient.forward_path for recipient in entry.recipients),
                entry.attempts,
                _next(entry),
                _why(entry),
            )
            for entry in found
        ),
        empty="the queue is empty",
    )


@command.command("show")
@click.argument("entry", type=int)
@json_option
@data_option
def show(entry: int, json_: bool, data: Path) -> None:
    """Show one entry with every recipient, the remote's own words, and the header of the message."""

    async def work(backend: Backend) -> tuple[QueueEntry, str] | None:
        found = await manage.show(backend.store.reader, entry)
        return None if found is None else (found, await _header(backend, found))

    result = with_backend(data, work)
    if result is None:
        raise Failure(f"there is no entry {entry} in the queue")
    found, header = result
    if json_:
        print_json({**_as_dict(found), "header": header})
        return
    click.echo(f"entry      {found.entry_id}, trace {found.trace_id}")
    click.echo(f"from       {found.reverse_path or '<>'}")
    click.echo(f"to         {found.destination}, {found.blob.size} octets")
    click.echo(f"arrived    {_moment(found.arrived)}")
    click.echo(f"next try   {_next(found)}, tried so far: {found.attempts}")
    click.echo(f"why        {_why(found)}\n")
    print_table(
        ("RECIPIENT", "STATE", "STATUS", "WHO SAID SO", "WORDS"),
        (
            (r.forward_path, r.state.value, r.status or "-", r.remote or "-", r.diagnostic or "-")
            for r in found.recipients
        ),
        empty="no recipients",
    )
    for sentence in dict.fromkeys(_meanings(found)):
        click.echo(f"\n{sentence}")
    click.echo("\n" + header)


async def _header(backend: Backend, entry: QueueEntry) -> str:
    """The header section, without what could move a terminal."""
    try:
        message = await open_message(backend.blobs, entry.blob)
        beginning = await message.beginning(HEADER_OCTETS)
    except BlobUnreadable:
        return "(the message cannot be read)"
    text = beginning[: split_message(beginning)[0]].decode(errors="replace").replace("\r\n", "\n").rstrip()
    return "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


def _meanings(entry: QueueEntry) -> Iterator[str]:
    for recipient in entry.recipients:
        if recipient.status and recipient.state is not RecipientState.DELIVERED:
            yield f"{recipient.status}: {meaning(recipient.status, 'en', recipient.diagnostic)}"


# ---------------------------------------------------------------------- what changes entries


def _change(name: str, help_: str, done: str, verb: Verb) -> None:
    """A subcommand that does one thing to the entries that are named, or to all that the options choose."""

    @command.command(name, help=help_)
    @click.argument("entries", type=int, nargs=-1)
    @_filters
    @click.option("--all", "every", is_flag=True, help="All entries of the queue.")
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @json_option
    @data_option
    def run(
        entries: tuple[int, ...], wanted: Wanted, every: bool, yes: bool, json_: bool, data: Path
    ) -> None:
        if bool(entries) + every + (wanted != Wanted()) != 1:
            raise click.UsageError("name entries, or choose them with options, or say --all")
        chosen = list(entries) or with_backend(data, functools.partial(_choose, wanted))
        if not entries and chosen and not yes:
            click.confirm(f"{name.capitalize()} {_count(len(chosen))}?", abort=True)

        async def work(backend: Backend) -> list[int]:
            changed = await manage.apply(backend.store, backend.clock, verb, chosen, actor=operator())
            backend.bus.publish(QUEUE_TOPIC, 0)
            return changed

        changed = with_backend(data, work) if chosen else []
        if len(entries) == 1 and not changed:
            raise Failure(f"cannot {name} entry {entries[0]}: it is not there, or not in a state for that")
        if len(entries) == 1:
            tell(json_, {"entry": entries[0], "done": name}, f"entry {entries[0]} {done.format('is')}")
            return
        left = len(chosen) - len(changed)
        more = f"; {left} not there, or not in a state for that" if left else ""
        facts = {"done": name, "entries": changed, "left": left}
        tell(
            json_, facts, f"{_count(len(changed))} {done.format('is' if len(changed) == 1 else 'are')}{more}"
        )


async def _choose(wanted: Wanted, backend: Backend) -> list[int]:
    reader, now = backend.store.reader, backend.clock.now()
    return [entry.entry_id async for entry in manage.entries(reader, wanted, now)]


_change("retry", "Try entries again now.", "{} tried again now", manage.RETRY)
_change("hold", "Keep entries back until they are released.", "{} held", manage.HOLD)
_change("release", "Let held entries go on.", "{} released", manage.RELEASE)
_change("cancel", "Take entries back that are to leave later.", "{} cancelled", manage.CANCEL)
_change("drop", "Remove entries; nobody is told.", "{} dropped", manage.DROP)


@command.command("route")
@click.argument("domain", type=DOMAIN)
@click.argument("host_port", metavar="HOST:PORT")
@json_option
@data_option
def route(domain: Domain, host_port: str, json_: bool, data: Path) -> None:
    """Mail for DOMAIN goes to HOST:PORT, what waits for it at once. `postier route remove` ends it."""
    try:
        entry = MailRoute(domain.ascii, hosts=(parse_host(host_port),))
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    async def work(backend: Backend) -> int:
        await set_route(backend.store, entry, by=operator())
        waiting = await _choose(Wanted(destination=domain.ascii, state=QueueState.WAITING), backend)
        moved = await manage.apply(backend.store, backend.clock, manage.RETRY, waiting, actor=operator())
        backend.bus.publish(QUEUE_TOPIC, 0)
        return len(moved)

    moved = with_backend(data, work)
    facts = {"domain": domain.ascii, "host": host_port, "moved": moved}
    tell(json_, facts, f"mail for {domain} goes to {host_port}; {_count(moved)} tried there now")


def _count(number: int) -> str:
    return f"{number} {'entry' if number == 1 else 'entries'}"


# ---------------------------------------------------------------------- as it is shown


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


def _as_dict(entry: QueueEntry) -> dict[str, object]:
    return {
        "entry": entry.entry_id,
        "trace": entry.trace_id,
        "sender": entry.reverse_path,
        "destination": entry.destination,
        "size": entry.blob.size,
        "state": entry.state.value,
        "arrived": _moment(entry.arrived),
        "next_attempt": _moment(entry.next_attempt),
        "release_at": _moment(entry.release_at) if entry.release_at else None,
        "attempts": entry.attempts,
        "faults": entry.faults,
        "reason": entry.reason,
        "recipients": [_recipient(recipient) for recipient in entry.recipients],
    }


def _recipient(recipient: QueueRecipient) -> dict[str, object]:
    return {
        "address": recipient.forward_path,
        "state": recipient.state.value,
        "attempts": recipient.attempts,
        "status": recipient.status,
        "meaning": meaning(recipient.status, "en", recipient.diagnostic) if recipient.status else "",
        "remote": recipient.remote,
        "diagnostic": recipient.diagnostic,
        "last_attempt": _moment(recipient.last_attempt) if recipient.last_attempt else None,
    }


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _why(entry: QueueEntry) -> str:
    return entry.reason or ("it is to leave later" if entry.release_at > time.time() else "-")


def _next(entry: QueueEntry) -> str:
    if entry.state is QueueState.HELD:
        return "held"
    wait = entry.next_attempt - time.time()
    return "now" if wait <= 0 else f"in {_span(wait)}"


def _span(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
