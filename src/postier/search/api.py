"""The index of texts: what is kept behind delivery so that a search need not read messages.

A message never changes and a UID is never given twice, so what the index says of a UID it knows is true
for ever; that it does not know the newest ones yet, or still knows some that are gone, makes no answer wrong.
It can be dropped at any time and is made anew. An engine keeps it apart from the store: nothing of the mail
depends on it.

A message is first **placed**: its text is kept, once for all its copies in an account. Later the placed
messages of a mailbox are put into **segments**, in which many are searched at once.
"""

from __future__ import annotations

from array import array
from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple, Protocol

from postier.message.searched import MessageText, TextQuery, Zone
from postier.search.fuzzy import Term
from postier.store.api import AccountId, BlobId, MailboxId, ModSeq, Uid

__all__ = [
    "Answer",
    "IndexUnavailable",
    "Indexed",
    "NewPlace",
    "Place",
    "Segment",
    "TextIndex",
    "TextIndexWriter",
]


class IndexUnavailable(Exception):
    """The index can't be read or written for the moment; the message is for the log."""


class Place(NamedTuple):
    """A mailbox while its UIDs mean what they meant."""

    account_id: AccountId
    mailbox_id: MailboxId
    uidvalidity: int


class Segment(NamedTuple):
    """All messages of a mailbox from `first` to `last`: so many, of so many octets of text; `gone` of them
    are in the mailbox no more."""

    segment_id: int
    first: Uid
    last: Uid
    messages: int
    octets: int
    gone: int


class Answer(NamedTuple):
    """Ascending UIDs of a segment: those that have what was asked for, and those whose text must be looked
    at."""

    found: array[int]
    unsure: array[int]


class TextIndex(Protocol):
    """Asking. Everything raises IndexUnavailable."""

    async def segments(self, place: Place, first: Uid, last: Uid) -> list[Segment]:
        """Those that have UIDs from `first` to `last`, ascending."""
        ...

    async def ask(self, segment: Segment, query: TextQuery) -> Answer | None:
        """None for a segment that is there no more: ask for the segments again."""
        ...

    async def alike(self, segment: Segment, zone: Zone, term: Term) -> dict[int, float] | None:
        """Of each message of the segment that has something like the term in the zone: how much alike. None
        as for `ask`."""
        ...

    async def texts(self, place: Place, uids: Sequence[int]) -> dict[int, MessageText]:
        """Of those that are placed."""
        ...


class Indexed(NamedTuple):
    """What the index knows of a mailbox: all of its changes up to `modseq`, its messages up to the UID
    `placed`, and those up to `segmented` in segments."""

    place: Place
    modseq: ModSeq
    placed: Uid
    segmented: Uid


class NewPlace(NamedTuple):
    """A message that is placed. `text` is None where the account's text of this blob is kept already."""

    uid: Uid
    blob_id: BlobId
    text: MessageText | None


class TextIndexWriter(TextIndex, Protocol):
    """For the one that keeps the index up with the store. Each call is one transaction."""

    async def accounts(self) -> list[AccountId]:
        """Those it knows something of."""
        ...

    async def mailboxes(self, account_id: AccountId) -> list[Indexed]: ...

    async def kept_blobs(self, account_id: AccountId, blob_ids: Collection[BlobId]) -> set[BlobId]:
        """Those whose text is kept."""
        ...

    async def place(self, indexed: Indexed, messages: Sequence[NewPlace]) -> None:
        """Messages past those placed, ascending; `indexed` is how things stand with them."""
        ...

    async def forget(self, indexed: Indexed, uids: Iterable[Uid]) -> None:
        """Messages that are gone: with each its text, unless a copy needs it; words in segments go when these
        are made anew. `indexed` is how things stand then."""
        ...

    async def forget_mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> None: ...

    async def forget_account(self, account_id: AccountId) -> None: ...

    async def uids(self, place: Place) -> list[Uid]:
        """Of all placed messages, ascending."""
        ...

    async def with_gone(self) -> list[tuple[Place, Segment]]:
        """Segments that hold words of messages that are gone."""
        ...

    async def loose(self, place: Place) -> list[tuple[Uid, int]]:
        """The placed messages that are in no segment yet, ascending, and how long their texts are."""
        ...

    async def make_segment(self, place: Place, first: Uid, last: Uid) -> None:
        """Of what is placed from `first` to `last`, instead of the segments that lie there now, each of them
        as a whole."""
        ...

    async def owner(self) -> str:
        """What `reset` was last told."""
        ...

    async def reset(self, owner: str) -> None:
        """Forget everything. `owner` names the store whose messages come now."""
        ...
