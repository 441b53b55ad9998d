"""Messages that come into a mailbox: appended, copied, moved."""

from __future__ import annotations

from collections.abc import Sequence

from postier.store.api import (
    FOREIGN_ID,
    NO_MAILBOX,
    AccountId,
    BlobId,
    MailboxId,
    NewMessage,
    NoSuchMailbox,
    OverQuota,
    StoreError,
    Uid,
)
from postier.store.sql.connection import Value
from postier.store.sql.keywords import bits_of, names_of, with_names
from postier.store.sql.ledger import AccountLine, MailboxLine
from postier.store.sql.removal import Going
from postier.store.sql.resting import RestingTx
from postier.store.sql.spans import pieces, runs
from postier.store.sql.threads import find_thread

__all__ = ["ArrivalTx"]

LAST_UID = 2**32 - 1

_SYSTEM = 31
_NEW_MESSAGE = "INSERT INTO messages (account_id, mailbox_id, uid, flags, modseq) VALUES (?, ?, ?, ?, ?)"
_NEW_FACTS = (
    "INSERT INTO facts (account_id, mailbox_id, uid, blob_id, size, internal_date, saved_date, email_id,"
    " thread_id, sent_date, envelope, body_structure, parts, header, preview, base_subject)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_COPY_FACTS = (
    "INSERT INTO facts (account_id, mailbox_id, uid, blob_id, size, internal_date, saved_date, email_id,"
    " thread_id, sent_date, envelope, body_structure, parts, header, preview, base_subject)"
    " SELECT ?, ?, uid + ?, blob_id, size, internal_date, ?, {}, {}, sent_date, envelope,"
    " body_structure, parts, header, preview, base_subject FROM facts"
    " WHERE account_id = ? AND mailbox_id = ? AND uid BETWEEN ? AND ?"
)
_COPY_WITHIN = _COPY_FACTS.format("email_id", "thread_id")
_CARRIED = "CASE WHEN {0} < ?1 THEN {0} + ? WHEN {0} / ?1 = ? THEN {0} % ?1 ELSE {0} END".replace(
    "?1", str(FOREIGN_ID)
)
"""An id goes along with the account that gave it, and without where it comes home (see FOREIGN_ID)."""
_COPY_BETWEEN = _COPY_FACTS.format(_CARRIED.format("email_id"), _CARRIED.format("thread_id"))
_MOVE_FACTS = (
    "UPDATE facts SET mailbox_id = ?, uid = ?, saved_date = ?"
    " WHERE account_id = ? AND mailbox_id = ? AND uid = ?"
)
_MOVE_MESSAGE = (
    "UPDATE messages SET mailbox_id = ?, uid = ?, flags = ?, modseq = ?"
    " WHERE account_id = ? AND mailbox_id = ? AND uid = ?"
)


