"""Which conversation a message belongs to (RFC 8474 5.2): the one that knows its Message-ID or a reference.

The table keeps keyed 64-bit hashes, so that nobody can choose Message-IDs that collide (of a billion
Message-IDs in one account, chance alone joins two with a probability of 3 in 100).
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from postier.store.api import AccountId
from postier.store.sql.connection import Connection

__all__ = ["find_thread"]

_NEWEST = 48
"""References past so many are not looked at, but for the oldest, the root of the conversation."""

_FIND = "SELECT thread_id FROM threads WHERE account_id = ? AND hash = ?"
_NOTE = "INSERT INTO threads (account_id, hash, thread_id) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"


async def find_thread(
    connection: Connection,
    key: bytes,
    account_id: AccountId,
    message_id: str,
    references: tuple[str, ...],
    new_thread: int,
) -> int:
    """The thread of a message that arrives, `new_thread` if it begins one; remembers its Message-IDs."""
    if len(references) > _NEWEST:
        references = references[:1] + references[-_NEWEST:]
    hashes = _hashes(key, (message_id, *reversed(references)))
    if len(hashes) == 1 and await connection.execute(_NOTE, (account_id, hashes[0], new_thread)):
        return new_thread  # most messages: no references, and nobody has referred to this one yet
    thread, unknown = None, []
    for number in hashes:
        row = await connection.row(_FIND, (account_id, number))
        if row is None:
            unknown.append(number)
        elif thread is None:
            thread = int(row[0])
    if thread is None:
        thread = new_thread
    for number in unknown:
        await connection.execute(_NOTE, (account_id, number, thread))
    return thread


def _hashes(key: bytes, message_ids: Iterable[str]) -> list[int]:
    return [
        int.from_bytes(
            blake2b(message_id.encode("utf-8", "surrogateescape"), digest_size=8, key=key).digest(),
            "big",
            signed=True,
        )
        for message_id in message_ids
        if message_id
    ]
