"""What results do to recipients, and who hears of it (RFC 3461 4.1, 5.2)."""

from __future__ import annotations

import itertools

import pytest

from postier.blobs.api import BlobRef
from postier.message.dsn import Action
from postier.queue.api import DeliveryResult, Outcome
from postier.queue.schedule import Schedule
from postier.queue.verdict import EXPIRED, Verdict, judge
from postier.store.api import BlobId, QueueEntry, QueueRecipient, QueueState, RecipientState

ARRIVED = 1_000_000
HOUR, DAY = 3600, 86400
DELIVERED, TEMPORARY, PERMANENT = Outcome.DELIVERED, Outcome.TEMPORARY, Outcome.PERMANENT


def entry(*notify: str, delay_notified: bool = False, states: tuple[RecipientState, ...] = ()) -> QueueEntry:
    states = states or (RecipientState.PENDING,) * len(notify)
    recipients = tuple(
        QueueRecipient(i, f"r{i}@b.example", state, notify=n)
        for i, (n, state) in enumerate(zip(notify, states, strict=True))
    )
    blob = BlobRef("p", 0, 1, 1)
    return QueueEntry(
        1, "t", None, "a@a.example", "b.example", BlobId(1), blob, ARRIVED, ARRIVED, 0, QueueState.WAITING,
        recipients, delay_notified=delay_notified,
    )  # fmt: skip


def result(outcome: Outcome, **more: object) -> DeliveryResult:
    kind = {DELIVERED: "2", TEMPORARY: "4", PERMANENT: "5"}[outcome]
    return DeliveryResult("r@b.example", outcome, f"{kind}.1.1", "said", **more)  # type: ignore[arg-type]


def verdict(of: QueueEntry, *outcomes: Outcome, after: int = 0, **more: object) -> Verdict:
    results = [result(outcome, **more) for outcome in outcomes]
    return judge(of, results, ARRIVED + after, Schedule())


def actions(found: Verdict) -> list[tuple[str, Action]]:
    return [(notice.recipient.forward_path, notice.action) for notice in found.notices]


def test_all_delivered_ends_the_entry() -> None:
    found = verdict(entry("", ""), DELIVERED, DELIVERED)
    assert found.next_attempt is None
    assert found.notices == ()


def test_every_combination_of_outcomes_and_states() -> None:
    """Legal transitions: only PENDING changes, and only as the outcome says."""
    expected = {
        DELIVERED: RecipientState.DELIVERED,
        TEMPORARY: RecipientState.PENDING,
        PERMANENT: RecipientState.FAILED,
    }
    for states in itertools.product(RecipientState, repeat=3):
        pending = states.count(RecipientState.PENDING)
        for outcomes in itertools.product(Outcome, repeat=pending):
            found = verdict(entry("", "", "", states=states), *outcomes)
            left = iter(outcomes)
            for before, after in zip(states, found.recipients, strict=True):
                wanted = before if before is not RecipientState.PENDING else expected[next(left)]
                assert after.state is wanted
            waits = any(r.state is RecipientState.PENDING for r in found.recipients)
            assert (found.next_attempt is not None) == waits
            failed_now = outcomes.count(PERMANENT)
            assert len(found.notices) == failed_now, "each failure is told once, when it happens"


def test_an_old_entry_is_given_up() -> None:
    found = verdict(entry(""), TEMPORARY, after=5 * DAY)
    assert found.recipients[0].state is RecipientState.FAILED
    assert found.next_attempt is None
    (notice,) = found.notices
    assert (notice.action, notice.status) == (Action.FAILED, EXPIRED)
    assert notice.recipient.status == "4.1.1", "the last answer is kept beside it"


def test_just_before_the_end_it_still_waits() -> None:
    found = verdict(entry(""), TEMPORARY, after=5 * DAY - 1)
    assert found.next_attempt == ARRIVED + 5 * DAY


@pytest.mark.parametrize(
    ("notify", "failure", "delay", "success"),
    [
        ("", True, True, False),
        ("NEVER", False, False, False),
        ("FAILURE", True, False, False),
        ("DELAY", False, True, False),
        ("SUCCESS", False, False, True),
        ("SUCCESS,FAILURE,DELAY", True, True, True),
        ("success,delay", False, True, True),
    ],
)
def test_notify_decides_who_is_told(notify: str, failure: bool, delay: bool, success: bool) -> None:
    assert bool(verdict(entry(notify), PERMANENT).notices) == failure
    assert bool(verdict(entry(notify), TEMPORARY, after=5 * DAY).notices) == failure
    assert bool(verdict(entry(notify), TEMPORARY, after=4 * HOUR).notices) == delay
    assert bool(verdict(entry(notify), DELIVERED).notices) == success


def test_success_is_reported_by_the_next_host_if_it_can() -> None:
    assert verdict(entry("SUCCESS"), DELIVERED, facts={"dsn": "passed on"}).notices == ()
    assert actions(verdict(entry("SUCCESS"), DELIVERED)) == [("r0@b.example", Action.RELAYED)]
    local = judge(entry("SUCCESS"), [result(DELIVERED)], ARRIVED, Schedule(), final_hop=True)
    assert actions(local) == [("r0@b.example", Action.DELIVERED)]


def test_the_delay_is_told_once() -> None:
    first = verdict(entry("", ""), TEMPORARY, TEMPORARY, after=4 * HOUR)
    assert actions(first) == [("r0@b.example", Action.DELAYED), ("r1@b.example", Action.DELAYED)]
    assert first.delay_notified
    assert verdict(entry("", delay_notified=True), TEMPORARY, after=6 * HOUR).notices == ()
    assert not verdict(entry(""), TEMPORARY, after=4 * HOUR - 1).delay_notified


def test_what_was_said_is_kept_readable_and_short() -> None:
    results = [DeliveryResult("r@b.example", TEMPORARY, "4.0.0", "a\x1b\n\0b" + "x" * 5000, "mx [::1]:25")]
    found = judge(entry(""), results, ARRIVED, Schedule())
    kept = found.recipients[0]
    assert kept.diagnostic.startswith("a   b")
    assert len(kept.diagnostic) == 1000
    assert (kept.remote, kept.attempts, kept.last_attempt) == ("mx [::1]:25", 1, ARRIVED)
    assert found.reason == kept.diagnostic


@pytest.mark.parametrize("outcomes", [(), (DELIVERED, DELIVERED)])
def test_results_must_fit_the_recipients(outcomes: tuple[Outcome, ...]) -> None:
    with pytest.raises(ValueError):
        verdict(entry(""), *outcomes)
