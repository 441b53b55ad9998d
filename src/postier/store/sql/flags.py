"""Flags of messages: how they change, and what the mailbox counts of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from postier.store.api import AccountId, Flag, FlagChange, MailboxId, Message, ModSeq, Uid
from postier.store.sql.base import Writes
from postier.store.sql.keywords import bits_of, with_names
from postier.store.sql.ledger import MailboxLine
from postier.store.sql.messages import MessageReader, as_messages
from postier.store.sql.spans import pieces, runs, spans

__all__ = ["FlagTx"]

_SEEN, _DELETED = int(Flag.SEEN), int(Flag.DELETED)  # plain integers: an IntFlag's operators are slow
_SET_FLAGS = (
    "UPDATE messages SET flags = (flags & ?) | ?, modseq = ?"
    " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ?"
)


class FlagTx(MessageReader, Writes):
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
        kept, put = _masks(change, int(flags), among)
        after: list[Message] = []
        refused: list[Uid] = []
        async for piece in pieces(self._connection, uids):
            found = await self._present(account_id, mailbox_id, piece)
            if unchanged_since is not None:
                refused += [message.uid for message in found if message.modseq > unchanged_since]
                found = [message for message in found if message.modseq <= unchanged_since]
            after += await self._set(box, found, kept, put)
        return after, refused

    async def _present(
        self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]
    ) -> list[Message]:
        if len(uids) == 1:
            return await self.messages(account_id, mailbox_id, [(uids[0], uids[0])])
        found = await self.messages(account_id, mailbox_id, spans(uids))
        wanted = set(uids)
        return [message for message in found if message.uid in wanted]

    async def _set(self, box: MailboxLine, found: list[Message], kept: int, put: int) -> list[Message]:
        """The messages with `flags & kept | put`; only those that it changes get the new modseq."""
        changing = [message.uid for message in found if message.flags & kept | put != message.flags]
        if not changing:
            return found
        modseq = await self._ledger.modseq(box.account_id, box)
        key = (kept, put, modseq, box.account_id, box.mailbox_id)
        await self._connection.executemany(_SET_FLAGS, [(*key, *run) for run in runs(changing)])
        for old, count in Counter([flags for _, flags, _ in found]).items():
            _count(box, old, old & kept | put, count)
        if len(changing) == len(found):
            return as_messages([(uid, flags & kept | put, modseq) for uid, flags, _ in found])
        changed = set(changing)
        return [
            Message(message.uid, message.flags & kept | put, ModSeq(modseq))
            if message.uid in changed
            else message
            for message in found
        ]


def _masks(change: FlagChange, flags: int, among: int) -> tuple[int, int]:
    """(kept, put): the new flags of a message are `old & kept | put`."""
    flags &= among
    if change is FlagChange.ADD:
        return -1, flags
    if change is FlagChange.REMOVE:
        return ~flags, 0
    return ~among, flags


def _count(box: MailboxLine, old: int, new: int, messages: int) -> None:
    if (old ^ new) & _SEEN:
        box.unseen += messages if old & _SEEN else -messages
    if (old ^ new) & _DELETED:
        box.deleted += messages if new & _DELETED else -messages
