"""What the store holds, as immutable values, and what it can't do, as errors. They know no protocol: IMAP,
POP3 and JMAP translate. `store.api` hands them on beside the interfaces that speak of them.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import NamedTuple, NewType

__all__ = [
    "ANYONE",
    "FOREIGN_ID",
    "SERVER",
    "SYSTEM_FLAGS",
    "WHOLE_ACCOUNT",
    "Account",
    "AccountChanges",
    "AccountId",
    "AccountKind",
    "AddressTarget",
    "AlreadyExists",
    "BlobId",
    "Changes",
    "DirectoryAddress",
    "Domain",
    "Facts",
    "Flag",
    "FlagChange",
    "FlagColumns",
    "Grant",
    "LoginFailures",
    "Mailbox",
    "MailboxEvent",
    "MailboxEventKind",
    "MailboxId",
    "Message",
    "ModSeq",
    "NewMessage",
    "NoSuchAccount",
    "NoSuchMailbox",
    "OutOfKeywords",
    "OverQuota",
    "SharedMailbox",
    "StoreError",
    "StoreUnavailable",
    "Uid",
]

AccountId = NewType("AccountId", int)
MailboxId = NewType("MailboxId", int)
BlobId = NewType("BlobId", int)
Uid = NewType("Uid", int)
ModSeq = NewType("ModSeq", int)


class StoreError(Exception):
    """What the store can't do; the message is for the log. Knows no protocol."""


class StoreUnavailable(StoreError):
    """For the moment: disk full, database locked or gone. Nothing was changed; try again later."""


class NoSuchAccount(StoreError): ...


class NoSuchMailbox(StoreError): ...


class AlreadyExists(StoreError):
    """The name or address is taken."""


class OverQuota(StoreError): ...


class OutOfKeywords(StoreError):
    """A mailbox holds at most 58 different keywords."""


class Flag(enum.IntFlag):
    """The system flags (RFC 9051 2.3.2) as the lowest bits of a message's flags.

    The bits above are keywords: bit 5 + i stands for `Mailbox.keywords[i]`. \\Recent is no stored flag:
    see `Tx.claim_recent`.
    """

    SEEN = 1
    ANSWERED = 2
    FLAGGED = 4
    DELETED = 8
    DRAFT = 16


SYSTEM_FLAGS = 5
"""How many bits the system flags take."""


FOREIGN_ID = 1 << 32
"""email_id and thread_id below this are the account's own. What came as a copy from another account keeps the
ids it had there, with that account's number above their 32 bits."""


class AccountKind(enum.StrEnum):
    PERSON = "person"
    SHARED = "shared"


@dataclass(frozen=True, slots=True)
class Account:
    """`name` is the main address and the login name, as its lookup_key. `password_hash` is "" where none
    can log in. `quota`: bytes, `message_quota`, `mailbox_quota`: 0 for none, -1 for nothing at all; `used`:
    bytes and `messages` now held. `language`: what reports are written in ("fr"), "" for the domain's.
    `password_version` grows when the password is set. `app_passwords_only`, `second_factor`: mail programs
    get in with an app password, a token or a certificate only."""

    account_id: AccountId
    name: str
    kind: AccountKind
    password_hash: str
    quota: int
    used: int
    messages: int
    modseq: ModSeq
    enabled: bool
    display_name: str = ""
    message_quota: int = 0
    mailbox_quota: int = 0
    administrator: bool = False
    language: str = ""
    password_version: int = 0
    app_passwords_only: bool = False
    second_factor: bool = False

    def has_room(self, octets: int, messages: int = 1) -> bool:
        """So much more would not go past its quotas."""
        if self.quota and self.used + octets > self.quota:
            return False
        return not self.message_quota or self.messages + messages <= self.message_quota


@dataclass(frozen=True, slots=True)
class Domain:
    """A domain of ours, A-labels. `catch_all`: the account that gets mail for unknown local-parts, if any.
    `settings`: a JSON object of what belongs to the domain (DKIM selectors and the like)."""

    name: str
    catch_all: AccountId | None
    settings: str = "{}"


class AddressTarget(NamedTuple):
    """One target of an address: an account of ours, or a foreign address it is forwarded to."""

    account_id: AccountId | None
    forward_to: str | None


@dataclass(frozen=True, slots=True)
class DirectoryAddress:
    """An address and where its mail goes. `address` is a lookup_key."""

    address: str
    targets: tuple[AddressTarget, ...]
    is_alias: bool


