"""What a session of NOTIFY watches beside the selected mailbox, and how far it has told of it (RFC 5465).

Each account that is watched has a place in its feed (`Reader.account_changes`), and a mark for each mailbox
whose messages matter. Nothing else is remembered, so a session stays small however much happens.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import TypeVar

from postier.accounts import rights
from postier.accounts.mailboxes import BadMailboxName
from postier.accounts.namespaces import whereabouts
from postier.accounts.rights import Place
from postier.bus.api import SERVER_ANNOTATIONS_TOPIC, Bus, Subscription, account_topic
from postier.imap.session.marks import Mark, Marks
from postier.imap.session.wishes import Wishes
from postier.imap.wire.notify import MESSAGE_EVENTS, Event
from postier.store.api import (
    SERVER,
    Account,
    AccountId,
    Mailbox,
    MailboxId,
    ModSeq,
    NoSuchMailbox,
    Reader,
    Store,
    Tx,
)

__all__ = ["NotingStore", "TooMuch", "Watch", "WatchedAccount"]

Result = TypeVar("Result")

MAX_MAILBOXES = 10_000
MAX_ACCOUNTS = 100
_AT_A_STRETCH = 100
"""Mailboxes looked at before the other connections get their turn."""


class TooMuch(Exception):
    """More mailboxes, watched or of others, or accounts than a session may remember."""


class WatchedAccount:
    """One account. `told`: its modseq up to which everything was told; `own`: modseqs of what this session
    did itself since; `seen`: mailboxes of others that were visible; `left`: those that were selected until
    now."""

    __slots__ = ("_subscription", "left", "marks", "noted", "own", "owner", "seen", "told")

    def __init__(self, owner: Account) -> None:
        self.owner = owner
        self.told = owner.modseq
        self.noted = 0
        self.own: set[int] = set()
        self.marks = Marks()
        self.seen: set[MailboxId] = set()
        self.left: set[MailboxId] = set()
        self._subscription: Subscription | None = None

    def listen(self, bus: Bus, wake: Callable[[], None]) -> None:
        def note(number: int) -> None:
            self.noted = max(self.noted, number)
            wake()

        self._subscription = bus.subscribe(account_topic(self.owner.account_id), note)

    def close(self) -> None:
        if self._subscription is not None:
            self._subscription.close()

    def has_seen(self, place: Place) -> None:
        """The client knows of the mailbox. All of its own it always sees."""
        if not place.is_own:
            self.seen.add(place.mailbox_id)

    def has_told(self, modseq: ModSeq) -> None:
        self.told = max(self.told, modseq)
        self.own = {own for own in self.own if own > modseq}


class Watch:
    """`wishes`: what the client asked for. `accounts`: by number. `server_noted`: a change of the server's
    annotations that was not looked at yet. `selected`: whose the selected mailbox is; `own_in_selected`:
    modseqs there of what this session did itself."""

    __slots__ = (
        "_server",
        "accounts",
        "own_in_selected",
        "selected",
        "server_noted",
        "server_told",
        "viewer",
        "wishes",
    )

    def __init__(self, wishes: Wishes, viewer: Account) -> None:
        self.wishes = wishes
        self.viewer = viewer
        self.accounts: dict[AccountId, WatchedAccount] = {}
        self.selected = viewer.account_id
        self.own_in_selected: set[int] = set()
        self.server_noted = 0
        self.server_told = 0
        self._server: Subscription | None = None

    async def begin(self, reader: Reader, bus: Bus, wake: Callable[[], None]) -> list[Place]:
        """Listen from now on; the mailboxes whose messages are watched. Raises TooMuch."""
        if not self.wishes:
            return []
        if Event.SERVER_METADATA_CHANGE in self.wishes.everywhere:
            notes = await reader.annotation_changes(SERVER, ModSeq(0), self.viewer.account_id)
            self.server_told = max((note.modseq for note in notes), default=0)
            self._listen_to_the_server(bus, wake)
        owners = await self._owners(reader)
        if len(owners) > MAX_ACCOUNTS:
            raise TooMuch(f"{len(owners)} accounts")
        for account_id in owners:
            account = self.accounts[account_id] = WatchedAccount(await reader.account(account_id))
            account.listen(bus, wake)
            account.told = (await reader.account(account_id)).modseq  # nothing is missed from here on
        subscribed = await self.subscriptions(reader)
        watched = []
        for number, place in enumerate(await rights.visible(reader, self.viewer)):
            if number % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
            holder = self.accounts.get(place.account_id)
            if holder is None:
                continue
            holder.has_seen(place)
            if self.message_events(place, subscribed):
                holder.marks.set(place.mailbox_id, Mark.of(place.mailbox))
                watched.append(place)
        most = max(len(watched), sum(len(holder.seen) for holder in self.accounts.values()))
        if most > MAX_MAILBOXES:
            raise TooMuch(f"{most} mailboxes")
        return watched

    def _listen_to_the_server(self, bus: Bus, wake: Callable[[], None]) -> None:
        def note(number: int) -> None:
            self.server_noted = max(self.server_noted, number)
            wake()

        self._server = bus.subscribe(SERVER_ANNOTATIONS_TOPIC, note)

    async def _owners(self, reader: Reader) -> list[AccountId]:
        """Whose mailboxes are meant: the client's own, those it sees, and whose it named."""
        found = {self.viewer.account_id}
        if self.wishes.reaches_others:
            found.update(place.account_id for place in await rights.visible(reader, self.viewer))
            for name in self.wishes.names:
                try:
                    found.add((await whereabouts(reader, self.viewer, name)).owner.account_id)
                except (NoSuchMailbox, BadMailboxName):
                    continue  # a name that is nobody's is passed over (RFC 5465 3.1)
        return sorted(found)

    def close(self) -> None:
        for account in self.accounts.values():
            account.close()
        if self._server is not None:
            self._server.close()

    # ------------------------------------------------------------------ questions

    async def subscriptions(self, reader: Reader) -> Collection[str]:
        if not self.wishes.uses_subscriptions:
            return ()
        return frozenset(await reader.subscriptions(self.viewer.account_id))

    def is_own(self, account_id: AccountId) -> bool:
        return account_id == self.viewer.account_id

    def events(self, account_id: AccountId, name: str, subscribed: Collection[str]) -> Event:
        return self.wishes.events(name, is_own=self.is_own(account_id), is_subscribed=name in subscribed)

    def message_events(self, place: Place, subscribed: Collection[str]) -> Event:
        """What of the messages in it is told, as far as the client may read it (RFC 5465 5)."""
        if not place.mailbox.selectable or "r" not in place.rights or "l" not in place.rights:
            return Event.NONE
        return self.events(place.account_id, place.name, subscribed) & MESSAGE_EVENTS

    def left(self, account_id: AccountId, mailbox_id: MailboxId, mark: Mark) -> None:
        """The mailbox is no longer the selected one; the client was told of it up to `mark`."""
        account = self.accounts.get(account_id)
        if account is not None and account.marks.get(mailbox_id) is not None:
            account.marks.set(mailbox_id, mark)
            account.left.add(mailbox_id)

    async def is_own_change(
        self, reader: Reader, account: WatchedAccount, before: Mark, now: Mailbox
    ) -> bool:
        """Everything in it that is newer than `before` was done by this session."""
        if now.modseq not in account.own or before.gone(now):
            return False
        changes = await reader.changes_since(now.account_id, now.mailbox_id, ModSeq(before.modseq))
        return all(message.modseq in account.own for message in changes.changed)


class NotingStore:
    """The store as a session of NOTIFY changes it: what it did itself, it is not told of (RFC 5465 5)."""

    __slots__ = ("_store", "_watch")

    def __init__(self, store: Store, watch: Watch) -> None:
        self._store = store
        self._watch = watch

    @property
    def reader(self) -> Reader:
        return self._store.reader

    @property
    def refusal(self) -> str:
        return self._store.refusal

    async def transact(self, work: Callable[[Tx], Awaitable[Result]], *, durable: bool = True) -> Result:
        watch = self._watch

        async def noting(tx: Tx) -> tuple[Result, list[tuple[set[int], ModSeq | None]]]:
            result = await work(tx)
            stamps = [(account.own, tx.stamp(account_id)) for account_id, account in watch.accounts.items()]
            if watch.wishes.hearing.items:
                stamps.append((watch.own_in_selected, tx.stamp(watch.selected)))
            return result, stamps

        result, stamps = await self._store.transact(noting, durable=durable)
        for own, stamp in stamps:
            if stamp is not None:
                own.add(stamp)
        return result

    async def close(self) -> None:
        await self._store.close()
