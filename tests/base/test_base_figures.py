"""Figures of several processes read as one: sums, slots that outlive their worker, labels that stay few."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import pytest

from postier.base import figures
from postier.base.figures import CELLS, SLOTS, Counter, Gauge, Histogram, take_slot

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells of one's own, so that nothing here counts for others."""
    monkeypatch.setattr(figures, "_slots", figures._Slots())
    monkeypatch.setattr(figures, "_gauges", [])


def in_worker(number: int, work: Callable[[], None]) -> None:
    def run() -> None:
        take_slot(number)
        work()

    process = FORK.Process(target=run)
    process.start()
    process.join()
    assert process.exitcode == 0


def test_workers_are_added_up_and_outlive_their_end() -> None:
    counter = Counter("c", "", role=("mx", "other"))
    counter.add("mx")
    in_worker(1, lambda: counter.add("mx", amount=2))
    in_worker(2, lambda: counter.add("mx", amount=4))
    in_worker(2, lambda: counter.add("mx", amount=8))  # in the place of the one before
    assert dict(counter.samples()) == {("mx",): 15.0, ("other",): 0.0}


def test_a_gauge_dies_with_its_worker() -> None:
    gauge = Gauge("g", "")
    gauge.add(amount=5)
    in_worker(1, lambda: gauge.add(amount=2))
    in_worker(2, lambda: gauge.set(3))
    assert dict(gauge.samples()) == {(): 10.0}
    in_worker(1, lambda: None)
    assert dict(gauge.by_worker()) == {0: 5.0, 2: 3.0}


def test_a_label_without_its_value_counts_as_the_last() -> None:
    counter = Counter("c", "", protocol=("imap", "other"), result=("good", "bad"))
    counter.add("gopher", "good")
    counter.add("imap", "x" * 10_000)
    counter.add("imap", "good")
    assert {values: value for values, value in counter.samples() if value} == {
        ("other", "good"): 1.0,
        ("imap", "bad"): 1.0,
        ("imap", "good"): 1.0,
    }
    with pytest.raises(ValueError, match="longer"):
        counter.add("gopher")


def test_an_observation_at_a_bound_belongs_below_it() -> None:
    histogram = Histogram("h", "", (1.0, 5.0), role=("mx", "other"))
    for value in (0.0, 1.0, 1.0001, 5.0, 5.0001, 1e9):
        histogram.observe(value, "mx")
    [(_, total, steps), (_, nothing, none)] = histogram.distributions()
    assert steps == [2.0, 2.0, 2.0]
    assert total == pytest.approx(12.0002 + 1e9)
    assert (nothing, none) == (0.0, [0.0, 0.0, 0.0])


def test_figures_do_not_share_cells() -> None:
    first, second = Counter("a", "", x=("1", "2")), Histogram("b", "", (1.0,), x=("1", "2"))
    third = Counter("c", "")
    second.observe(9, "2")
    second.observe(0, "1")
    assert [value for _, value in first.samples()] == [0.0, 0.0]
    assert [value for _, value in third.samples()] == [0.0]


def test_a_slot_that_is_full_is_said_when_it_is_made() -> None:
    values = [str(number) for number in range(CELLS)]
    Counter("c", "", x=values)
    with pytest.raises(ValueError, match="no cells left"):
        Counter("d", "")


def test_workers_past_the_slots_share() -> None:
    counter = Counter("c", "")
    in_worker(SLOTS, counter.add)
    in_worker(SLOTS - 1, counter.add)
    assert dict(counter.samples()) == {(): 2.0}
