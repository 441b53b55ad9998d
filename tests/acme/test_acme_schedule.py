"""When certificates are renewed and tries repeated: functions of moments."""

from __future__ import annotations

import pytest

from postier.acme.schedule import (
    DAY,
    MAX_TRIES,
    ask_again_at,
    counting_tries,
    may_begin_at,
    renewal_time,
    retry_time,
    suggested_time,
    wait_told,
)

NOW = 1_700_000_000


@pytest.mark.parametrize(("days", "earliest", "latest"), [(90, 60, 63), (47, 31.3, 33), (6, 4, 4.2)])
def test_a_certificate_is_renewed_at_two_thirds_of_its_life(
    days: int, earliest: float, latest: float
) -> None:
    at = [renewal_time(NOW, NOW + days * DAY, chance) for chance in (0.0, 0.5, 1.0)]
    assert at == sorted(set(at))
    assert earliest <= (at[0] - NOW) / DAY
    assert (at[-1] - NOW) / DAY <= latest


def test_a_suggested_window_is_obeyed() -> None:
    window = (NOW + 10 * DAY, NOW + 12 * DAY)
    assert suggested_time(window, NOW, NOW + 90 * DAY, 0.0) == window[0]
    assert suggested_time(window, NOW, NOW + 90 * DAY, 0.5) == NOW + 11 * DAY


def test_a_window_in_the_past_means_now() -> None:
    assert suggested_time((NOW - 2 * DAY, NOW - DAY), NOW - 9 * DAY, NOW + 9 * DAY, 1.0) <= NOW


def test_a_window_cannot_let_a_certificate_run_out() -> None:
    late = (NOW + 200 * DAY, NOW + 300 * DAY)
    assert suggested_time(late, NOW, NOW + 80 * DAY, 1.0) == NOW + 70 * DAY


@pytest.mark.parametrize("window", [(NOW, NOW), (NOW + 1, NOW)])
def test_a_window_that_ends_before_it_starts_means_nothing(window: tuple[int, int]) -> None:
    assert suggested_time(window, NOW, NOW + 90 * DAY, 0.3) == renewal_time(NOW, NOW + 90 * DAY, 0.3)


def test_pauses_between_tries_grow_to_a_day() -> None:
    pauses = [retry_time(NOW, failures, 0.0) - NOW for failures in range(1, 8)]
    assert pauses[:5] == sorted(set(pauses[:5]))
    assert pauses[-3:] == [DAY] * 3
    assert retry_time(NOW, 1, 1.0) - NOW == pauses[0] * 5 // 4


def test_there_are_only_so_many_tries_a_day() -> None:
    tries = [NOW - DAY + 1 + i for i in range(MAX_TRIES)]
    assert may_begin_at(NOW, tries[1:]) == NOW
    assert may_begin_at(NOW, tries) == tries[0] + DAY
    assert may_begin_at(NOW, [*tries, NOW]) == tries[1] + DAY
    assert may_begin_at(NOW, [*tries, NOW], MAX_TRIES + 2) == NOW
    assert (
        may_begin_at(NOW, [each - 1 for each in tries[:1]] + tries[1:]) == NOW
    )  # a day old: it is forgotten


def test_a_clock_that_was_set_back_does_not_wait_for_ever() -> None:
    tries = [NOW + 400 * DAY] * MAX_TRIES
    assert counting_tries(NOW, tries) == (NOW,) * MAX_TRIES
    assert may_begin_at(NOW, tries) == NOW + DAY


@pytest.mark.parametrize(
    ("told", "until"),
    [(0, 0), (-5, 0), (1, NOW + 1), (7 * DAY, NOW + 7 * DAY), (10**9, NOW + 7 * DAY)],
)
def test_an_authority_is_left_alone_as_long_as_it_says_a_week_at_most(told: int, until: int) -> None:
    assert wait_told(NOW, told) == until


@pytest.mark.parametrize(("told", "pause"), [(0, 6 * 3600), (1, 600), (7200, 7200), (DAY, DAY), (10**9, DAY)])
def test_suggestions_are_asked_for_again(told: int, pause: int) -> None:
    assert ask_again_at(NOW, told) == NOW + pause
