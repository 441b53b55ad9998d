"""What the reports say, as plain values for programs: the command line's --json and the HTTP API alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from postier.admin.report_files import Intake
from postier.admin.report_words import alert_words, step_words, words
from postier.admin.reports import DAY, DomainView, Overview, overview, window
from postier.base.clock import Clock
from postier.reports.simulate import Simulation
from postier.reports.sources import Source
from postier.store.api import Reader, TlsReported

__all__ = ["Summary", "intake_facts", "simulation_facts", "sources_facts", "summarise", "summary_facts"]


class Summary(NamedTuple):
    """Of all domains; `tls`: reporters, sessions and failed ones. The others are numbers of reports."""

    domains: Sequence[Overview]
    failure_reports: int
    tls: dict[str, int]
    unreadable: int


async def summarise(reader: Reader, clock: Clock, days: int) -> Summary:
    """Raises StoreError."""
    since = int(clock.now()) - days * DAY
    newest = await reader.tls_reported("", 0, 1)
    tls = await reader.tls_reported("", window(newest[0].end if newest else 0, clock, days))
    return Summary(
        await overview(reader, clock, days),
        len(await reader.failure_reports("", since)),
        _tls_facts(tls),
        len([one for one in await reader.unreadable_reports() if one.received >= since]),
    )


def summary_facts(summary: Summary) -> dict[str, object]:
    domains = [one._asdict() | {"policy": one.policy._asdict()} for one in summary.domains]
    return summary._asdict() | {"domains": domains}


def sources_facts(view: DomainView, lang: str) -> dict[str, object]:
    advice, facts = view.advice()
    return {
        "domain": view.domain,
        "policy": view.policy._asdict(),
        "next": words(lang, advice, **facts),
        "sources": [_source_facts(source, lang) for source in view.sources],
        "alerts": [
            {**one._asdict(), "facts": dict(one.facts), "words": alert_words(lang, one)}
            for one in view.alerts
        ],
    }


def simulation_facts(
    view: DomainView, found: Simulation, lang: str, *, days: int, policy: str, strict: bool, record: str
) -> dict[str, object]:
    """`record`: SPF's, "" for the domain's own."""
    return {
        "domain": view.domain,
        "days": days,
        "policy": policy,
        "strict": strict,
        "spf": record or None,
        "messages": found.messages,
        "passed": found.passed,
        "failed": found.failed,
        "failed_now": found.failed_now,
        "forwarded": found.forwarded,
        "failed_by_policy": found.by_policy,
        "sources": [
            _source_facts(source, lang) | {"failed_then": found.by_source[source.key]}
            for source in view.sources
            if source.key in found.by_source
        ],
    }


def intake_facts(intake: Intake) -> dict[str, object]:
    refused = [{"file": one.origin, "reason": one.reason} for one in intake.unreadable]
    return {**intake.taken._asdict(), "unreadable_files": refused}


def _source_facts(source: Source, lang: str) -> dict[str, object]:
    return {
        "key": source.key,
        "name": source.name,
        "state": source.state.value,
        "addresses": dict(source.addresses.most_common(100)),
        "messages": source.messages,
        "passed": source.passed,
        "dkim": source.dkim,
        "spf": source.spf,
        "first": source.first,
        "last": source.last,
        "failing_keys": dict(source.failing_keys),
        "open": source.is_open,
        "step": source.step.value,
        "next": step_words(lang, source),
    }


def _tls_facts(reported: Sequence[TlsReported]) -> dict[str, int]:
    return {
        "orgs": len({one.org for one in reported}),
        "sessions": sum(one.policy.successes + one.policy.failed for one in reported),
        "failed": sum(one.policy.failed for one in reported),
    }
