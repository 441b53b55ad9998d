"""Messages: listing them, and the feed of what changed.

Two tables share one key: `messages` is narrow and changes, `facts` is wide and does not.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from functools import cache, partial
from typing import cast

from postier.blobs.api import BlobRef
from postier.store.api import (
    AccountId,
    Changes,
    Facts,
    FlagColumns,
    MailboxId,
    Message,
    ModSeq,
    Uid,
)
from postier.store.sql.connection import Row
from postier.store.sql.mailboxes import MailboxReader
from postier.store.sql.spans import spans

__all__ = ["FACT_COLUMNS", "MessageReader", "as_messages"]

FACT_COLUMNS = frozenset(Facts._fields) | {"base_subject"}
_NO_LIMIT = 2**62
_RANGE = " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?"
_MESSAGES = "".join(("SELECT uid, flags, modseq FROM messages", _RANGE))
_UIDS = "SELECT uid FROM messages WHERE account_id = ? AND mailbox_id = ? ORDER BY uid"
_DELETED = (
    "SELECT uid FROM messages WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ?"
    " AND flags & 8 <> 0 ORDER BY uid"
)
_BLOB_REFS = (
    "SELECT f.uid, b.pack, b.position, b.length, b.size FROM facts f JOIN blobs b ON b.blob_id = f.blob_id"
    " WHERE f.account_id = ? AND f.mailbox_id = ? AND f.uid BETWEEN ? AND ?"
)
_CHANGED = "SELECT uid, flags, modseq FROM messages WHERE account_id = ? AND mailbox_id = ? AND modseq > ?"
_VANISHED = "SELECT uid FROM tombstones WHERE account_id = ? AND mailbox_id = ? AND modseq > ?"
_FLOOR = "SELECT tombstone_floor FROM mailboxes WHERE account_id = ? AND mailbox_id = ?"
_as_message = partial(tuple.__new__, Message)


def as_messages(rows: Iterable[Row]) -> list[Message]:
    """Rows of (uid, flags, modseq), made Messages without a Python call for each."""
    return cast("list[Message]", list(map(_as_message, rows)))


@cache
def _facts_query(columns: tuple[str, ...]) -> str:
    if unknown := set(columns) - FACT_COLUMNS:
        raise ValueError(f"no such facts: {sorted(unknown)}")
    return " ".join(("SELECT", ", ".join(("uid", *columns)), "FROM facts")) + _RANGE


class MessageReader(MailboxReader):
    async def uids(self, account_id: AccountId, mailbox_id: MailboxId) -> array[int]:
        return array("I", await self._connection.integers(_UIDS, (account_id, mailbox_id)))

    async def deleted_uids(
        self, account_id: AccountId, mailbox_id: MailboxId, ranges: Sequence[tuple[int, int]]
    ) -> list[Uid]:
        found: list[Uid] = []
        for span in ranges:
            found += map(Uid, await self._connection.integers(_DELETED, (account_id, mailbox_id, *span)))
        return found

    async def messages(
        self, account_id: AccountId, mailbox_id: MailboxId, ranges: Sequence[tuple[int, int]], limit: int = 0
    ) -> list[Message]:
        return as_messages(await self._in_ranges(_MESSAGES, account_id, mailbox_id, ranges, limit))

    async def flag_columns(
        self, account_id: AccountId, mailbox_id: MailboxId, span: tuple[int, int], *, with_modseqs: bool
    ) -> FlagColumns:
        names = ("uid", "flags", "modseq") if with_modseqs else ("uid", "flags")
        key = (account_id, mailbox_id, *span, _NO_LIMIT)
        uids, flags, *modseqs = await self._connection.columns(names, _MESSAGES, key)
        return FlagColumns(uids, flags, modseqs[0] if modseqs else [])

    async def facts(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        ranges: Sequence[tuple[int, int]],
        columns: tuple[str, ...],
        limit: int = 0,
    ) -> list[tuple[object, ...]]:
        return await self._in_ranges(_facts_query(columns), account_id, mailbox_id, ranges, limit)

    async def _in_ranges(
        self,
        sql: str,
        account_id: AccountId,
        mailbox_id: MailboxId,
        ranges: Sequence[tuple[int, int]],
        limit: int,
    ) -> list[Row]:
        rows_of = self._connection.rows
        if len(ranges) == 1:
            return await rows_of(sql, (account_id, mailbox_id, *ranges[0], limit or _NO_LIMIT))
        found: list[Row] = []
        async with self._connection.snapshot():
            for first, last in ranges:
                room = limit - len(found) if limit else _NO_LIMIT
                found += await rows_of(sql, (account_id, mailbox_id, first, last, room))
                if limit and len(found) >= limit:
                    break
        return found

    async def blob_refs(
        self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]
    ) -> dict[Uid, BlobRef]:
        await self._settle()
        wanted = set(uids)
        found: dict[Uid, BlobRef] = {}
        for first, last in spans(wanted):
            rows = await self._connection.rows(_BLOB_REFS, (account_id, mailbox_id, first, last))
            found.update((Uid(uid), BlobRef(*ref)) for uid, *ref in rows if uid in wanted)
        return found

    async def changes_since(self, account_id: AccountId, mailbox_id: MailboxId, modseq: ModSeq) -> Changes:
        async with self._connection.snapshot():
            mailbox = await self.mailbox(account_id, mailbox_id)
            if modseq >= mailbox.modseq:
                return Changes(mailbox, [], [])
            key = (account_id, mailbox_id, modseq)
            changed = await self._connection.rows(_CHANGED, key)
            vanished = await self._connection.integers(_VANISHED, key)
            floor = await self._connection.integers(_FLOOR, (account_id, mailbox_id))
        changed.sort()
        vanished.sort()
        return Changes(mailbox, as_messages(changed), list(map(Uid, vanished)), complete=modseq >= floor[0])
