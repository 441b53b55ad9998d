"""Reports of real senders, some of them broken: each is read as its collection says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from postier.reports import aggregate
from postier.reports.limits import Budget, Unreadable
from postier.reports.read import Report, read_report
from postier.store.reports import AggregateReport, FailureReport, TlsReport
from postier.testing.vectors import vectors_dir

ROOT = vectors_dir("reports")
EMPTY = "empty.xml"
FILES = sorted(
    path
    for path in ROOT.rglob("*")
    if path.is_file()
    and path.name not in (EMPTY, "README.md")
    and not path.name.startswith(("LICENSE", "MIT"))
    and not (path.suffix == ".json" and path.parent.name in ("dmarc-feedback", "arf"))
)


def read(path: Path) -> Report:
    (report,) = read_report(path.read_bytes(), Budget())
    return report


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_each_sample_is_one_report(path: Path) -> None:
    report = read(path)
    assert report.org if isinstance(report, AggregateReport | TlsReport) else report.source
    if isinstance(report, AggregateReport):
        assert 0 < report.begin <= report.end
        assert "." in report.domain
        assert report.rows


@pytest.mark.parametrize("expected", sorted(ROOT.rglob("dmarc-feedback/*.json")), ids=lambda path: path.name)
def test_aggregate_reports_say_what_another_reader_found(expected: Path) -> None:
    try:
        path = next(
            one for one in expected.parent.glob(expected.stem + ".*") if one.suffix in (".eml", ".xml")
        )
    except StopIteration:
        pytest.skip("its report is not there")
    report, wanted = read(path), json.loads(expected.read_text())
    assert isinstance(report, AggregateReport)
    assert report.report_id == wanted["report_metadata"]["report_id"].strip("<>")
    assert report.domain == wanted["policy_published"]["domain"]
    assert (report.begin, report.end) == tuple(
        wanted["report_metadata"]["date_range"][name] for name in ("begin", "end")
    )
    assert report.policy.p == wanted["policy_published"]["p"].lower()
    assert len(report.rows) == len(wanted["record"])
    for row, other in zip(report.rows, wanted["record"], strict=True):
        assert row.source == other["row"]["source_ip"]
        assert row.messages == other["row"]["count"]
        assert row.header_from == other["identifiers"]["header_from"]
        evaluated = other["row"]["policy_evaluated"]
        assert row.dkim == ("pass" if evaluated["dkim"] == "Pass" else "fail")
        assert row.spf == ("pass" if evaluated["spf"] == "Pass" else "fail")
        assert [(one.domain, one.selector) for one in row.auth_dkim] == [
            (one["domain"], one["selector"]) for one in other["auth_results"]["dkim"]
        ]
        assert [(one.domain, one.result) for one in row.auth_spf] == [
            (one["domain"], one["result"].lower()) for one in other["auth_results"]["spf"]
        ]


def test_an_empty_file_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="empty"):
        read_report(b"", Budget())


def test_xml_that_no_parser_takes_is_read_all_the_same() -> None:
    report = read(next(ROOT.rglob("invalid_xml.xml")))
    assert isinstance(report, AggregateReport)
    assert report.email == "<bad-xml@bad-xml.net>"
    assert report.rows[0].header_from == "bad<xml.net"
    assert report.rows[0].source == "199.230.200.36"


def test_a_report_of_the_newer_schema() -> None:
    report = read(next(ROOT.rglob("rfc9990-example.net*")))
    assert isinstance(report, AggregateReport)
    assert (report.policy.np, report.policy.testing, report.policy.discovery) == ("reject", "y", "treewalk")
    assert report.rows[1].overrides[0].comment == "sender not authorized"


def test_failure_reports() -> None:
    report = read(next(ROOT.rglob("dmarc_ruf_report_linkedin.eml")))
    assert isinstance(report, FailureReport)
    assert (report.source, report.domain, report.auth_failure) == ("10.10.10.10", "example.com", "dmarc")
    assert report.arrived == 1556590140
    assert "Subject: Subject line, could be UTF8 encoded" in report.headers
    report = read(next(ROOT.rglob("arf/005.eml")))
    assert isinstance(report, FailureReport)
    assert (report.source, report.domain, report.auth_failure) == (
        "192.0.2.1",
        "a.sender.example",
        "bodyhash",
    )
    assert dict(report.fields)["dkim-selector"] == "testkey"


def test_tls_reports() -> None:
    report = read(next(ROOT.rglob("smtp_tls/rfc8460.json")))
    assert isinstance(report, TlsReport)
    assert report.org == "Company-X"
    (policy,) = report.policies
    assert (policy.domain, policy.kind, policy.successes, policy.failed) == (
        "company-y.example",
        "sts",
        5326,
        303,
    )
    assert [one.sessions for one in policy.failures] == [100, 200, 3]
    assert policy.failures[2].reason == "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_plain_records_are_read_as_the_xml_reader_reads_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = read(path)
    monkeypatch.setattr(aggregate, "plain_rows", lambda *_: None)
    assert read(path) == short
