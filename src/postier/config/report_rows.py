"""The settings of reports, those of others (docs/reports.md) and those to others (docs/reports-out.md): rows
of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import BOOLEAN, COUNT, DOMAINS, DURATION, SIZE, TEXT, Setting

__all__ = ["REPORT_LEAST", "REPORT_ROWS", "ReportsSettings"]

REPORT_ROWS = (
    Setting("reports.keep", DURATION, "400d", "How long the reports of others are kept, by their end."),
    Setting(
        "reports.tls",
        BOOLEAN,
        False,
        "Tell domains that ask for it how TLS went with their hosts (RFC 8460), once a day.",
    ),
    Setting(
        "reports.dmarc",
        BOOLEAN,
        False,
        "Tell domains that ask for it what mail came in their name (RFC 9990), once a day.",
    ),
    Setting(
        "reports.failures",
        DOMAINS,
        [],
        "Domains that are told, if they ask, of single messages that failed DMARC in their name (RFC 9991).",
    ),
    Setting(
        "reports.contact",
        TEXT,
        "",
        "The address in From of reports, of a domain of ours; none is the postmaster of this host's domain.",
    ),
    Setting("reports.max_size", SIZE, "10MB", "The largest report that is sent, packed."),
    Setting("reports.destinations", COUNT, 3, "To how many places the reports about one domain go."),
    Setting("reports.per_day", COUNT, 1000, "To how many places reports go in a day (UTC)."),
)

REPORT_LEAST = {
    "reports.destinations": (1, "off are reports.tls and reports.dmarc"),
    "reports.per_day": (1, "off are reports.tls and reports.dmarc"),
    "reports.max_size": ("10KB", "no report is smaller"),
}


@dataclass(frozen=True, slots=True)
class ReportsSettings:
    """`keep` in seconds, `max_size` in octets."""

    keep: int
    tls: bool
    dmarc: bool
    failures: tuple[str, ...]
    contact: str
    max_size: int
    destinations: int
    per_day: int
