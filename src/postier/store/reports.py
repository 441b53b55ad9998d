"""Reports of others about our domains' mail: values and interfaces, part of store.api.

Moments are in seconds since 1970; texts are of one line, without control characters.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from postier.blobs.api import BlobRef
from postier.store.values import BlobId

__all__ = [
    "AggregateReport",
    "AuthDkim",
    "AuthSpf",
    "FailureReport",
    "Override",
    "PublishedPolicy",
    "ReportAlert",
    "ReportHead",
    "ReportMail",
    "ReportReader",
    "ReportRow",
    "ReportTx",
    "RowTotal",
    "TlsFailure",
    "TlsPolicyResult",
    "TlsReport",
    "TlsReported",
    "UnreadableReport",
]


class PublishedPolicy(NamedTuple):
    """What the reporter found in the domain's DMARC record (RFC 9990 3.1.1.4). "" where it says nothing."""

    domain: str
    p: str = ""
    sp: str = ""
    np: str = ""
    adkim: str = "r"
    aspf: str = "r"
    pct: str = ""
    testing: str = ""
    fo: str = ""
    discovery: str = ""


class AuthDkim(NamedTuple):
    """One signature that the reporter looked at: `result` in the words of RFC 8601 2.7.1."""

    domain: str
    selector: str
    result: str
    human: str = ""


class AuthSpf(NamedTuple):
    """`scope`: "mfrom" or "helo"."""

    domain: str
    scope: str
    result: str
    human: str = ""


class Override(NamedTuple):
    """Why the reporter did not do what the policy says."""

    type: str
    comment: str = ""


class ReportRow(NamedTuple):
    """Messages from one address that fared alike (RFC 9990 3.1.1.6 to 3.1.1.12).

    `dkim`, `spf`: "pass" or "fail", aligned. `disposition`: "none", "pass", "quarantine" or "reject".
    """

    source: str
    messages: int
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str = ""
    envelope_to: str = ""
    overrides: tuple[Override, ...] = ()
    auth_dkim: tuple[AuthDkim, ...] = ()
    auth_spf: tuple[AuthSpf, ...] = ()


class AggregateReport(NamedTuple):
    """A DMARC aggregate report (RFC 9990, RFC 7489 7.2) of mail from `begin` to `end`."""

    org: str
    report_id: str
    policy: PublishedPolicy
    begin: int
    end: int
    rows: tuple[ReportRow, ...]
    email: str = ""
    contact: str = ""
    errors: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return self.policy.domain


class FailureReport(NamedTuple):
    """A report on one message (RFC 5965, RFC 6591, RFC 9991). `fields`: all of the report's own, by name in
    lower case; `headers`: those of the message it is about, as far as it has them."""

    feedback_type: str
    domain: str
    source: str
    arrived: int
    auth_failure: str
    fields: tuple[tuple[str, str], ...]
    headers: str = ""


class TlsFailure(NamedTuple):
    """Sessions that failed alike (RFC 8460 4.3)."""

    result: str
    sessions: int
    sending_ip: str = ""
    mx_host: str = ""
    receiving_ip: str = ""
    reason: str = ""
    information: str = ""


class TlsPolicyResult(NamedTuple):
    """How TLS went under one policy of ours. `kind`: "sts", "tlsa" or "no-policy-found"."""

    domain: str
    kind: str
    successes: int
    failed: int
    failures: tuple[TlsFailure, ...] = ()


class TlsReport(NamedTuple):
    """A TLS report (RFC 8460)."""

    org: str
    report_id: str
    begin: int
    end: int
    contact: str
    policies: tuple[TlsPolicyResult, ...]


class ReportHead(NamedTuple):
    """A stored aggregate report without its rows."""

    report: int
    org: str
    report_id: str
    domain: str
    begin: int
    end: int
    received: int
    policy: PublishedPolicy
    rows: int
    messages: int


