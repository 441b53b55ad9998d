"""Messages: listing them, changing their flags, expunging them, and the feed of what changed.

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
    BlobId,
    Changes,
    Facts,
    Flag,
    FlagChange,
    MailboxId,
    Message,
    ModSeq,
    Uid,
)
from postier.store.sql.base import Writes
from postier.store.sql.connection import Row
from postier.store.sql.keywords import bits_of, with_names
from postier.store.sql.ledger import MailboxLine
from postier.store.sql.mailboxes import MailboxReader
from postier.store.sql.spans import spans

__all__ = ["FACT_COLUMNS", "LAST_UID", "TOMBSTONE_SECONDS", "MessageReader", "MessageTx"]

LAST_UID = 2**32 - 1
TOMBSTONE_SECONDS = 60 * 24 * 3600
"""How long an expunged UID is remembered: a client away for longer compares all UIDs."""

_SEEN, _DELETED = int(Flag.SEEN), int(Flag.DELETED)  # plain integers: an IntFlag's operators are slow
FACT_COLUMNS = frozenset(Facts._fields) | {"base_subject"}
_NO_LIMIT = 2**62
_RANGE = " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ? ORDER BY uid LIMIT ?"
_MESSAGES = "".join(("SELECT uid, flags, modseq FROM messages", _RANGE))
_UIDS = "SELECT uid FROM messages WHERE account_id = ? AND mailbox_id = ? ORDER BY uid"
_BLOB_REFS = (
    "SELECT f.uid, b.pack, b.position, b.length, b.size FROM facts f JOIN blobs b ON b.blob_id = f.blob_id"
    " WHERE f.account_id = ? AND f.mailbox_id = ? AND f.uid BETWEEN ? AND ?"
)
_CHANGED = "SELECT uid, flags, modseq FROM messages WHERE account_id = ? AND mailbox_id = ? AND modseq > ?"
_VANISHED = "SELECT uid FROM tombstones WHERE account_id = ? AND mailbox_id = ? AND modseq > ?"
_FLOOR = "SELECT tombstone_floor FROM mailboxes WHERE account_id = ? AND mailbox_id = ?"
_SET_FLAGS = "UPDATE messages SET flags = ?, modseq = ? WHERE account_id = ? AND mailbox_id = ? AND uid = ?"
_GOING = (
    "SELECT m.uid, m.flags, f.size, f.blob_id FROM messages m JOIN facts f ON f.account_id = m.account_id"
    " AND f.mailbox_id = m.mailbox_id AND f.uid = m.uid"
    " WHERE m.account_id = ? AND m.mailbox_id = ? AND m.uid BETWEEN ? AND ? ORDER BY m.uid"
)
_DELETE_MESSAGE = "DELETE FROM messages WHERE account_id = ? AND mailbox_id = ? AND uid = ?"
_DELETE_FACTS = "DELETE FROM facts WHERE account_id = ? AND mailbox_id = ? AND uid = ?"
_BURY = "INSERT INTO tombstones (account_id, mailbox_id, modseq, uid, at) VALUES (?, ?, ?, ?, ?)"
_OLDEST_GRAVE = "SELECT at FROM tombstones WHERE account_id = ? AND mailbox_id = ? ORDER BY modseq LIMIT 1"
_LAST_OLD_GRAVE = "SELECT MAX(modseq) FROM tombstones WHERE account_id = ? AND mailbox_id = ? AND at < ?"
_LEVEL = "DELETE FROM tombstones WHERE account_id = ? AND mailbox_id = ? AND modseq <= ?"

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

    async def messages(
        self, account_id: AccountId, mailbox_id: MailboxId, ranges: Sequence[tuple[int, int]], limit: int = 0
    ) -> list[Message]:
        return as_messages(await self._in_ranges(_MESSAGES, account_id, mailbox_id, ranges, limit))

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


class MessageTx(MessageReader, Writes):
    async def standing(self, account_id: AccountId, mailbox_id: MailboxId) -> tuple[ModSeq, tuple[str, ...]]:
        box = await self._ledger.mailbox(account_id, mailbox_id)
        return ModSeq(box.modseq), tuple(box.keywords.split())

    async def keyword_bits(
        self, account_id: AccountId, mailbox_id: MailboxId, names: Iterable[str], *, create: bool
    ) -> int:
        names = tuple(names)
        box = await self._ledger.mailbox(account_id, mailbox_id)
        if create and (keywords := with_names(box.keywords, names)) != box.keywords:
            await self._ledger.modseq(account_id, box)  # sessions learn of the new keyword
            box.keywords = keywords
        return bits_of(box.keywords, names)

    async def change_flags(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        uids: Sequence[Uid],
        change: FlagChange,
        flags: int,
        *,
        among: int = -1,
        unchanged_since: ModSeq | None = None,
    ) -> tuple[list[Message], list[Uid]]:
        box = await self._ledger.mailbox(account_id, mailbox_id)
        after: list[Message] = []
        refused: list[Uid] = []
        updates = []
        modseq, flags = ModSeq(0), int(flags)
        for message in await self._present(account_id, mailbox_id, uids):
            if unchanged_since is not None and message.modseq > unchanged_since:
                refused.append(message.uid)
                continue
            new = _changed(message.flags, change, flags) & among | message.flags & ~among
            if new != message.flags:
                modseq = modseq or ModSeq(await self._ledger.modseq(account_id, box))
                _count_flags(box, message.flags, new)
                updates.append((new, modseq, account_id, mailbox_id, message.uid))
                message = Message(message.uid, new, modseq)
            after.append(message)
        await self._connection.executemany(_SET_FLAGS, updates)
        return after, refused

    async def _present(
        self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]
    ) -> list[Message]:
        if len(uids) == 1:
            return await self.messages(account_id, mailbox_id, [(uids[0], uids[0])])
        wanted = set(uids)
        found = await self.messages(account_id, mailbox_id, spans(wanted))
        return [message for message in found if message.uid in wanted]

    async def expunge(self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]) -> list[Uid]:
        going = await self._going(account_id, mailbox_id, uids)
        if not going:
            return []
        box = await self._take_out(account_id, mailbox_id, going)
        keys = [(account_id, mailbox_id, uid) for uid, *_ in going]
        for _, _, size, blob_id in going:
            self._ledger.refs[BlobId(blob_id)] -= 1
            (await self._ledger.account(account_id)).used -= size
        (await self._ledger.account(account_id)).messages -= len(going)
        await self._connection.executemany(_DELETE_MESSAGE, keys)
        await self._connection.executemany(_DELETE_FACTS, keys)
        await self._forget_old_graves(box)
        return [Uid(uid) for uid, *_ in going]

    async def _going(self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]) -> list[Row]:
        """(uid, flags, size, blob_id) of those that are there, ascending."""
        wanted = set(uids)
        found: list[Row] = []
        for first, last in spans(wanted):
            rows = await self._connection.rows(_GOING, (account_id, mailbox_id, first, last))
            found += [row for row in rows if row[0] in wanted]
        return found

    async def _take_out(self, account_id: AccountId, mailbox_id: MailboxId, going: list[Row]) -> MailboxLine:
        """Count the messages out of the mailbox and bury their UIDs."""
        box = await self._ledger.mailbox(account_id, mailbox_id)
        modseq = await self._ledger.modseq(account_id, box)
        for _, flags, size, _ in going:
            box.count(-1, flags, -size)
        graves = [(account_id, mailbox_id, modseq, uid, self._now) for uid, *_ in going]
        await self._connection.executemany(_BURY, graves)
        return box

    async def _forget_old_graves(self, box: MailboxLine) -> None:
        key = (box.account_id, box.mailbox_id)
        limit = self._now - TOMBSTONE_SECONDS
        oldest = await self._connection.row(_OLDEST_GRAVE, key)
        if oldest is None or oldest[0] >= limit:
            return
        row = await self._connection.row(_LAST_OLD_GRAVE, (*key, limit))
        if row is not None:
            box.tombstone_floor = row[0]
            box.dirty = True
            await self._connection.execute(_LEVEL, (*key, box.tombstone_floor))


def _changed(old: int, change: FlagChange, flags: int) -> int:
    if change is FlagChange.ADD:
        return old | flags
    if change is FlagChange.REMOVE:
        return old & ~flags
    return flags


def _count_flags(box: MailboxLine, old: int, new: int) -> None:
    if (old ^ new) & _SEEN:
        box.unseen += 1 if old & _SEEN else -1
    if (old ^ new) & _DELETED:
        box.deleted += 1 if new & _DELETED else -1
