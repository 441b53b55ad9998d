"""Messages that go: expunged, and what is remembered of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

from postier.store.api import AccountId, BlobId, MailboxId, Uid
from postier.store.sql.flags import FlagTx
from postier.store.sql.ledger import MailboxLine
from postier.store.sql.spans import PIECE, pieces, runs, spans

__all__ = ["TOMBSTONE_SECONDS", "Going", "RemovalTx"]

TOMBSTONE_SECONDS = 60 * 24 * 3600
"""How long an expunged UID is remembered: a client away for longer compares all UIDs."""

_RANGE = " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ?"
_FLAGS = "".join(("SELECT uid, flags FROM messages", _RANGE, " ORDER BY uid"))
_FACTS = "".join(("SELECT size, blob_id FROM facts", _RANGE, " ORDER BY uid"))
_DELETE_MESSAGES = "".join(("DELETE FROM messages", _RANGE))
_DELETE_FACTS = "".join(("DELETE FROM facts", _RANGE))
_GRAVES = "SELECT account_id, mailbox_id, ?, uid, ? FROM messages"
_BURY = "".join(("INSERT INTO tombstones (account_id, mailbox_id, modseq, uid, at) ", _GRAVES, _RANGE))
_OLDEST_GRAVES = (
    "SELECT modseq, at FROM tombstones WHERE account_id = ? AND mailbox_id = ? ORDER BY modseq LIMIT ?"
)
_LEVEL = "DELETE FROM tombstones WHERE account_id = ? AND mailbox_id = ? AND modseq <= ?"


class Going(NamedTuple):
    """A message that is copied, moved or expunged."""

    uid: int
    flags: int
    size: int
    blob_id: int


_as_going = partial(tuple.__new__, Going)


class RemovalTx(FlagTx):
    async def expunge(self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]) -> list[Uid]:
        gone: list[Uid] = []
        async for piece in pieces(self._connection, uids):
            going = await self._going(account_id, mailbox_id, piece)
            if going:
                await self._expunge_piece(account_id, mailbox_id, going)
                gone += [Uid(message.uid) for message in going]
        if gone:
            await self._forget_old_graves(await self._ledger.mailbox(account_id, mailbox_id))
        return gone

    async def _expunge_piece(self, account_id: AccountId, mailbox_id: MailboxId, going: list[Going]) -> None:
        await self._take_out(account_id, mailbox_id, going)
        account = await self._ledger.account(account_id)
        account.messages -= len(going)
        account.used -= sum(message.size for message in going)
        keys = [(account_id, mailbox_id, *run) for run in runs([message.uid for message in going])]
        await self._connection.executemany(_DELETE_MESSAGES, keys)
        await self._connection.executemany(_DELETE_FACTS, keys)
        self._ledger.refs.subtract(Counter([BlobId(message.blob_id) for message in going]))
        await self._ledger.settle_refs()

    async def _going(self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]) -> list[Going]:
        """Those that are there, ascending."""
        wanted, found = set(uids), list[Going]()
        for span in spans(uids):
            key = (account_id, mailbox_id, *span)
            flags = await self._connection.columns(("uid", "flags"), _FLAGS, key)
            facts = await self._connection.columns(("size", "blob_id"), _FACTS, key)
            there = map(_as_going, zip(*flags, *facts, strict=True))
            is_exact = wanted.issuperset(flags[0])
            found += there if is_exact else [message for message in there if message.uid in wanted]
        return found

    async def _take_out(self, account_id: AccountId, mailbox_id: MailboxId, going: list[Going]) -> None:
        """Count the messages out of the mailbox and bury their UIDs."""
        box = await self._ledger.mailbox(account_id, mailbox_id)
        modseq = await self._ledger.modseq(account_id, box)
        box.size -= sum(message.size for message in going)
        for flags, count in Counter([message.flags for message in going]).items():
            box.count(-count, flags, 0)
        key = (modseq, self._now, account_id, mailbox_id)
        graves = [(*key, *run) for run in runs([message.uid for message in going])]
        await self._connection.executemany(_BURY, graves)

    async def _forget_old_graves(self, box: MailboxLine) -> None:
        """Some at a time: who expunges much has much to forget."""
        key = (box.account_id, box.mailbox_id)
        graves = await self._connection.rows(_OLDEST_GRAVES, (*key, 1))
        if not graves or graves[0][1] >= self._now - TOMBSTONE_SECONDS:
            return
        graves = await self._connection.rows(_OLDEST_GRAVES, (*key, 2 * PIECE))
        box.tombstone_floor = max(modseq for modseq, at in graves if at < self._now - TOMBSTONE_SECONDS)
        box.dirty = True
        await self._connection.execute(_LEVEL, (*key, box.tombstone_floor))
