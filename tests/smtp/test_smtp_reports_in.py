"""Mail to the address for reports: stored before it is acknowledged, read soon after, never answered."""

from __future__ import annotations

import asyncio
import base64
import gzip
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postier.accounts.directory import REPORTS
from postier.accounts.people import add_alias
from postier.base.address import Address
from postier.reports import inbox
from postier.reports.inbox import ATTEMPTS, read_mails
from postier.reports.intake import Taken
from postier.smtp.inbound.dialogue import InboundServices, Role
from postier.store.api import ReportReader

TO = f"{REPORTS}@b.example"
XML = """<feedback><report_metadata><org_name>Org</org_name><report_id>1</report_id><date_range>
<begin>1700000000</begin><end>1700086399</end></date_range></report_metadata><policy_published>
<domain>{domain}</domain><p>none</p></policy_published><record><row><source_ip>192.0.2.1</source_ip>
<count>2</count></row><identifiers><header_from>{domain}</header_from></identifiers></record></feedback>"""


def mail(domain: str = "b.example", content: bytes | None = None) -> bytes:
    packed = gzip.compress(XML.format(domain=domain).encode()) if content is None else content
    return (
        b"From: r@a.example\r\nSubject: Report\r\nContent-Type: application/gzip\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n"
        + base64.encodebytes(packed).replace(b"\n", b"\r\n")
        + b".\r\n"
    )


def deliver(
    world: Any,
    message: bytes,
    after: Callable[[InboundServices], Awaitable[None]],
    *recipients: str,
    role: Role = Role.MX,
) -> tuple[str, list[Any]]:
    paths = "".join(f"RCPT TO:<{path}>\r\n" for path in recipients or (TO,)).encode()
    hello = b"LHLO a.example\r\n" if role is Role.LMTP else b"EHLO a.example\r\n"
    said = [hello, b"MAIL FROM:<r@a.example>\r\n" + paths + b"DATA\r\n", message]
    output, stored = asyncio.run(world.converse(said, role, after=after, trust_loopback=True))
    return output, stored


async def read(services: InboundServices) -> Taken:
    return await read_mails(services.store, services.blobs, services.clock)


@pytest.mark.parametrize("role", [Role.MX, Role.LMTP])
def test_a_report_is_stored_before_it_is_acknowledged(world: Any, role: Role) -> None:
    async def after(services: InboundServices) -> None:
        reader: ReportReader = services.store.reader
        (waiting,) = await reader.report_mails(10)
        assert waiting.sender == "r@a.example"
        assert await read(services) == Taken(aggregate=1, rows=1)
        assert await reader.report_mails(10) == []
        (head,) = await reader.report_heads("b.example", 0)
        assert (head.org, head.messages) == ("Org", 2)
        assert await read(services) == Taken()

    output, stored = deliver(world, mail(), after, role=role)
    assert "250 2.0.0 accepted" in output
    assert stored == []


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (mail("other.example"), "it is about no domain of ours"),
        (mail("notb.example"), "it is about no domain of ours"),
        (mail(content=b"\x1f\x8b nonsense"), "broken gzip"),
        (b"Subject: hello\r\n\r\nWhat is this address?\r\n.\r\n", "no part of the mail is a report"),
    ],
)
def test_what_cannot_be_read_is_kept_and_not_bounced(world: Any, message: bytes, reason: str) -> None:
    async def after(services: InboundServices) -> None:
        assert await read(services) == Taken(unreadable=1)
        (one,) = await services.store.reader.unreadable_reports()
        assert (one.origin, one.reason[: len(reason)]) == ("mail from r@a.example", reason)
        content = await services.store.reader.unreadable_content(one.report)
        assert content is not None
        assert content.startswith(b"Return-Path: <r@a.example>\r\n")
        assert await services.store.reader.queue_entries() == []

    output, stored = deliver(world, message, after)
    assert "250 2.0.0 accepted" in output
    assert stored == []


def test_a_report_about_a_domain_below_ours(world: Any) -> None:
    async def after(services: InboundServices) -> None:
        assert (await read(services)).aggregate == 1

    deliver(world, mail("mail.b.example"), after)


