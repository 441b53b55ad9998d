"""Addresses that are not written to any more: what counts, how often, and for how long."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from postier.queue.api import DeliveryResult, Outcome
from postier.queue.suppress import SuppressionRules, after_bounce, is_unknown_user, note_unknown
from postier.store.api import Suppression

RULES = SuppressionRules(bounces=2, keep=1000, apart=0)
ABOUT_IT = {"about": "recipient"}
NOW = 10_000

CODES = [
    # status, what the host said, counts
    ("5.1.1", "550 5.1.1 no such user", True),
    ("5.1.10", "556 5.1.10 null MX", True),
    ("5.1.0", "550 5.1.0 address rejected", False),
    ("5.1.2", "550 5.1.2 no such domain", False),
    ("5.1.3", "501 5.1.3 bad syntax", False),
    ("5.1.6", "551 5.1.6 has moved", False),
    ("5.1.8", "550 5.1.8 your domain does not exist", False),
    ("5.2.1", "550 5.2.1 disabled", False),
    ("5.2.2", "552 5.2.2 full", False),
    ("5.4.1", "550 5.4.1 access denied", False),
    ("5.7.1", "550 5.7.1 spam", False),
    ("5.7.26", "550 5.7.26 not authenticated", False),
    ("5.7.606", "550 5.7.606 banned", False),
    ("5.0.0", "550 user unknown", False),
    ("5.6.0", "554 5.6.0 content", False),
    ("4.1.1", "450 4.1.1 not now", False),
    ("4.2.0", "450 4.2.0 greylisted", False),
    ("4.7.1", "451 4.7.1 greylisted", False),
]


@pytest.mark.parametrize(("status", "words", "counts"), CODES)
def test_only_an_unknown_user_counts(status: str, words: str, counts: bool) -> None:
    outcome = Outcome.PERMANENT if status.startswith("5") else Outcome.TEMPORARY
    result = DeliveryResult("x@y.test", outcome, status, words, facts=ABOUT_IT)
    assert is_unknown_user(result) is counts
    assert not is_unknown_user(replace(result, facts={}))  # of the sender, the message, or by the DNS


def test_a_delivery_or_a_doubt_never_counts() -> None:
    assert not is_unknown_user(DeliveryResult("x@y.test", Outcome.TEMPORARY, "5.1.1", "", facts=ABOUT_IT))
    assert not is_unknown_user(DeliveryResult("x@y.test", Outcome.DELIVERED, "2.1.5", "", facts=ABOUT_IT))


def bounced(*times: int, known: Suppression | None = None, rules: SuppressionRules = RULES) -> Suppression:
    result = DeliveryResult("X@y.test", Outcome.PERMANENT, "5.1.1", "550 5.1.1 who?", "mx.y.test")
    for now in times:
        known = after_bounce(known, "x@y.test", result, "a@us.test", now, rules)
    assert known is not None
    return known


@pytest.mark.parametrize(
    ("times", "bounces", "first", "until"),
    [
        ((NOW,), 1, NOW, 0),
        ((NOW, NOW + 1000), 2, NOW, NOW + 2000),
        ((NOW, NOW + 1001), 1, NOW + 1001, 0),  # too long ago
        ((NOW, NOW + 1, NOW + 2), 3, NOW, NOW + 1002),
        ((NOW, NOW, NOW + 900, NOW + 1900), 4, NOW, NOW + 2900),
    ],
)
def test_bounces_add_up_within_their_time(
    times: tuple[int, ...], bounces: int, first: int, until: int
) -> None:
    found = bounced(*times)
    assert (found.bounces, found.first, found.last, found.until) == (bounces, first, times[-1], until)
    assert (found.diagnostic, found.remote, found.sender) == ("550 5.1.1 who?", "mx.y.test", "a@us.test")


def test_a_bounce_never_shortens_what_the_administrator_set() -> None:
    by_hand = Suppression("x@y.test", 0, 0, 0, until=10**12)
    assert bounced(NOW, NOW, known=by_hand).until == 10**12


@pytest.mark.parametrize(
    ("times", "bounces", "rests"),
    [
        ((0, 0), 1, False),
        ((0, 3599), 1, False),
        ((0, 3600), 2, True),
        ((0, 100, 3599, 3600), 2, True),
        ((0, *range(1, 3600, 7)), 1, False),
    ],
)
def test_answers_of_one_bad_hour_count_once(times: tuple[int, ...], bounces: int, rests: bool) -> None:
    found = bounced(*(NOW + time for time in times), rules=SuppressionRules())
    assert (found.bounces, found.until > 0) == (bounces, rests)


# ---------------------------------------------------------------------- in the queue


def answered(world: Any, *statuses: str, to: str = "Bob@far.example") -> list[Suppression]:
    """Mail is answered so, one message after the other; what is suppressed then."""

    async def go() -> list[Suppression]:
        async with world() as w:
            w.transport.facts = ABOUT_IT
            for status in statuses:
                w.clock.seconds += 3600
                outcome = Outcome.PERMANENT if status[0] == "5" else Outcome.TEMPORARY
                w.transport.answer = lambda _, s=status, o=outcome: (o, s, f"550 {s} no")
                await w.enqueue(to)
                await w.worker.run_due()
            found: list[Suppression] = await w.store.reader.suppressions()
            return found

    return asyncio.run(go())


def test_the_second_answer_stops_mail_to_the_address(world: Any) -> None:
    (two,) = answered(world, "5.1.1", "5.1.1")
    assert two.address == "bob@far.example"
    assert (two.bounces, two.until - two.last) == (2, SuppressionRules().keep)
    assert (two.sender, two.remote) == ("alice@orchard.example", "mx.far.example [192.0.2.7]:25")


@pytest.mark.parametrize("status", ["5.7.1", "4.2.0", "5.2.2"])
def test_other_answers_are_not_even_noted(world: Any, status: str) -> None:
    assert answered(world, status, status) == []


def test_an_address_of_ours_that_is_gone_is_not_noted(world: Any) -> None:
    assert answered(world, "5.1.1", to="nobody@orchard.example") == []


def test_nothing_is_noted_where_it_is_switched_off(world: Any) -> None:
    async def go() -> list[Suppression]:
        async with world() as w:
            results = [DeliveryResult("x@y.test", Outcome.PERMANENT, "5.1.1", "550", facts=ABOUT_IT)]
            off = replace(SuppressionRules(), bounces=0)
            await w.store.transact(lambda tx: note_unknown(tx, results, "a@b.test", NOW, off))
            found: list[Suppression] = await w.store.reader.suppressions()
            return found

    assert asyncio.run(go()) == []
