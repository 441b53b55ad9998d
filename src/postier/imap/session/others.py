"""What a client of NOTIFY is told beside the messages of the selected mailbox (RFC 5465 5): LIST for names
and subscriptions, METADATA for annotations, STATUS for the messages of other mailboxes."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable
from typing import NamedTuple

from postier.accounts import rights
from postier.accounts.mailboxes import HIERARCHY_SEPARATOR
from postier.accounts.namespaces import shown_name
from postier.accounts.rights import NoPermission
from postier.imap.session.announce import listed, listed_as_gone
from postier.imap.session.context import Context
from postier.imap.session.mailboxes import status_line
from postier.imap.session.marks import Mark
from postier.imap.session.watch import Watch, WatchedAccount
from postier.imap.session.wishes import Wishes
from postier.imap.wire.metadata import changed_metadata_line
from postier.imap.wire.notify import Event
from postier.store.api import (
    ANYONE,
    SERVER,
    WHOLE_ACCOUNT,
    AnnotationChange,
    Mailbox,
    MailboxEvent,
    MailboxEventKind,
    MailboxId,
    ModSeq,
    NoSuchAccount,
    NoSuchMailbox,
)

__all__ = ["tell_others"]

_SUBSCRIPTIONS = (MailboxEventKind.SUBSCRIBED, MailboxEventKind.UNSUBSCRIBED)
_NAMES = (MailboxEventKind.CREATED, MailboxEventKind.REMOVED, MailboxEventKind.RENAMED)


async def tell_others(context: Context) -> None:
    """Say all of it that is new."""
    watch = context.watch
    if watch is None:
        return
    for account in list(watch.accounts.values()):
        if account.noted > account.told or account.left:
            try:
                await _Telling(context, watch, account).tell()
            except NoSuchAccount:
                account.close()
                del watch.accounts[account.owner.account_id]
    if watch.server_noted > watch.server_told:
        await _tell_server_notes(context, watch)


async def _tell_server_notes(context: Context, watch: Watch) -> None:
    notes = await context.reader.annotation_changes(SERVER, ModSeq(watch.server_told), context.account_id)
    watch.server_told = max(watch.server_noted, *(note.modseq for note in notes))
    if notes:
        context.say(_metadata(context, "", notes))


def _metadata(context: Context, name: str, notes: Iterable[AnnotationChange]) -> bytes:
    """RFC 5464 4.4.2: the names of the entries."""
    entries = [("/shared" if note.viewer == ANYONE else "/private") + note.entry for note in notes]
    return changed_metadata_line(name, dict.fromkeys(entries), utf8=context.core.utf8)


class _Affected(NamedTuple):
    """A name to tell of. `old`: what it was called before. `was_seen`: the client knows of it."""

    old: str | None = None
    was_seen: bool = True


class _Telling:
    """One look at what happened in one account."""

    __slots__ = ("_account", "_context", "_subscribed", "_watch")

    def __init__(self, context: Context, watch: Watch, account: WatchedAccount) -> None:
        self._context = context
        self._watch = watch
        self._account = account
        self._subscribed: Collection[str] = ()

    async def tell(self) -> None:
        context, account = self._context, self._account
        changes = await context.reader.account_changes(account.owner.account_id, account.told)
        if not changes.complete:
            context.say(b"* OK [NOTIFICATIONOVERFLOW] Too much has happened\r\n")  # RFC 5465 5.8
            context.start_watching(Watch(Wishes(()), context.viewer))
            return
        self._subscribed = await self._watch.subscriptions(context.reader)
        events = [event for event in changes.events if event.modseq not in account.own]
        for name, affected in self._affected(events).items():
            await self._tell_name(name, affected)
            await asyncio.sleep(0)
        for event in events:
            if event.kind is MailboxEventKind.RIGHTS:
                await self._tell_rights(event.mailbox_id)
        for event in changes.events:
            if event.kind is MailboxEventKind.REMOVED:
                self._forget(event.mailbox_id)
        await self._tell_notes(account.told)
        for mailbox in changes.mailboxes:
            await self._tell_messages(mailbox)
            await asyncio.sleep(0)
        await self._tell_what_was_left()
        account.has_told(changes.modseq)

    def _events(self, name: str, also_subscribed: Collection[str] = ()) -> Event:
        """What is to be told of what the client calls `name`."""
        subscribed = also_subscribed if name in also_subscribed else self._subscribed
        return self._watch.events(self._account.owner.account_id, name, subscribed)

    def _forget(self, mailbox_id: MailboxId) -> None:
        self._account.marks.drop(mailbox_id)
        self._account.seen.discard(mailbox_id)

    # ------------------------------------------------------------------ names

    def _affected(self, events: list[MailboxEvent]) -> dict[str, _Affected]:
        """RFC 5465 5.4, 5.5. A mailbox that is made or removed concerns the one above it; one that is renamed
        takes its children along without a word. To what others subscribe is nobody's business."""
        found: dict[str, _Affected] = {}
        left = {event.name for event in events if event.kind is MailboxEventKind.UNSUBSCRIBED}
        is_own = self._watch.is_own(self._account.owner.account_id)
        for event in events:
            if event.kind in _SUBSCRIPTIONS:
                if is_own and Event.SUBSCRIPTION_CHANGE in self._events(event.name, left):
                    found.setdefault(event.name, _Affected())
            elif event.kind in _NAMES:
                found |= self._affected_by(event, found)
        return found

    def _affected_by(self, event: MailboxEvent, known: dict[str, _Affected]) -> dict[str, _Affected]:
        viewer, owner = self._watch.viewer, self._account.owner
        name = shown_name(viewer, owner, event.name)
        is_own = self._watch.is_own(owner.account_id)
        was_seen = is_own or event.mailbox_id in self._account.seen
        if event.kind is MailboxEventKind.RENAMED:
            old = shown_name(viewer, owner, event.old_name)
            hears = Event.MAILBOX_NAME in self._events(name) | self._events(old)
            return {name: _Affected(old, was_seen)} if hears else {}
        above, _, _ = event.name.rpartition(HIERARCHY_SEPARATOR)
        candidates = {name: _Affected(None, was_seen)}
        if above:
            candidates[shown_name(viewer, owner, above)] = _Affected(None, is_own)
        return {
            candidate: affected
            for candidate, affected in candidates.items()
            if candidate not in known and Event.MAILBOX_NAME in self._events(candidate)
        }

    async def _tell_name(self, name: str, affected: _Affected) -> None:
        """As it is now. What the client never saw and does not see is none of its business."""
        context = self._context
        try:
            place = await context.find(name)
        except (NoSuchMailbox, NoPermission):
            if affected.was_seen:
                context.say(await listed_as_gone(context, name))
            return
        self._account.has_seen(place)
        context.say(await listed(context, place, affected.old if affected.was_seen else None))

    async def _tell_rights(self, mailbox_id: MailboxId) -> None:
        """Who gains or loses the right to see a mailbox hears that it is there or not (RFC 5465 5.4, 5.9)."""
        account, watch, reader = self._account, self._watch, self._context.reader
        owner = account.owner
        if watch.is_own(owner.account_id):
            return
        try:
            mailbox = await reader.mailbox(owner.account_id, mailbox_id)
        except NoSuchMailbox:
            return
        place = await rights.place_of(reader, watch.viewer, owner, mailbox)
        was_seen, is_seen = mailbox_id in account.seen, "l" in place.rights
        if is_seen:
            account.seen.add(mailbox_id)
            if account.marks.get(mailbox_id) is None and watch.message_events(place, self._subscribed):
                account.marks.set(mailbox_id, Mark.of(mailbox))
        else:
            self._forget(mailbox_id)
        if was_seen == is_seen or Event.MAILBOX_NAME not in self._events(place.name):
            return
        context = self._context
        context.say(await (listed(context, place) if is_seen else listed_as_gone(context, place.name)))

    # ------------------------------------------------------------------ annotations

    async def _tell_notes(self, since: ModSeq) -> None:
        """RFC 5465 5.6, 5.7."""
        context, account = self._context, self._account
        account_id = account.owner.account_id
        wanted = Event.MAILBOX_METADATA_CHANGE | Event.SERVER_METADATA_CHANGE
        if not self._watch.wishes.everywhere & wanted:
            return
        changes = await context.reader.annotation_changes(account_id, since, context.account_id)
        by_mailbox: dict[MailboxId, list[AnnotationChange]] = {}
        for change in changes:
            if change.modseq not in account.own:
                by_mailbox.setdefault(change.mailbox_id, []).append(change)
        for mailbox_id, notes in by_mailbox.items():
            name = await self._noted_name(mailbox_id)
            if name is not None:
                context.say(_metadata(context, name, notes))

    async def _noted_name(self, mailbox_id: MailboxId) -> str | None:
        """What the client calls it, "" for the account; None where it does not want to hear or may not."""
        account, watch, reader = self._account, self._watch, self._context.reader
        if mailbox_id == WHOLE_ACCOUNT:
            is_wanted = Event.SERVER_METADATA_CHANGE in watch.wishes.everywhere
            return "" if is_wanted and watch.is_own(account.owner.account_id) else None
        try:
            mailbox = await reader.mailbox(account.owner.account_id, mailbox_id)
        except NoSuchMailbox:
            return None
        place = await rights.place_of(reader, watch.viewer, account.owner, mailbox)
        is_wanted = Event.MAILBOX_METADATA_CHANGE in self._events(place.name)
        return place.name if is_wanted and {"l", "r"} <= set(place.rights) else None

    # ------------------------------------------------------------------ messages

    async def _tell_messages(self, mailbox: Mailbox) -> None:
        """STATUS with what RFC 5465 5.1 to 5.3 ask for; of the selected mailbox Selected tells."""
        context, account, selected = self._context, self._account, self._context.selected
        here = (mailbox.account_id, mailbox.mailbox_id)
        if selected is not None and here == (selected.account_id, selected.mailbox_id):
            return
        place = await rights.place_of(context.reader, self._watch.viewer, account.owner, mailbox)
        events = self._watch.message_events(place, self._subscribed)
        if not events:
            return
        before = account.marks.get(mailbox.mailbox_id) or Mark()
        account.marks.set(mailbox.mailbox_id, Mark.of(mailbox))
        if await self._watch.is_own_change(context.reader, account, before, mailbox):
            return
        items = self._items(events, before, mailbox)
        if items:
            context.say(await status_line(context, place, items))

    async def _tell_what_was_left(self) -> None:
        """Mailboxes that were selected until now: more may have happened than was told."""
        account, left = self._account, list(self._account.left)
        account.left.clear()
        for mailbox_id in left:
            mark = account.marks.get(mailbox_id)
            try:
                mailbox = await self._context.reader.mailbox(account.owner.account_id, mailbox_id)
            except NoSuchMailbox:
                continue
            if mark is not None and mailbox.modseq > mark.modseq:
                await self._tell_messages(mailbox)

    def _items(self, events: Event, before: Mark, now: Mailbox) -> tuple[str, ...]:
        modseqs = self._context.modseqs and now.modseq > before.modseq
        arrived, gone = before.arrived(now) > 0, before.gone(now) > 0
        items: list[str] = []
        if (arrived and Event.MESSAGE_NEW in events) or (gone and Event.MESSAGE_EXPUNGE in events):
            items += ["UIDNEXT", "MESSAGES"]
        elif modseqs and Event.FLAG_CHANGE in events and not arrived and not gone:
            items += ["UIDVALIDITY"]
        if Event.FLAG_CHANGE in events and before.has_other_unseen(now):
            items += ["UNSEEN"]
        return (*items, "HIGHESTMODSEQ") if items and modseqs else tuple(items)
