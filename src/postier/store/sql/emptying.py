"""Removing all messages of a mailbox that goes itself: nothing is remembered of them."""

from __future__ import annotations

from collections import Counter

from postier.store.api import AccountId, BlobId, MailboxId
from postier.store.sql.connection import Connection
from postier.store.sql.ledger import Ledger
from postier.store.sql.spans import PIECE

__all__ = ["empty_mailbox"]

_SOME = "SELECT uid, blob_id FROM facts WHERE account_id = ? AND mailbox_id = ? ORDER BY uid LIMIT ?"
_DELETE = (
    "DELETE FROM facts WHERE account_id = ? AND mailbox_id = ? AND uid <= ?",
    "DELETE FROM messages WHERE account_id = ? AND mailbox_id = ? AND uid <= ?",
)


async def empty_mailbox(
    connection: Connection, ledger: Ledger, account_id: AccountId, mailbox_id: MailboxId
) -> None:
    """Some messages at a time, with a turn for others between. The counters are the caller's business."""
    while rows := await connection.rows(_SOME, (account_id, mailbox_id, PIECE)):
        ledger.refs.subtract(Counter([BlobId(blob_id) for _, blob_id in rows]))
        for statement in _DELETE:
            await connection.execute(statement, (account_id, mailbox_id, rows[-1][0]))
        await ledger.settle_refs()
        await connection.breathe()
