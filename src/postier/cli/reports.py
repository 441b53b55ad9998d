"""`postier reports`: the reports that this server sends to other domains."""

from __future__ import annotations

import datetime
import time
from pathlib import Path

import click

from postier.admin.reports_out import (
    Preview,
    SendingState,
    look_ahead,
    resume,
    sending_state,
    stop,
    target_name,
)
from postier.admin.reports_out_words import LANGUAGES, words
from postier.backend import Backend
from postier.base.domain import Domain
from postier.cli.common import (
    DOMAIN,
    Failure,
    data_option,
    json_option,
    language_option,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.reporting import open_reporting
from postier.reports.out.identity import DAY, NoIdentity, identity_of
from postier.store.api import ReportOutcome

KINDS = ("tls", "dmarc")

_day_option = click.option(
    "--day", type=click.DateTime(["%Y-%m-%d"]), default=None, help="Of that day (UTC); else yesterday."
)


@click.group("reports")
def command() -> None:
    """Tell other domains how TLS and mail in their name fare here."""


@command.command("status")
@click.option("--days", type=click.IntRange(1, 35), default=7, show_default=True, help="How far back.")
@language_option(LANGUAGES)
@json_option
@data_option
def status(days: int, lang: str, json_: bool, data: Path) -> None:
    """Tell what was sent, what waits, and where nothing goes any more."""

    async def work(backend: Backend) -> SendingState:
        return await sending_state(backend.store, open_reporting(backend), backend.clock.now(), days)

    found = with_backend(data, work)
    if json_:
        print_json(_state_facts(found))
        return
    if not found.kinds:
        click.echo(words(lang, "off"))
    elif found.problem:
        click.echo(words(lang, "broken", problem=found.problem))
    else:
        click.echo(words(lang, "on", kinds=", ".join(found.kinds), contact=found.contact))
    if found.outcomes or found.kinds:
        print_table(
            words(lang, "outcomes.columns").split(","),
            (
                (
                    _day(one.day),
                    one.kind,
                    one.domain,
                    words(lang, one.outcome),
                    one.destinations,
                    one.detail or "-",
                )
                for one in found.outcomes
            ),
            empty=words(lang, "outcomes.none"),
        )
    if found.waiting:
        when = _moment(min(one.due for one in found.waiting))
        click.echo(words(lang, "waiting", count=len(found.waiting), when=when))
    if found.stopped:
        print_table(
            words(lang, "stopped.columns").split(","),
            ((one.name, _moment(one.stopped), one.sent, one.reason or "-") for one in found.stopped),
            empty="",
        )


@command.command("preview")
@click.argument("domain", type=DOMAIN)
@_day_option
@language_option(LANGUAGES)
@json_option
@data_option
def preview(domain: Domain, day: datetime.datetime | None, lang: str, json_: bool, data: Path) -> None:
    """Print the reports about DOMAIN and to whom they would go; nothing is sent.

    What a DMARC report tells is forgotten once it was sent.
    """
    numbers: list[int] = []

    async def work(backend: Backend) -> list[Preview]:
        numbers.append(_number(day, backend.clock.now()))
        try:
            return await look_ahead(backend.store, open_reporting(backend), domain.ascii, numbers[0])
        except NoIdentity as error:
            raise Failure(str(error)) from None

    found = with_backend(data, work)
    if json_:
        print_json([_preview_facts(one) for one in found])
        return
    for one in found:
        if not one.reports:
            click.echo(words(lang, "preview.nothing", kind=one.kind, day=_day(numbers[0])))
            continue
        for report in one.reports:
            octets = len(report.packed)
            click.echo(words(lang, "preview.report", kind=one.kind, name=report.report_id, octets=octets))
        for name in one.destinations:
            click.echo(words(lang, "preview.to", name=name))
        for name, why in one.left_out:
            click.echo(words(lang, "preview.not", name=name, why=why))
        if one.problem:
            click.echo(words(lang, "preview.problem", problem=one.problem))
        elif not one.destinations and not one.left_out:
            click.echo(words(lang, "preview.nobody"))
        for report in one.reports:
            click.echo(report.document.decode().rstrip("\n"))


@command.command("send")
@click.argument("domain", type=DOMAIN)
@click.option("--kind", type=click.Choice(KINDS), required=True, help="TLS or DMARC reports.")
@_day_option
@language_option(LANGUAGES)
@json_option
@data_option
def send(
    domain: Domain, kind: str, day: datetime.datetime | None, lang: str, json_: bool, data: Path
) -> None:
    """Send the report about DOMAIN now, if it was not yet, whether or not reports are switched on."""

    async def work(backend: Backend) -> ReportOutcome | None:
        now = backend.clock.now()
        number = _number(day, now)
        if number >= int(now) // DAY:
            raise Failure("the day is not over")
        for one in await backend.store.reader.report_outcomes(number, number):
            if (one.kind, one.domain) == (kind, domain.ascii):
                raise Failure(f"that report has its end: {one.outcome} {one.detail}".rstrip())
        reporting = open_reporting(backend)
        settings = reporting.settings
        try:
            identity = await identity_of(backend.store.reader, settings.hostname, settings.contact)
        except NoIdentity as error:
            raise Failure(str(error)) from None
        return await reporting.send(identity, kind, domain.ascii, number)

    outcome = with_backend(data, work)
    if outcome is None:
        raise Failure("nobody took it, or the DNS did not answer: try again later")
    said = f"{words(lang, outcome.outcome)} ({outcome.destinations}) {outcome.detail}".rstrip()
    tell(json_, _outcome_facts(outcome), said)


@command.command("stop")
@click.argument("name")
@click.option("--reason", default="stopped by the administrator", show_default=True, help="Shown with it.")
@language_option(LANGUAGES)
@json_option
@data_option
def stop_(name: str, reason: str, lang: str, json_: bool, data: Path) -> None:
    """Send no reports to NAME any more: an address, a URL, or a domain whoever asks in its name."""
    name = _name(name)

    async def work(backend: Backend) -> None:
        await stop(backend.store, name, reason, backend.clock.now())

    with_backend(data, work)
    tell(json_, {"stopped": name, "reason": reason}, words(lang, "stop", name=name))


@command.command("resume")
@click.argument("name")
@language_option(LANGUAGES)
@json_option
@data_option
def resume_(name: str, lang: str, json_: bool, data: Path) -> None:
    """Send reports to NAME again, which was stopped by hand or because something came back."""
    name = _name(name)

    async def work(backend: Backend) -> bool:
        return await resume(backend.store, name)

    if not with_backend(data, work):
        raise Failure(f"{name} is not stopped")
    tell(json_, {"resumed": name}, words(lang, "resume", name=name))


def _name(text: str) -> str:
    try:
        return target_name(text)
    except ValueError as error:
        raise Failure(str(error)) from None


def _number(day: datetime.datetime | None, now: float) -> int:
    """Days since 1970."""
    if day is None:
        return int(now) // DAY - 1
    return (day.date() - datetime.date(1970, 1, 1)).days


def _day(day: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(day * DAY))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _state_facts(found: SendingState) -> dict[str, object]:
    return {
        "kinds": list(found.kinds),
        "contact": found.contact or None,
        "problem": found.problem or None,
        "outcomes": [_outcome_facts(one) for one in found.outcomes],
        "waiting": [
            {"kind": one.kind, "domain": one.domain, "day": _day(one.day), "due": _moment(one.due)}
            for one in found.waiting
        ],
        "stopped": [
            {"name": one.name, "since": _moment(one.stopped), "sent": one.sent, "reason": one.reason}
            for one in found.stopped
        ],
    }


def _outcome_facts(one: ReportOutcome) -> dict[str, object]:
    return one._asdict() | {"day": _day(one.day), "written": _moment(one.written)}


def _preview_facts(one: Preview) -> dict[str, object]:
    return {
        "kind": one.kind,
        "destinations": one.destinations,
        "left_out": [{"name": name, "why": why} for name, why in one.left_out],
        "problem": one.problem or None,
        "reports": [
            {"report_id": report.report_id, "document": report.document.decode()} for report in one.reports
        ],
    }
