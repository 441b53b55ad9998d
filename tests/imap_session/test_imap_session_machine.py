"""Sessions over a real store that do anything at all: what they are told, what is there and a model agree.

POSTIER_STEPS=100000 runs it long, with another seed each time.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from postier.testing.imap_machine import ImapMachine

LONG = int(os.environ.get("POSTIER_STEPS", "0"))
STEPS_IN_A_RUN = 60


def _run(open_world: Callable[..., Any], steps: int) -> int:
    """As many steps at least; how many it were."""

    class Machine(ImapMachine):
        pass

    Machine.open_world = staticmethod(open_world)
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=max(1, steps // 40),
            stateful_step_count=STEPS_IN_A_RUN,
            deadline=None,
            derandomize=not LONG,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
    return Machine.steps


def test_sessions_agree_with_the_model(world_maker: Callable[..., Any]) -> None:
    assert _run(world_maker, 200)


@pytest.mark.slow
def test_sessions_agree_with_the_model_for_ten_thousand_steps(world_maker: Callable[..., Any]) -> None:
    steps = LONG or 10_000
    assert _run(world_maker, steps) >= steps


@pytest.mark.slow
def test_sessions_agree_where_large_mailboxes_are_not_kept(
    world_maker: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """IDLE forgets the UIDs of a mailbox that counts as large."""
    monkeypatch.setattr("postier.imap.session.selected.SMALL", 0)
    assert _run(world_maker, LONG or 2000)
