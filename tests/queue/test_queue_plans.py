"""The statements that a worker asks all the time go by an index, however long the queue is."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from postier.store.sql.queue import FINDING

Open = Callable[[], AbstractAsyncContextManager[Any]]


@pytest.mark.parametrize("name", FINDING)
def test_nothing_looks_at_the_whole_queue(world: Open, name: str) -> None:
    async def go() -> None:
        async with world() as w:
            database = sqlite3.connect(w.folder / "mail.db")
            try:
                values = (0,) * FINDING[name].count("?")
                plan = database.execute(f"EXPLAIN QUERY PLAN {FINDING[name]}", values).fetchall()
            finally:
                database.close()
            (step,) = [row[3] for row in plan]
            assert step.startswith("SEARCH queue USING ")
            assert "next_attempt" in step

    asyncio.run(go())
