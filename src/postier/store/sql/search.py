"""What searches ask: messages by a number that is kept of each, of which only UIDs leave the database; and
what changed, for an index that lies beside the store.
"""

from __future__ import annotations

from array import array
from functools import cache

from postier.store.api import AccountId, MailboxId, ModSeq, Uid
from postier.store.sql.base import Reads

__all__ = ["SEARCHED_FACTS", "SearchReader"]

SEARCHED_FACTS = frozenset({"size", "internal_date", "saved_date", "sent_date", "email_id", "thread_id"})
_IN_MAILBOX = " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ?"
_BY_FLAGS = "".join(("SELECT uid FROM messages", _IN_MAILBOX, " AND flags & ? = ? ORDER BY uid"))
_MODSEQS = "SELECT account_id, modseq FROM accounts ORDER BY account_id"
_VANISHED = "SELECT uid FROM tombstones WHERE account_id = ? AND mailbox_id = ? AND modseq > ?"
_FLOOR = "SELECT tombstone_floor FROM mailboxes WHERE account_id = ? AND mailbox_id = ?"


@cache
def _by_number(column: str) -> str:
    if column != "modseq" and column not in SEARCHED_FACTS:
        raise ValueError(f"no number to search by: {column}")
    table = "messages" if column == "modseq" else "facts"
    return f"SELECT uid FROM {table}{_IN_MAILBOX} AND {column} BETWEEN ? AND ? ORDER BY uid"  # noqa: S608


class SearchReader(Reads):
    async def uids_with_flags(
        self, account_id: AccountId, mailbox_id: MailboxId, first: Uid, last: Uid, mask: int, flags: int
    ) -> array[int]:
        values = (account_id, mailbox_id, first, last, int(mask), int(flags))
        return array("I", await self._connection.integers(_BY_FLAGS, values))

    async def uids_with_number(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        first: Uid,
        last: Uid,
        column: str,
        least: int,
        most: int,
    ) -> array[int]:
        values = (account_id, mailbox_id, first, last, least, most)
        return array("I", await self._connection.integers(_by_number(column), values))

    async def account_modseqs(self) -> dict[AccountId, ModSeq]:
        return {AccountId(number): modseq for number, modseq in await self._connection.rows(_MODSEQS)}

    async def vanished_since(
        self, account_id: AccountId, mailbox_id: MailboxId, modseq: ModSeq
    ) -> list[Uid] | None:
        async with self._connection.snapshot():
            vanished = await self._connection.integers(_VANISHED, (account_id, mailbox_id, modseq))
            floor = await self._connection.integers(_FLOOR, (account_id, mailbox_id))
        return sorted(map(Uid, vanished)) if floor and modseq >= floor[0] else None
