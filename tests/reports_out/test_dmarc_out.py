"""DMARC aggregate reports go out once a day: what they say, to whom, and when not (RFC 9990)."""

from __future__ import annotations

import asyncio
import gzip
import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from postier.mailauth.evaluation import DkimFinding, Evaluation, PublishedPolicy, SpfFinding
from postier.reports.limits import Budget
from postier.reports.out.counter import MAX_KINDS, DmarcCounter
from postier.reports.out.identity import DAY
from postier.reports.out.seen import MAX_SIGNATURES, decode_row, is_report, seen_of
from postier.reports.read import read_report
from postier.store.api import DmarcCount, DmarcSeen
from postier.store.reports import AggregateReport, AuthDkim, AuthSpf, Override
from postier.testing.report_world import LATE, YESTERDAY, World, on_world

RUA = ("mailto:rua@b.example",)
RECORD = "v=DMARC1; p=reject; rua=mailto:rua@b.example"
ZONE: dict[str, Any] = {"_dmarc.b.example": [("TXT", RECORD)]}
NS = "{urn:ietf:params:xml:ns:dmarc-2.0}"
PUBLISHED = PublishedPolicy(
    "b.example", "reject", "quarantine", "reject", "r", "s", "0", False, 100, RUA, RECORD
)
PASSED = Evaluation(
    source_ip="192.0.2.7",
    helo="mx.b.example",
    header_from="news.b.example",
    envelope_from="b.example",
    spf=SpfFinding("b.example", "mfrom", "pass"),
    dkim=(DkimFinding("b.example", "s1", "pass", ""),),
    arc="none",
    policy=PUBLISHED,
    organizational_domain="b.example",
    result="pass",
    spf_aligned=False,
    dkim_aligned=True,
    disposition="pass",
    override="",
    reason="",
)
LISTED = Evaluation(
    **{name: getattr(PASSED, name) for name in Evaluation.__struct_fields__}
    | {
        "source_ip": "2001:db8::1",
        "dkim": (DkimFinding("b.example", "s1", "fail", "body hash <wrong> & so on"),),
        "spf": SpfFinding("list.example", "mfrom", "pass"),
        "dkim_aligned": False,
        "disposition": "quarantine",
        "result": "fail",
        "override": "mailing_list",
        "reason": "came by a list",
    }
)


def seen(evaluation: Evaluation, **changes: Any) -> DmarcSeen:
    found = seen_of(evaluation, LATE - DAY)
    assert found is not None
    return found._replace(**changes)


def counted() -> dict[DmarcSeen, DmarcCount]:
    return {seen(PASSED): DmarcCount(7, 7), seen(LISTED): DmarcCount(2, 0)}


def on_dmarc(
    folder: Path, work: Any, zone: dict[str, Any] = ZONE, counts: dict[DmarcSeen, DmarcCount] | None = None
) -> Any:
    async def whole(world: World) -> Any:
        chosen = counted() if counts is None else counts
        await world.store.transact(lambda tx: tx.add_dmarc_results(chosen))
        return await work(world)

    return on_world(folder, whole, zone, results={}, dmarc=True)


async def one_mail(world: World) -> EmailMessage:
    (outcome,) = await world.reporting.round()
    assert (outcome.kind, outcome.outcome, outcome.destinations) == ("dmarc", "sent", 1)
    ((_, to, data),) = await world.mails()
    assert to == "rua@b.example"
    return message_from_bytes(data, policy=policy.default)  # type: ignore[return-value]


def document(mail: EmailMessage) -> bytes:
    return gzip.decompress(list(mail.iter_parts())[1].get_content())


