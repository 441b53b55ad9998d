"""Figures that are counted in every worker and read as one, at the cost of an addition.

All cells lie in anonymous shared memory, made before the workers are forked: each worker adds into a slot of
its own, and whoever asks adds the slots up. A worker that takes the place of one that died goes on in its
slot, so counters never go back while the server runs, and nothing is left to clean up.

So every cell exists from the start: labels have fixed values, listed where the figure is made (metrics.py). A
value that is not listed counts as the last one.
"""

from __future__ import annotations

import itertools
import mmap
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence

__all__ = ["SLOTS", "Counter", "Figure", "Gauge", "Histogram", "take_slot"]

SLOTS = 128
"""Workers that are told apart; those past them share."""

CELLS = 1024
"""Numbers of one slot: 8 KB."""


class _Slots:
    """The memory, and which part is this process's own: the first, until it takes another."""

    def __init__(self) -> None:
        self._all = memoryview(mmap.mmap(-1, SLOTS * CELLS * 8)).cast("d")
        self._reserved = 0
        self.own = self._all[:CELLS]

    def reserve(self, cells: int) -> int:
        """Raises ValueError where the slot is full: CELLS must grow."""
        first = self._reserved
        if first + cells > CELLS:
            raise ValueError("no cells left for figures")
        self._reserved += cells
        return first

    def take(self, number: int) -> None:
        number %= SLOTS
        self.own = self._all[number * CELLS : (number + 1) * CELLS]

    def sum(self, cell: int) -> float:
        return sum(self._all[slot * CELLS + cell] for slot in range(SLOTS))

    def each(self, cell: int) -> Iterator[tuple[int, float]]:
        for slot in range(SLOTS):
            if value := self._all[slot * CELLS + cell]:
                yield slot, value


_slots = _Slots()
_gauges: list[Gauge] = []


def take_slot(number: int) -> None:
    """This process is worker `number` from now on. Its gauges begin at 0, its counters go on."""
    _slots.take(number)
    for gauge in _gauges:
        gauge.clear()


class Figure:
    """A row of the table. `labels`: each with all the values it may have; the last one is for any other."""

    def __init__(self, name: str, doc: str, cells: int, labels: Mapping[str, Sequence[str]]) -> None:
        self.name = name
        self.doc = doc
        self.labels = tuple(labels)
        self._last = tuple(values[-1] for values in labels.values())
        self._values = [frozenset(values) for values in labels.values()]
        self._cells: Mapping[tuple[str, ...], int] = {
            values: _slots.reserve(cells) for values in itertools.product(*labels.values())
        }

    def samples(self) -> Iterator[tuple[tuple[str, ...], float]]:
        """The values of the labels, and the sum of all workers."""
        for values, cell in self._cells.items():
            yield values, _slots.sum(cell)

    def _cell(self, values: tuple[str, ...]) -> int:
        cell = self._cells.get(values)
        return self._cells[self._listed(values)] if cell is None else cell

    def _listed(self, values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(
            value if value in known else last
            for value, known, last in zip(values, self._values, self._last, strict=True)
        )


class Counter(Figure):
    """Only grows."""

    def __init__(self, name: str, doc: str, **labels: Sequence[str]) -> None:
        super().__init__(name, doc, 1, labels)

    def add(self, *values: str, amount: float = 1.0) -> None:
        _slots.own[self._cell(values)] += amount


class Gauge(Figure):
    """Goes up and down, and dies with its worker."""

    def __init__(self, name: str, doc: str, **labels: Sequence[str]) -> None:
        super().__init__(name, doc, 1, labels)
        _gauges.append(self)

    def add(self, *values: str, amount: float = 1.0) -> None:
        _slots.own[self._cell(values)] += amount

    def set(self, value: float, *values: str) -> None:
        _slots.own[self._cell(values)] = value

    def clear(self) -> None:
        for cell in self._cells.values():
            _slots.own[cell] = 0.0

    def by_worker(self) -> Iterator[tuple[int, float]]:
        """Of a gauge without labels: each slot in which it is not 0."""
        (cell,) = self._cells.values()
        return _slots.each(cell)


class Histogram(Figure):
    """How many observations were at most each of `bounds` (ascending)."""

    def __init__(self, name: str, doc: str, bounds: Sequence[float], **labels: Sequence[str]) -> None:
        super().__init__(name, doc, len(bounds) + 2, labels)
        self.bounds = tuple(bounds)

    def observe(self, value: float, *values: str) -> None:
        cell = self._cell(values)
        own = _slots.own
        own[cell] += value
        own[cell + 1 + bisect_left(self.bounds, value)] += 1.0

    def distributions(self) -> Iterator[tuple[tuple[str, ...], float, list[float]]]:
        """The values of the labels, the sum of what was observed, and how many lie in each step: at most the
        first bound, between it and the second, and so on, above the last."""
        for values, cell in self._cells.items():
            steps = [_slots.sum(cell + 1 + place) for place in range(len(self.bounds) + 1)]
            yield values, _slots.sum(cell), steps
