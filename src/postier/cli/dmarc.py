"""`postier dmarc`: what other servers report about our domains' mail, and what to do about it."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from postier.admin.report_files import Intake, report_files
from postier.admin.report_json import (
    intake_facts,
    simulation_facts,
    sources_facts,
    summarise,
    summary_facts,
)
from postier.admin.report_words import LANGUAGES, alert_words, state_words, step_words, words
from postier.admin.reports import (
    DAY,
    EXPORTS,
    POLICIES,
    SPF_VERSION,
    DomainView,
    domain_view,
    exported,
    simulation,
)
from postier.backend import Backend, open_resolver
from postier.base.domain import Domain
from postier.cli.common import (
    DOMAIN,
    Failure,
    data_option,
    json_option,
    language_option,
    print_json,
    print_table,
    take_password,
    with_backend,
)
from postier.reports.fetch import FetchError, Mailbox, ReportMailbox
from postier.reports.intake import Taken
from postier.reports.simulate import Simulation
from postier.reports.sources import SourceState, StepKind


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

    async def work(backend: Backend) -> Intake:
        intake = Intake(backend.store, backend.clock)
        for name, content in report_files(files):
            await intake.add(name, content)
        await intake.flush()
        return intake

    _tell_taken(with_backend(data, work), json_)


def _tell_taken(intake: Intake, json_: bool) -> None:
    if json_:
        print_json(intake_facts(intake))
        return
    for one in intake.unreadable:
        click.echo(f"unreadable  {one.origin}: {one.reason}")
    click.echo(_taken_words(intake.taken))


@command.command("fetch")
@click.argument("host")
@click.option("--login", required=True, help="Whom to log in as.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.option("--folder", default="INBOX", show_default=True, help="Where the reports lie.")
@click.option(
    "--tls",
    type=click.Choice(("tls", "starttls", "none")),
    default="tls",
    show_default=True,
    help='"none" sends the password in clear text: for the loopback only.',
)
@click.option(
    "--port", type=click.IntRange(1, 65535), default=None, help="If not 993, or 143 without TLS first."
)
@click.option(
    "--ca", type=click.Path(path_type=Path), default=None, help="PEM file of the authority to believe."
)
@click.option("--all", "everything", is_flag=True, help="Also mail that was read before.")
@json_option
@data_option
def fetch(
    host: str,
    login: str,
    password_stdin: bool,
    folder: str,
    tls: str,
    port: int | None,
    ca: Path | None,
    everything: bool,
    json_: bool,
    data: Path,
) -> None:
    """Fetch reports over IMAP from a mailbox on another server, HOST.

    Mail is marked as read once what it holds is stored; nothing is deleted.
    """
    if tls == "none" and host not in ("localhost", "127.0.0.1", "::1"):
        raise click.UsageError("without TLS only from this very machine")
    password = take_password(password_stdin)
    number = port or (993 if tls == "tls" else 143)
    mailbox = Mailbox(host, number, login, password, folder, tls, everything, str(ca or ""))

    async def work(backend: Backend) -> Intake:
        intake = Intake(backend.store, backend.clock)
        session = ReportMailbox(mailbox)
        await asyncio.to_thread(session.__enter__)
        try:
            mails, done = session.messages(), list[str]()
            while (mail := await asyncio.to_thread(next, mails, None)) is not None:
                uid, content = mail
                done.append(uid)
                if await intake.add(f"{login} at {host}, message {uid}", content):
                    await asyncio.to_thread(session.mark_read, done)
                    done = []
            await intake.flush()
            await asyncio.to_thread(session.mark_read, done)
        finally:
            await asyncio.to_thread(session.__exit__)
        return intake

    try:
        intake = with_backend(data, work)
    except FetchError as error:
        raise Failure(str(error)) from None
    _tell_taken(intake, json_)


def _taken_words(taken: Taken) -> str:
    return (
        f"aggregate reports: {taken.aggregate} (rows: {taken.rows}), failure reports: {taken.failure},"
        f" TLS reports: {taken.tls}, there already: {taken.known}, unreadable: {taken.unreadable}"
    )


_days_option = click.option(
    "--days",
    type=click.IntRange(1, 3650),
    default=30,
    show_default=True,
    help="How far back from the newest.",
)
_dns_option = click.option("--no-dns", is_flag=True, help="Ask the DNS nothing: sources get coarser.")


@command.command("summary")
@_days_option
@language_option(LANGUAGES)
@json_option
@data_option
def summary(days: int, lang: str, json_: bool, data: Path) -> None:
    """Tell in one line for each domain what others report."""

    found = with_backend(data, lambda backend: summarise(backend.store.reader, backend.clock, days))
    if json_:
        print_json(summary_facts(found))
        return
    print_table(
        words(lang, "summary.columns").split(","),
        (
            (
                one.domain,
                one.policy.p or "-",
                one.reports,
                one.reporters,
                _number(one.messages, lang),
                _share(one.passed, one.messages),
                _number(one.messages - one.passed, lang),
                one.sources,
                one.to_do or "-",
            )
            for one in found.domains
        ),
        empty=words(lang, "summary.none", days=days),
    )
    if found.tls["orgs"]:
        click.echo(words(lang, "tls", **found.tls))
    for key, count in (("failures", found.failure_reports), ("unreadable", found.unreadable)):
        if count:
            click.echo(words(lang, key, count=count))


@command.command("sources")
@click.argument("domain", type=DOMAIN, required=False)
@_days_option
@_dns_option
@language_option(LANGUAGES)
@json_option
@data_option
def sources(domain: Domain | None, days: int, no_dns: bool, lang: str, json_: bool, data: Path) -> None:
    """Tell who sends in DOMAIN's name, and what to do next about each; without DOMAIN, for all domains."""

    async def work(backend: Backend) -> list[DomainView]:
        names = [domain] if domain is not None else await _all_domains(backend)
        return [await _view(backend, name, days, no_dns) for name in names]

    views = with_backend(data, work)
    if json_:
        facts = [sources_facts(view, lang) for view in views]
        print_json(facts if domain is None else facts[0])
        return
    for number, view in enumerate(views):
        if domain is None:
            click.echo("\n" * bool(number) + f"== {view.domain} ==")
        _tell_sources(view, days, lang)


