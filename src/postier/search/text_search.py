"""Which messages of a mailbox have a text: exact, whatever the index knows of them.

What the index does not know yet is read: named fields from what the store keeps for listings, everything else
from the message itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, cast

from postier.blobs.api import Blobs
from postier.message.searched import FIELD_ZONES, TextQuery, section_has_text
from postier.search.message_text import StoredMessage, occurs
from postier.store.api import AccountId, MailboxId, Reader, Uid

__all__ = ["Place", "TextSearch"]

_AT_ONCE = 64
"""Messages read before the other connections get their turn."""
_GAP = 16


class Place(NamedTuple):
    """A mailbox, as it was when its UIDs were given."""

    account_id: AccountId
    mailbox_id: MailboxId
    uidvalidity: int


class TextSearch:
    """Searches of one mailbox. `listed`: names (lower case) of the fields in Facts.header."""

    def __init__(self, reader: Reader, blobs: Blobs, place: Place, listed: Collection[str]) -> None:
        self._reader = reader
        self._blobs = blobs
        self._place = place
        self._listed = listed

    async def matching(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        """Those of `uids`, ascending, whose message has what the query looks for."""
        found: list[int] = []
        look = self._in_listing if self._is_listed(query) else self._in_messages
        for start in range(0, len(uids), _AT_ONCE):
            found += await look(query, uids[start : start + _AT_ONCE])
            await asyncio.sleep(0)
        return found

    async def header(self, uid: int) -> bytes:
        """The header section of a message; b"" if it is gone."""
        found = await self._messages((uid,))
        return await found[uid].header() if uid in found else b""

    def _is_listed(self, query: TextQuery) -> bool:
        if query.field:
            return query.field in self._listed
        return all(zone in FIELD_ZONES for zone in query.zones)

    async def _in_listing(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        headers = await self._facts(uids, "header")
        found = [uid for uid, header in headers.items() if header and section_has_text(header, query)]
        unlisted = [uid for uid, header in headers.items() if not header]
        if unlisted:
            found = sorted(found + await self._in_messages(query, unlisted))
        return found

    async def _in_messages(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        messages = await self._messages(uids)
        return [uid for uid, message in messages.items() if await occurs(message, query)]

    async def _messages(self, uids: Sequence[int]) -> dict[int, StoredMessage]:
        """Those that are still there, in the order of `uids`."""
        refs = await self._reader.blob_refs(
            self._place.account_id, self._place.mailbox_id, [Uid(uid) for uid in uids]
        )
        parts = await self._facts(uids, "parts")
        return {
            uid: StoredMessage(self._blobs, refs[Uid(uid)], encoded)
            for uid, encoded in parts.items()
            if Uid(uid) in refs
        }

    async def _facts(self, uids: Sequence[int], column: str) -> dict[int, bytes]:
        account_id, mailbox_id, _ = self._place
        rows = await self._reader.facts(account_id, mailbox_id, _ranges(uids), (column,))
        known = cast(dict[int, bytes], dict(cast(list[tuple[int, bytes]], rows)))
        return {uid: known[uid] for uid in uids if uid in known}


def _ranges(uids: Iterable[int]) -> list[tuple[int, int]]:
    """Closed ranges that hold `uids` (ascending) and few others."""
    found: list[tuple[int, int]] = []
    for uid in uids:
        if found and uid <= found[-1][1] + _GAP:
            found[-1] = (found[-1][0], uid)
        else:
            found.append((uid, uid))
    return found
