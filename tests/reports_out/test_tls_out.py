"""TLS reports go out once a day: what they say, to whom, and when not (RFC 8460)."""

from __future__ import annotations

import asyncio
import gzip
import json
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from postier.accounts.report_returns import report_tag, stop_reports
from postier.mailauth.dkim.keys import txt_record
from postier.mailauth.dkim.message import SignedMessage
from postier.mailauth.dkim.result import Dkim
from postier.mailauth.dkim.verify import DkimVerifier
from postier.message.headers import split_message
from postier.reports.limits import Budget
from postier.reports.out.daily import DELAY, GIVE_UP, SPREAD, due
from postier.reports.out.desk import ReportLimits
from postier.reports.out.https import PostError
from postier.reports.out.identity import DAY, NoIdentity, identity_of
from postier.reports.read import read_report
from postier.store.api import Domain, ReportTarget
from postier.store.reports import TlsReport
from postier.testing.dns import ZoneResolver
from postier.testing.report_world import (
    BAD,
    GOOD,
    LATE,
    MAILTO,
    NOON,
    POLICY,
    YESTERDAY,
    World,
    on_world,
)

HTTPS = {"_smtp._tls.b.example": [("TXT", "v=TLSRPTv1; rua=https://b.example/tls")]}


async def one_mail(world: World) -> tuple[str, str, EmailMessage]:
    outcomes = await world.reporting.round()
    assert [(one.outcome, one.destinations) for one in outcomes] == [("sent", 1)]
    ((reverse_path, to, data),) = await world.mails()
    return reverse_path, to, message_from_bytes(data, policy=policy.default)  # type: ignore[return-value]


def test_the_mail_has_what_rfc_8460_asks_for(tmp_path: Path) -> None:
    reverse_path, to, mail = on_world(tmp_path, one_mail)
    assert to == "tls@b.example"
    assert report_tag(reverse_path.partition("@")[0])
    assert reverse_path.endswith("@us.example")
    assert mail["From"] == "postmaster@us.example"
    assert mail["TLS-Report-Domain"] == "b.example"
    assert mail["TLS-Report-Submitter"] == "us.example"
    assert mail["TLS-Required"] == "No"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert re.fullmatch(
        r"Report Domain: b\.example Submitter: us\.example Report-ID: <[^<>@ ]+@mail\.us\.example>",
        mail["Subject"],
    )
    assert mail.get_content_type() == "multipart/report"
    assert mail.get_param("report-type") == "tlsrpt"
    text, attached = mail.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert attached.get_content_type() == "application/tlsrpt+gzip"
    begin, end = YESTERDAY * DAY, (YESTERDAY + 1) * DAY - 1
    assert re.fullmatch(rf"us\.example!b\.example!{begin}!{end}!\w+\.json\.gz", attached.get_filename())


def test_the_document_says_what_was_counted(tmp_path: Path) -> None:
    _, _, mail = on_world(tmp_path, one_mail)
    document = json.loads(gzip.decompress(list(mail.iter_parts())[1].get_content()))
    assert document.pop("report-id") in mail["Subject"]
    assert document == {
        "organization-name": "us.example",
        "date-range": {"start-datetime": "2024-10-04T00:00:00Z", "end-datetime": "2024-10-04T23:59:59Z"},
        "contact-info": "postmaster@us.example",
        "policies": [
            {
                "policy": {
                    "policy-type": "sts",
                    "policy-string": POLICY.split("\n"),
                    "policy-domain": "b.example",
                    "mx-host": ["*.b.example"],
                },
                "summary": {"total-successful-session-count": 5, "total-failure-session-count": 2},
                "failure-details": [
                    {
                        "result-type": "certificate-expired",
                        "sending-mta-ip": "192.0.2.1",
                        "receiving-mx-hostname": "mx.b.example",
                        "failure-reason-code": "certificate has expired",
                        "failed-session-count": 2,
                    }
                ],
            }
        ],
    }


def test_our_own_reader_understands_it(tmp_path: Path) -> None:
    _, _, mail = on_world(tmp_path, one_mail)
    (report,) = read_report(bytes(mail), Budget())
    assert isinstance(report, TlsReport)
    assert (report.org, report.begin, report.end) == (
        "us.example", YESTERDAY * DAY, (YESTERDAY + 1) * DAY - 1,
    )  # fmt: skip
    (found,) = report.policies
    assert (found.domain, found.kind, found.successes, found.failed) == ("b.example", "sts", 5, 2)


