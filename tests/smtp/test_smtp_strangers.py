"""What a stranger meets on port 25: each check in a dialogue, at its limit, one past it and far past it."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from postier.filter.dnsbl import parse_list
from postier.smtp.inbound.dialogue import InboundServices, Role
from postier.smtp.inbound.policy_settings import PolicySettings
from postier.smtp.inbound.session import inbound_session
from postier.store.api import Step
from postier.testing.connection import MemoryConnection
from postier.testing.dns import ZoneResolver

PTR = "1.2.0.192.in-addr.arpa"
NAMED = {PTR: [("PTR", "mx.a.example")], "mx.a.example": [("A", "192.0.2.1")]}
SPF = {"a.example": [("TXT", "v=spf1 ip4:192.0.2.0/24 -all")]}
BLACK = parse_list("bl.example=3")
LISTED = {"1.2.0.192.bl.example": [("A", "127.0.0.2")]}
MAIL = b"MAIL FROM:<ann@a.example>\r\n"
RCPT = b"RCPT TO:<bob@b.example>\r\n"
TEXT = b"From: ann@a.example\r\nSubject: s\r\n\r\ntext\r\n.\r\n"


class SettableClock:
    seconds = 1_794_312_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def say(world, said, policy: PolicySettings, *, zone=None, change=lambda services: services, **settings):
    world.zone = NAMED if zone is None else zone
    return asyncio.run(world.converse(said, policy=policy, change=change, **settings))


def send(world, policy: PolicySettings, *, helo: bytes = b"mx.a.example", mail: bytes = MAIL, **more):
    return say(world, [b"EHLO " + helo + b"\r\n", mail, RCPT, b"DATA\r\n", TEXT], policy, **more)


def policy_field(data: bytes) -> str:
    """X-Postier-Policy unfolded, "" without one."""
    header = data.replace(b"\r\n\t", b" ").partition(b"\r\n\r\n")[0].decode()
    return next((line[18:] for line in header.split("\r\n") if line.startswith("X-Postier-Policy: ")), "")


# ------------------------------------------------------------------ early talkers


def test_who_talks_during_the_delay_of_the_greeting_is_refused(world):
    output, stored = say(world, [b"EHLO x\r\n"], PolicySettings(greeting_delay=0.0))
    assert output.startswith("220 ")

    async def talk() -> str:
        async with world.opened(policy=PolicySettings(greeting_delay=0.05)) as (settings, services):
            connection = MemoryConnection()
            connection.start(inbound_session(settings, services, Role.MX))
            await asyncio.sleep(0)
            connection.feed(b"EHLO x\r\n")
            await asyncio.sleep(0.1)
            return (connection.output() + await connection.finish()).decode()

    assert asyncio.run(talk()) == "554 Wait for the greeting\r\n"
    assert not stored


def test_who_waits_is_greeted_after_the_delay(world):
    output, _ = say(world, [b"", b"EHLO mx.a.example\r\n"], PolicySettings(greeting_delay=0.01))
    assert output.startswith("220 ")


# ------------------------------------------------------------------ reverse DNS


@pytest.mark.parametrize(
    ("zone", "shown", "results"),
    [
        (NAMED, "", "iprev=pass (mx.a.example) policy.iprev=192.0.2.1"),
        ({PTR: [("PTR", "liar.example")]}, "weight=2; reverse-dns=fail", "iprev=fail policy.iprev=192.0.2.1"),
        ({}, "weight=2; reverse-dns=none", "iprev=permerror policy.iprev=192.0.2.1"),
        ({PTR: ["TIMEOUT"]}, "", "iprev=temperror policy.iprev=192.0.2.1"),
    ],
)
def test_reverse_dns_is_a_mark(world, zone, shown: str, results: str):
    output, (stored,) = send(world, PolicySettings(), zone=zone)
    assert "\r\n250 2.0.0 accepted" in output
    assert policy_field(stored.data) == shown
    assert results in stored.data.decode()


@pytest.mark.parametrize(
    ("what", "reply"), [("defer", "\r\n450 4.7.25 Your address"), ("refuse", "\r\n550 5.7.25 Your address")]
)
def test_reverse_dns_is_what_the_settings_say(world, what: str, reply: str):
    output, stored = send(world, PolicySettings(reverse_dns=what), zone={})
    assert reply in output
    assert not stored
    output, stored = send(world, PolicySettings(reverse_dns=what), zone={PTR: ["TIMEOUT"]})
    assert "\r\n250 2.0.0 accepted" in output
    said = [b"EHLO mx.a.example\r\n", MAIL, b"RCPT TO:<postmaster>\r\n"]
    output, _ = say(world, said, PolicySettings(reverse_dns=what), zone={})
    assert "\r\n250 2.1.5" in output


def test_what_is_off_is_not_asked_for(world):
    resolver = ZoneResolver({})
    policy = PolicySettings(reverse_dns="off")
    send(world, policy, change=lambda services: replace(services, resolver=resolver))
    assert not [name for kind, name in resolver.questions if kind == "PTR" or "bl.example" in name]


# ------------------------------------------------------------------ EHLO


@pytest.mark.parametrize(
    ("helo", "shown"),
    [
        (b"mx.a.example", ""),
        (b"[192.0.2.1]", ""),
        (b"[198.51.100.1]", "weight=1; helo=literal"),
        (b"localhost", "weight=1; helo=bare"),
    ],
)
def test_a_name_that_is_not_ones_own_is_a_mark(world, helo: bytes, shown: str):
    output, (stored,) = send(world, PolicySettings(), helo=helo)
    assert policy_field(stored.data) == shown
    output, stored = send(world, PolicySettings(helo="refuse"), helo=helo)
    assert ("\r\n550 Give your full host name" in output) == bool(shown)
    assert bool(stored) == (not shown)


def test_our_own_name_is_refused_and_another_may_be_given(world):
    output, stored = send(world, PolicySettings(), helo=b"MX.B.example")
    assert "\r\n550 You are not this host" in output
    assert "\r\n503 " in output
    assert not stored
    said = [b"EHLO mx.b.example\r\n", b"EHLO mx.a.example\r\n", MAIL, RCPT, b"DATA\r\n", TEXT]
    output, (one,) = say(world, said, PolicySettings(helo_own_name="mark"))
    assert policy_field(one.data) == ""  # the mark belonged to the name that was taken back
    output, (one,) = send(world, PolicySettings(helo_own_name="mark"), helo=b"mx.b.example")
    assert policy_field(one.data) == "weight=1; helo-own-name=ours"


def test_a_name_that_is_refused_in_the_middle_of_a_transaction_changes_nothing(world):
    """RFC 5321 4.1.1.1: the server stays in the state that it was in."""
    said = [b"EHLO mx.a.example\r\n", MAIL, RCPT, b"EHLO mx.b.example\r\n", b"DATA\r\n", TEXT, b"QUIT\r\n"]
    output, (one,) = say(world, said, PolicySettings())
    assert "\r\n550 You are not this host" in output
    assert output.endswith("\r\n221 2.0.0 Bye\r\n")
    assert b"Received: from mx.a.example " in one.data


# ------------------------------------------------------------------ lists


@pytest.mark.parametrize(("refuse", "refused"), [(2, True), (3, True), (4, False), (0, False)])
def test_a_list_refuses_from_its_weight_on(world, refuse: int, refused: bool):
    policy = PolicySettings(dnsbl=(BLACK,), dnsbl_refuse=refuse)
    output, stored = send(world, policy, zone={**NAMED, **LISTED})
    assert ("\r\n554 5.7.1 192.0.2.1 is listed by bl.example" in output) == refused
    assert len(stored) == (not refused)
    if not refused:
        assert policy_field(stored[0].data) == "weight=3; dnsbl=bl.example"


def test_lists_are_weighed_together(world):
    lists = (BLACK, parse_list("other.example=2"), parse_list("wl.example=-1"))
    zone = {**NAMED, **LISTED, "1.2.0.192.other.example": [("A", "127.0.0.2")]}
    output, _ = send(world, PolicySettings(dnsbl=lists), zone=zone)
    assert "554 5.7.1 192.0.2.1 is listed by bl.example, other.example;" in output
    zone["1.2.0.192.wl.example"] = [("A", "127.0.10.1")]
    output, (stored,) = send(world, PolicySettings(dnsbl=lists), zone=zone)
    assert policy_field(stored.data) == "weight=4; dnsbl=bl.example,other.example,wl.example"


def test_who_is_listed_may_write_to_postmaster(world):
    said = [b"EHLO mx.a.example\r\n", MAIL, b"RCPT TO:<postmaster@b.example>\r\n", RCPT]
    policy = PolicySettings(dnsbl=(BLACK,), dnsbl_refuse=1)
    output, _ = say(world, said, policy, zone={**NAMED, **LISTED})
    assert output.count("\r\n250 2.1.5") == 1
    assert output.count("\r\n554 5.7.1") == 1


@pytest.mark.parametrize("answer", ["TIMEOUT", ("A", "127.255.255.254"), ("A", "198.51.100.1")])
def test_a_list_that_fails_counts_for_nobody(world, answer):
    policy = PolicySettings(dnsbl=(BLACK,), dnsbl_refuse=1)
    _, (stored,) = send(world, policy, zone={**NAMED, "1.2.0.192.bl.example": [answer]})
    assert policy_field(stored.data) == ""


def test_the_greeting_does_not_wait_for_lists(world):
    """And who leaves before they answer takes the questions with him."""
    asked, left = [], []

    class Silent(ZoneResolver):
        async def a(self, name: str):
            asked.append(name)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                left.append(name)

    policy = PolicySettings(dnsbl=(BLACK,), reverse_dns="off")
    change = lambda services: replace(services, resolver=Silent({}))  # noqa: E731
    output, _ = say(world, [b"", b"EHLO mx.a.example\r\n", MAIL], policy, change=change)
    assert "\r\n250 2.1.0" in output
    assert asked == left == ["1.2.0.192.bl.example"]


def test_many_marks_go_to_junk(world):
    policy = PolicySettings(dnsbl=(parse_list("bl.example=2"),))
    _, (stored,) = send(world, policy, zone=LISTED, helo=b"localhost")
    assert policy_field(stored.data) == "weight=5; helo=bare; reverse-dns=none; dnsbl=bl.example"
    assert stored.where == "bob@b.example/Junk"


# ------------------------------------------------------------------ greylisting


def grey(world, policy: PolicySettings, *later: float, zone=None, rcpt: bytes = RCPT) -> str:
    """What RCPT hears at each of these times, one after another on one connection."""
    clock, heard = SettableClock(), []

    async def run() -> None:
        world.zone = {**NAMED, **SPF} if zone is None else zone
        async with world.opened(policy=policy) as (settings, services):
            for seconds in later:
                clock.seconds = SettableClock.seconds + seconds
                connection = MemoryConnection()
                connection.start(inbound_session(settings, replace(services, clock=clock), Role.MX))
                for packet in (b"EHLO mx.a.example\r\n", MAIL, rcpt):
                    await connection.quiet()
                    connection.output()
                    connection.feed(packet)
                await connection.quiet()
                heard.append(connection.output().decode()[:9])
                await connection.finish()

    asyncio.run(run())
    return " ".join(heard)


LATER, WELL = "450 4.7.1", "250 2.1.5"


def test_a_new_sender_is_asked_to_come_again(world):
    policy = PolicySettings(greylist=True)
    assert grey(world, policy, 0, 299, 300, 301, 36 * 86400 + 300) == f"{LATER} {LATER} {WELL} {WELL} {WELL}"
    assert grey(world, policy, 0, 86_401, 86_701) == f"{LATER} {LATER} {WELL}"


def test_greylisting_says_how_long_to_wait(world):
    output, stored = send(world, PolicySettings(greylist=True, greylist_wait=42))
    assert "\r\n450 4.7.1 You are new here: try again in 42 seconds" in output
    assert not stored


def test_who_is_unknown_here_is_never_greylisted_but_refused(world):
    found = grey(world, PolicySettings(greylist=True), 0, rcpt=b"RCPT TO:<nobody@b.example>\r\n")
    assert found == "550 5.1.1"


@pytest.mark.parametrize("passes_named", [False, True])
def test_who_has_a_name_may_pass(world, passes_named: bool):
    policy = PolicySettings(greylist=True, greylist_passes_named=passes_named, reverse_dns="off")
    assert grey(world, policy, 0) == (WELL if passes_named else LATER)
    assert grey(world, policy, 0, zone=SPF) == LATER


def test_who_is_on_a_list_of_good_senders_passes(world):
    policy = PolicySettings(greylist=True, dnsbl=(parse_list("wl.example=-1"),))
    assert grey(world, policy, 0, zone={**SPF, "1.2.0.192.wl.example": [("A", "127.0.1.1")]}) == WELL
    assert grey(world, policy, 0, zone=SPF) == LATER


def test_trusted_servers_greylist_nobody(world):
    output, _ = send(world, PolicySettings(greylist=True), trust_loopback=True)
    assert "\r\n250 2.0.0 accepted" in output


# ------------------------------------------------------------------ rates


@pytest.mark.parametrize(("limit", "taken"), [(0, 6), (2, 2), (3, 3), (6, 6), (7, 6)])
def test_a_sender_may_send_so_many_messages(world, limit: int, taken: int):
    said = [b"EHLO mx.a.example\r\n", *[MAIL, RCPT, b"DATA\r\n", TEXT] * 6]
    output, stored = say(world, said, PolicySettings(sender_messages=limit), zone={**NAMED, **SPF})
    assert len(stored) == taken
    assert output.count("\r\n451 4.7.1 Too many messages from a.example in this hour") == 6 - taken


def test_a_sender_may_send_to_so_many_recipients(world):
    said = [b"EHLO mx.a.example\r\n", *[MAIL, RCPT, b"RCPT TO:<carol@b.example>\r\n", b"DATA\r\n", TEXT] * 3]
    output, stored = say(world, said, PolicySettings(sender_recipients=4))
    assert "\r\n451 4.7.1 Too many recipients from 192.0.2.0/24 in this hour" in output
    assert len(stored) == 4  # two messages to two people


# ------------------------------------------------------------------ loops


def test_an_alias_beyond_ascii_leaves_no_trace_that_other_hosts_do_not_take(world):
    """RFC 6531 3.7.3: without SMTPUTF8 the trace is ASCII. Nothing but the alias asks for it here."""
    said = [b"EHLO mx.a.example\r\n", b"MAIL FROM:<ann@a.example> SMTPUTF8\r\n"]
    said += ["RCPT TO:<dépôt@b.example>\r\n".encode(), b"DATA\r\n", TEXT]
    _, (queued,) = say(world, said, PolicySettings())
    assert (queued.where, queued.recipients) == ("queue", ("bob@else.example",))
    assert queued.data.isascii()
    assert b"Received: from mx.a.example " in queued.data


@pytest.mark.parametrize(
    ("rcpt", "clause"), [(b"<postmaster>", b""), (b"<bob@b.example>", b"\r\n\tfor <bob@b.example>")]
)
def test_the_trace_names_the_only_recipient_by_a_path(world, rcpt: bytes, clause: bytes):
    """RFC 5321 4.4: <postmaster> is none."""
    said = [b"EHLO mx.a.example\r\n", MAIL, b"RCPT TO:" + rcpt + b"\r\n", b"DATA\r\n", TEXT]
    _, (one,) = say(world, said, PolicySettings())
    received = one.data[one.data.index(b"Received: ") :].partition(b";")[0]
    assert b"\r\n\tfor" + received.partition(b"\r\n\tfor")[2] == (clause or b"\r\n\tfor")


def _through_an_alias(world, header: bytes, rcpt: bytes = b"RCPT TO:<away@b.example>\r\n"):
    said = [b"EHLO mx.a.example\r\n", MAIL, rcpt, b"DATA\r\n", header + TEXT]
    return say(world, said, PolicySettings())


def test_what_an_alias_sends_on_may_not_come_back(world):
    output, stored = _through_an_alias(world, b"")
    queued = next(one for one in stored if one.where == "queue")
    assert b"\r\nDelivered-To: away@b.example\r\n" in queued.data
    output, stored = _through_an_alias(world, b"Delivered-To: AWAY@b.example\r\n")
    assert "\r\n554 5.4.6 The message has been here before" in output
    assert not stored


@pytest.mark.parametrize(
    ("header", "rcpt"),
    [
        (b"Delivered-To: other@b.example\r\n", b"RCPT TO:<away@b.example>\r\n"),
        (b"Delivered-To: bob@b.example\r\n", RCPT),
        (b"Delivered-To: away@b.example\r\n", b"RCPT TO:<away@b.example>\r\nRCPT TO:<carol@b.example>\r\n"),
    ],
)
def test_what_only_looks_like_a_loop_is_taken(world, header: bytes, rcpt: bytes):
    output, stored = _through_an_alias(world, header, rcpt)
    assert "\r\n250 2.0.0 accepted" in output
    assert stored


# ------------------------------------------------------------------ the story


def test_marks_and_refusals_reach_the_story(world):
    noted: list[Step] = []

    def change(services: InboundServices) -> InboundServices:
        return replace(services, note_step=noted.append)

    policy = PolicySettings(dnsbl=(BLACK,), dnsbl_refuse=1)
    send(world, policy, zone={**NAMED, **LISTED}, change=change)
    (step,) = [step for step in noted if step.facts.get("verb") == "RCPT"]
    assert step.facts["reason"] == "listed by bl.example, weight 3"
    assert step.facts["reply"].startswith("554 5.7.1")

    facts: list[str] = []

    async def after(services: InboundServices) -> None:
        for trace in await services.store.reader.traces(None, ""):
            facts.extend(step.facts.get("marks", "") for step in await services.store.reader.steps(trace))

    send(world, PolicySettings(), zone={}, after=after)
    assert "reverse-dns=none" in facts