def test_people_in_the_same_transaction_get_it_too(world: Any) -> None:
    async def after(services: InboundServices) -> None:
        assert (await read(services)).aggregate == 1

    _, stored = deliver(world, mail(), after, TO.upper(), "bob@b.example")
    assert [one.where for one in stored] == ["bob@b.example/INBOX"]


def test_an_address_of_that_name_goes_before(world: Any) -> None:
    async def change() -> None:
        async with world.opened(trust_loopback=True) as (_, services):
            await add_alias(services.store, Address.parse(TO), [Address.parse("bob@b.example")])
            found = await services.directory.resolve(Address.parse(TO))
            assert found.accounts
            assert not found.reports

    asyncio.run(change())


def test_a_mail_that_ends_the_program_is_given_up(world: Any) -> None:
    async def after(services: InboundServices) -> None:
        (waiting,) = await services.store.reader.report_mails(1)
        for _ in range(ATTEMPTS):
            await services.store.transact(lambda tx: tx.begin_report_mail(waiting.mail))
        assert await read(services) == Taken(unreadable=1)
        (one,) = await services.store.reader.unreadable_reports()
        assert one.reason == "reading it ended the program"

    deliver(world, mail(), after)


def test_two_workers_at_once_take_a_report_once(world: Any) -> None:
    async def after(services: InboundServices) -> None:
        found = await asyncio.gather(read(services), read(services))
        assert sum(one.aggregate for one in found) == 1
        (head,) = await services.store.reader.report_heads("", 0)
        assert (head.rows, head.messages) == (1, 2)

    deliver(world, mail(), after)


@pytest.mark.parametrize("at", ["read_arrival", "only_ours", "store_arrivals"])
def test_a_crash_at_any_point_loses_no_report_and_doubles_none(
    world: Any, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    class Killed(Exception):
        pass

    def kill(*_: object) -> None:
        raise Killed

    async def after(services: InboundServices) -> None:
        with monkeypatch.context() as context:
            context.setattr(inbox, at, kill)
            with pytest.raises(Killed):
                await read(services)
        assert await services.store.reader.report_heads("", 0) == []
        assert (await read(services)).aggregate == 1
        assert await read(services) == Taken()
        assert len(await services.store.reader.report_heads("", 0)) == 1

    deliver(world, mail(), after)


@pytest.mark.parametrize(("most", "taken"), [(2, 2), (1, 1), (0, 0)])
def test_only_so_many_rows_are_taken_in_a_day(
    world: Any, monkeypatch: pytest.MonkeyPatch, most: int, taken: int
) -> None:
    monkeypatch.setattr(inbox, "ROWS_A_DAY", most)
    second = mail(content=XML.replace("<report_id>1<", "<report_id>2<").format(domain="b.example").encode())

    async def after(services: InboundServices) -> None:
        found = await read(services)
        assert (found.aggregate, found.unreadable) == (taken, 2 - taken)
        for one in await services.store.reader.unreadable_reports():
            assert one.reason == f"more than {most} rows came within a day"

    said = [b"EHLO a.example\r\n"]
    for message in (mail(), second):
        said += [b"MAIL FROM:<r@a.example>\r\nRCPT TO:<%b>\r\nDATA\r\n" % TO.encode(), message]
    asyncio.run(world.converse(said, Role.MX, after=after, trust_loopback=True))


def test_a_report_that_our_people_send_later_arrives(world: Any) -> None:
    async def after(services: InboundServices) -> None:
        (entry,) = await services.store.reader.queue_entries()
        assert (entry.destination, [one.forward_path for one in entry.recipients]) == ("b.example", [TO])

    login = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
    envelope = b"MAIL FROM:<bob@b.example> HOLDFOR=60\r\nRCPT TO:<%b>\r\nDATA\r\n" % TO.encode()
    said = [b"EHLO a.example\r\n", login, envelope, mail().replace(b"r@a.example", b"bob@b.example")]
    output, _ = asyncio.run(world.converse(said, Role.SUBMISSION, tls=True, after=after, future_release=600))
    assert "250 2.0.0 accepted" in output