def test_the_signature_is_good_and_of_the_domain_in_from(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.reporting.round()
        ((_, _, data),) = await world.mails()
        found = await identity_of(world.store.reader, "mail.us.example", "")
        zone = {
            f"{one.selector}._domainkey.us.example": [("TXT", txt_record(one.private_key))]
            for one in found.signers
        }
        header_end, body_start = split_message(data)
        verifier = DkimVerifier(SignedMessage(data[:header_end]))
        verifier.feed(data[body_start:])
        results = await verifier.finish(ZoneResolver(zone), world.clock)
        assert [(one.result, one.domain) for one in results] == [(Dkim.PASS, "us.example")] * 2
        assert b":TLS-Report-Domain:" in data.replace(b"\r\n\t", b"")

    on_world(tmp_path, work)


def test_a_report_goes_out_once(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.reporting.round()
        assert await world.reporting.round() == []
        assert len(await world.mails()) == 1
        (outcome,) = await world.store.reader.report_outcomes(0, 2**40)
        assert (outcome.kind, outcome.domain, outcome.day, outcome.outcome) == (
            "tls", "b.example", YESTERDAY, "sent",
        )  # fmt: skip
        assert await world.store.reader.tls_results(YESTERDAY, YESTERDAY)  # for postier tls report

    on_world(tmp_path, work)


def test_two_at_the_same_time_send_it_once(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        identity = await identity_of(world.store.reader, "mail.us.example", "")
        both = [world.reporting.send(identity, "tls", "b.example", YESTERDAY) for _ in range(2)]
        first, second = await asyncio.gather(*both)
        assert first == second
        assert len(await world.mails()) == 1

    on_world(tmp_path, work)


def test_reports_are_spread_and_none_comes_before_its_moment(tmp_path: Path) -> None:
    moments = [due("tls", f"d{n}.example", YESTERDAY) for n in range(1000)]
    end = (YESTERDAY + 1) * DAY
    assert all(end + DELAY <= one <= end + DELAY + SPREAD for one in moments)
    hours = {int(one - end - DELAY) // 3600 for one in moments}
    assert hours == set(range(SPREAD // 3600))

    async def work(world: World) -> None:
        moment = due("tls", "b.example", YESTERDAY)
        world.clock.seconds = moment - 1
        assert await world.reporting.round() == []
        world.clock.seconds = moment
        assert len(await world.reporting.round()) == 1

    on_world(tmp_path, work)


def test_the_day_that_still_runs_is_not_reported(tmp_path: Path) -> None:
    today = GOOD._replace(day=YESTERDAY + 1)
    assert on_world(tmp_path, lambda world: world.reporting.round(), results={today: 1}) == []


@pytest.mark.parametrize(
    ("zone", "why"),
    [
        ({}, "no record asks"),
        ({"_smtp._tls.b.example": [("TXT", "v=TLSRPTv1; rua=ftp://x")]}, "no record asks"),
        ({"_smtp._tls.b.example": [("TXT", "v=TLSRPTv1; rua=mailto:bob@us.example")]}, "an address of this"),
    ],
)
def test_who_does_not_ask_or_asks_for_a_loop_gets_nothing(
    tmp_path: Path, zone: dict[str, list[tuple[str, str]]], why: str
) -> None:
    async def work(world: World) -> None:
        (outcome,) = await world.reporting.round()
        assert outcome.outcome == "nothing"
        assert why in outcome.detail
        assert await world.mails() == []
        assert await world.reporting.round() == []

    on_world(tmp_path, work, zone)


def test_a_few_places_at_most_get_the_reports_of_one_domain(tmp_path: Path) -> None:
    uris = ",".join(f"mailto:a{n}@c.example" for n in range(1000))
    zone = {"_smtp._tls.b.example": [("TXT", _strings("v=TLSRPTv1; rua=" + uris))]}

    async def work(world: World) -> None:
        (outcome,) = await world.reporting.round()
        assert outcome.destinations == 3
        mails = await world.mails()
        assert sorted(to for _, to, _ in mails) == [f"a{n}@c.example" for n in range(3)]
        assert len({path for path, _, _ in mails}) == 3
        assert len(outcome.detail) <= 500

    on_world(tmp_path, work, zone)


def _strings(text: str) -> list[str]:
    return [text[i : i + 255] for i in range(0, len(text), 255)]


def test_the_limit_of_a_day_is_kept_and_the_rest_comes_later(tmp_path: Path) -> None:
    names = [f"d{n}.example" for n in range(5)]
    results = {GOOD._replace(domain=name, destination=name): 1 for name in names}
    zone = {f"_smtp._tls.{name}": [("TXT", f"v=TLSRPTv1; rua=mailto:tls@{name}")] for name in names}

    async def work(world: World) -> None:
        assert len(await world.reporting.round()) == 2
        assert await world.reporting.round() == []
        world.clock.seconds = LATE + 2 * 3600  # the next day
        assert len(await world.reporting.round()) == 2

    on_world(tmp_path, work, zone, results=results, limits=ReportLimits(per_day=2))


@pytest.mark.parametrize(("less", "outcome"), [(0, "sent"), (1, "failed")])
def test_a_report_at_the_limit_of_size_goes_and_one_past_it_does_not(
    tmp_path: Path, less: int, outcome: str
) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()

    async def size(world: World) -> int:
        _, _, mail = await one_mail(world)
        return len(list(mail.iter_parts())[1].get_content())

    packed = on_world(tmp_path / "a", size)

    async def work(world: World) -> None:
        (found,) = await world.reporting.round()
        assert found.outcome == outcome

    on_world(tmp_path / "b", work, limits=ReportLimits(size=packed - less))


def test_a_silent_dns_is_asked_again_with_longer_pauses_for_a_day(tmp_path: Path) -> None:
    zone = {"_smtp._tls.b.example": [("TXT", "TIMEOUT")]}

    async def work(world: World) -> None:
        moment = world.clock.seconds = due("tls", "b.example", YESTERDAY)
        asked = 0
        while world.clock.seconds < moment + GIVE_UP - 1:
            before = len(world.reporting._retries)
            again = world.reporting._retries.get(("tls", "b.example", YESTERDAY))
            assert await world.reporting.round() == []
            after = world.reporting._retries[("tls", "b.example", YESTERDAY)]
            asked += again != after
            assert before <= 1
            world.clock.seconds += 300
        assert 5 < asked < 15
        world.clock.seconds = moment + GIVE_UP + 4 * 3600
        (outcome,) = await world.reporting.round()
        assert (outcome.outcome, outcome.destinations) == ("failed", 0)
        assert "DNS" in outcome.detail

    on_world(tmp_path, work, zone)


def test_https_gets_the_packed_document(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        (outcome,) = await world.reporting.round()
        assert (outcome.outcome, outcome.destinations) == ("sent", 1)
        ((to, content, kind),) = world.post.came
        assert (to.host, to.target, kind) == ("b.example", "/tls", "application/tlsrpt+gzip")
        assert json.loads(gzip.decompress(content))["report-id"] == outcome.report_id
        assert await world.mails() == []

    on_world(tmp_path, work, HTTPS)


def test_https_that_fails_is_tried_again_and_one_that_refuses_is_stopped(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        world.post.fault = PostError("no connection")
        assert await world.reporting.round() == []
        world.clock.seconds += 3600
        world.post.fault = PostError("the answer is 403", permanent=True)
        (outcome,) = await world.reporting.round()
        assert (outcome.outcome, outcome.destinations) == ("failed", 0)
        (target,) = await world.store.reader.report_targets(stopped=True)
        assert (target.name, target.reason) == ("https://b.example/tls", "the answer is 403")

    on_world(tmp_path, work, HTTPS)


@pytest.mark.parametrize("name", ["tls@b.example", "b.example"])
def test_nothing_goes_where_reports_were_stopped(tmp_path: Path, name: str) -> None:
    async def work(world: World) -> None:
        target = ReportTarget(name, "0" * 16, 1, 1, 5, "550 no such user")
        await world.store.transact(lambda tx: tx.set_report_target(target))
        (outcome,) = await world.reporting.round()
        assert outcome.outcome == "nothing"
        assert "550 no such user" in outcome.detail
        assert await world.mails() == []

    on_world(tmp_path, work)


def test_a_tag_stops_its_own_place_alone_and_keeps_the_first_reason(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.reporting.round()
        ((path, _, _),) = await world.mails()
        tag = report_tag(path.partition("@")[0].upper())
        await world.store.transact(lambda tx: stop_reports(tx, "0" * 16, "other", 1))
        assert await world.store.reader.report_targets(stopped=True) == []
        for reason in ("550 unknown", "later"):
            await world.store.transact(lambda tx, why=reason: stop_reports(tx, tag, why, NOON))
        (target,) = await world.store.reader.report_targets(stopped=True)
        assert (target.name, target.reason, target.stopped) == ("tls@b.example", "550 unknown", int(NOON))

    on_world(tmp_path, work)


def test_without_a_domain_that_signs_nothing_is_sent(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        reader = world.store.reader
        with pytest.raises(NoIdentity, match="no domain of this server that signs"):
            await identity_of(reader, "mail.us.example", "reports@else.example")
        with pytest.raises(NoIdentity, match="no address"):
            await identity_of(reader, "mail.us.example", "reports")
        assert str((await identity_of(reader, "mail.else.example", "")).contact) == "postmaster@us.example"
        chosen = await identity_of(reader, "mail.us.example", "reports@us.example")
        assert str(chosen.contact) == "reports@us.example"
        await world.store.transact(lambda tx: tx.update_domain(Domain("us.example", None, "{}")))
        with pytest.raises(NoIdentity, match="no domain of this server has a key"):
            await world.reporting.round()

    on_world(tmp_path, work)


def test_dane_is_reported_to_the_domain_that_was_written_to(tmp_path: Path) -> None:
    tlsa = GOOD._replace(domain="mx.host.example", kind="tlsa", policy="3 1 1 aa", host="mx.host.example")

    async def work(world: World) -> None:
        _, to, mail = await one_mail(world)
        assert to == "tls@b.example"
        document = json.loads(gzip.decompress(list(mail.iter_parts())[1].get_content()))
        (found,) = document["policies"]
        assert found["policy"] == {
            "policy-type": "tlsa", "policy-domain": "mx.host.example", "policy-string": ["3 1 1 aa"],
        }  # fmt: skip

    on_world(tmp_path, work, MAILTO, results={tlsa: 3, BAD._replace(day=YESTERDAY - 9): 1})
