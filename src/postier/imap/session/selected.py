"""The selected mailbox as one session shows it, lagging behind the store by what it has not told yet.

The store's feed (`changes_since`) says what happened since `modseq`; `sync` turns that into untagged
responses: EXPUNGE where the command allows it (RFC 3501 7.4.1), then EXISTS and RECENT, then FETCH with new
flags. Messages that are gone but not told wait in `gone` and keep their sequence numbers meanwhile.

Flags are not remembered: the feed names what changed, and what this session changed itself is skipped
by its modseq. The UIDs are read when a command first counts in them: a session that only waits for news
keeps their number and nothing else.
"""

from __future__ import annotations

import asyncio
from array import array
from bisect import bisect_right
from collections.abc import Awaitable, Callable
from itertools import chain
from typing import NamedTuple

from postier.accounts.rights import Place, changeable_flags, is_changing
from postier.bus.api import Bus, Subscription, account_topic
from postier.imap.session.contexts import Updates
from postier.imap.session.flags import flag_texts, flags_lines, known_flags
from postier.imap.session.manner import Manner
from postier.imap.session.marks import UNKNOWN, Mark
from postier.imap.session.recents import Recents
from postier.imap.session.view import View
from postier.imap.wire import responses
from postier.imap.wire.notify import MESSAGE_EVENTS, Event
from postier.imap.wire.responses import RECENT
from postier.store.api import (
    SYSTEM_FLAGS,
    AccountId,
    Changes,
    Mailbox,
    MailboxId,
    Message,
    ModSeq,
    NoSuchMailbox,
    Reader,
    StoreError,
    Uid,
)

__all__ = ["Claim", "News", "Selected"]

Claim = Callable[[], Awaitable[tuple[Uid, Uid]]]
"""Takes \\Recent for this session: from the first UID that no other had taken to the last there is."""

LINES = 1000
"""FETCH responses made before the other connections get their turn."""

SMALL = 1000
"""UIDs that are kept even while the client waits in IDLE: four kilobytes."""


class News(NamedTuple):
    """Untagged responses, and the messages that EXISTS counts from now on."""

    told: bytes
    arrived: list[Message]