def test_the_mail_has_what_rfc_9990_asks_for(tmp_path: Path) -> None:
    mail = on_dmarc(tmp_path, one_mail)
    assert mail["From"] == "postmaster@us.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["TLS-Required"] is None
    assert re.fullmatch(
        r"Report Domain: b\.example Submitter: us\.example Report-ID: <(\w+)>",
        mail["Subject"],
    )
    attached = list(mail.iter_parts())[1]
    assert attached.get_content_type() == "application/gzip"
    begin, end = YESTERDAY * DAY, (YESTERDAY + 1) * DAY - 1
    name = mail["Subject"].rpartition("<")[2].rstrip(">")
    assert attached.get_filename() == f"us.example!b.example!{begin}!{end}!{name}.xml.gz"
    assert is_report(bytes(mail).partition(b"\n\n")[0])


def names(element: ElementTree.Element) -> list[str]:
    return [child.tag.removeprefix(NS) for child in element]


def test_the_document_has_the_structure_of_the_schema(tmp_path: Path) -> None:
    root = ElementTree.fromstring(document(on_dmarc(tmp_path, one_mail)))
    assert root.tag == NS + "feedback"
    assert names(root) == ["version", "report_metadata", "policy_published", "record", "record"]
    assert names(root[1]) == ["org_name", "email", "report_id", "date_range", "generator"]
    assert names(root[2]) == [
        "domain", "p", "sp", "np", "adkim", "aspf", "discovery_method", "fo", "testing",
    ]  # fmt: skip
    for record in root[3:]:
        assert names(record) == ["row", "identifiers", "auth_results"]
        assert names(record[0]) == ["source_ip", "count", "policy_evaluated"]
        assert names(record[0][2])[:3] == ["disposition", "dkim", "spf"]
        assert names(record[1]) == ["header_from", "envelope_from"]
        assert names(record[2]) == ["dkim", "spf"]
        assert names(record[2][0])[:3] == ["domain", "selector", "result"]
        assert names(record[2][1]) == ["domain", "scope", "result"]


def test_our_own_reader_finds_in_it_what_was_counted(tmp_path: Path) -> None:
    (report,) = read_report(bytes(on_dmarc(tmp_path, one_mail)), Budget())
    assert isinstance(report, AggregateReport)
    assert (report.org, report.email) == ("us.example", "postmaster@us.example")
    assert (report.begin, report.end) == (YESTERDAY * DAY, (YESTERDAY + 1) * DAY - 1)
    found = report.policy
    assert (found.domain, found.p, found.sp, found.np) == ("b.example", "reject", "quarantine", "reject")
    assert (found.adkim, found.aspf, found.testing, found.discovery) == ("r", "s", "n", "treewalk")
    first, second = report.rows
    assert (first.source, first.messages, first.disposition) == ("192.0.2.7", 7, "pass")
    assert (first.dkim, first.spf, first.header_from) == ("pass", "fail", "news.b.example")
    assert first.auth_dkim == (AuthDkim("b.example", "s1", "pass"),)
    assert first.auth_spf == (AuthSpf("b.example", "mfrom", "pass"),)
    assert (second.source, second.messages, second.disposition) == ("2001:db8::1", 2, "quarantine")
    assert second.overrides == (Override("mailing_list", "came by a list"),)
    assert second.auth_dkim[0].human == "body hash <wrong> & so on"


