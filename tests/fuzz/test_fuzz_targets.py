"""The targets of `make fuzz` without atheris: over their corpus, and over what hypothesis makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.testing.fuzz_targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
SEEDS = {name: [file.read_bytes() for file in sorted((CORPUS / name).iterdir())] for name in TARGETS}
EXAMPLES = int(os.environ.get("POSTIER_EXAMPLES", "150"))


def test_every_target_has_a_corpus() -> None:
    assert {folder.name for folder in CORPUS.iterdir()} == set(TARGETS)
    assert all(SEEDS.values())


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus(name: str) -> None:
    """Each seed, and each seed cut short."""
    for seed in SEEDS[name]:
        for end in range(len(seed) + 1):
            TARGETS[name](seed[:end])


@pytest.mark.parametrize("name", TARGETS)
def test_pieces_of_the_corpus_and_anything_between(name: str) -> None:
    pieces = st.sampled_from(SEEDS[name]).flatmap(
        lambda seed: st.tuples(st.integers(0, len(seed)), st.integers(0, 12)).map(
            lambda cut: seed[cut[0] : cut[0] + cut[1]]
        )
    )
    anything = st.one_of(
        st.binary(max_size=60),
        st.lists(st.one_of(pieces, st.sampled_from(SEEDS[name]), st.binary(max_size=2)), max_size=30).map(
            b"".join
        ),
    )

    @settings(max_examples=EXAMPLES, deadline=None, derandomize="POSTIER_EXAMPLES" not in os.environ)
    @given(anything)
    def hold(data: bytes) -> None:
        TARGETS[name](data)

    hold()