class Selected:
    """One session's state of one mailbox. `recents`: what is \\Recent in it for this session. `rights`: the
    account's in the mailbox (RFC 4314) when they were last looked at, after all that the bus told up to
    `rights_noted`."""

    __slots__ = (
        "_bus_seen",
        "_count",
        "_flags_told",
        "_held_at",
        "_is_ahead",
        "_own",
        "_recent",
        "_shows_recent",
        "_subscription",
        "_view",
        "account_id",
        "gone",
        "highest",
        "keywords",
        "mailbox_id",
        "modseq",
        "name",
        "noted",
        "on_news",
        "read_only",
        "recents",
        "rights",
        "rights_noted",
        "saved",
        "uidvalidity",
        "updates",
    )

    def __init__(self, place: Place, *, read_only: bool, recents: Recents, recent: int) -> None:
        """`read_only`: opened by EXAMINE. `recent`: how many messages are \\Recent now."""
        mailbox = place.mailbox
        self.account_id: AccountId = mailbox.account_id
        self.mailbox_id: MailboxId = mailbox.mailbox_id
        self.name = place.name
        self.rights = place.rights
        self.rights_noted = -1  # the bus is heard later than the rights were read: look once more
        self.uidvalidity = mailbox.uidvalidity
        self.keywords = mailbox.keywords
        self.modseq: ModSeq = mailbox.modseq
        self.read_only = read_only
        self.recents = recents
        self._shows_recent = True
        self.highest = mailbox.uidnext - 1
        self._view: View | None = None
        self._count = mailbox.messages
        self._recent = recent
        self.gone: list[int] = []
        self._held_at = ModSeq(0)
        self._flags_told: ModSeq | None = None  # where changes of flags that nobody wanted to hear begin
        self._is_ahead = False  # more was told than what `modseq` stands for
        self.saved: array[int] | None = None
        self.updates: Updates | None = None
        self.on_news: Callable[[], None] | None = None
        self.noted = 0
        self._bus_seen = 0
        self._subscription: Subscription | None = None
        self._own: dict[int, int] = {}

    # ------------------------------------------------------------------ the messages

    @property
    def view(self) -> View:
        """Only after `load`."""
        if self._view is None:
            raise AssertionError("a command counts in messages that were not loaded")
        return self._view

    @property
    def count(self) -> int:
        """How many messages the client knows of (EXISTS)."""
        return self._count if self._view is None else len(self._view)

    @property
    def recent(self) -> int:
        """How many of them are \\Recent."""
        if self._view is None:
            return self._recent
        return self.recents.count(self._view.uids)

    def hide_recent(self) -> None:
        """The client has gone over to IMAP4rev2, which has no \\Recent (RFC 9051 2.3.2)."""
        self.recents, self._recent, self._shows_recent = Recents(), 0, False

    def exists_lines(self) -> bytes:
        """EXISTS, and RECENT for a client of IMAP4rev1."""
        exists = responses.exists(self.count)
        return exists + responses.recent(self.recent) if self._shows_recent else exists

    async def load(self, reader: Reader) -> None:
        """Read the UIDs as they were when the client was last told of changes: those there are now, up to
        the highest it knows, and those that vanished since."""
        if self._view is not None:
            return
        uids = await reader.uids(self.account_id, self.mailbox_id)
        uids = uids[: bisect_right(uids, self.highest)]
        changes = await reader.changes_since(self.account_id, self.mailbox_id, self.modseq)
        gone = {uid for uid in changes.vanished if uid <= self.highest}
        if gone:
            uids = array("I", sorted(gone.union(uids)))
        if len(uids) != self._count:
            raise StoreError(f"mailbox {self.mailbox_id}: {len(uids)} messages where {self._count} were told")
        self._view = View(uids)

    def unload(self) -> None:
        """Keep the number of a large mailbox's UIDs only, unless something waits to be told."""
        if self._view is not None and not self.gone and not self._is_ahead and len(self._view) > SMALL:
            self._count, self._recent, self._view = len(self._view), self.recent, None

    # ------------------------------------------------------------------ news

    def subscribe(self, bus: Bus) -> None:
        self._subscription = bus.subscribe(account_topic(self.account_id), self._note)

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    def _note(self, number: int) -> None:
        self.noted = max(self.noted, number)
        if self.on_news is not None and self.is_stale:
            self.on_news()

    @property
    def told_modseq(self) -> ModSeq:
        """Everything up to here was told, expunges that wait for their turn included: what a client may come
        back with and miss nothing (RFC 7162 3.2)."""
        return self._held_at if self.gone else self.modseq

    def show(self, modseq: int) -> None:
        """A response shows this modseq: what happened up to it is told before the command ends."""
        if modseq > self.modseq:
            self.noted = max(self.noted, modseq)

    @property
    def is_stale(self) -> bool:
        """The bus told of changes in the account that were not looked at yet."""
        return self.noted > self._bus_seen

    def has_seen(self, modseq: ModSeq) -> None:
        """All changes of this mailbox up to `modseq` are told or are this session's own."""
        self.modseq = max(self.modseq, modseq)
        self._bus_seen = max(self._bus_seen, modseq)

    def note_own(self, before: ModSeq, changed: list[Message]) -> None:
        """This session changed flags itself, in a transaction that found the mailbox at `before`.

        If nobody else had changed anything, everything up to its own modseq is known. Else the next `sync`
        skips what is listed here.
        """
        if not changed:
            return
        own = max(message.modseq for message in changed)
        if own == self.rights_noted + 1:  # nothing else happened in the account: nobody's rights changed
            self.rights_noted = own
        if before == self.modseq:
            self.has_seen(own)
        else:
            self._own.update((message.uid, message.modseq) for message in changed)

    def mark(self) -> Mark:
        """Where the client was told the mailbox is."""
        return Mark(self.highest + 1, self.count, UNKNOWN, self.told_modseq)

    # ------------------------------------------------------------------ what flags look like

    def flags_text(self, uid: int, flags: int) -> bytes:
        """The flags in parentheses, \\Recent among them where it holds."""
        return flag_texts(self.keywords)[flags | RECENT if uid in self.recents else flags]

    def flags_texts(self, messages: list[Message]) -> list[bytes]:
        """`flags_text` of each."""
        texts = flag_texts(self.keywords)
        if not messages or messages[-1].uid < self.recents.first:
            return [texts[flags] for _, flags, _ in messages]
        recents = self.recents
        return [texts[flags | RECENT if uid in recents else flags] for uid, flags, _ in messages]

    def knows(self, flags: int) -> bool:
        """The session has heard of the highest keyword among the flags."""
        return not flags >> (SYSTEM_FLAGS + len(self.keywords))

    def learn_keywords(self, keywords: tuple[str, ...]) -> bytes:
        """What to say of keywords that are new in the mailbox, before any FETCH shows them."""
        if keywords == self.keywords:
            return b""
        told = known_flags(self.keywords, changeable=self.changeable)
        self.keywords = keywords
        if set(told) == set(known_flags(keywords, changeable=self.changeable)):
            return b""
        return flags_lines(keywords, changeable=self.changeable)

    # ------------------------------------------------------------------ rights

    def is_at(self, place: Place) -> bool:
        """That mailbox is this one."""
        return (place.account_id, place.mailbox_id) == (self.account_id, self.mailbox_id)

    @property
    def is_writable(self) -> bool:
        """Something in it can be changed: READ-WRITE (RFC 4314 5.2)."""
        return not self.read_only and is_changing(self.rights)

    @property
    def changeable(self) -> int:
        """The bits of the flags that this session can change."""
        return 0 if self.read_only else changeable_flags(self.rights)

    def learn_rights(self, rights: str) -> bytes:
        """What to say of rights that are new: the flags that can be changed (RFC 4314 5.1.1)."""
        before, self.rights = self.changeable, rights
        return b"" if self.changeable == before else flags_lines(self.keywords, changeable=self.changeable)

    # ------------------------------------------------------------------ telling

    async def is_current(self, reader: Reader) -> bool:
        """Nothing happened that was not looked at: this costs one row, `sync` a snapshot."""
        try:
            mailbox = await reader.mailbox(self.account_id, self.mailbox_id)
        except NoSuchMailbox:
            return False
        return mailbox.modseq <= self.modseq

    async def sync(
        self, reader: Reader, claim: Claim, manner: Manner, *, expunges: bool, hears: Event = MESSAGE_EVENTS
    ) -> News:
        """Untagged responses for everything that happened since the last time. `expunges`: they may be told
        now. `hears`: what the client wants to hear of at all; the rest waits until it does (RFC 5465 3.1).
        Raises NoSuchMailbox if it was deleted."""
        noted = self.noted
        hears_flags = Event.FLAG_CHANGE in hears
        since = self._flags_told if self._flags_told is not None and hears_flags else self.modseq
        changes = await reader.changes_since(self.account_id, self.mailbox_id, since)
        if any(uid <= self.highest for uid in chain(changes.vanished, (m.uid for m in changes.changed))):
            await self.load(reader)
        gone = changes.vanished
        if not changes.complete:
            await self.load(reader)
            present = await reader.uids(self.account_id, self.mailbox_id)
            gone = [Uid(uid) for uid in sorted(set(self.view.uids).difference(present))]
        if Event.MESSAGE_EXPUNGE not in hears:
            gone = []
        if Event.MESSAGE_NEW in hears:
            await self._take_recent(changes.mailbox, claim)
        news = await self._apply(changes, gone, manner, hears, expunges=expunges)
        if hears_flags:
            self._flags_told = None
        elif self._flags_told is None:
            self._flags_told = since
        self._is_ahead = Event.MESSAGE_NEW not in hears
        if not self._is_ahead:
            self.has_seen(changes.mailbox.modseq)
            self._bus_seen = max(self._bus_seen, noted)
        return news

    async def _take_recent(self, mailbox: Mailbox, claim: Claim) -> None:
        """What came is \\Recent here if no other session was told of it. One that can change nothing shows it
        as well, but takes it from nobody (RFC 3501 6.3.2)."""
        if not self._shows_recent or mailbox.uidnext - 1 == self.highest:
            return
        if mailbox.first_recent >= mailbox.uidnext:
            return
        if self.is_writable:
            self.recents.add(*await claim())
        else:
            self.recents.add(max(mailbox.first_recent, self.highest + 1), mailbox.uidnext - 1)

    def told_expunges(self, manner: Manner, *, counts: bool = True) -> bytes:
        """EXPUNGE (or VANISHED, RFC 7162 3.2.10) for what is gone and was not told yet; with `counts` also
        how many are \\Recent after that, which a client of old cannot know (RFC 3501 7.3.2)."""
        gone, self.gone, recent = sorted(set(self.gone)), [], self.recent
        removed = self.updates.expunged(self.view, gone) if self.updates is not None else b""
        numbers = self.view.remove(gone)
        if self.saved is not None:
            self.saved = array("I", sorted(set(self.saved).difference(gone)))
        told = removed + manner.expunges(numbers, gone)
        if not counts or manner.vanished or self.recent == recent:
            return told
        return told + responses.recent(self.recent)

    async def _apply(
        self, changes: Changes, gone: list[Uid], manner: Manner, hears: Event, *, expunges: bool
    ) -> News:
        told: list[bytes] = []
        told.append(self.learn_keywords(changes.mailbox.keywords))
        counts = Event.MESSAGE_NEW in hears
        arrived = [message for message in changes.changed if counts and message.uid > self.highest]
        changed = [message for message in changes.changed if message.uid <= self.highest]
        if not self.gone:
            self._held_at = self.modseq
        if self._view is not None:
            self.gone.extend(self._view.those_here(gone))
        if expunges and self.gone:
            told.append(self.told_expunges(manner, counts=not arrived))
        if arrived:
            self._arrive([message.uid for message in arrived])
            told.append(self.exists_lines())
        if counts:
            self.highest = max(self.highest, changes.mailbox.uidnext - 1)
        if Event.FLAG_CHANGE in hears:
            told.extend(await self._flag_news(changed, manner))
        else:
            self._own.clear()
        return News(b"".join(told), arrived)

    def _arrive(self, uids: list[Uid]) -> None:
        if self._view is not None:
            self._view.append(uids)
        else:
            self._count += len(uids)
            self._recent += self.recents.count(uids)

    async def _flag_news(self, changed: list[Message], manner: Manner) -> list[bytes]:
        """The other connections get their turn where many messages changed."""
        own, self._own = self._own, {}
        told: list[bytes] = []
        for start in range(0, len(changed), LINES):
            if start:
                await asyncio.sleep(0)
            told += [
                self.fetch_flags_line(place + 1, message, manner)
                for message in changed[start : start + LINES]
                if own.get(message.uid) != message.modseq and (place := self.view.place(message.uid)) >= 0
            ]
        return told

    def fetch_flags_line(self, number: int, message: Message, manner: Manner) -> bytes:
        """The untagged FETCH that tells a message's flags."""
        items = b"FLAGS " + self.flags_text(message.uid, message.flags)
        if manner.modseqs:
            items = b"MODSEQ (%d) " % message.modseq + items
        return manner.fetch(number, message.uid, items)
