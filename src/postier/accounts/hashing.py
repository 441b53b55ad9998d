"""Slow hashes, a few at a time: who waits, waits in line, and the line has an end.

Each worker runs its share of what the host may compute at once. There are two lines: who comes from where
the account was used before, or from where nothing bad has come, goes first; a crowd of guessers delays each
other. Past the end of its line
nobody is put off silently: HashingBusy is told as "try later".
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["HashingBusy", "HashingPool", "share"]

Result = TypeVar("Result")


class HashingBusy(Exception):
    """Too many wait for a hash already."""


def share(at_once: int, workers: int) -> int:
    """Threads of one of `workers` processes where all of them may run `at_once` hashes (0: one for each
    core). None has less than one."""
    return max(1, (at_once or os.cpu_count() or 1) // max(1, workers))


class HashingPool:
    """`most_waiting`: in each of the two lines."""

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._threads = threads
        self._most_waiting = most_waiting
        self._running = 0
        self._first: deque[asyncio.Future[None]] = deque()
        self._second: deque[asyncio.Future[None]] = deque()
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")

    async def run(self, work: Callable[[], Result], *, first: bool) -> Result:
        """`work()` in a thread once it is its turn. Raises HashingBusy."""
        await self._turn(self._first if first else self._second)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work)
        finally:
            self._pass_on()

    async def _turn(self, line: deque[asyncio.Future[None]]) -> None:
        if self._running < self._threads:
            self._running += 1
            return
        if len(line) >= self._most_waiting:
            raise HashingBusy
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._pass_on()  # it was its turn just now
            elif place in line:
                line.remove(place)
            raise

    def _pass_on(self) -> None:
        for line in (self._first, self._second):
            while line:
                place = line.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._running -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)