def test_what_was_reported_is_forgotten(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.reporting.round()
        assert await world.store.reader.dmarc_days(0, 2**40) == []
        assert await world.reporting.round() == []

    on_dmarc(tmp_path, work)


def test_who_only_sent_what_was_refused_or_set_aside_gets_nothing(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        (outcome,) = await world.reporting.round()
        assert (outcome.outcome, outcome.detail) == ("nothing", "no mail of it was accepted")
        assert await world.mails() == []
        assert await world.store.reader.dmarc_days(0, 2**40) == []

    on_dmarc(tmp_path, work, counts={seen(LISTED): DmarcCount(100, 0)})


def test_a_policy_that_changed_has_reports_of_its_own(tmp_path: Path) -> None:
    other = seen(PASSED)
    changed = {
        other: DmarcCount(1, 1),
        other._replace(policy=other.policy.replace("reject", "none", 1)): DmarcCount(2, 2),
    }

    async def work(world: World) -> None:
        (outcome,) = await world.reporting.round()
        assert outcome.destinations == 1
        mails = await world.mails()
        reports = [read_report(data, Budget())[0] for _, _, data in mails]
        assert sorted(one.policy.p for one in reports) == ["none", "reject"]  # type: ignore[union-attr]
        assert len({one.report_id for one in reports}) == 2

    on_dmarc(tmp_path, work, counts=changed)


def foreign(consent: list[Any] | None, rua: str = "mailto:b@reports.example") -> dict[str, Any]:
    zone: dict[str, Any] = {"_dmarc.b.example": [("TXT", f"v=DMARC1; p=none; rua={rua}")]}
    if consent is not None:
        zone["b.example._report._dmarc.reports.example"] = consent
    return zone


@pytest.mark.parametrize(
    ("consent", "to"),
    [
        ([("TXT", "v=DMARC1")], "b@reports.example"),
        ([("TXT", "v=DMARC1;")], "b@reports.example"),
        ([("TXT", "v=spf1 -all"), ("TXT", "v=DMARC1;")], "b@reports.example"),
        ([("TXT", "v=DMARC1; rua=mailto:other@reports.example")], "other@reports.example"),
        ([("TXT", "v=DMARC1; rua=mailto:victim@c.example")], ""),
        ([("TXT", "v=DMARC1;"), ("TXT", "v=DMARC1;")], ""),
        ([("TXT", "yes")], ""),
        (None, ""),
    ],
)
def test_a_foreign_place_must_have_agreed(tmp_path: Path, consent: list[Any] | None, to: str) -> None:
    async def work(world: World) -> list[str]:
        (outcome,) = await world.reporting.round()
        assert outcome.outcome == ("sent" if to else "nothing")
        return [found for _, found, _ in await world.mails()]

    assert on_dmarc(tmp_path, work, foreign(consent)) == ([to] if to else [])


def test_consent_that_cannot_be_asked_for_now_is_asked_for_later(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        assert await world.reporting.round() == []
        assert await world.store.reader.dmarc_days(0, 2**40)

    on_dmarc(tmp_path, work, foreign([("TXT", "TIMEOUT")]))


def test_a_name_below_the_organizational_domain_need_not_agree(tmp_path: Path) -> None:
    async def work(world: World) -> list[str]:
        await world.reporting.round()
        return [found for _, found, _ in await world.mails()]

    zone = {"_dmarc.b.example": [("TXT", "v=DMARC1; p=none; rua=mailto:x@deep.reports.b.example")]}
    assert on_dmarc(tmp_path, work, zone) == ["x@deep.reports.b.example"]


@pytest.mark.parametrize(
    ("size", "outcome"), [("!1k", "failed"), ("!1m", "sent"), ("!6000", "sent"), ("!x", "sent")]
)
def test_a_mail_larger_than_the_record_allows_is_not_sent(tmp_path: Path, size: str, outcome: str) -> None:
    zone = {"_dmarc.b.example": [("TXT", f"v=DMARC1; p=none; rua=mailto:rua@b.example{size}")]}

    async def work(world: World) -> None:
        (found,) = await world.reporting.round()
        assert found.outcome == outcome
        assert len(await world.mails()) == (outcome == "sent")

    on_dmarc(tmp_path, work, zone)


def test_many_places_and_ones_by_http_get_few_mails(tmp_path: Path) -> None:
    uris = ",".join(f"mailto:a{n}@b.example" for n in range(150))
    text = f"v=DMARC1; p=none; rua=https://b.example/,{uris}"
    zone = {"_dmarc.b.example": [("TXT", [text[i : i + 255] for i in range(0, len(text), 255)])]}

    async def work(world: World) -> int:
        await world.reporting.round()
        assert world.post.came == []
        return len(await world.mails())

    assert on_dmarc(tmp_path, work, zone) == 3


# ------------------------------------------------------------------------------------------ counting


def test_the_same_thing_is_the_same_text_and_nothing_is_seen_where_nobody_asks() -> None:
    assert seen(PASSED) == seen(PASSED)
    assert seen(PASSED) != seen(LISTED)
    silent = PublishedPolicy(
        *[getattr(PUBLISHED, name) for name in PublishedPolicy.__struct_fields__[:9]], (), ""
    )
    values = {name: getattr(PASSED, name) for name in Evaluation.__struct_fields__}
    assert seen_of(Evaluation(**values | {"policy": silent}), LATE) is None
    assert seen_of(Evaluation(**values | {"policy": None}), LATE) is None


def test_the_signatures_that_vouch_most_come_first_and_no_more_than_some() -> None:
    found = tuple(DkimFinding(f"x{n}.example", "s", "fail", "r" * 900) for n in range(100))
    best = (DkimFinding("other.example", "s", "pass", ""), DkimFinding("b.example", "s", "pass", ""),
            DkimFinding("news.b.example", "s", "pass", ""))  # fmt: skip
    values = {name: getattr(PASSED, name) for name in Evaluation.__struct_fields__}
    row = decode_row(seen(Evaluation(**values | {"dkim": found + best})).facts)
    assert len(row.dkim) == MAX_SIGNATURES
    assert [one.domain for one in row.dkim[:3]] == ["news.b.example", "b.example", "other.example"]
    assert all(len(one.reason) <= 100 for one in row.dkim)


@pytest.mark.parametrize(
    ("header", "is_one"),
    [
        (b"Subject: Report Domain: us.example Submitter: b.example Report-ID: <1@b>\r\n", True),
        (b"Subject: Report\r\n Domain: us.example\r\n", True),
        (b"Content-Type: multipart/report; report-type=delivery-status\r\n", True),
        (b"TLS-Report-Domain: us.example\r\n", True),
        (b"Subject:\r\n\tREPORT\r\n domain: us.example\r\n", True),
        (b"From: x\r\nContent-Type:\r\n Multipart/Report; report-type=tlsrpt\r\n", True),
        (b"Subject: Re: Report Domain: us.example\r\n", False),
        (b"X-Subject: Report Domain: us.example\r\n", False),
        (b"X-Report-Abuse: x\r\n", False),
        (b"Subject: Quarterly report\r\n", False),
        (b"Subject: Hello\r\n", False),
        (b"", False),
    ],
)
def test_reports_are_known_by_their_header(header: bytes, is_one: bool) -> None:
    assert is_report(header) is is_one


def test_the_counter_takes_so_many_kinds_of_a_domain_and_what_it_knows_always(tmp_path: Path) -> None:
    values = {name: getattr(PASSED, name) for name in Evaluation.__struct_fields__}

    def of(number: int) -> Evaluation:
        return Evaluation(**values | {"source_ip": f"10.0.{number // 256}.{number % 256}"})

    async def work(world: World) -> None:
        counter = DmarcCounter(world.store, world.clock)
        assert all(counter.seen(of(n), b"") is not None for n in range(MAX_KINDS))
        assert counter.seen(of(MAX_KINDS), b"") is None
        assert counter.seen(of(0), b"") is not None
        world.clock.seconds += DAY
        assert counter.seen(of(MAX_KINDS), b"") is not None
        assert counter.seen(of(0), b"Subject: Report Domain: x\r\n") is None
        assert counter.seen(None, b"") is None

    on_dmarc(tmp_path, work)


def test_what_was_refused_is_written_by_and_by(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        counter = DmarcCounter(world.store, world.clock, pause=0.01)
        one = seen(LISTED, domain="c.example")
        for _ in range(3):
            counter.note_refused(one)
        task = asyncio.create_task(counter.run())
        counter.stop()
        await task
        assert await world.store.reader.dmarc_results(YESTERDAY, "c.example", 9) == [(one, DmarcCount(3, 0))]

    on_dmarc(tmp_path, work)
