"""What one message may cost of the DNS."""

from __future__ import annotations

import asyncio
import selectors
from dataclasses import replace
from types import SimpleNamespace

import pytest

from postier.base.clock import SystemClock
from postier.dns.api import NotFound, TemporaryFailure
from postier.dns.cache import CachingResolver
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import Signer, sign
from postier.mailauth.dmarc import record_names
from postier.mailauth.spf import Spf
from postier.mailauth.verifier import MessageVerifier
from postier.smtp.inbound.dns_budget import MAX_QUESTIONS, SPF_QUESTIONS, DnsBudget
from postier.smtp.inbound.evidence import evidence_of, spf_of
from postier.smtp.inbound.policy_settings import USUAL_POLICY
from postier.testing.dns import ZoneResolver

KEY = keys.generate_ed25519()


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
        for number in range(MAX_QUESTIONS - 1):
            with pytest.raises(NotFound):
                await budget.txt(f"n{number}.example")
        await budget.txt("a.example")
        with pytest.raises(TemporaryFailure, match="too many"):
            await budget.txt("b.example")
        assert (await budget.txt("a.example")).records == (b"x",)  # known, so not asked again
        with pytest.raises(NotFound):
            await budget.txt("n0.example")

    asyncio.run(ask())


def test_a_part_is_gone_from_the_whole_and_ends_for_itself():
    async def ask() -> None:
        whole = DnsBudget(ZoneResolver({}), 20.0, 3)
        part = whole.part(2)
        for name in ("a", "b"):
            with pytest.raises(NotFound):
                await part.txt(name)
        with pytest.raises(TemporaryFailure):
            await part.txt("c")
        with pytest.raises(NotFound):
            await whole.txt("a")
        with pytest.raises(TemporaryFailure):
            await whole.part(5).txt("b")

    asyncio.run(ask())


def test_a_forger_cannot_use_up_the_questions_that_judge_him(world):
    """His own SPF record costs all that SPF may ask; the policy of the domain he borrows is known all the
    same."""
    world.zone = {
        "_dmarc.a.example": [("TXT", "v=DMARC1; p=reject")],
        "a.example": [("A", "192.0.2.9")],
        "evil.example": [("TXT", "v=spf1 " + " ".join(f"mx:m{n}.evil.example" for n in range(10)))],
        **{
            f"m{n}.evil.example": [("MX", (m, f"h{n}-{m}.evil.example")) for m in range(10)]
            for n in range(10)
        },
        **{f"h{n}-{m}.evil.example": [("A", "198.51.100.1")] for n in range(10) for m in range(10)},
    }
    resolver = ZoneResolver(world.zone)
    said = [
        b"EHLO a.example\r\n",
        b"MAIL FROM:<a@evil.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        b"From: A <a@a.example>\r\n\r\nHello\r\n.\r\n",
    ]
    output, stored = asyncio.run(
        world.converse(said, change=lambda services: replace(services, resolver=resolver))
    )
    assert "\r\n550 5.7.26 " in output
    assert stored == []
    assert 60 > len(resolver.questions) > SPF_QUESTIONS


def test_what_is_asked_ahead_is_asked_at_once_and_its_failures_are_nobodys():
    silent = Silent()

    async def ask() -> None:
        await DnsBudget(silent, 0.0).ask_ahead([f"n{i}.example" for i in range(10)])

    asyncio.run(ask())
    assert silent.most == 10
    assert silent.waiting == 0


def test_what_the_cache_knows_is_asked_of_nobody_and_found_the_same():
    clock, zone = SystemClock(), ZoneResolver({"a.example": [("TXT", "x")]})

    async def ask() -> None:
        cache = CachingResolver(zone, clock)
        first, later = DnsBudget(cache, 20.0), DnsBudget(cache, 0.0)
        assert not first.remembers(["a.example"])
        await first.txt("a.example")
        assert later.remembers(["A.example."])
        assert not later.remembers(["a.example", "b.example"])
        assert (await later.txt("a.example")).records == (b"x",)  # past its time, but it needs none
        with pytest.raises(TemporaryFailure):
            await later.mx("a.example")

    asyncio.run(ask())
    assert zone.questions[:1] == [("TXT", "a.example")]
    assert ("TXT", "a.example") not in zone.questions[1:]


def test_a_message_whose_records_are_known_is_judged_the_same(world):
    world.zone = {
        "a.example": [("TXT", "v=spf1 ip4:192.0.2.1 -all"), ("A", "192.0.2.1")],
        "_dmarc.a.example": [("TXT", "v=DMARC1; p=reject")],
        "_dmarc.example": [("A", "192.0.2.9")],  # this zone lets no absence be kept
        "k._domainkey.a.example": [("TXT", keys.txt_record(KEY))],
    }
    zone = ZoneResolver(world.zone)
    hasher = BodyHasher()
    hasher.feed(b"Hello\r\n")
    signer = Signer("a.example", "k", KEY)
    header = b"From: A <a@a.example>\r\n"
    field = sign([signer], header, hasher.digest(), timestamp=1)
    message = field + header + b"\r\nHello\r\n.\r\n"
    said = [
        b"EHLO a.example\r\n",
        b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        message,
        b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        message,
    ]
    cache = CachingResolver(zone, SystemClock())
    _, stored = asyncio.run(world.converse(said, change=lambda services: replace(services, resolver=cache)))
    first, second = (one.data.partition(b"\r\nReceived:")[0] for one in stored)
    assert first == second
    assert b"dkim=pass" in first
    assert b"dmarc=pass" in first
    texts = [name for kind, name in zone.questions if kind == "TXT"]
    assert len(texts) == len(set(texts)) == 4


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


class Skipping(selectors.DefaultSelector):
    """Whoever waits for a time has it at once: `skipped` seconds so far."""

    skipped = 0.0

    def select(self, timeout=None):
        self.skipped += timeout or 0.0
        return super().select(0)


@pytest.mark.parametrize("helo_too", [False, True])
@pytest.mark.parametrize("asked_before", [False, True])
def test_twenty_seconds_are_all_that_a_message_waits_for_the_dns(asked_before: bool, helo_too: bool):
    """Also where SPF was asked at its recipients already, for greylisting; and DMARC gets its share."""
    selector = Skipping()

    class Loop(asyncio.SelectorEventLoop):
        def time(self) -> float:
            return selector.skipped

    header = b"DKIM-Signature: v=1; a=rsa-sha256; d=a.example; s=s; h=from; bh=; b=\r\nFrom: a@a.example\r\n"
    reader = MessageVerifier(header)
    dialogue = SimpleNamespace(
        settings=SimpleNamespace(
            dns_time=20.0, hostname="mx.b.example", policy=replace(USUAL_POLICY, spf_helo=helo_too)
        ),
        services=SimpleNamespace(resolver=Silent(), clock=SystemClock()),
        connection=SimpleNamespace(peer=("192.0.2.1", 1)),
        helo="mx.a.example",
    )
    transaction = SimpleNamespace(spf=None, spf_helo=None, dns_seconds=0.0, reverse_path="a@a.example")
    incoming = SimpleNamespace(body_reader=reader)
    arrived = SimpleNamespace(evidence=None, author_domains=("a.example",), incoming=incoming)

    async def judge() -> None:
        if asked_before:
            await spf_of(dialogue, transaction)
            assert selector.skipped <= 15.1
        evidence = await evidence_of(dialogue, transaction, arrived)
        assert evidence.spf.result is Spf.TEMPERROR

    with asyncio.Runner(loop_factory=lambda: Loop(selector)) as runner:
        runner.run(judge())
    assert 15 <= selector.skipped <= 20.5
