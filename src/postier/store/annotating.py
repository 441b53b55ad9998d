"""What the store keeps of what is noted about mailboxes: values and interfaces, part of store.api."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from postier.store.values import AccountId, MailboxId, ModSeq

__all__ = [
    "Annotation",
    "AnnotationChange",
    "AnnotationReader",
    "AnnotationTotals",
    "AnnotationTx",
]


class Annotation(NamedTuple):
    """Something noted (RFC 5464). `viewer`: whose private note it is, ANYONE for a shared one. `entry`: its
    name behind /private or /shared, in lower case."""

    viewer: AccountId
    entry: str
    value: bytes


class AnnotationChange(NamedTuple):
    """An annotation that was set or removed at `modseq`, of a mailbox or WHOLE_ACCOUNT."""

    mailbox_id: MailboxId
    viewer: AccountId
    entry: str
    modseq: ModSeq


class AnnotationTotals(NamedTuple):
    """How many annotations, and the octets of their values."""

    entries: int
    octets: int


class AnnotationReader(Protocol):
    async def annotations(
        self, account_id: AccountId, mailbox_id: MailboxId, viewer: AccountId
    ) -> list[Annotation]:
        """What is noted about one mailbox, for everybody and privately for `viewer`: shared first, by
        entry."""
        ...

    async def annotations_named(
        self, viewer: AccountId, entries: Sequence[str]
    ) -> dict[tuple[AccountId, MailboxId], list[Annotation]]:
        """Those of these entries, of the mailboxes of `viewer` and of those shared with it."""
        ...

    async def annotation_totals(self, account_id: AccountId, viewer: AccountId) -> AnnotationTotals:
        """Of the shared ones (`viewer` is ANYONE) all that the account has; of private ones all that `viewer`
        has made, wherever."""
        ...

    async def annotation_changes(
        self, account_id: AccountId, modseq: ModSeq, viewer: AccountId
    ) -> list[AnnotationChange]:
        """Those after `modseq` that `viewer` may know of, in their order; of the latest of those removed as
        well. The bus tells of them as of any change of the account, of SERVER's on a topic of its own."""
        ...


class AnnotationTx(AnnotationReader, Protocol):
    async def set_annotation(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        viewer: AccountId,
        entry: str,
        value: bytes | None,
    ) -> None:
        """Note something, or take it away (None). Raises NoSuchMailbox."""
        ...

    async def copy_annotations(
        self, account_id: AccountId, mailbox_id: MailboxId, to_mailbox: MailboxId
    ) -> None:
        """The shared ones and the owner's, into a mailbox of the same account; what is noted there already
        stays."""
        ...
