"""`postier queue`: outgoing mail, why it waits, and what to do about it."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import click

from postier.backend import Backend
from postier.bus.api import QUEUE_TOPIC
from postier.cli.common import Failure, data_option, json_option, print_json, print_table, tell, with_backend
from postier.queue import manage
from postier.store.api import QueueEntry, QueueRecipient


@click.group("queue")
def command() -> None:
    """Look at outgoing mail and move it."""


@command.command("list")
@click.option("--destination", default="", help="Only those for this domain.")
@click.option("--sender", default="", help="Only those from this address.")
@json_option
@data_option
def list_(destination: str, sender: str, json_: bool, data: Path) -> None:
    """List what waits, and why."""

    async def work(backend: Backend) -> list[QueueEntry]:
        return await manage.list_entries(backend.store.reader, destination=destination, sender=sender)

    entries = with_backend(data, work)
    if json_:
        print_json([_as_dict(entry) for entry in entries])
        return
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
                entry.reason or "-",
            )
            for entry in entries
        ),
        empty="the queue is empty",
    )


@command.command("show")
@click.argument("entry", type=int)
@json_option
@data_option
def show(entry: int, json_: bool, data: Path) -> None:
    """Show one entry with every recipient and the remote's own words."""

    async def work(backend: Backend) -> QueueEntry | None:
        return await manage.show(backend.store.reader, entry)

    found = with_backend(data, work)
    if found is None:
        raise Failure(f"there is no entry {entry} in the queue")
    if json_:
        print_json(_as_dict(found))
        return
    click.echo(f"entry      {found.entry_id}, trace {found.trace_id}")
    click.echo(f"from       {found.reverse_path or '<>'}")
    click.echo(f"to         {found.destination}, {found.blob.size} octets")
    click.echo(f"arrived    {_moment(found.arrived)}")
    click.echo(f"next try   {_next(found)} after {found.attempts} tries")
    click.echo(f"why        {found.reason or '-'}\n")
    print_table(
        ("RECIPIENT", "STATE", "STATUS", "WHO SAID SO", "WORDS"),
        (
            (r.forward_path, r.state.value, r.status or "-", r.remote or "-", r.diagnostic or "-")
            for r in found.recipients
        ),
        empty="no recipients",
    )


def _change(name: str, help_: str, done: str, change: Callable[[Backend, int], Awaitable[bool]]) -> None:
    """A subcommand that does one thing to one entry."""

    @command.command(name, help=help_)
    @click.argument("entry", type=int)
    @json_option
    @data_option
    def run(entry: int, json_: bool, data: Path) -> None:
        async def work(backend: Backend) -> bool:
            changed = await change(backend, entry)
            backend.bus.publish(QUEUE_TOPIC, 0)
            return changed

        if not with_backend(data, work):
            raise Failure(f"cannot {name} entry {entry}: it is not there, or not in a state for that")
        tell(json_, {"entry": entry, "done": name}, f"entry {entry} {done}")


_change(
    "retry", "Try an entry again now.", "is tried again now",
    lambda backend, entry: manage.retry_now(backend.store, backend.clock, entry),
)  # fmt: skip
_change(
    "hold", "Keep an entry back until it is released.", "is held",
    lambda backend, entry: manage.hold(backend.store, backend.clock, entry),
)  # fmt: skip
_change(
    "release", "Let a held entry go on.", "goes on",
    lambda backend, entry: manage.release(backend.store, backend.clock, entry),
)  # fmt: skip
_change(
    "drop", "Remove an entry; nobody is told.", "is dropped",
    lambda backend, entry: manage.drop(backend.store, backend.clock, entry),
)  # fmt: skip


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
        "attempts": entry.attempts,
        "reason": entry.reason,
        "recipients": [_recipient(recipient) for recipient in entry.recipients],
    }


def _recipient(recipient: QueueRecipient) -> dict[str, object]:
    return {
        "address": recipient.forward_path,
        "state": recipient.state.value,
        "attempts": recipient.attempts,
        "status": recipient.status,
        "remote": recipient.remote,
        "diagnostic": recipient.diagnostic,
        "last_attempt": _moment(recipient.last_attempt) if recipient.last_attempt else None,
    }


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _next(entry: QueueEntry) -> str:
    if entry.state.value == "held":
        return "held"
    wait = entry.next_attempt - time.time()
    return "now" if wait <= 0 else f"in {_span(wait)}"


def _span(seconds: float) -> str:
    for length, unit in ((86400, "d"), (3600, "h"), (60, "m")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return f"{max(0, seconds):.0f} s"
