"""`postier dmarc`: reports of others about our domains."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

RECORD = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
<disposition>none</disposition><dkim>{dkim}</dkim><spf>{spf}</spf></policy_evaluated></row>
<identifiers><header_from>orchard.test</header_from></identifiers>
<auth_results><dkim><domain>{signer}</domain><selector>s1</selector><result>{dkim_result}</result></dkim>
<spf><domain>{envelope}</domain><result>{spf_result}</result></spf></auth_results></record>"""


def record(
    ip: str = "192.0.2.1",
    count: int = 1,
    dkim: str = "pass",
    spf: str = "pass",
    signer: str = "orchard.test",
    envelope: str = "orchard.test",
    dkim_result: str = "",
    spf_result: str = "",
) -> str:
    return RECORD.format(
        ip=ip,
        count=count,
        dkim=dkim,
        spf=spf,
        signer=signer,
        envelope=envelope,
        dkim_result=dkim_result or dkim,
        spf_result=spf_result or spf,
    )


def report(*records: str, number: int = 1, begin: int = 1_700_000_000, org: str = "Org") -> bytes:
    return (
        f"<feedback><report_metadata><org_name>{org}</org_name><report_id>{number}</report_id><date_range>"
        f"<begin>{begin}</begin><end>{begin + 86399}</end></date_range></report_metadata>"
        f"<policy_published><domain>orchard.test</domain><p>none</p></policy_published>{''.join(records)}"
        "</feedback>"
    ).encode()


