"""UIDBATCHES: every message is in one batch, and batches leave no gap."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.session.batches import batch_ranges


@pytest.mark.parametrize(
    ("size", "first", "last", "expected"),
    [
        (25, 1, 9, [(50, 23), (22, 1)]),
        (10, 1, 9, [(50, 38), (37, 28), (27, 18), (17, 4), (3, 1)]),
        (10, 1, 1, [(50, 38)]),
        (10, 2, 3, [(37, 28), (27, 18)]),
        (10, 5, 6, [(3, 1)]),
        (10, 7, 7, []),
        (1000, 1, 1, [(50, 1)]),
    ],
)
def test_batches(size: int, first: int, last: int, expected: list[tuple[int, int]]) -> None:
    gone = {1, 14, 15, 16, 17, 41, 43, 45}
    uids = array("I", [uid for uid in range(1, 51) if uid not in gone])
    assert batch_ranges(uids, size, first, last) == expected


@given(st.sets(st.integers(1, 2**32 - 1)), st.integers(1, 20))
def test_they_cut_the_mailbox(chosen: set[int], size: int) -> None:
    uids = array("I", sorted(chosen))
    ranges = batch_ranges(uids, size, 1, len(uids) // size + 1)
    counts = [sum(low <= uid <= high for uid in uids) for high, low in ranges]
    assert sum(counts) == len(uids)
    assert all(count == size for count in counts[:-1])
    assert [low - 1 for _, low in ranges[:-1]] == [high for high, _ in ranges[1:]]
    if ranges:
        assert (ranges[0][0], ranges[-1][1]) == (uids[-1], 1)
