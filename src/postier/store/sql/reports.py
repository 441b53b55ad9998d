"""Reports of others about our domains."""

from __future__ import annotations

import functools
import hashlib

import msgspec

from postier.blobs.api import BlobRef
from postier.store.api import (
    AggregateReport,
    AuthDkim,
    AuthSpf,
    BlobId,
    FailureReport,
    Override,
    PublishedPolicy,
    ReportAlert,
    ReportHead,
    ReportMail,
    ReportRow,
    RowTotal,
    TlsFailure,
    TlsPolicyResult,
    TlsReport,
    TlsReported,
    UnreadableReport,
)
from postier.store.sql.base import Reads, Writes

__all__ = ["ReportReader", "ReportTx"]

_Auth = tuple[tuple[AuthDkim, ...], tuple[AuthSpf, ...], tuple[Override, ...]]

_KNOWN = "SELECT 1 FROM dmarc_reports WHERE org = ? AND report_id = ? AND domain = ?"
_ADD = (
    "INSERT INTO dmarc_reports (report, org, report_id, domain, began, ended, received, email, contact,"
    " policy, errors, row_count, messages) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_ADD_ROW = (
    "INSERT INTO dmarc_rows (report, number, source, messages, disposition, dkim, spf, header_from,"
    " envelope_from, envelope_to, auth) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_HEADS = (
    "SELECT report, org, report_id, domain, began, ended, received, policy, row_count, messages"
    " FROM dmarc_reports WHERE (? = '' OR domain = ?) AND ended >= ? ORDER BY ended DESC, report DESC LIMIT ?"
)
_ROWS = (
    "SELECT source, messages, disposition, dkim, spf, header_from, envelope_from, envelope_to, auth"
    " FROM dmarc_rows WHERE report = ? ORDER BY number"
)
_TOTALS = (
    "SELECT o.source, SUM(o.messages) AS total, o.disposition, o.dkim, o.spf, o.header_from, o.envelope_from,"
    " '', o.auth, MIN(r.began), MAX(r.ended), COUNT(DISTINCT r.org) FROM dmarc_reports r"
    " JOIN dmarc_rows o ON o.report = r.report WHERE (? = '' OR r.domain = ?) AND r.ended >= ?"
    " GROUP BY o.source, o.disposition, o.dkim, o.spf, o.header_from, o.envelope_from, o.auth"
    " ORDER BY total DESC, o.source, o.auth LIMIT ?"
)
_ROWS_RECEIVED = "SELECT COALESCE(SUM(row_count), 0) FROM dmarc_reports WHERE received >= ?"
_ADD_FAILURE = (
    "INSERT INTO failure_reports (report, digest, domain, source, arrived, received, feedback_type,"
    " auth_failure, fields, headers) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING"
)
_FAILURES = (
    "SELECT feedback_type, domain, source, arrived, auth_failure, fields, headers FROM failure_reports"
    " WHERE (? = '' OR domain = ?) AND received >= ? ORDER BY report DESC LIMIT ?"
)
_ADD_TLS = (
    "INSERT INTO tls_reports (report, org, report_id, began, ended, received, contact)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (org, report_id) DO NOTHING"
)
_ADD_POLICY = (
    "INSERT INTO tls_report_policies (report, number, domain, kind, successes, failed, failures)"
    " VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_REPORTED = (
    "SELECT r.org, r.began, r.ended, p.domain, p.kind, p.successes, p.failed, p.failures FROM tls_reports r"
    " JOIN tls_report_policies p ON p.report = r.report WHERE (? = '' OR p.domain = ?) AND r.ended >= ?"
    " ORDER BY r.ended DESC, r.report, p.number LIMIT ?"
)
_ADD_UNREADABLE = (
    "INSERT INTO unreadable_reports (report, digest, origin, reason, received, content)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (digest) DO NOTHING"
)
_UNREADABLE = (
    "SELECT report, origin, reason, received, LENGTH(content) FROM unreadable_reports"
    " ORDER BY report DESC LIMIT ?"
)
_MARKS = (
    "SELECT domain, MAX(report) FROM (SELECT domain, report FROM dmarc_reports"
    " UNION ALL SELECT domain, report FROM tls_report_policies) every_report GROUP BY domain"
)
_SET_WATCH = (
    "INSERT INTO report_watch (domain, mark, known) VALUES (?, ?, ?)"
    " ON CONFLICT (domain) DO UPDATE SET mark = excluded.mark, known = excluded.known"
)
_ADD_ALERT = "INSERT INTO report_alerts (alert, domain, at, kind, subject, facts) VALUES (?, ?, ?, ?, ?, ?)"
_ALERTS = (
    "SELECT domain, at, kind, subject, facts FROM report_alerts"
    " WHERE (? = '' OR domain = ?) AND at >= ? ORDER BY alert DESC LIMIT ?"
)
_MAILS = (
    "SELECT m.mail, b.pack, b.position, b.length, b.size, m.sender, m.received, m.attempts"
    " FROM report_mails m JOIN blobs b ON b.blob_id = m.blob_id ORDER BY m.mail LIMIT ?"
)
_ADD_MAIL = "INSERT INTO report_mails (mail, blob_id, sender, received, attempts) VALUES (?, ?, ?, ?, 0)"
_LIMIT_UNREADABLE = (
    "DELETE FROM unreadable_reports WHERE report <= (SELECT report FROM unreadable_reports"
    " ORDER BY report DESC LIMIT 1 OFFSET ?)"
)
_FORGET = (
    "DELETE FROM dmarc_rows WHERE report IN"
    " (SELECT report FROM dmarc_reports WHERE ended < ? AND received < ?)",
    "DELETE FROM tls_report_policies WHERE report IN"
    " (SELECT report FROM tls_reports WHERE ended < ? AND received < ?)",
    "DELETE FROM failure_reports WHERE arrived < ? AND received < ?",
)
_FORGET_COUNTED = (
    "DELETE FROM dmarc_reports WHERE ended < ? AND received < ?",
    "DELETE FROM tls_reports WHERE ended < ? AND received < ?",
)
_FORGET_OTHERS = (
    "DELETE FROM unreadable_reports WHERE received < ?",
    "DELETE FROM report_alerts WHERE at < ?",
)

