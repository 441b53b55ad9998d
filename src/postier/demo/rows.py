"""What a chapter of the story saw."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from postier.demo.world import World

__all__ = ["Chapter", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """`holds`: it was as it should be. `what` was tried, `seen` is the evidence."""

    holds: bool
    what: str
    seen: str


@dataclass(frozen=True, slots=True)
class Chapter:
    title: str
    play: Callable[[World], Iterator[Row]]
