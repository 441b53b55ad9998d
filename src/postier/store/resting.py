"""What the store keeps for POP3: messages that rest after they were deleted there, and what is set for an
account alone. Values and interfaces, part of store.api.

A message that rests is known by the UID it had in INBOX (`origin`) and the UIDVALIDITY INBOX had then; it
lies in another mailbox of the account. `device` is the number of the app password that a device logs in with,
0 for the account's own password.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from postier.store.values import AccountId, MailboxId, Uid

__all__ = [
    "NO_DEVICE",
    "NO_MAILBOX",
    "NO_RULES",
    "Pop3Extremes",
    "Pop3Rules",
    "RestingMessage",
    "RestingReader",
    "RestingTotal",
    "RestingTx",
    "SizeColumns",
]

NO_MAILBOX = MailboxId(0)
"""No mailbox has this number."""

NO_DEVICE = -1
"""In place of a device: no device is shown what it has made rest."""


class SizeColumns(NamedTuple):
    """Messages ascending by UID, a column for each fact of theirs."""

    uids: array[int]
    sizes: array[int]


class RestingMessage(NamedTuple):
    """`device`: who deleted it first. `until`: seconds since 1970."""

    account_id: AccountId
    validity: int
    origin: Uid
    mailbox_id: MailboxId
    uid: Uid
    device: int
    until: int


class RestingTotal(NamedTuple):
    messages: int
    octets: int


class Pop3Rules(NamedTuple):
    """What is set for one account; None: as the settings have it. `expire`: seconds that INBOX keeps a
    message of a person who reads by POP3, 0 for ever. `login_delay`: seconds between two logins of a device,
    0 for any. `mailbox_id`: where its messages rest, NO_MAILBOX as long as none has."""

    rest: bool | None = None
    expire: int | None = None
    login_delay: int | None = None
    mailbox_id: MailboxId = NO_MAILBOX


NO_RULES = Pop3Rules()


class Pop3Extremes(NamedTuple):
    """Of all accounts that have such rules of their own the shortest time after which messages expire (0
    where they never do), the longest delay between logins, and whether there are any."""

    shortest_expire: int = 0
    longest_login_delay: int = 0
    own_expire: bool = False
    own_login_delay: bool = False


class RestingReader(Protocol):
    async def size_columns(
        self, account_id: AccountId, mailbox_id: MailboxId, first: int, limit: int
    ) -> SizeColumns:
        """At most `limit` messages from the UID `first` on. Reads nothing else of them."""
        ...

    async def resting_for(self, account_id: AccountId, validity: int, device: int) -> SizeColumns:
        """Those of an INBOX that still rest and that `device` has not deleted; `uids` are their origins."""
        ...

    async def resting(self, account_id: AccountId, validity: int, origin: int) -> RestingMessage | None:
        """None where it does not rest: it was never deleted, or was moved away, or its time was over."""
        ...

    async def resting_of(self, account_id: AccountId) -> list[RestingMessage]:
        """All that rest, by validity and origin."""
        ...

    async def resting_total(self, account_id: AccountId) -> RestingTotal: ...

    async def resting_since(self, until: int, limit: int) -> list[RestingMessage]:
        """Whose time was over before `until`, the oldest first; also of messages that are not there any
        more."""
        ...

    async def pop3_rules(self, account_id: AccountId) -> Pop3Rules: ...

    async def pop3_readers(self) -> list[AccountId]:
        """Those of which a login was noted, ascending."""
        ...

    async def pop3_extremes(self) -> Pop3Extremes: ...

    async def pop3_login(self, account_id: AccountId, device: int) -> float:
        """When the device logged in last, as it was noted; 0.0 if it was not."""
        ...


class RestingTx(RestingReader, Protocol):
    async def note_resting(
        self,
        account_id: AccountId,
        validity: int,
        moved: Sequence[tuple[Uid, Uid]],
        mailbox_id: MailboxId,
        device: int,
        until: int,
    ) -> None:
        """They were moved by this transaction: (UID in INBOX, UID in `mailbox_id`)."""
        ...

    async def note_deleted(
        self, account_id: AccountId, validity: int, origins: Sequence[Uid], device: int
    ) -> None:
        """`device` has deleted those of them that rest. The account gets a new modseq, so that who keeps what
        `resting_for` said looks again."""
        ...

    async def forget_resting(self, gone: Sequence[RestingMessage]) -> None:
        """They rest no longer, whatever became of the messages."""
        ...

    async def expunge_resting(self, going: Sequence[RestingMessage]) -> None:
        """The messages, where they are still there, and that they rest."""
        ...

    async def set_pop3_rules(self, account_id: AccountId, rules: Pop3Rules) -> None: ...

    async def note_pop3_login(self, account_id: AccountId, device: int, at: float) -> None: ...
