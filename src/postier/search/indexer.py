"""Keeps the index up with the store: behind delivery, in small steps, while there is something to do.

Everything it needs to know stands in the store and in the index itself, so it may be stopped and killed at
any point, and begins where it was. What it writes is never wrong, only late.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Sequence
from typing import cast

from postier.base.clock import Clock
from postier.base.log import Log
from postier.blobs.api import Blobs, BlobUnreadable
from postier.message.searched import FIELD_ZONES, MessageText
from postier.search.api import Indexed, IndexUnavailable, NewPlace, Place, Segment, TextIndexWriter
from postier.search.message_text import StoredMessage, read_text
from postier.store.api import (
    AccountId,
    BlobId,
    Mailbox,
    MailboxId,
    ModSeq,
    Reader,
    Store,
    StoreError,
    Tx,
    Uid,
)

__all__ = ["Indexer", "adopt"]

_POLL = 2.0
"""Seconds between two looks at what changed."""
_LOOKS = 15
"""While something changes between one look and the next, deliveries go first; so many looks at most."""
_AFTER_FAULT = 60.0
_TIDY = 3600.0
"""Seconds that words of messages that are gone may stay in the index."""

_AT_ONCE = 64
"""Messages placed in one transaction."""
_TEXT_AT_ONCE = 4 * 1024 * 1024
"""Characters of text after which a transaction is long enough."""
_WORTH_A_SEGMENT = 64, 512 * 1024
"""So many messages, or octets of text, that are in no segment yet make one."""
_LARGEST_SEGMENT = 2048, 8 * 1024 * 1024
_GROWTH = 3
"""A new segment takes in the last one while that is up to so many times as large: of n messages there are
some log n segments, and each message is put into one as often."""
_MANY_GONE = 8
"""A segment of which one in so many is gone is made anew at once, others when `tidy` comes."""

_OWNER = "search-index"
"""The meta fact by which a store and its index know each other."""
_LAST = Uid(2**32 - 1)
_UNREADABLE = MessageText(("",) * len(FIELD_ZONES), "", "", whole=False)

_log = Log("search")


async def adopt(store: Store, index: TextIndexWriter) -> None:
    """Throw away what the index knows of another store, or of mailboxes whose later days never were: a store
    that was brought back from a backup gives the same UIDs to other messages. To be called before anything is
    delivered. Raises IndexUnavailable and StoreError."""

    async def named(tx: Tx) -> str:
        name = await tx.meta(_OWNER)
        if name is None:
            name = secrets.token_hex(16)
            await tx.set_meta(_OWNER, name)
        return name

    owner = await store.reader.meta(_OWNER)
    if owner is None:
        owner = await store.transact(named)
    if await index.owner() != owner:
        await index.reset(owner)
    for account_id in await index.accounts():
        ends = {mailbox.mailbox_id: mailbox.uidnext for mailbox in await store.reader.mailboxes(account_id)}
        for indexed in await index.mailboxes(account_id):
            mailbox_id = indexed.place.mailbox_id
            if indexed.placed >= ends.get(mailbox_id, Uid(0)):
                await index.forget_mailbox(account_id, mailbox_id)


class Indexer:
    """`stopping`: once it is set, a round ends after the transaction it is in."""

    def __init__(self, reader: Reader, blobs: Blobs, index: TextIndexWriter) -> None:
        self._reader = reader
        self._blobs = blobs
        self._index = index
        self._seen: dict[AccountId, ModSeq] | None = None
        self._is_first = True
        self._looks = 0
        self._looked_at: dict[AccountId, ModSeq] = {}
        self.stopping = asyncio.Event()

    async def run(self, clock: Clock) -> None:
        """Until `stopping`."""
        tidied = clock.monotonic()
        while not self.stopping.is_set():
            pause = _POLL
            try:
                if await self.is_time():
                    await self.round()
                if clock.monotonic() - tidied > _TIDY:
                    tidied = clock.monotonic()
                    await self.tidy()
            except (IndexUnavailable, StoreError, OSError) as error:
                _log.fault("indexing rests", why=error)
                pause = _AFTER_FAULT
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), pause)

    async def is_time(self) -> bool:
        """Whether it is quiet since the last look, or was loud for as long as words may wait. Raises
        StoreError."""
        modseqs = await self._reader.account_modseqs()
        self._looks += 1
        if modseqs != self._looked_at and self._looks < _LOOKS:
            self._looked_at = modseqs
            return False
        self._looks, self._looked_at = 0, modseqs
        return True

    async def round(self) -> bool:
        """Take up what changed since the last one; False where nothing did. Raises IndexUnavailable and
        StoreError, after which the next one looks at everything."""
        seen, self._seen = self._seen, None
        owner = await self._reader.meta(_OWNER) or ""
        if await self._index.owner() != owner:  # somebody threw it away
            await self._index.reset(owner)
            seen = None
        self._is_first = seen is None
        modseqs = await self._reader.account_modseqs()
        for account_id in await self._index.accounts() if seen is None else seen.keys() - modseqs.keys():
            if account_id not in modseqs:
                await self._index.forget_account(AccountId(account_id))
        changed = [known for known in modseqs.items() if seen is None or seen.get(known[0]) != known[1]]
        for account_id, _ in changed:
            await self._take_up(account_id)
            if self.stopping.is_set():
                return True
        self._seen = modseqs
        return bool(changed)

    async def tidy(self) -> None:
        """Let go the words of messages that are gone."""
        for place, segment in await self._index.with_gone():
            await self._index.make_segment(place, segment.first, segment.last)
            await asyncio.sleep(0)
            if self.stopping.is_set():
                return

    async def _take_up(self, account_id: AccountId) -> None:
        known = {indexed.place.mailbox_id: indexed for indexed in await self._index.mailboxes(account_id)}
        mailboxes = await self._reader.mailboxes(account_id)
        for mailbox_id in known.keys() - {mailbox.mailbox_id for mailbox in mailboxes}:
            await self._index.forget_mailbox(account_id, MailboxId(mailbox_id))
        changed: list[tuple[Indexed, ModSeq]] = []
        for mailbox in mailboxes:
            indexed = await self._current(mailbox, known.get(mailbox.mailbox_id))
            if indexed.modseq != mailbox.modseq or mailbox.mailbox_id not in known or self._is_first:
                changed.append((await self._place_new(indexed, Uid(mailbox.uidnext - 1)), mailbox.modseq))
            if self.stopping.is_set():
                return
        for indexed, modseq in changed:  # after the texts of what moved to another mailbox were seen there
            if indexed.modseq != modseq:
                await self._forget_vanished(indexed, modseq)
            await self._make_segments(indexed.place)
            if self.stopping.is_set():
                return

    async def _current(self, mailbox: Mailbox, known: Indexed | None) -> Indexed:
        """What is known of a mailbox, if that is still the same one."""
        place = Place(mailbox.account_id, mailbox.mailbox_id, mailbox.uidvalidity)
        if known is None:
            return Indexed(place, mailbox.modseq, Uid(0), Uid(0))
        if known.place == place:
            return known
        await self._index.forget_mailbox(mailbox.account_id, mailbox.mailbox_id)
        return Indexed(place, ModSeq(0), Uid(0), Uid(0))

    # ------------------------------------------------------------------ messages

    async def _forget_vanished(self, known: Indexed, modseq: ModSeq) -> None:
        account_id, mailbox_id, _ = known.place
        gone = await self._reader.vanished_since(account_id, mailbox_id, known.modseq)
        if gone is None:
            there = set(await self._reader.uids(account_id, mailbox_id))
            gone = [uid for uid in await self._index.uids(known.place) if uid not in there]
        gone = [uid for uid in gone if uid <= known.placed]
        for start in range(0, len(gone), _AT_ONCE):
            await self._index.forget(known, gone[start : start + _AT_ONCE])
            await asyncio.sleep(0)
        await self._index.forget(known._replace(modseq=modseq), ())

    async def _place_new(self, known: Indexed, end: Uid) -> Indexed:
        """All messages up to `end`; those that come meanwhile are the next round's."""
        account_id, mailbox_id, _ = known.place
        loose = 0
        while known.placed < end and not self.stopping.is_set():
            rows = await self._reader.facts(
                account_id, mailbox_id, [(known.placed + 1, end)], ("blob_id", "parts"), _AT_ONCE
            )
            messages = await self._read(known.place, cast(list[tuple[Uid, BlobId, bytes]], rows))
            known = known._replace(placed=messages[-1].uid if messages else end)
            await self._index.place(known, messages)
            loose += len(messages)
            if loose >= _LARGEST_SEGMENT[0]:
                await self._make_segments(known.place)
                loose = 0
        return known

    async def _read(self, place: Place, rows: Sequence[tuple[Uid, BlobId, bytes]]) -> list[NewPlace]:
        """As many as make a transaction. One that vanished meanwhile is placed as if it could not be read,
        and forgotten by the next round."""
        refs = await self._reader.blob_refs(place.account_id, place.mailbox_id, [uid for uid, *_ in rows])
        kept = await self._index.kept_blobs(place.account_id, {blob_id for _, blob_id, _ in rows})
        messages: list[NewPlace] = []
        characters = 0
        for uid, blob_id, parts in rows:
            text = None
            if blob_id not in kept:
                ref = refs.get(uid)
                text = _UNREADABLE if ref is None else await _text(StoredMessage(self._blobs, ref, parts))
                kept.add(blob_id)
                characters += len(text.head) + len(text.body)
            messages.append(NewPlace(uid, blob_id, text))
            await asyncio.sleep(0)
            if characters > _TEXT_AT_ONCE:
                break
        return messages

    # ------------------------------------------------------------------ segments

    async def _make_segments(self, place: Place) -> None:
        segments = await self._index.segments(place, Uid(0), _LAST)
        for run in _runs(await self._index.loose(place)):
            first, last = run[0][0], run[-1][0]
            count, octets = len(run), sum(size for _, size in run)
            while segments and _may_join(segments[-1], count, octets):
                joined = segments.pop()
                first = joined.first
                count += joined.messages - joined.gone
                octets += joined.octets
            await self._index.make_segment(place, first, last)
            await asyncio.sleep(0)
            if self.stopping.is_set():
                return
        for segment in segments:
            if segment.gone * _MANY_GONE >= segment.messages:
                await self._index.make_segment(place, segment.first, segment.last)
                await asyncio.sleep(0)


async def _text(message: StoredMessage) -> MessageText:
    try:
        return await read_text(message)
    except BlobUnreadable as error:
        _log.error("a message cannot be indexed", exception=error)
        return _UNREADABLE


def _runs(loose: list[tuple[Uid, int]]) -> list[list[tuple[Uid, int]]]:
    """Cut into segments; none where they are too few yet."""
    runs: list[list[tuple[Uid, int]]] = []
    octets = 0
    for message in loose:
        octets += message[1]
        if not runs or len(runs[-1]) >= _LARGEST_SEGMENT[0] or octets > _LARGEST_SEGMENT[1]:
            runs.append([])
            octets = message[1]
        runs[-1].append(message)
    if runs and len(runs[-1]) < _WORTH_A_SEGMENT[0] and octets < _WORTH_A_SEGMENT[1]:
        runs.pop()
    return runs


def _may_join(segment: Segment, count: int, octets: int) -> bool:
    living = segment.messages - segment.gone
    return (
        living <= _GROWTH * count
        and living + count <= _LARGEST_SEGMENT[0]
        and segment.octets + octets <= _LARGEST_SEGMENT[1]
    )
