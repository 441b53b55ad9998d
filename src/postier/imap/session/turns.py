"""Long work on one list, done in pieces so that the other connections get their turn."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from typing import TypeVar

__all__ = ["Turns", "in_turns"]

Result = TypeVar("Result")

Turns = Generator[None, None, Result]
"""Work that yields between its pieces and returns its result."""


async def in_turns(work: Turns[Result]) -> Result:
    while True:
        try:
            next(work)
        except StopIteration as end:
            result: Result = end.value
            return result
        await asyncio.sleep(0)