def test_reports_are_imported_once(postier: Any, listed: Any, tmp_path: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    (tmp_path / "in" / "a.xml").write_bytes(report(record()))
    (tmp_path / "in" / "deep" / "b.xml.gz").write_bytes(gzip.compress(report(record(), record(), number=2)))
    (tmp_path / "in" / "c.xml").write_bytes(b"<html/>")
    said = postier("dmarc", "import", str(tmp_path / "in")).stdout
    assert "c.xml: the XML is no DMARC report" in said
    assert "aggregate reports: 2 (rows: 3)" in said
    again = listed("dmarc", "import", str(tmp_path / "in"))
    assert (again["aggregate"], again["known"], again["unreadable"]) == (0, 3, 0)
    assert again["unreadable_files"][0]["reason"] == "the XML is no DMARC report"


def test_a_mailbox_of_reports(listed: Any, tmp_path: Path) -> None:
    mail = "From x Mon Jan  1 00:00:00 2024\nSubject: r\nContent-Type: text/xml\n\n{}\n>From here\n\n"
    mbox = "".join(mail.format(report(record(), number=one).decode()) for one in range(3))
    (tmp_path / "mbox").write_text(mbox)
    assert listed("dmarc", "import", str(tmp_path / "mbox"))["aggregate"] == 3


def test_a_file_that_is_not_there(fails: Any, tmp_path: Path) -> None:
    said = fails("dmarc", "import", str(tmp_path / "b"))
    assert said.endswith(f"{tmp_path / 'b'}: No such file or directory")
    assert "Errno" not in said


@pytest.fixture
def reported(postier: Any, tmp_path: Path) -> int:
    """Ten days of reports about orchard.test; returns when the last of them ends."""
    now = int(time.time()) // 86400 * 86400
    (tmp_path / "in").mkdir()
    for day in range(10):
        rows = (
            record("192.0.2.1", 1000),
            record("198.2.128.9", 40, "fail", "fail", "mcsv.net", "bounce.mcsv.net", "pass", "pass"),
            record("198.51.100.7", 300, "fail", "fail", "x.test", "orchard.test", "none", "fail"),
            record("203.0.113.5", 6, "pass", "fail", "orchard.test", "list.example", "pass", "pass"),
        )
        (tmp_path / "in" / f"{day}.xml").write_bytes(
            report(*rows, number=day, begin=now - (11 - day) * 86400)
        )
    postier("dmarc", "import", str(tmp_path / "in"))
    return now - 86401


def test_a_summary_of_all_domains(postier: Any, listed: Any, reported: int) -> None:
    said = postier("dmarc", "summary").stdout.splitlines()
    assert " ".join(said[0].split()) == "DOMAIN POLICY REPORTS FROM MESSAGES PASS FAIL SOURCES TO DO"
    assert said[1].split() == ["orchard.test", "none", "10", "1", "13,460", "74", "%", "3,400", "4", "1"]
    (one,) = listed("dmarc", "summary")["domains"]
    assert (one["messages"], one["passed"], one["policy"]["p"]) == (13460, 10060, "none")
    (one,) = listed("dmarc", "summary", "--days", "1")["domains"]
    assert one["messages"] == 2 * 1346


def test_an_archive_tells_its_story(postier: Any, listed: Any, tmp_path: Path) -> None:
    assert postier("dmarc", "summary", "--lang", "fr").stdout == "aucun rapport\n"
    (tmp_path / "old.xml").write_bytes(report(record("192.0.2.1", 5), begin=1_500_000_000))
    postier("dmarc", "import", str(tmp_path / "old.xml"))
    (one,) = listed("dmarc", "summary")["domains"]
    assert one["messages"] == 5
    assert len(listed("dmarc", "export")) == 1
    assert listed("dmarc", "export", "--days", "30") == []


def test_sources_and_their_next_steps(postier: Any, listed: Any, reported: int) -> None:
    said = postier("dmarc", "sources", "orchard.test", "--no-dns").stdout
    assert "Mailchimp        let Mailchimp sign as orchard.test (DKIM): 400 messages fail" in said
    assert said.endswith("\nsources that need a step before the policy can be raised: 1\n")
    assert (
        "sources qui demandent un pas"
        in postier("dmarc", "sources", "orchard.test", "--no-dns", "--lang", "fr").stdout
    )
    found = listed("dmarc", "sources", "orchard.test", "--no-dns")["sources"]
    assert [(one["state"], one["messages"], one["open"]) for one in found] == [
        ("ours", 10000, False),
        ("abuse", 3000, False),
        ("known service", 400, True),
        ("forwarder", 60, False),
    ]
    assert found[0]["last"] == reported
    assert "no reports about harbor.test" in postier("dmarc", "sources", "harbor.test", "--no-dns").stdout


def test_sources_of_all_domains(postier: Any, listed: Any, reported: int) -> None:
    postier("domain", "add", "harbor.test")
    said = postier("dmarc", "sources", "--no-dns").stdout
    assert said.startswith(
        "== harbor.test ==\nno reports about harbor.test are stored\n\n== orchard.test ==\nSOURCE"
    )
    found = listed("dmarc", "sources", "--no-dns")
    assert [(one["domain"], len(one["sources"])) for one in found] == [
        ("harbor.test", 0),
        ("orchard.test", 4),
    ]


def test_a_simulation(postier: Any, listed: Any, misused: Any, reported: int) -> None:
    said = postier("dmarc", "simulate", "orchard.test", "--no-dns").stdout.splitlines()
    assert said[0] == "orchard.test, the last 30 days, p=reject:"
    assert "  3,400 would be refused (25 %)" in said
    options = ("--no-dns", "--sp", "none", "--strict-dkim", "--lang", "fr")
    said = postier("dmarc", "simulate", "orchard.test", *options).stdout.splitlines()
    assert said[0] == ("orchard.test, 30 derniers jours, p=reject, sp=none, alignement strict de DKIM :")
    found = listed(
        "dmarc", "simulate", "orchard.test", "--no-dns", "--spf", "v=spf1 ip4:198.51.100.7 -all", "--strict"
    )
    assert (found["failed_now"], found["failed"]) == (3400, 400)
    assert [one["failed_then"] for one in found["sources"]] == [400]
    assert "begins with" in misused("dmarc", "simulate", "orchard.test", "--spf", "ip4:192.0.2.1")


def test_failure_and_tls_reports_are_exported(postier: Any, listed: Any, tmp_path: Path) -> None:
    failure = (
        "Content-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n"
        "Content-Type: message/feedback-report\n\nFeedback-Type: auth-failure\nSource-IP: 192.0.2.9\n"
        "Reported-Domain: orchard.test\n\n--b\nContent-Type: text/rfc822-headers\n\n"
        "Subject: one\nTo: two\n--b--\n"
    )
    (tmp_path / "f.eml").write_text(failure)
    tls = {
        "organization-name": "Org",
        "report-id": "1",
        "date-range": {"end-datetime": "2099-01-01T00:00:00Z"},
        "policies": [
            {
                "policy": {"policy-type": "sts", "policy-domain": "orchard.test"},
                "summary": {"total-successful-session-count": 9, "total-failure-session-count": 1},
                "failure-details": [{"result-type": "certificate-expired", "failed-session-count": 1}],
            }
        ],
    }
    (tmp_path / "t.json").write_text(json.dumps(tls))
    assert listed("dmarc", "import", str(tmp_path))["failure"] == 1
    (one,) = listed("dmarc", "export", "orchard.test", "--what", "failures")
    assert (one["source"], one["fields"]["reported-domain"]) == ("192.0.2.9", "orchard.test")
    assert one["headers"] == "Subject: one\nTo: two"
    assert len(postier("dmarc", "export", "--what", "failures").stdout.splitlines()) == 2
    (one,) = listed("dmarc", "export", "--what", "tls")
    assert (one["successes"], one["failures"][0]["result"]) == (9, "certificate-expired")
    said = postier("dmarc", "summary").stdout
    assert "TLS sessions with you: 10, failed: 1, reporters: 1" in said
    assert "failure reports: 1" in said


def test_rows_are_exported(postier: Any, listed: Any, reported: int, tmp_path: Path) -> None:
    lines = postier("dmarc", "export", "orchard.test").stdout.splitlines()
    assert len(lines) == 41
    assert lines[0].split("\t")[:3] == ["org", "report_id", "domain"]
    assert len(lines[1].split("\t")) == len(lines[0].split("\t"))
    rows = listed("dmarc", "export")
    assert rows[0]["auth_dkim"] == [
        {"domain": "orchard.test", "selector": "s1", "result": "pass", "human": ""}
    ]
    assert listed("dmarc", "export", "harbor.test") == []
    (tmp_path / "x.xml").write_bytes(b"<html/>")
    postier("dmarc", "import", str(tmp_path / "x.xml"))
    (one,) = listed("dmarc", "export", "--what", "unreadable")
    assert one["reason"] == "the XML is no DMARC report"
    assert postier("dmarc", "export", "--content", str(one["report"])).stdout == "<html/>"
