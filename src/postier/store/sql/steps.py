"""The stories of messages: appended where they happen, found by keys that are filled in behind.

A transaction that stores a message adds one row, at the end of its table. The keys a story is looked up by
(trace, session, sender, recipient, Message-ID) would be writes all over an index, so `store.step_index` adds
them later, in batches, up to the row that a meta fact names; rows past that one are looked through.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from postier.store.api import Step, StepKey, StepKind
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row

__all__ = ["StepReader", "StepRow", "StepTx", "keys_of"]

FACT_LENGTH = 1000
_INDEXED = "steps-indexed"
_LONG = 2000
"""Octets of a step's body from which its facts are looked at one by one."""
_PAGE = 500
_NEW_ROW = "INSERT INTO steps (step_id, trace_id, at, body) VALUES (?, ?, ?, ?)"
_TAIL = (
    "SELECT step_id, trace_id, at, body FROM steps WHERE step_id > ? AND step_id < ?"
    " ORDER BY step_id DESC LIMIT ?"
)
_KEYED = (
    "SELECT s.step_id, s.trace_id, s.at, s.body FROM step_keys k JOIN steps s ON s.step_id = k.step_id"
    " WHERE k.hash = ? AND k.step_id < ? ORDER BY k.step_id DESC LIMIT ?"
)
_NO_STEP = 2**63 - 1
_FACT_KEYS = tuple(key for key in StepKey if key is not StepKey.TRACE)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[tuple[StepKind, float, dict[str, str]]]).decode


class StepRow(NamedTuple):
    """A row: the steps that one transaction wrote for one trace."""

    step_id: int
    at: int
    steps: tuple[Step, ...]


def _row(row: Row) -> StepRow:
    step_id, trace_id, at, body = row
    steps = [Step(trace_id, when, kind, facts) for kind, when, facts in _decode(body)]
    return StepRow(step_id, at, tuple(steps))


def _body(steps: Sequence[Step]) -> bytes:
    """What is too long, or no Unicode, is rare, and is looked for only where it must be."""
    try:
        body = _encode([(step.kind, step.when, step.facts) for step in steps])
    except UnicodeEncodeError:
        body = b""
    if body and len(body) <= _LONG * len(steps):
        return body
    return _encode([(step.kind, step.when, _mended(step.facts)) for step in steps])


def _mended(facts: Mapping[str, str]) -> dict[str, str]:
    return {name: value[:FACT_LENGTH].encode(errors="replace").decode() for name, value in facts.items()}


def keys_of(row: StepRow) -> set[int]:
    """The hashes under which a row is found."""
    found = {_hash(StepKey.TRACE, row.steps[0].trace_id)} if row.steps else set()
    for step in row.steps:
        for key in _FACT_KEYS:
            value = step.facts.get(key)
            if value:
                found.add(_hash(key, value))
    return found


def _hash(key: StepKey, value: str) -> int:
    digest = blake2b(f"{key}\0{value.casefold()}".encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


def _matches(row: StepRow, key: StepKey, value: str) -> bool:
    """`value` is casefolded. Two values may share a hash."""
    if key is StepKey.TRACE:
        return any(step.trace_id.casefold() == value for step in row.steps)
    return bool(value) and any(step.facts.get(key, "").casefold() == value for step in row.steps)


class StepReader(Reads):
    async def steps(self, trace_id: str) -> list[Step]:
        async with self._connection.snapshot():
            rows = [row async for row in self._found(StepKey.TRACE, trace_id, 0.0, 2.0**53)]
        return [step for row in reversed(rows) for step in row.steps]

    async def traces(
        self, key: StepKey | None, value: str, *, since: float = 0.0, until: float = 2.0**53, limit: int = 100
    ) -> list[str]:
        found: dict[str, None] = {}
        async with self._connection.snapshot():
            async for row in self._found(key, value, since, until):
                found.update(dict.fromkeys(step.trace_id for step in row.steps))
                if len(found) >= limit:
                    break
        return list(found)

    async def _found(
        self, key: StepKey | None, value: str, since: float, until: float
    ) -> AsyncIterator[StepRow]:
        """Rows that match, the latest first: those that have no keys yet, then those the keys lead to."""
        folded = value.casefold()
        indexed = await self.steps_indexed() if key is not None else 0
        async for row in self._pages(_TAIL, indexed):
            if row.at < since:
                return
            if row.at < until and (key is None or _matches(row, key, folded)):
                yield row
        if key is None:
            return
        async for row in self._pages(_KEYED, _hash(key, folded)):
            if row.at < since:
                return
            if row.at < until and _matches(row, key, folded):
                yield row

    async def _pages(self, sql: str, first: int) -> AsyncIterator[StepRow]:
        before = _NO_STEP
        while rows := await self._connection.rows(sql, (first, before, _PAGE)):
            for row in rows:
                yield _row(row)
            before = rows[-1][0]

    # for store.step_index

    async def steps_indexed(self) -> int:
        """Up to which step_id the keys are filled."""
        row = await self._connection.row("SELECT value FROM meta WHERE key = ?", (_INDEXED,))
        return 0 if row is None else int(row[0])

    async def step_rows(self, after: int, limit: int) -> list[StepRow]:
        """Those past `after`, ascending."""
        sql = "SELECT step_id, trace_id, at, body FROM steps WHERE step_id > ? ORDER BY step_id LIMIT ?"
        return [_row(row) for row in await self._connection.rows(sql, (after, limit))]


class StepTx(StepReader, Writes):
    async def add_steps(self, steps: Sequence[Step]) -> None:
        if not steps:
            return
        trace_id = steps[0].trace_id
        if all(step.trace_id == trace_id for step in steps):
            await self._add(trace_id, steps)
            return
        by_trace: dict[str, list[Step]] = {}
        for step in steps:
            by_trace.setdefault(step.trace_id, []).append(step)
        for trace_id, same in by_trace.items():
            await self._add(trace_id, same)

    async def _add(self, trace_id: str, steps: Sequence[Step]) -> None:
        step_id = await self._connection.next_id("step")
        await self._connection.execute(_NEW_ROW, (step_id, trace_id, self._now, _body(steps)))

    # for store.step_index

    async def add_step_keys(self, keys: Sequence[tuple[int, int]], after: int, indexed: int) -> bool:
        """Pairs of keys_of and step_id, of the rows past `after` up to `indexed`. False, and nothing changed,
        where somebody else has gone on from `after` meanwhile."""
        if await self.steps_indexed() != after:
            return False
        await self._connection.executemany("INSERT INTO step_keys (hash, step_id) VALUES (?, ?)", keys)
        await self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_INDEXED, str(indexed)),
        )
        return True

    async def remove_steps(self, step_ids: Sequence[int], keys: Sequence[tuple[int, int]]) -> None:
        """Rows, and their keys as pairs of keys_of and step_id."""
        await self._connection.executemany("DELETE FROM step_keys WHERE hash = ? AND step_id = ?", keys)
        await self._connection.executemany(
            "DELETE FROM steps WHERE step_id = ?", [(step_id,) for step_id in step_ids]
        )