@dataclass(frozen=True, slots=True)
class Mailbox:
    """A mailbox and its counters, which every change keeps true, so that STATUS costs one row.

    `special_use`: "\\\\Sent" and the like (RFC 6154), several separated by spaces, or "". `modseq`: the
    highest of any change in it. `first_recent`: messages from this UID on are \\Recent for the next session
    that selects it. `size`: sum of the messages' sizes. `selectable` is False for a name that only has
    children.
    """

    account_id: AccountId
    mailbox_id: MailboxId
    name: str
    uidvalidity: int
    uidnext: Uid
    modseq: ModSeq
    special_use: str
    subscribed: bool
    selectable: bool
    keywords: tuple[str, ...]
    messages: int
    unseen: int
    deleted: int
    size: int
    first_recent: Uid


ANYONE = AccountId(0)
"""The grantee that stands for every account of this server."""


class Grant(NamedTuple):
    """An entry of a mailbox's access control list (RFC 4314 2): rights, a letter each, that are given to an
    account, or taken from it where `negative`. `name`: the grantee's main address, "" for ANYONE."""

    grantee: AccountId
    name: str
    letters: str
    negative: bool = False


class SharedMailbox(NamedTuple):
    """A mailbox of the account `owner` with the entries that concern one grantee: its own and ANYONE's."""

    owner: Account
    mailbox: Mailbox
    grants: tuple[Grant, ...]


SERVER = AccountId(0)
"""The account whose annotations are the server's."""

WHOLE_ACCOUNT = MailboxId(0)
"""The mailbox whose annotations are the account's, not one mailbox's."""


class Message(NamedTuple):
    """What changes about a message."""

    uid: Uid
    flags: int
    modseq: ModSeq


class FlagColumns(NamedTuple):
    """The same of many messages, ascending by UID: a list for each column. `modseqs`: [] if not asked for."""

    uids: list[int]
    flags: list[int]
    modseqs: list[int]


class Facts(NamedTuple):
    """What never changes about a message, made once at arrival.

    `internal_date`, `saved_date`: seconds since 1970 UTC. `envelope`, `body_structure`: ready IMAP bytes.
    `parts`: the part index (message.parts). `header`: chosen listing fields as raw header lines.
    `email_id`: shared by all copies of a message, `thread_id` by a conversation (see FOREIGN_ID).
    `base_subject`, `sender`: for sorting and searching.
    """

    uid: Uid
    blob_id: BlobId
    size: int
    internal_date: int
    saved_date: int
    email_id: int
    thread_id: int
    sent_date: int
    envelope: bytes
    body_structure: bytes
    parts: bytes
    header: bytes
    preview: str


class NewMessage(NamedTuple):
    """A message to append: Facts without what the store gives it (uid, saved_date, email_id, thread_id).

    `keywords` are names; the store gives them bits in the mailbox. `message_id` and `references` (the
    Message-IDs of RFC 5322 3.6.4, oldest first) find the thread.
    """

    blob_id: BlobId
    size: int
    internal_date: int
    sent_date: int
    envelope: bytes
    body_structure: bytes
    parts: bytes
    header: bytes
    preview: str
    base_subject: str
    message_id: str
    references: tuple[str, ...] = ()
    flags: int = 0
    keywords: tuple[str, ...] = ()


class FlagChange(enum.Enum):
    ADD = "+"
    REMOVE = "-"
    REPLACE = "="


@dataclass(frozen=True, slots=True)
class Changes:
    """What happened in a mailbox after some modseq, up to and including `mailbox.modseq`.

    `changed`: new messages and those with new flags, ascending by UID. `vanished`: UIDs, ascending.
    `complete` is False where tombstones that old are gone: then the caller must compare all UIDs.
    """

    mailbox: Mailbox
    changed: list[Message]
    vanished: list[Uid]
    complete: bool = True


class MailboxEventKind(enum.StrEnum):
    """CREATED may also be a name that only has children. RIGHTS: its access control list changed."""

    CREATED = "created"
    RENAMED = "renamed"
    REMOVED = "removed"
    SUBSCRIBED = "subscribed"
    UNSUBSCRIBED = "unsubscribed"
    RIGHTS = "rights"


class MailboxEvent(NamedTuple):
    """Something that happened to a mailbox as such. `old_name`: of RENAMED, whose children went along.
    `mailbox_id`: 0 for subscriptions, which are to names."""

    modseq: ModSeq
    kind: MailboxEventKind
    mailbox_id: MailboxId
    name: str
    old_name: str = ""


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """What happened in an account after some modseq, up to and including `modseq`.

    `mailboxes`: those whose messages or keywords changed, or that are new, by name. `events`: in order.
    `complete` is False where events that old are forgotten.
    """

    modseq: ModSeq
    mailboxes: list[Mailbox]
    events: list[MailboxEvent]
    complete: bool = True


class LoginFailures(NamedTuple):
    """Consecutive failures of a key (an address or an account) and when the last one was."""

    failures: int
    last: float
