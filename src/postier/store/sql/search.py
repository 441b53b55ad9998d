"""Messages chosen by a number that is kept of each: nothing but UIDs leaves the database."""

from __future__ import annotations

from array import array
from functools import cache

from postier.store.api import AccountId, MailboxId, Uid
from postier.store.sql.base import Reads

__all__ = ["SEARCHED_FACTS", "SearchReader"]

SEARCHED_FACTS = frozenset({"size", "internal_date", "saved_date", "sent_date", "email_id", "thread_id"})
_IN_MAILBOX = " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ?"
_BY_FLAGS = "".join(("SELECT uid FROM messages", _IN_MAILBOX, " AND flags & ? = ? ORDER BY uid"))


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
