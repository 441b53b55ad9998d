"""When an entry is tried again (RFC 5321 4.5.4.1)."""

from __future__ import annotations

import itertools

import pytest

from postier.queue.schedule import Schedule

MINUTE, HOUR, DAY = 60, 3600, 86400


def test_waits_double_from_five_minutes_to_eight_hours() -> None:
    waits = [Schedule().retry_delay(n) for n in range(1, 10)]
    assert waits[:7] == [5 * MINUTE * 2**n for n in range(7)]
    assert waits[7:] == [8 * HOUR] * 2


@pytest.mark.parametrize("attempt", [0, -1])
def test_attempts_count_from_one(attempt: int) -> None:
    with pytest.raises(ValueError):
        Schedule().retry_delay(attempt)


def test_a_thousandth_attempt_still_waits_the_ceiling() -> None:
    assert Schedule().retry_delay(1000) == 8 * HOUR


def play(schedule: Schedule, jitter: float = 0.0) -> list[int]:
    """The moments of all attempts of an entry that never succeeds, seconds after its arrival."""
    moments, now = [], 0
    for attempt in range(1, 1000):
        moments.append(now)
        if now >= schedule.expires(0):
            break
        notified = schedule.wants_delay_notice(0, now)
        now = schedule.next_attempt(0, now, attempt, notified=notified, jitter=jitter)
    return moments


@pytest.mark.parametrize("jitter", [0.0, 0.5, 1.0])
def test_a_whole_life(jitter: float) -> None:
    moments = play(Schedule(), jitter)
    assert moments[0] == 0
    assert moments == sorted(set(moments))
    assert 4 * HOUR in moments, "the delay notice comes in time"
    assert moments[-1] == 5 * DAY, "and so does the end"
    assert 15 <= len(moments) <= 30
    assert max(b - a for a, b in itertools.pairwise(moments)) <= 8.8 * HOUR


def test_jitter_only_adds_and_at_most_a_tenth() -> None:
    schedule = Schedule()
    assert schedule.next_attempt(0, 1000, 1, notified=True) == 1300
    assert schedule.next_attempt(0, 1000, 1, notified=True, jitter=1.0) == 1330


def test_an_attempt_after_the_end_does_not_stand_still() -> None:
    schedule = Schedule()
    assert schedule.next_attempt(0, 6 * DAY, 3, notified=True) == 6 * DAY + 1


@pytest.mark.parametrize(
    "bad", [{"first": 0}, {"first": 10, "ceiling": 5}, {"give_up_after": 0}, {"delay_notice_after": 0}]
)
def test_impossible_schedules_are_refused(bad: dict[str, int]) -> None:
    with pytest.raises(ValueError):
        Schedule(**bad)
