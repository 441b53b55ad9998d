"""What a report may cost, and how one is given up.

Reports come from anybody who likes to write to the address in our records. Each has at most so many octets,
unpacked too, so many elements at once, so many rows, and so much time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

__all__ = ["LIMITS", "Budget", "Limits", "Unreadable"]


class Unreadable(Exception):
    """The report can't be read; the text says why, for the administrator."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`octets`: of a report, unpacked; `json`: of one in JSON, which is read in one piece. `ratio`: how much
    longer than packed it may be, past `free` octets. `attachments`: parts of a mail that are looked at.
    `nodes`: elements of one record. `seconds`: of computing, to read one file
    or mail: a machine that is busy with other things makes no report unreadable."""

    octets: int = 25 * 1024 * 1024
    json: int = 5 * 1024 * 1024
    free: int = 1024 * 1024
    ratio: int = 100
    layers: int = 3
    attachments: int = 20
    depth: int = 20
    nodes: int = 5_000
    rows: int = 100_000
    policies: int = 1_000
    failures: int = 10_000
    seconds: float = 20.0


LIMITS = Limits()


@dataclass(slots=True)
class Budget:
    """The time that is left for one file or mail, in one thread. `clock`: seconds that it computed."""

    limits: Limits = LIMITS
    clock: Callable[[], float] = time.thread_time
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self._until = self.clock() + self.limits.seconds

    def check(self) -> None:
        """Raises Unreadable once the time is over."""
        if self.clock() > self._until:
            raise Unreadable(f"it takes more than {self.limits.seconds:g} s to read")
