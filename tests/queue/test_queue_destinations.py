"""How hard a destination is pressed."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from postier.queue import destinations
from postier.queue.api import DeliveryResult, Outcome
from postier.queue.destinations import FIRST_WINDOW, OUTAGE, Destinations, Standing


@dataclass
class HandClock:
    seconds: float = 1000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def result(status: str) -> DeliveryResult:
    kinds = {"2": Outcome.DELIVERED, "4": Outcome.TEMPORARY, "5": Outcome.PERMANENT}
    return DeliveryResult("r@b.example", kinds[status[0]], status, "said")


def test_a_window_grows_with_deliveries_and_falls_with_trouble() -> None:
    known = Destinations(HandClock(), 8)
    assert known.window("b.example") == FIRST_WINDOW
    for _ in range(10):
        known.note("b.example", [result("2.0.0")])
    assert known.window("b.example") == 8
    known.note("b.example", [result("4.4.2")])
    assert known.window("b.example") == 1
    assert known.window("c.example") == FIRST_WINDOW


@pytest.mark.parametrize("status", ["4.4.1", "4.4.3"])
def test_an_outage_lasts_a_minute(status: str) -> None:
    clock = HandClock()
    known = Destinations(clock, 8)
    known.note("b.example", [result(status)])
    assert known.outage("b.example") == result(status)
    assert known.outage("c.example") is None
    clock.seconds += OUTAGE
    assert known.outage("b.example") is None
    assert known.window("b.example") == 1


@pytest.mark.parametrize("statuses", [["4.4.2"], ["4.2.2"], ["5.1.1"], ["2.0.0"], ["4.4.1", "2.0.0"]])
def test_a_host_that_answers_is_no_outage(statuses: list[str]) -> None:
    known = Destinations(HandClock(), 8)
    known.note("b.example", [result(status) for status in statuses])
    assert known.outage("b.example") is None


def test_a_host_that_puts_everything_off_is_pressed_half_as_hard() -> None:
    known = Destinations(HandClock(), 20)
    known.note("b.example", [result("4.7.0"), result("2.0.0")])
    assert known.window("b.example") == FIRST_WINDOW + 1
    known.note("b.example", [result("4.7.0"), result("4.2.1")])
    assert known.window("b.example") == (FIRST_WINDOW + 1) // 2
    for _ in range(9):
        known.note("b.example", [result("4.7.0")])
    assert known.window("b.example") == 1
    assert known.standing("b.example") is Standing.PROVEN


def test_who_could_not_be_reached_is_not_proven() -> None:
    known = Destinations(HandClock(), 20)
    assert known.standing("b.example") is Standing.NEW
    known.note("b.example", [result("5.1.1")])
    assert known.standing("b.example") is Standing.PROVEN
    known.note("b.example", [result("4.4.2")])
    assert known.standing("b.example") is Standing.FAILED


def test_a_small_concurrency_is_kept() -> None:
    assert Destinations(HandClock(), 2).window("b.example") == 2


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(destinations, "REMEMBERED", 3)
    known = Destinations(HandClock(), 8)
    for name in "abcd":
        known.note(name, [result("4.4.1")])
    assert known.outage("a") is None
    assert known.outage("b") is not None
