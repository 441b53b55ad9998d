"""What the statements need from an engine.

Texts use `?` for values and nothing that only one engine understands. An engine whose calls never really
suspend (SQLite) and one whose calls do (PostgreSQL) look the same from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

__all__ = ["Connection", "Row", "Value"]

Value = int | float | str | bytes | None
Row = tuple[Any, ...]


class Connection(Protocol):
    """One connection. Every verb raises StoreUnavailable where the database fails."""

    async def rows(self, sql: str, values: Sequence[Value] = ()) -> list[Row]: ...

    async def row(self, sql: str, values: Sequence[Value] = ()) -> Row | None: ...

    async def columns(
        self, names: tuple[str, ...], sql: str, values: Sequence[Value] = ()
    ) -> list[list[int]]:
        """The integer columns of a query that selects `names`, faster than `rows` where there are many."""
        ...

    async def integers(self, sql: str, values: Sequence[Value] = ()) -> list[int]:
        """The single integer column of a query."""
        ...

    async def execute(self, sql: str, values: Sequence[Value] = ()) -> int:
        """Returns how many rows were changed."""
        ...

    async def executemany(self, sql: str, values: Sequence[Sequence[Value]]) -> None: ...

    async def next_id(self, sequence: str) -> int:
        """The next number of a sequence of the whole store, from 1; gaps are fine, repeats are not."""
        ...

    async def breathe(self) -> None:
        """Within long work of a transaction: let the other tasks of the process have their turn."""
        ...

    def snapshot(self) -> AbstractAsyncContextManager[None]:
        """Queries within see one moment. Inside a transaction that is already so."""
        ...
