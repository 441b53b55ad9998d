"""Failure reports go out only to domains on the list, of what their record wants to hear, and tell little."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest

from postier.mailauth.evaluation import DkimFinding, Evaluation, PublishedPolicy, SpfFinding
from postier.reports.limits import Budget
from postier.reports.out.failure_report import MAX_HEADER, is_failure, kept_header
from postier.reports.out.failures import PER_DAY, FailureReports
from postier.reports.out.identity import DAY
from postier.reports.read import read_report
from postier.store.api import ReportTarget
from postier.store.reports import FailureReport
from postier.testing.report_world import World, on_world

ZONE: dict[str, Any] = {"_dmarc.b.example": [("TXT", "v=DMARC1; p=reject; ruf=mailto:ruf@b.example")]}
HEADER = (
    b"Received: from evil ([192.0.2.66])\r\n\tby mx.us.example for <bob@us.example>; now\r\n"
    b"From: Boss <boss@b.example>\r\nTo: bob@us.example\r\nCc: carol@us.example\r\nBcc: dave@us.example\r\n"
    b"Subject: Pay this\r\nMessage-ID: <1@b.example>\r\nDelivered-To: bob@us.example\r\n"
    b"X-Secret: bob@us.example\r\n"
)


def published(**changes: Any) -> PublishedPolicy:
    values = {
        "domain": "b.example",
        "p": "reject",
        "sp": "reject",
        "np": "reject",
        "adkim": "r",
        "aspf": "r",
        "fo": "0",
        "testing": False,
        "pct": 100,
        "rua": (),
        "record": "",
    }
    return PublishedPolicy(**values | changes)  # type: ignore[arg-type]


def failed(**changes: Any) -> Evaluation:
    values = {
        "source_ip": "192.0.2.66",
        "helo": "evil",
        "header_from": "b.example",
        "envelope_from": "evil.example",
        "spf": SpfFinding("evil.example", "mfrom", "pass"),
        "dkim": (DkimFinding("b.example", "s1", "fail", "body hash"),),
        "arc": "none",
        "policy": published(),
        "organizational_domain": "b.example",
        "result": "fail",
        "spf_aligned": False,
        "dkim_aligned": False,
        "disposition": "reject",
        "override": "",
        "reason": "",
    }
    return Evaluation(**values | changes)  # type: ignore[arg-type]


def told(
    folder: Path,
    *evaluations: Evaluation,
    zone: dict[str, Any] = ZONE,
    domains: tuple[str, ...] = ("b.example",),
    reverse_path: str = "eve@evil.example",
    header: bytes = HEADER,
    stopped: bool = False,
) -> list[tuple[str, str, bytes]]:
    """The mails that wait after all of these came."""

    async def work(world: World) -> list[tuple[str, str, bytes]]:
        if stopped:
            target = ReportTarget("ruf@b.example", "0" * 16, 1, 1, 5, "550")
            await world.store.transact(lambda tx: tx.set_report_target(target))
        reports = FailureReports(
            world.store.reader, world.clock, world.desk, domains, hostname="mail.us.example"
        )
        for evaluation in evaluations:
            reports.note(evaluation, reverse_path, header)
        await reports.send_waiting()
        return await world.mails()

    return on_world(folder, work, zone)


def test_our_own_reader_understands_it(tmp_path: Path) -> None:
    ((path, to, data),) = told(tmp_path, failed())
    assert to == "ruf@b.example"
    assert path.startswith("reports-")
    (report,) = read_report(data, Budget())
    assert isinstance(report, FailureReport)
    assert (report.feedback_type, report.auth_failure, report.domain) == (
        "auth-failure",
        "dmarc",
        "b.example",
    )
    assert report.source == "192.0.2.66"
    fields = dict(report.fields)
    assert fields["identity-alignment"] == "dkim, spf"
    assert fields["delivery-result"] == "reject"
    assert fields["original-mail-from"] == "<eve@evil.example>"
    assert (fields["dkim-domain"], fields["dkim-selector"]) == ("b.example", "s1")
    assert fields["authentication-results"] == "mail.us.example; dmarc=fail header.from=b.example"


def test_no_recipient_is_told(tmp_path: Path) -> None:
    ((_, _, data),) = told(tmp_path, failed())
    mail = message_from_bytes(data, policy=policy.default)
    assert mail.get_param("report-type") == "feedback-report"
    for name in (b"bob@", b"carol@", b"dave@", b"X-Secret"):
        assert name not in data
    kept = kept_header(HEADER)
    assert b"Subject: Pay this\r\n" in kept
    assert b"for <redacted>; now" in kept
    assert len(kept_header(b"Subject: x\r\n" * 100_000)) <= MAX_HEADER


@pytest.mark.parametrize(
    ("fo", "changes", "is_one"),
    [
        ("0", {}, True),
        ("0", {"result": "pass", "dkim_aligned": True}, False),
        ("1", {"result": "pass", "dkim_aligned": True}, True),
        ("1", {"result": "pass", "dkim_aligned": True, "spf_aligned": True}, False),
        ("d", {"result": "pass", "spf_aligned": True}, True),
        ("s", {"result": "pass", "dkim_aligned": True}, False),
        ("d:s", {"dkim": (), "spf": SpfFinding("b.example", "mfrom", "softfail")}, True),
        ("", {}, False),
    ],
)
def test_what_the_record_wants_to_hear_of(fo: str, changes: dict[str, Any], is_one: bool) -> None:
    assert is_failure(failed(policy=published(fo=fo), **changes)) is is_one


def test_nobody_else_is_told_and_nothing_is_told_of_bounces_and_reports(tmp_path: Path) -> None:
    other = failed(policy=published(domain="c.example"))
    report = b"Subject: Report Domain: us.example\r\n"
    for number, (evaluation, more) in enumerate(
        [
            (other, {}),
            (failed(), {"domains": ()}),
            (failed(policy=None), {}),
            (failed(), {"reverse_path": ""}),
            (failed(), {"header": report}),
            (failed(), {"stopped": True}),
            (failed(), {"zone": {}}),
            (
                failed(),
                {"zone": {"_dmarc.b.example": [("TXT", "v=DMARC1; p=none; psd=y; ruf=mailto:x@b.example")]}},
            ),
            (
                failed(),
                {"zone": {"_dmarc.b.example": [("TXT", "v=DMARC1; p=none; ruf=mailto:x@victim.example")]}},
            ),
            (
                failed(),
                {"zone": {"_dmarc.b.example": [("TXT", "v=DMARC1; p=none; ruf=mailto:bob@us.example")]}},
            ),
        ]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        assert told(folder, evaluation, **more) == [], number  # type: ignore[arg-type]


def test_so_many_a_day_and_no_more(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        reports = FailureReports(
            world.store.reader, world.clock, world.desk, ["b.example"], hostname="mail.us.example"
        )
        for _ in range(PER_DAY + 10):
            reports.note(failed(), "eve@evil.example", HEADER)
        await reports.send_waiting()
        assert len(await world.mails()) == PER_DAY
        world.clock.seconds += DAY
        reports.note(failed(), "eve@evil.example", HEADER)
        await reports.send_waiting()
        assert len(await world.mails()) == PER_DAY + 1

    on_world(tmp_path, work, ZONE)