async def _all_domains(backend: Backend) -> list[Domain]:
    """Ours, and those that reports were taken in about."""
    ours = {domain.name for domain in await backend.store.reader.domains()}
    reported = {head.domain for head in await backend.store.reader.report_heads("", 0)}
    return [Domain.parse(name) for name in sorted(ours | reported)]


def _tell_sources(view: DomainView, days: int, lang: str) -> None:
    if not view.sources:
        click.echo(words(lang, "none", domain=view.domain, days=days))
        return
    print_table(
        words(lang, "columns").split(","),
        (
            (
                source.name,
                state_words(lang, source.state),
                len(source.addresses),
                _number(source.messages, lang),
                _share(source.passed, source.messages),
                _share(source.dkim, source.messages),
                _share(source.spf, source.messages),
                _day(source.last),
            )
            for source in view.sources
        ),
        empty="",
    )
    steps = sorted(
        (source for source in view.sources if source.step is not StepKind.NOTHING),
        key=lambda source: not source.is_open,
    )
    advice, facts = view.advice()
    if steps:
        click.echo()
        print_table(
            words(lang, "steps").split(","),
            ((source.name, step_words(lang, source)) for source in steps),
            empty="",
        )
    click.echo("\n" + words(lang, advice, **facts))
    for alert in view.alerts:
        click.echo(f"{_day(alert.at)}  {alert_words(lang, alert)}")