_FEW = 6
"""Results of a row up to which its text is remembered: nearly all rows repeat those of others."""
_encode = msgspec.json.Encoder().encode
_policy_decoder = msgspec.json.Decoder(PublishedPolicy)
_auth_decoder = msgspec.json.Decoder(_Auth)
_fields_decoder = msgspec.json.Decoder(tuple[tuple[str, str], ...])
_failures_decoder = msgspec.json.Decoder(tuple[TlsFailure, ...])


def _auth_text(auth: _Auth) -> str:
    few = sum(map(len, auth)) <= _FEW
    return _remembered_text(auth) if few else _encode(auth).decode()


@functools.lru_cache(maxsize=1024)
def _remembered_text(auth: _Auth) -> str:
    return _encode(auth).decode()


@functools.lru_cache(maxsize=1024)
def _auth(text: str) -> _Auth:
    found: _Auth = _auth_decoder.decode(text)
    return found


class ReportReader(Reads):
    async def report_heads(self, domain: str, since: int, limit: int = 100_000) -> list[ReportHead]:
        rows = await self._connection.rows(_HEADS, (domain, domain, since, limit))
        return [_head(*row) for row in rows]

    async def report_rows(self, report: int) -> list[ReportRow]:
        rows = await self._connection.rows(_ROWS, (report,))
        return [_row(*row) for row in rows]

    async def row_totals(self, domain: str, since: int, limit: int = 100_000) -> list[RowTotal]:
        rows = await self._connection.rows(_TOTALS, (domain, domain, since, limit))
        return [RowTotal(_row(*row), first, last, orgs) for *row, first, last, orgs in rows]

    async def failure_reports(self, domain: str, since: int, limit: int = 1000) -> list[FailureReport]:
        rows = await self._connection.rows(_FAILURES, (domain, domain, since, limit))
        return [_failure(*row) for row in rows]

    async def tls_reported(self, domain: str, since: int, limit: int = 10_000) -> list[TlsReported]:
        rows = await self._connection.rows(_REPORTED, (domain, domain, since, limit))
        return [TlsReported(row[0], row[1], row[2], _tls_policy(*row[3:])) for row in rows]

    async def unreadable_reports(self, limit: int = 1000) -> list[UnreadableReport]:
        return [UnreadableReport(*row) for row in await self._connection.rows(_UNREADABLE, (limit,))]

    async def report_marks(self) -> dict[str, int]:
        return {domain: int(mark) for domain, mark in await self._connection.rows(_MARKS)}

    async def report_watch(self, domain: str) -> tuple[int, str] | None:
        row = await self._connection.row("SELECT mark, known FROM report_watch WHERE domain = ?", (domain,))
        return None if row is None else (int(row[0]), str(row[1]))

    async def report_alerts(self, domain: str, since: int, limit: int = 1000) -> list[ReportAlert]:
        rows = await self._connection.rows(_ALERTS, (domain, domain, since, limit))
        return [
            ReportAlert(name, at, kind, subject, _fields_decoder.decode(facts))
            for name, at, kind, subject, facts in rows
        ]

    async def rows_received(self, since: int) -> int:
        row = await self._connection.row(_ROWS_RECEIVED, (since,))
        return 0 if row is None else int(row[0])

    async def report_mails(self, limit: int) -> list[ReportMail]:
        await self._settle()
        rows = await self._connection.rows(_MAILS, (limit,))
        return [
            ReportMail(mail, BlobRef(pack, position, length, size), sender, received, attempts)
            for mail, pack, position, length, size, sender, received, attempts in rows
        ]

    async def unreadable_content(self, report: int) -> bytes | None:
        row = await self._connection.row("SELECT content FROM unreadable_reports WHERE report = ?", (report,))
        return None if row is None else bytes(row[0])


