"""What comes back to the return address of a report of ours stops reports to that place."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.session import inbound_session
from postier.store.api import ReportTarget
from postier.testing.connection import MemoryConnection

TAG = "0123456789abcdef"
PATH = f"reports-{TAG}@b.example"


def dsn(action: str, kind: str = "multipart/report; report-type=delivery-status; boundary=x") -> bytes:
    return (
        f"From: mailer-daemon@a.example\r\nSubject: Undelivered\r\nContent-Type: {kind}\r\n\r\n"
        "--x\r\n\r\nIt was not.\r\n--x\r\nContent-Type: message/delivery-status\r\n\r\n"
        "Reporting-MTA: dns; a.example\r\n\r\nFinal-Recipient: rfc822; rua@a.example\r\n"
        f"Action: {action}\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 no such user\r\n--x--\r\n.\r\n"
    ).encode()


def returned(
    world: Any, message: bytes, *, sender: str = "", to: str = PATH, known: bool = True
) -> tuple[str, ReportTarget | None, int]:
    """What was answered, the place that reports went to, and how much is queued."""

    async def go() -> tuple[str, ReportTarget | None, int]:
        async with world.opened(trust_loopback=True) as (settings, services):
            store = services.store
            if known:
                target = ReportTarget("rua@a.example", TAG, 1, 1)
                await store.transact(lambda tx: tx.set_report_target(target))
            connection = MemoryConnection()
            connection.start(inbound_session(settings, services, Role.MX))
            envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{to}>\r\nDATA\r\n".encode()
            for packet in (b"EHLO a.example\r\n", envelope, message):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            output = connection.output() + await connection.finish()
            queued = len(await store.reader.queue_entries())
            return output.decode(), await store.reader.report_target("rua@a.example"), queued

    return asyncio.run(go())


def test_a_bounce_stops_reports_and_reaches_nobody(world: Any) -> None:
    output, target, queued = returned(world, dsn("failed"))
    assert "250 2.0.0 accepted" in output
    assert target is not None
    assert target.stopped
    assert target.reason == "smtp; 550 no such user"
    assert queued == 0


def test_letters_may_have_changed_their_case(world: Any) -> None:
    _, target, _ = returned(world, dsn("failed"), to=PATH.upper())
    assert target is not None
    assert target.stopped


@pytest.mark.parametrize(
    "message",
    [
        dsn("delayed"),
        dsn("delivered"),
        dsn("failed", "text/plain"),
        dsn("failed", "multipart/report; report-type=disposition-notification; boundary=x"),
        b"Subject: away\r\nAuto-Submitted: auto-replied\r\n\r\nAction: failed\r\n.\r\n",
    ],
)
def test_delays_and_answers_by_machines_stop_nothing(world: Any, message: bytes) -> None:
    output, target, _ = returned(world, message)
    assert "250 2.0.0 accepted" in output
    assert target is not None
    assert not target.stopped


def test_nobody_can_write_there(world: Any) -> None:
    output, target, _ = returned(world, dsn("failed"), sender="eve@a.example")
    assert "550 5.7.1 This address takes only what is returned" in output
    assert target is not None
    assert not target.stopped


def test_an_address_that_was_never_given_out_is_none(world: Any) -> None:
    output, _, _ = returned(world, dsn("failed"), known=False)
    assert "550 5.1.1" in output
