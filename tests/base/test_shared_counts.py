"""Counting for several processes in memory that never grows."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from postier.base.shared_counts import SharedCounts


def test_a_key_is_counted_within_its_period():
    counts = SharedCounts()
    assert [counts.add("a", 7) for _ in range(3)] == [1, 2, 3]
    assert counts.add("b", 7, 10) == 10
    assert counts.get("a", 7) == 3
    assert counts.get("a", 8) == counts.get("c", 7) == 0
    assert counts.add("a", 8) == 1


def test_periods_may_be_any_number():
    counts = SharedCounts()
    for period in (0, 65535, 65536, 30_000_000_000):
        assert counts.add("a", period) == 1
        assert counts.add("a", period) == 2


def test_a_count_stops_at_what_a_place_holds():
    counts = SharedCounts()
    counts.add("a", 1, 0xFFFFFFF0)
    assert counts.add("a", 1, 1000) == 0xFFFFFFFF
    assert counts.add("a", 1) == 0xFFFFFFFF


def test_who_comes_often_stays_among_many_who_come_once():
    counts = SharedCounts(16)
    for number in range(2000):
        counts.add("often", 1)
        counts.add("often", 1)
        counts.add(f"stranger {number}", 1)
    assert counts.get("often", 1) == 4000


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 2), st.integers(1, 9)), max_size=60))
def test_with_room_it_counts_as_a_dictionary_does(steps):
    counts, known = SharedCounts(1 << 12), {}
    for key, period, amount in sorted(steps, key=lambda step: step[1]):
        known[key, period] = known.get((key, period), 0) + amount
        assert counts.add(key, period, amount) == known[key, period]


def test_processes_count_together():
    counts = SharedCounts()
    counts.add("a", 1)
    child = os.fork()
    if not child:
        counts.add("a", 1, 5)
        os._exit(0)
    os.waitpid(child, 0)
    assert counts.add("a", 1) == 7
