"""How mail fares under DMARC policies of others is counted for reports to them, where these are sent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from postier.reports.out.counter import DmarcCounter
from postier.reports.out.seen import decode_policy, decode_row
from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.policy_settings import USUAL_POLICY
from postier.smtp.inbound.session import inbound_session
from postier.store.api import DmarcCount, DmarcSeen
from postier.testing.connection import MemoryConnection

RUA = "rua=mailto:rua@a.example"
HONEST = {
    "a.example": [("TXT", "v=spf1 ip4:192.0.2.0/24 ?all")],
    "_dmarc.a.example": [("TXT", f"v=DMARC1; p=reject; {RUA}")],
}
LETTER = (
    b"From: Ann <ann@a.example>\r\nDate: Tue, 10 Nov 2026 11:00:00 +0000\r\nMessage-ID: <1@a.example>\r\n"
)


def counted(
    world: Any,
    zone: dict[str, Any],
    *,
    header: bytes = LETTER,
    sender: str = "ann@a.example",
    to: str = "bob@b.example",
    on: bool = True,
    times: int = 1,
) -> tuple[str, list[tuple[DmarcSeen, DmarcCount]]]:
    """What was answered, and what was counted of a.example."""

    async def go() -> tuple[str, list[tuple[DmarcSeen, DmarcCount]]]:
        world.zone = zone
        async with world.opened(policy=replace(USUAL_POLICY, greylist=False)) as (settings, services):
            counter = DmarcCounter(services.store, services.clock)
            if on:
                services = replace(services, dmarc_counter=counter)
            connection = MemoryConnection(tls=True)
            connection.start(inbound_session(settings, services, Role.MX))
            envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()
            letter = header + b"Subject: Hello\r\n\r\nHello\r\n.\r\n"
            for packet in (b"EHLO mx.a.example\r\n", *(envelope, letter) * times):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            output = connection.output() + await connection.finish()
            await counter.write()
            day = int(services.clock.now()) // 86_400
            return output.decode(), await services.store.reader.dmarc_results(day, "a.example", 99)

    return asyncio.run(go())


def test_mail_that_is_accepted_is_one_row_with_a_count(world: Any) -> None:
    output, found = counted(world, HONEST, times=2)
    assert output.count("250 2.0.0 accepted") == 2
    ((seen, count),) = found
    assert count == DmarcCount(2, 2)
    row, policy = decode_row(seen.facts), decode_policy(seen.policy)
    assert (row.disposition, row.spf_aligned, row.dkim_aligned) == ("pass", True, False)
    assert (row.header_from, row.envelope_from, row.spf.result) == ("a.example", "a.example", "pass")
    assert (policy.p, policy.discovery_method) == ("reject", "treewalk")


def test_mail_that_is_refused_counts_as_such(world: Any) -> None:
    zone = HONEST | {"a.example": [("TXT", "v=spf1 -all")]}
    output, found = counted(world, zone)
    assert "550 5.7.2" in output
    ((seen, count),) = found
    assert count == DmarcCount(1, 0)
    assert decode_row(seen.facts).disposition == "reject"


def test_mail_that_is_set_aside_is_not_accepted(world: Any) -> None:
    zone = HONEST | {
        "a.example": [("TXT", "v=spf1 ?all")],
        "_dmarc.a.example": [("TXT", f"v=DMARC1; p=quarantine; {RUA}")],
    }
    _, found = counted(world, zone)
    ((seen, count),) = found
    assert count == DmarcCount(1, 0)
    assert decode_row(seen.facts).disposition == "quarantine"


@pytest.mark.parametrize(
    ("zone", "header"),
    [
        (HONEST | {"_dmarc.a.example": [("TXT", "v=DMARC1; p=none")]}, LETTER),
        (HONEST | {"_dmarc.a.example": []}, LETTER),
        (HONEST, LETTER + b"Content-Type: multipart/report; report-type=tlsrpt; boundary=x\r\n"),
        (HONEST, LETTER + b"TLS-Report-Domain: b.example\r\n"),
    ],
)
def test_who_does_not_ask_and_what_is_a_report_is_not_counted(
    world: Any, zone: dict[str, Any], header: bytes
) -> None:
    output, found = counted(world, zone, header=header)
    assert "250 2.0.0 accepted" in output
    assert found == []


def test_nothing_is_counted_while_reports_are_off(world: Any) -> None:
    assert counted(world, HONEST, on=False)[1] == []


def test_what_fails_is_handed_to_who_tells_of_failures(world: Any) -> None:
    noted: list[tuple[str, str, bytes]] = []

    class Failures:
        def note(self, evaluation: Any, reverse_path: str, header: bytes) -> None:
            noted.append((evaluation.result, reverse_path, header))

    async def go() -> None:
        world.zone = HONEST | {"a.example": [("TXT", "v=spf1 -all")]}
        async with world.opened(policy=replace(USUAL_POLICY, greylist=False)) as (settings, services):
            services = replace(services, failure_reports=Failures())
            connection = MemoryConnection(tls=True)
            connection.start(inbound_session(settings, services, Role.MX))
            envelope = b"MAIL FROM:<ann@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n"
            for packet in (b"EHLO mx.a.example\r\n", envelope, LETTER + b"\r\nHello\r\n.\r\n"):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            await connection.finish()

    asyncio.run(go())
    ((result, reverse_path, header),) = noted
    assert (result, reverse_path) == ("fail", "ann@a.example")
    assert b"From: Ann <ann@a.example>" in header
