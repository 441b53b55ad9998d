from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postier.store.sql.spans import runs, spans

NUMBERS = st.builds(
    lambda start, steps: [start + sum(steps[:place]) for place in range(len(steps))],
    st.integers(1, 40),
    st.lists(st.sampled_from([1, 1, 1, 2, 30]), max_size=80),
)


@given(NUMBERS)
def test_runs_hold_exactly_the_numbers_and_spans_at_least(numbers: list[int]) -> None:
    found = runs(numbers)
    assert [number for first, last in found for number in range(first, last + 1)] == numbers
    assert all(last - first < 25 for first, last in found)
    assert set(numbers) <= {number for first, last in spans(numbers) for number in range(first, last + 1)}