class ReportTx(ReportReader, Writes):
    async def add_aggregate_report(self, report: AggregateReport, received: int) -> bool:
        key = (report.org, report.report_id, report.domain)
        if await self._connection.row(_KNOWN, key) is not None:
            return False
        number = await self._connection.next_id("report")
        rows = report.rows
        await self._connection.execute(
            _ADD,
            (
                number,
                *key,
                report.begin,
                report.end,
                received,
                report.email,
                report.contact,
                _encode(report.policy).decode(),
                _encode(report.errors).decode(),
                len(rows),
                sum(row.messages for row in rows),
            ),
        )
        await self._connection.executemany(
            _ADD_ROW,
            [
                (number, place, *row[:8], _auth_text((row.auth_dkim, row.auth_spf, row.overrides)))
                for place, row in enumerate(rows)
            ],
        )
        await self._connection.breathe()
        return True

    async def add_failure_report(self, report: FailureReport, received: int) -> bool:
        fields = _encode(report.fields)
        digest = hashlib.sha256(fields + report.headers.encode("utf-8", "replace")).hexdigest()
        number = await self._connection.next_id("report")
        values = (report.domain, report.source, report.arrived, received, report.feedback_type)
        rest = (report.auth_failure, fields.decode(), report.headers)
        return await self._connection.execute(_ADD_FAILURE, (number, digest, *values, *rest)) > 0

    async def add_tls_report(self, report: TlsReport, received: int) -> bool:
        number = await self._connection.next_id("report")
        head = (number, report.org, report.report_id, report.begin, report.end, received, report.contact)
        if not await self._connection.execute(_ADD_TLS, head):
            return False
        await self._connection.executemany(
            _ADD_POLICY,
            [
                (number, place, *policy[:4], _encode(policy.failures).decode())
                for place, policy in enumerate(report.policies)
            ],
        )
        return True

    async def add_unreadable_report(self, origin: str, reason: str, content: bytes, received: int) -> bool:
        digest = hashlib.sha256(content).hexdigest()
        number = await self._connection.next_id("report")
        values = (number, digest, origin, reason, received, content)
        return await self._connection.execute(_ADD_UNREADABLE, values) > 0

    async def add_report_mail(self, blob_id: BlobId, sender: str, received: int) -> None:
        number = await self._connection.next_id("report")
        self._ledger.refs[blob_id] += 1
        await self._connection.execute(_ADD_MAIL, (number, blob_id, sender, received))

    async def set_report_watch(self, domain: str, mark: int, known: str) -> None:
        await self._connection.execute(_SET_WATCH, (domain, mark, known))

    async def add_report_alert(self, alert: ReportAlert) -> None:
        number = await self._connection.next_id("report")
        await self._connection.execute(_ADD_ALERT, (number, *alert[:4], _encode(alert.facts).decode()))

    async def begin_report_mail(self, mail: int) -> None:
        await self._connection.execute(
            "UPDATE report_mails SET attempts = attempts + 1 WHERE mail = ?", (mail,)
        )

    async def remove_report_mail(self, mail: int) -> bool:
        row = await self._connection.row("SELECT blob_id FROM report_mails WHERE mail = ?", (mail,))
        if row is None:
            return False
        self._ledger.refs[BlobId(row[0])] -= 1
        return await self._connection.execute("DELETE FROM report_mails WHERE mail = ?", (mail,)) > 0

    async def limit_unreadable_reports(self, keep: int) -> int:
        return await self._connection.execute(_LIMIT_UNREADABLE, (keep,))

    async def forget_reports(self, before: int) -> int:
        for statement in _FORGET:
            await self._connection.execute(statement, (before, before))
        removed = 0
        for statement in _FORGET_COUNTED:
            removed += await self._connection.execute(statement, (before, before))
        for statement in _FORGET_OTHERS:
            removed += await self._connection.execute(statement, (before,))
        return removed


def _head(
    report: int,
    org: str,
    report_id: str,
    domain: str,
    begin: int,
    end: int,
    received: int,
    policy: str,
    rows: int,
    messages: int,
) -> ReportHead:
    found = _policy_decoder.decode(policy)
    return ReportHead(report, org, report_id, domain, begin, end, received, found, rows, messages)


def _failure(
    feedback_type: str, domain: str, source: str, arrived: int, auth_failure: str, fields: str, headers: str
) -> FailureReport:
    decoded = _fields_decoder.decode(fields)
    return FailureReport(feedback_type, domain, source, arrived, auth_failure, decoded, headers)


def _tls_policy(domain: str, kind: str, successes: int, failed: int, failures: str) -> TlsPolicyResult:
    return TlsPolicyResult(domain, kind, successes, failed, _failures_decoder.decode(failures))


def _row(
    source: str,
    messages: int,
    disposition: str,
    dkim: str,
    spf: str,
    header_from: str,
    envelope_from: str,
    envelope_to: str,
    auth: str,
) -> ReportRow:
    auth_dkim, auth_spf, overrides = _auth(auth)
    return ReportRow(
        source,
        int(messages),
        disposition,
        dkim,
        spf,
        header_from,
        envelope_from,
        envelope_to,
        overrides,
        auth_dkim,
        auth_spf,
    )
