"""EXPIRE (RFC 2449 6.7) made true: the inbox of who reads by POP3 keeps a message for so long and no longer.

Who has never logged in by POP3 is not concerned, and what is flagged stays. What goes rests as if somebody
had deleted it, but no device is shown it any more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

from postier.accounts.mailboxes import INBOX
from postier.accounts.pop3_rules import Pop3Usual, applied
from postier.accounts.resting import remove_over_pop3
from postier.store.api import NO_DEVICE, AccountId, Flag, Mailbox, Reader, Store, Tx, Uid

__all__ = ["expire_inboxes"]

_PIECE = 5000
"""UIDs looked at before others have their turn: some 10 ms."""
_AT_ONCE = 500


async def expire_inboxes(store: Store, usual: Pop3Usual, now: float) -> int:
    """Take away what has been in an inbox for longer than its rules say. Returns how many messages."""
    total = 0
    for account_id in await store.reader.pop3_readers():
        rules = applied(await store.reader.pop3_rules(account_id), usual)
        if rules.expire:
            total += await _expire(store, account_id, usual, now, int(now) - rules.expire)
    return total


async def _expire(store: Store, account_id: AccountId, usual: Pop3Usual, now: float, before: int) -> int:
    inbox = await store.reader.mailbox_named(account_id, INBOX)
    total = 0
    if inbox is None:
        return 0
    async for old in _older(store.reader, inbox, before):
        for start in range(0, len(old), _AT_ONCE):
            some = old[start : start + _AT_ONCE]

            async def work(tx: Tx, uids: Sequence[Uid] = some) -> None:
                await remove_over_pop3(tx, inbox, uids, NO_DEVICE, now, usual)

            await store.transact(work)
            total += len(some)
    return total


async def _older(reader: Reader, inbox: Mailbox, before: int) -> AsyncIterator[list[Uid]]:
    """UIDs of what came before then and is not flagged, in pieces."""
    place = inbox.account_id, inbox.mailbox_id
    for first in range(1, inbox.uidnext, _PIECE):
        span = Uid(first), Uid(first + _PIECE - 1)
        old = await reader.uids_with_number(*place, *span, "saved_date", 0, before - 1)
        if old:
            flagged = await reader.uids_with_flags(*place, *span, Flag.FLAGGED, Flag.FLAGGED)
            yield [Uid(uid) for uid in old if uid not in set(flagged)]
        await asyncio.sleep(0)
