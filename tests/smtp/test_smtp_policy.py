"""The list of checks: what ends it, what is remembered, and what a message carries away."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest

from postier.base.status import Reply
from postier.smtp.inbound.dialogue import InboundSettings, Role
from postier.smtp.inbound.marks import junk_reason, policy_field, without_forged_fields
from postier.smtp.inbound.outcome import NO_MARKS, Defer, Mark, Outcome, Refuse, decide
from postier.smtp.inbound.policy import CHECKS, Check, Stage, checks_for
from postier.smtp.inbound.policy_settings import PolicySettings

NO = Refuse(Reply(550, "5.7.1", "No"), "no")
LATER = Defer(Reply(450, "4.7.1", "Later"), "later")
ODD = Mark("a", "odd", "is odd", 2.0)


@dataclass
class Marked:
    marks: tuple[Mark, ...] = NO_MARKS


def checks(*outcomes: Outcome, seen: list[int]) -> list:
    def one(number: int, outcome: Outcome):
        async def check(*subject: object) -> Outcome:
            seen.append(number)
            return outcome

        return check

    return [one(number, outcome) for number, outcome in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "end", "made", "marks"),
    [
        ((), None, [], ()),
        ((None, None), None, [0, 1], ()),
        ((None, NO, LATER), NO, [0, 1], ()),
        ((LATER, NO), LATER, [0], ()),
        ((ODD, None, NO), NO, [0, 1, 2], (ODD,)),
        ((ODD, ODD), None, [0, 1], (ODD,)),
    ],
)
def test_the_first_refusal_ends_it_and_marks_are_kept(outcomes, end, made, marks):
    seen: list[int] = []
    marked = Marked()
    assert asyncio.run(decide(checks(*outcomes, seen=seen), marked)) == end
    assert seen == made
    assert marked.marks == marks


def test_marks_are_never_changed_in_place():
    first = Marked((ODD,))
    second = Marked(first.marks)
    asyncio.run(decide(checks(Mark("b", "x", "y"), seen=[]), second))
    assert first.marks == (ODD,)


def test_a_refusal_is_permanent_and_a_deferral_is_not():
    with pytest.raises(ValueError, match="permanent"):
        Refuse(Reply(450, "4.7.1", "Later"), "")
    with pytest.raises(ValueError, match="transient"):
        Defer(Reply(550, "5.7.1", "No"), "")


def test_the_list_has_each_name_once_and_its_stages_in_order():
    names = [check.name for check in CHECKS]
    assert len(set(names)) == len(names)
    stages = [list(Stage).index(check.stage) for check in CHECKS]
    assert stages == sorted(stages)


@pytest.mark.parametrize("role", Role)
def test_what_is_off_is_left_out(role: Role):
    on = checks_for(role, InboundSettings("mx.b.example"))
    trusted = checks_for(role, InboundSettings("mx.b.example", trust_loopback=True))
    for check in CHECKS:
        for found, settings in (
            (on, InboundSettings("h")),
            (trusted, InboundSettings("h", trust_loopback=True)),
        ):
            assert (check.run in getattr(found, check.stage.value)) == _is_made(check, role, settings)
    assert role is Role.LMTP or not trusted.connect
    assert all("dns" not in check.__name__ for check in trusted.message)


def _is_made(check: Check, role: Role, settings: InboundSettings) -> bool:
    return role in check.roles and check.is_on(settings)


def test_marks_stand_in_a_field_and_nobody_else_may_write_it():
    field = policy_field((ODD, Mark("b", "x", "y", 0.5)))
    assert field == b"X-Postier-Policy: weight=2.5;\r\n\ta=odd;\r\n\tb=x\r\n"
    header = b"From: a@b\r\nx-postier-POLICY: weight=-9;\r\n\tc=d\r\nTo: c@d\r\n\r\n"
    assert without_forged_fields(header, "mx.b.example") == b"From: a@b\r\nTo: c@d\r\n\r\n"


@pytest.mark.parametrize(
    ("marks", "limit", "reason"),
    [
        ((ODD,), 5.0, ""),
        ((ODD, Mark("b", "x", "y", 2.9)), 5.0, ""),
        ((ODD, Mark("b", "x", "y", 3.0)), 5.0, "weight 5: a=odd; b=x"),
        ((ODD, Mark("b", "x", "y", 300.0)), 0.0, ""),
        ((ODD, Mark("good", "x", "y", -1.0), Mark("b", "x", "y", 3.5)), 5.0, ""),
        ((Mark("b", "x", "y", 0.0, sets_aside=True),), 0.0, "y"),
    ],
)
def test_what_marks_weigh_together_goes_to_junk(marks, limit, reason):
    assert junk_reason(marks, PolicySettings(junk_weight=limit)) == reason


# ------------------------------------------------------------------ the whole way

EHLO = b"EHLO client.a.example\r\n"
ENVELOPE = b"MAIL FROM:<ann@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n"


def _send(world, header: bytes, **policy: object):
    world.zone = {"a.example": [("TXT", "v=spf1 -all")]}
    said = [EHLO, ENVELOPE.removesuffix(b"DATA\r\n"), b"DATA\r\n", header + b"\r\ntext\r\n.\r\n", b"QUIT\r\n"]
    return asyncio.run(world.converse(said, policy=PolicySettings(**policy)))


def test_spf_that_fails_is_a_mark_that_the_message_shows(world):
    output, (stored,) = _send(world, b"From: ann@a.example\r\nX-Postier-Policy: weight=-99\r\n")
    assert "\r\n250 2.0.0 accepted" in output
    assert stored.where == "bob@b.example/INBOX"
    assert b"\r\nX-Postier-Policy: weight=2;\r\n\treverse-dns=none;\r\n\tspf=fail\r\nReceived:" in stored.data
    assert b"-99" not in stored.data


def test_spf_that_fails_is_refused_where_the_settings_say_so(world):
    output, stored = _send(world, b"From: ann@a.example\r\n", spf_fail="refuse")
    assert "\r\n550 5.7.23 a.example does not let this host send" in output
    assert not stored


@pytest.mark.parametrize("trusted", [False, True])
def test_two_author_domains_are_refused(world, trusted: bool):
    said = [EHLO, ENVELOPE, b"From: a@a.example, c@c.example\r\n\r\ntext\r\n.\r\n"]
    said[1:2] = [ENVELOPE.removesuffix(b"DATA\r\n"), b"DATA\r\n"]
    output, stored = asyncio.run(world.converse(said, trust_loopback=trusted))
    assert "\r\n550 5.7.1 The From field names more than one domain" in output
    assert not stored


@pytest.mark.parametrize("header", [b"Subject: none\r\n", b"From: undisclosed:;\r\n", b"From: nobody\r\n"])
def test_no_author_goes_to_junk_or_is_refused(world, header: bytes):
    output, (stored,) = _send(world, header)
    assert stored.where == "bob@b.example/Junk"
    output, stored = _send(world, header, no_author="refuse")
    assert "\r\n550 5.7.1 The From field names no author's domain" in output
    assert not stored
