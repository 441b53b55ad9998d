"""What one message may cost of the DNS."""

from __future__ import annotations

import asyncio

import pytest

from postier.dns.api import TemporaryFailure
from postier.mailauth.dmarc import record_names
from postier.smtp.inbound.dns_budget import MAX_QUESTIONS, DnsBudget
from postier.testing.dns import ZoneResolver


class Silent:
    """Asked, it never answers; `most` questions were waiting at once."""

    def __init__(self) -> None:
        self.waiting = 0
        self.most = 0

    async def txt(self, name: str):
        self.waiting += 1
        self.most = max(self.most, self.waiting)
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.waiting -= 1

    a = aaaa = mx = ptr = tlsa = txt


def test_questions_past_the_deadline_fail_for_the_moment():
    async def ask() -> None:
        budget = DnsBudget(Silent(), 0.0)
        with pytest.raises(TemporaryFailure, match="too long"):
            await budget.txt("a.example")
        with pytest.raises(TemporaryFailure, match="too long"):
            await budget.a("a.example")

    asyncio.run(ask())


def test_questions_past_their_number_fail_for_the_moment():
    async def ask() -> None:
        budget = DnsBudget(ZoneResolver({"a.example": [("TXT", "x")]}), 20.0)
        for _ in range(MAX_QUESTIONS):
            await budget.txt("a.example")
        with pytest.raises(TemporaryFailure, match="too many"):
            await budget.txt("a.example")

    asyncio.run(ask())


def test_what_is_asked_ahead_is_asked_at_once_and_its_failures_are_nobodys():
    silent = Silent()

    async def ask() -> None:
        await DnsBudget(silent, 0.0).ask_ahead([f"n{i}.example" for i in range(10)])

    asyncio.run(ask())
    assert silent.most == 10
    assert silent.waiting == 0


def test_the_names_that_dmarc_will_ask():
    assert record_names("x.a.example") == ["_dmarc.x.a.example", "_dmarc.a.example", "_dmarc.example"]


def test_a_dns_that_never_answers_holds_no_message(world, monkeypatch):
    monkeypatch.setattr(world, "resolver", Silent, raising=False)
    said = [
        b"EHLO a.example\r\n",
        b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=; b=\r\n"
        b"From: A <a@a.example>\r\n\r\nHello\r\n.\r\n",
    ]
    _, [stored] = asyncio.run(world.converse(said, dns_time=0.0))
    assert stored.where == "bob@b.example/INBOX"
    assert b"spf=temperror" in stored.data
    assert b"dmarc=temperror" in stored.data