class RowTotal(NamedTuple):
    """Rows of a domain's reports that differ in number of messages alone. `first`, `last`: when the oldest of
    these reports begins, and the newest ends; `orgs`: how many say so."""

    row: ReportRow
    first: int
    last: int
    orgs: int


class TlsReported(NamedTuple):
    """What one stored report says about one policy of ours."""

    org: str
    begin: int
    end: int
    policy: TlsPolicyResult


class UnreadableReport(NamedTuple):
    """What came as a report, from `origin`, and could not be read; `size` in octets."""

    report: int
    origin: str
    reason: str
    received: int
    size: int


class ReportMail(NamedTuple):
    """Mail to an address for reports that nobody has read yet; `sender`: its reverse-path. `attempts`: how
    often reading it was begun."""

    mail: int
    blob: BlobRef
    sender: str
    received: int
    attempts: int


class ReportAlert(NamedTuple):
    """Something new that reports showed about a domain, told once. `facts`: names and values for words."""

    domain: str
    at: int
    kind: str
    subject: str
    facts: tuple[tuple[str, str], ...] = ()


class ReportReader(Protocol):
    """`since`: reports that end then or later. `domain`: "" for all."""

    async def report_heads(self, domain: str, since: int, limit: int = 100_000) -> list[ReportHead]:
        """The newest `limit`, by their end."""
        ...

    async def report_rows(self, report: int) -> list[ReportRow]: ...

    async def row_totals(self, domain: str, since: int, limit: int = 100_000) -> list[RowTotal]:
        """Those of most messages, largest first."""
        ...

    async def failure_reports(self, domain: str, since: int, limit: int = 1000) -> list[FailureReport]:
        """The newest, by when they were received."""
        ...

    async def tls_reported(self, domain: str, since: int, limit: int = 10_000) -> list[TlsReported]:
        """The newest, by their end."""
        ...

    async def unreadable_reports(self, limit: int = 1000) -> list[UnreadableReport]:
        """The newest."""
        ...

    async def report_marks(self) -> dict[str, int]:
        """For each domain a number that grows with each new report about it, of TLS, too."""
        ...

    async def report_watch(self, domain: str) -> tuple[int, str] | None:
        """The mark up to which reports were looked at, and what was known then."""
        ...

    async def report_alerts(self, domain: str, since: int, limit: int = 1000) -> list[ReportAlert]:
        """The newest."""
        ...

    async def rows_received(self, since: int) -> int:
        """Rows of all aggregate reports that came since then."""
        ...

    async def report_mails(self, limit: int) -> list[ReportMail]:
        """The oldest."""
        ...

    async def unreadable_content(self, report: int) -> bytes | None: ...


class ReportTx(ReportReader, Protocol):
    """Adding says False, and changes nothing, where the same is there already."""

    async def add_aggregate_report(self, report: AggregateReport, received: int) -> bool:
        """The same: of equal org, report id and domain."""
        ...

    async def add_failure_report(self, report: FailureReport, received: int) -> bool: ...

    async def add_tls_report(self, report: TlsReport, received: int) -> bool:
        """The same: of equal org and report id."""
        ...

    async def add_unreadable_report(
        self, origin: str, reason: str, content: bytes, received: int
    ) -> bool: ...

    async def add_report_mail(self, blob_id: BlobId, sender: str, received: int) -> None:
        """The blob stays while its row does."""
        ...

    async def set_report_watch(self, domain: str, mark: int, known: str) -> None: ...

    async def add_report_alert(self, alert: ReportAlert) -> None: ...

    async def begin_report_mail(self, mail: int) -> None:
        """Count an attempt to read it."""
        ...

    async def remove_report_mail(self, mail: int) -> bool:
        """False if somebody has done so: then what was read from it is his."""
        ...

    async def limit_unreadable_reports(self, keep: int) -> int:
        """Remove all but the newest. Returns how many."""
        ...

    async def forget_reports(self, before: int) -> int:
        """Remove what ended earlier and was received earlier, so that an archive that is taken in stays.
        Returns how many reports, unreadable ones and alerts these were."""
        ...
