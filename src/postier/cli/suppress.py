"""`postier suppress`: addresses elsewhere that nothing is sent to for a while."""

from __future__ import annotations

import time
from pathlib import Path

import click

from postier.admin.ways import lift_suppression, suppress
from postier.backend import Backend
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
from postier.queue.suppress import NEVER_ENDS
from postier.store.api import Suppression

PAGE = 1000


@click.group("suppress")
def command() -> None:
    """Addresses elsewhere that nothing is sent to."""


@command.command("list")
@click.option("--all", "all_", is_flag=True, help="Also those whose bounces are only counted so far.")
@json_option
@data_option
def list_(all_: bool, json_: bool, data: Path) -> None:
    """List them, with who wrote there last and what the other side said."""

    async def work(backend: Backend) -> list[Suppression]:
        now, found = backend.clock.now(), []
        page = await backend.store.reader.suppressions(PAGE)
        while page:
            found += [one for one in page if all_ or one.until > now]
            page = await backend.store.reader.suppressions(PAGE, page[-1].address)
        return found

    found = with_backend(data, work)
    if json_:
        print_json([_facts(one) for one in found])
        return
    print_table(
        ("ADDRESS", "STOPPED", "BOUNCES", "LAST", "SENDER", "WORDS"),
        (
            (one.address, _until(one), one.bounces, _day(one.last), one.sender or "-", one.diagnostic or "-")
            for one in found
        ),
        empty="nothing is suppressed",
    )


@command.command("add")
@click.argument("address", type=ADDRESS)
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="Until then; for ever without.")
@click.option(
    "--reason", default="set by the administrator", show_default=True, help="Shown to who writes there."
)
@json_option
@data_option
def add(address: Address, days: int | None, reason: str, json_: bool, data: Path) -> None:
    """Send nothing to ADDRESS."""

    async def work(backend: Backend) -> Suppression:
        now = int(backend.clock.now())
        if await backend.store.reader.domain(str(address.domain)) is not None:
            raise Failure(f"{address.domain} is a domain of this server")
        until = now + days * 86_400 if days else NEVER_ENDS
        one = Suppression(address.lookup_key, 0, now, now, until, reason)
        await suppress(backend.store, one, by=operator())
        return one

    one = with_backend(data, work)
    tell(json_, _facts(one), f"nothing is sent to {one.address}, {_until(one)}")


@command.command("remove")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def remove(address: Address, json_: bool, data: Path) -> None:
    """Send to ADDRESS again, and forget its bounces."""

    async def work(backend: Backend) -> bool:
        return await lift_suppression(backend.store, address.lookup_key, by=operator())

    if not with_backend(data, work):
        raise Failure(f"{address.lookup_key} is not suppressed")
    tell(json_, {"removed": address.lookup_key}, f"{address.lookup_key} may be written to again")


def _until(one: Suppression) -> str:
    if not one.until:
        return "-"
    return "for ever" if one.until == NEVER_ENDS else f"until {_day(one.until)}"


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def _facts(one: Suppression) -> dict[str, object]:
    return {
        "address": one.address,
        "bounces": one.bounces,
        "first": _moment(one.first),
        "last": _moment(one.last),
        "until": None if one.until in (0, NEVER_ENDS) else _moment(one.until),
        "for_ever": one.until == NEVER_ENDS,
        "sender": one.sender,
        "remote": one.remote,
        "words": one.diagnostic,
    }


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
