"""Sets of numbers as text."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.wire.commands import parse_command
from postier.imap.wire.numbers import expand, ranges_of, sequence_set_text
from postier.imap.wire.values import Fetch, SequenceSet, State


@pytest.mark.parametrize(
    ("numbers", "text"),
    [
        ([], b""),
        ([7], b"7"),
        ([1, 2, 3, 4, 5, 7], b"1:5,7"),
        ([4294967295], b"4294967295"),
        ([1, 3, 5], b"1,3,5"),
        ([304, 319, 320], b"304,319:320"),
        ([5, 4, 6], b"5,4,6"),
        ([0], b"0"),
    ],
)
def test_text(numbers: list[int], text: bytes) -> None:
    assert sequence_set_text(numbers) == text
    assert sequence_set_text(array("I", numbers)) == text
    assert sequence_set_text(iter(numbers)) == text


@given(st.sets(st.integers(1, 2**32 - 1), min_size=1) | st.sets(st.integers(1, 50), min_size=1))
def test_round_trip(numbers: set[int]) -> None:
    ordered = sorted(numbers)
    command = parse_command(b"a FETCH " + sequence_set_text(ordered) + b" FLAGS", State.SELECTED)
    assert isinstance(command, Fetch)
    assert expand(command.sequence, 2**32 - 1, len(ordered)) == ordered
    assert command.sequence.resolve(1) == ranges_of(ordered)


def test_expand() -> None:
    assert expand(SequenceSet(((5, 3), (0, 7), (4, 4))), 9, 10) == [3, 4, 5, 7, 8, 9]
    assert expand(SequenceSet(((1, 0),)), 0, 10) == []


def test_expand_limit() -> None:
    assert len(expand(SequenceSet(((1, 0),)), 100, 100)) == 100
    for largest in (101, 2**32 - 1):
        with pytest.raises(ValueError, match="100"):
            expand(SequenceSet(((1, 0),)), largest, 100)
