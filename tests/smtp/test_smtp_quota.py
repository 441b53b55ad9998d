"""Full mailboxes: told at RCPT where that can be known, and nobody waits for a neighbour's quota."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from postier.base.networks import NOWHERE
from postier.smtp.inbound.dialogue import Role
from postier.store.api import StoreUnavailable

EHLO = b"EHLO a.example\r\n"
MESSAGE = b"From: A <a@a.example>\r\n\r\n" + b"0123456789abcd\r\n" * 200
TRUST = {"trust_loopback": True}


def receive(world, *rcpts: bytes, mail: bytes = b""):
    words = [each.partition(b" ") for each in rcpts]
    rcpt = b"".join(b"RCPT TO:<%b@b.example>%b%b\r\n" % each for each in words)
    said = [EHLO, b"MAIL FROM:<a@a.example>" + mail + b"\r\n" + rcpt + b"DATA\r\n", MESSAGE + b".\r\n"]
    return asyncio.run(world.converse(said, **TRUST))


def where(stored) -> list[tuple[str, tuple[str, ...]]]:
    return [(each.where, each.recipients) for each in stored]


@pytest.mark.parametrize(
    ("size", "refused"),
    [(b"", False), (b" SIZE=3000", False), (b" SIZE=3001", True), (b" SIZE=40000000", True)],
)
def test_the_declared_size_must_fit_into_the_mailbox(world, size: bytes, refused: bool):
    output, _ = receive(world, b"small", b"bob", mail=size)
    assert output.count("\r\n452 4.2.2 The mailbox is full [trace ") == refused
    assert output.count("250 2.1.5") == 2 - refused


def test_a_message_too_large_for_one_mailbox_alone_is_refused(world):
    output, stored = receive(world, b"small")
    assert "\r\n452 4.2.2 A mailbox is full [trace " in output
    assert stored == []


def test_a_message_too_large_for_one_of_several_reaches_the_others(world):
    output, stored = receive(world, b"bob", b"small", b"carol")
    assert "250 2.0.0 accepted" in output
    assert where(stored) == [
        ("bob@b.example/INBOX", ()),
        ("carol@b.example/INBOX", ()),
        ("queue", ("small@b.example",)),
    ]
    assert stored[2].destination == "b.example"


def test_a_full_member_does_not_keep_mail_from_the_others(world):
    _, stored = receive(world, b"crowd")
    assert where(stored) == [("carol@b.example/INBOX", ()), ("queue", ("full@b.example",))]


def test_what_is_set_aside_is_not_reported_as_delivered(world):
    _, stored = receive(world, b"bob NOTIFY=SUCCESS", b"small NOTIFY=SUCCESS,DELAY")
    report = next(each.data for each in stored if b"delivery-status" in each.data)
    assert report.count(b"Final-Recipient:") == 1
    assert b"Final-Recipient: rfc822; bob@b.example\r\n" in report


def test_what_is_set_aside_keeps_its_wishes(world):
    found = []

    async def look(services):
        found.extend(await services.store.reader.queue_entries())

    said = [
        EHLO,
        b"MAIL FROM:<a@a.example> ENVID=E1\r\nRCPT TO:<bob@b.example>\r\n"
        b"RCPT TO:<small@b.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;s@b.example\r\nDATA\r\n",
        MESSAGE + b".\r\n",
    ]
    asyncio.run(world.converse(said, after=look, **TRUST))
    [entry] = found
    assert (entry.reverse_path, entry.envid) == ("a@a.example", "E1")
    assert [(each.notify, each.orcpt) for each in entry.recipients] == [
        ("SUCCESS,DELAY", "rfc822;s@b.example")
    ]


def test_in_lmtp_who_is_full_hears_so_and_nothing_waits_for_them_here(world):
    """RFC 2033 4.2: an answer for each; the alias reaches who has room, and the queue keeps the rest."""
    names = (b"small", b"bob", b"crowd", b"small")
    rcpt = b"".join(b"RCPT TO:<%b@b.example> NOTIFY=SUCCESS\r\n" % name for name in names)
    said = [b"LHLO a.example\r\n", b"MAIL FROM:<>\r\n" + rcpt + b"DATA\r\n", MESSAGE + b".\r\n"]
    output, stored = asyncio.run(world.converse(said, Role.LMTP))
    answers = output.partition("\r\n354 ")[2].splitlines()[1:]
    assert [answer[:9] for answer in answers] == ["452 4.2.2", "250 2.0.0", "250 2.0.0", "452 4.2.2"]
    assert where(stored) == [
        ("bob@b.example/INBOX", ()),
        ("carol@b.example/INBOX", ()),
        ("queue", ("full@b.example",)),
    ]
    assert b"with LMTP id " in stored[0].data


def test_in_lmtp_a_fault_of_the_store_is_told_for_each_and_nothing_is_kept(world):
    class Failing:
        def __init__(self, store):
            self._store = store

        def __getattr__(self, name):
            return getattr(self._store, name)

        async def transact(self, work, **more):
            raise StoreUnavailable("disk gone")

    said = [
        b"LHLO a.example\r\n",
        b"MAIL FROM:<>\r\nRCPT TO:<bob@b.example>\r\nRCPT TO:<carol@b.example>\r\nDATA\r\n",
        MESSAGE + b".\r\nQUIT\r\n",
    ]
    output, stored = asyncio.run(
        world.converse(
            said, Role.LMTP, change=lambda services: replace(services, store=Failing(services.store))
        )
    )
    answers = output.partition("\r\n354 ")[2].splitlines()[1:]
    assert [answer[:9] for answer in answers] == ["451 4.3.0", "451 4.3.0", "221 2.0.0"]
    assert stored == []


def test_lmtp_is_for_the_hosts_it_is_meant_for_alone(world):
    output, _ = asyncio.run(world.converse([b"LHLO a.example\r\n"], Role.LMTP, lmtp_from=NOWHERE))
    assert output == "554 No LMTP for this address\r\n"