class ArrivalTx(RestingTx):
    async def append(
        self, account_id: AccountId, mailbox_id: MailboxId, messages: Sequence[NewMessage]
    ) -> list[Uid]:
        size = sum(message.size for message in messages)
        words = [name for message in messages for name in message.keywords]
        account, box, modseq = await self._make_room(account_id, mailbox_id, len(messages), size, words)
        uids = []
        for message in messages:
            uid, email_id = box.uidnext, account.email_next
            box.uidnext += 1
            account.email_next += 1
            flags = message.flags | bits_of(box.keywords, message.keywords)
            box.count(1, flags, message.size)
            self._ledger.refs[message.blob_id] += 1
            await self._connection.execute(_NEW_MESSAGE, (account_id, mailbox_id, uid, flags, modseq))
            await self._connection.execute(
                _NEW_FACTS, await self._facts_row(account_id, box, message, email_id)
            )
            uids.append(Uid(uid))
        return uids

    async def _make_room(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        messages: int,
        size: int,
        keywords: Sequence[str],
        besides: MailboxId = NO_MAILBOX,
    ) -> tuple[AccountLine, MailboxLine, int]:
        """Check that so much fits, count it in the account, give the mailbox the keywords it lacks.

        What rests after it was deleted over POP3 gives way, but for what lies in the mailbox `besides`.

        Returns the lines and the modseq of the arrival; whatever raises, raises before anything changed.
        """
        box = await self._ledger.mailbox(account_id, mailbox_id)
        account = await self._ledger.account(account_id)
        if not box.selectable:
            raise NoSuchMailbox(f"{account_id}/{mailbox_id} only has children")
        if box.uidnext + messages > LAST_UID:
            raise StoreError(f"mailbox {account_id}/{mailbox_id} has no UIDs left")
        known = with_names(box.keywords, keywords) if keywords else box.keywords
        if messages and account.lacks(size, messages):
            await self._give_way(account, size, messages, besides)
            if account.lacks(size, messages):
                raise OverQuota(
                    f"account {account_id}: {account.used} + {size} of {account.quota} bytes,"
                    f" {account.messages} + {messages} of {account.message_quota} messages"
                )
        if not messages:
            return account, box, box.modseq
        modseq = await self._ledger.modseq(account_id, box)
        box.keywords = known
        account.used += size
        account.messages += messages
        return account, box, modseq

    async def _facts_row(
        self, account_id: AccountId, box: MailboxLine, message: NewMessage, email_id: int
    ) -> tuple[Value, ...]:
        thread_id = email_id
        if message.message_id or message.references:
            thread_id = await find_thread(
                self._connection,
                self._thread_key,
                account_id,
                message.message_id,
                message.references,
                email_id,
            )
        blob_id, size, internal_date, sent_date, envelope, body_structure, parts, header, *_ = message
        return (
            account_id,
            box.mailbox_id,
            box.uidnext - 1,
            blob_id,
            size,
            internal_date,
            self._now,
            email_id,
            thread_id,
            sent_date,
            envelope,
            body_structure,
            parts,
            header,
            message.preview,
            message.base_subject,
        )

    async def copy(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        uids: Sequence[Uid],
        to_account: AccountId,
        to_mailbox: MailboxId,
        *,
        keep: int = -1,
    ) -> list[tuple[Uid, Uid]]:
        source = await self._ledger.mailbox(account_id, mailbox_id)
        pairs: list[tuple[Uid, Uid]] = []
        async for piece in pieces(self._connection, uids):
            coming = await self._going(account_id, mailbox_id, piece)
            pairs += await self._copy_piece(source, coming, to_account, to_mailbox, keep)
        return pairs

    async def _copy_piece(
        self,
        source: MailboxLine,
        coming: list[Going],
        to_account: AccountId,
        to_mailbox: MailboxId,
        keep: int,
    ) -> list[tuple[Uid, Uid]]:
        size = sum(message.size for message in coming)
        words = _words(source, coming, keep)
        besides = source.mailbox_id if to_account == source.account_id else NO_MAILBOX
        _, box, modseq = await self._make_room(to_account, to_mailbox, len(coming), size, words, besides)
        bits = _Translation(source.keywords, box.keywords, keep)
        source_key = account_id, _ = source.account_id, source.mailbox_id
        carried = () if to_account == account_id else (account_id * FOREIGN_ID, to_account) * 2
        pairs, messages = [], []
        for uid, flags, length, blob_id in coming:
            new, flags = box.uidnext, bits.of(flags)
            box.uidnext += 1
            box.count(1, flags, length)
            self._ledger.refs[BlobId(blob_id)] += 1
            messages.append((to_account, to_mailbox, new, flags, modseq))
            pairs.append((Uid(uid), Uid(new)))
        copies: dict[int, int] = dict(pairs)
        facts = [
            (to_account, to_mailbox, copies[first] - first, self._now, *carried, *source_key, first, last)
            for first, last in runs(copies)
        ]
        await self._connection.executemany(_NEW_MESSAGE, messages)
        await self._connection.executemany(_COPY_BETWEEN if carried else _COPY_WITHIN, facts)
        return pairs

    async def move(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        uids: Sequence[Uid],
        to_mailbox: MailboxId,
        *,
        keep: int = -1,
    ) -> list[tuple[Uid, Uid]]:
        source = await self._ledger.mailbox(account_id, mailbox_id)
        await self._make_room(account_id, to_mailbox, 0, 0, ())
        pairs: list[tuple[Uid, Uid]] = []
        async for piece in pieces(self._connection, uids):
            going = await self._going(account_id, mailbox_id, piece)
            if going:
                pairs += await self._move_piece(source, going, to_mailbox, keep)
        if pairs:
            await self._forget_old_graves(source)
        return pairs

    async def _move_piece(
        self, source: MailboxLine, going: list[Going], to_mailbox: MailboxId, keep: int
    ) -> list[tuple[Uid, Uid]]:
        account_id, mailbox_id = source.account_id, source.mailbox_id
        box = await self._ledger.mailbox(account_id, to_mailbox)
        box.keywords = with_names(box.keywords, _words(source, going, keep))
        modseq = await self._ledger.modseq(account_id, box)
        await self._take_out(account_id, mailbox_id, going)
        bits = _Translation(source.keywords, box.keywords, keep)
        pairs, messages, facts = [], [], []
        for uid, flags, size, _ in going:
            new, flags = box.uidnext, bits.of(flags)
            box.uidnext += 1
            box.count(1, flags, size)
            origin = (account_id, mailbox_id, uid)
            messages.append((to_mailbox, new, flags, modseq, *origin))
            facts.append((to_mailbox, new, self._now, *origin))
            pairs.append((Uid(uid), Uid(new)))
        await self._connection.executemany(_MOVE_MESSAGE, messages)
        await self._connection.executemany(_MOVE_FACTS, facts)
        return pairs


class _Translation:
    """Flags of one mailbox, those in `keep`, in the bits of another."""

    def __init__(self, source: str, target: str, keep: int) -> None:
        self._source = source
        self._target = target
        self._keep = keep
        self._known: dict[int, int] = {}

    def of(self, flags: int) -> int:
        found = self._known.get(flags)
        if found is None:
            kept = flags & self._keep
            found = (kept & _SYSTEM) | bits_of(self._target, names_of(self._source, kept))
            self._known[flags] = found
        return found


def _words(source: MailboxLine, messages: Sequence[Going], keep: int) -> list[str]:
    """The keywords in `keep` that any of the messages carries."""
    together = 0
    for message in messages:
        together |= message.flags
    return names_of(source.keywords, together & keep)