@command.command("simulate")
@click.argument("domain", type=DOMAIN)
@click.option(
    "--policy",
    type=click.Choice(POLICIES),
    default="reject",
    show_default=True,
    help="What the domain would ask for.",
)
@click.option(
    "--sp",
    "below",
    type=click.Choice(POLICIES),
    default=None,
    help="The same for names below DOMAIN, if not as --policy.",
)
@click.option("--strict", is_flag=True, help="SPF and DKIM for the very domain in From, not one above it.")
@click.option("--strict-dkim", is_flag=True, help="Only DKIM so (adkim=s).")
@click.option("--strict-spf", is_flag=True, help="Only SPF so (aspf=s).")
@click.option("--spf", "record", default="", help='An SPF record in place of the domain\'s: "v=spf1 ...".')
@_days_option
@_dns_option
@language_option(LANGUAGES)
@json_option
@data_option
def simulate_(
    domain: Domain,
    policy: str,
    below: str | None,
    strict: bool,
    strict_dkim: bool,
    strict_spf: bool,
    record: str,
    days: int,
    no_dns: bool,
    lang: str,
    json_: bool,
    data: Path,
) -> None:
    """Tell what would have become of the mail of the last days under another policy."""
    if record and not record.lower().startswith(SPF_VERSION):
        raise click.UsageError(f'an SPF record begins with "{SPF_VERSION}"')

    async def work(backend: Backend) -> tuple[DomainView, Simulation]:
        view = await _view(backend, domain, days, no_dns)
        resolver = open_resolver(backend.settings)
        return view, await simulation(
            view,
            resolver,
            backend.clock,
            policy,
            strict,
            record,
            below=below or "",
            strict_dkim=strict_dkim,
            strict_spf=strict_spf,
        )

    view, found = with_backend(data, work)
    hit = [source for source in view.sources if source.key in found.by_source]
    if json_:
        print_json(
            simulation_facts(view, found, lang, days=days, policy=policy, strict=strict, record=record)
        )
        return
    if not found.messages:
        click.echo(words(lang, "none", domain=domain, days=days))
        return
    what = [words(lang, "simulate.policy", policy=policy)]
    if below:
        what.append(words(lang, "simulate.below", policy=below))
    if strict or (strict_dkim and strict_spf):
        what.append(words(lang, "simulate.strict"))
    elif strict_dkim or strict_spf:
        what.append(words(lang, "simulate.strict one", which="DKIM" if strict_dkim else "SPF"))
    if record:
        what.append(words(lang, "simulate.spf", record=record))
    click.echo(words(lang, "simulate.head", domain=domain, days=days, what=", ".join(what)))
    share = _share(found.passed, found.messages)
    all_, passed = _number(found.messages, lang), _number(found.passed, lang)
    click.echo("  " + words(lang, "simulate.pass", count=passed, all=all_, share=share))
    for applied, count in sorted(found.by_policy.items()):
        share = _share(count, found.messages)
        click.echo("  " + words(lang, f"simulate.{applied}", count=_number(count, lang), share=share))
    if found.forwarded:
        click.echo("  " + words(lang, "simulate.forwarded", count=_number(found.forwarded, lang)))
    click.echo("  " + words(lang, "simulate.now", count=_number(found.failed_now, lang)))
    if found.failed and not any(source.state in (SourceState.OURS, SourceState.SERVICE) for source in hit):
        click.echo("  " + words(lang, "simulate.safe"))
    if hit:
        click.echo()
        print_table(
            words(lang, "simulate.columns").split(","),
            (
                (
                    source.name,
                    state_words(lang, source.state),
                    _number(found.by_source[source.key], lang),
                    step_words(lang, source),
                )
                for source in sorted(hit, key=lambda one: -found.by_source[one.key])
            ),
            empty="",
        )


@command.command("export")
@click.argument("domain", type=DOMAIN, required=False)
@click.option(
    "--what",
    type=click.Choice(EXPORTS),
    default="rows",
    show_default=True,
    help="Rows of aggregate reports, failure reports, TLS reports, or what could not be read.",
)
@click.option("--content", type=int, default=None, metavar="NUMBER", help="The octets of an unreadable one.")
@click.option("--days", type=click.IntRange(1, 3650), default=None, help="How far back; if not given, all.")
@json_option
@data_option
def export(
    domain: Domain | None, what: str, content: int | None, days: int | None, json_: bool, data: Path
) -> None:
    """Print stored reports, of DOMAIN or of all: tab-separated, or as JSON."""

    async def work(backend: Backend) -> list[dict[str, object]] | bytes:
        reader = backend.store.reader
        if content is not None:
            octets = await reader.unreadable_content(content)
            if octets is None:
                raise Failure(f"there is no unreadable report {content}")
            return octets
        since = int(backend.clock.now()) - days * DAY if days else 0
        return [row async for row in exported(reader, what, domain.ascii if domain else "", since)]

    found = with_backend(data, work)
    if isinstance(found, bytes):
        sys.stdout.buffer.write(found)
    elif json_:
        print_json(found)
    else:
        _print_tabs(found)


def _print_tabs(rows: Sequence[dict[str, object]]) -> None:
    for number, row in enumerate(rows):
        if not number:
            click.echo("\t".join(row))
        click.echo("\t".join(map(_tab_cell, row.values())))


def _tab_cell(value: object) -> str:
    """One that a spreadsheet takes for no formula: strangers wrote it."""
    text = _plain_cell(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def _plain_cell(value: object) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name}: {text}" for name, text in value.items())
    if isinstance(value, list):
        return "; ".join(" ".join(str(part) for part in one.values() if part) for one in value)
    return " ".join(str(value).split())


async def _view(backend: Backend, domain: Domain, days: int, no_dns: bool) -> DomainView:
    resolver = None if no_dns else open_resolver(backend.settings)
    return await domain_view(backend.store.reader, resolver, backend.clock, domain.ascii, days)


def _number(value: int, lang: str) -> str:
    return f"{value:,}" if lang == "en" else f"{value:,}".replace(",", "\u202f")


def _share(part: int, whole: int) -> str:
    """Rounded down, so that 100 % is all."""
    return f"{part * 100 // whole} %" if whole else "-"


def _day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
