"""The store: one seam, several engines, one suite that all of them pass (testing/store_contract.py).

**Reading** goes through a Reader: `store.reader` for what is committed now, or the Tx inside a transaction.
**Changing** goes through `store.transact(work)`: `work` is a coroutine function that gets a Tx, may read and
write through it, and returns a value. It must await nothing but the Tx, so that an engine may run it in a
thread of its own, together with other transactions in one commit (group commit), and again after a
conflict. When `transact` returns, the commit is durable (unless `durable=False` was asked, see there) and
the bus has been told.

Everything that belongs to somebody has its account first. Names of mailboxes are Unicode (NFC), levels
separated by "/". Value types here are the store's own: IMAP, POP3 and JMAP translate.
"""

from __future__ import annotations

import enum
from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NewType, Protocol, TypeVar

from postier.blobs.api import BlobRef, Spool

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
    "Annotation",
    "AnnotationChange",
    "AnnotationTotals",
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
    "QueueEntry",
    "QueueRecipient",
    "QueueState",
    "Reader",
    "RecipientState",
    "SharedMailbox",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "Tx",
    "Uid",
]

AccountId = NewType("AccountId", int)
MailboxId = NewType("MailboxId", int)
BlobId = NewType("BlobId", int)
Uid = NewType("Uid", int)
ModSeq = NewType("ModSeq", int)
Result = TypeVar("Result")


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
    bytes and `messages` now held."""

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


class QueueState(enum.StrEnum):
    WAITING = "waiting"
    HELD = "held"


class RecipientState(enum.StrEnum):
    """PENDING recipients are tried when the entry is due; the others are final and wait for their report."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class QueueRecipient:
    """One recipient of an entry. `forward_path` as it goes on the wire.

    `status`: the enhanced code, `diagnostic` the remote's own words, `remote` who said them, of the last
    attempt. `notify`, `orcpt`: RFC 3461 parameters, "" where none.
    """

    position: int
    forward_path: str
    state: RecipientState
    attempts: int = 0
    status: str = ""
    diagnostic: str = ""
    remote: str = ""
    last_attempt: int = 0
    notify: str = ""
    orcpt: str = ""


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """A message on its way out to one destination.

    `reverse_path`: "" is the null path. `destination`: A-label domain or address literal; all recipients
    share it. `next_attempt`, `arrived`: seconds since 1970. `account_id`: who submitted it, or None.
    `body8bit`, `smtputf8`, `requiretls`: what the transport must keep. `lease_until`: while in the
    future, one worker works on it. `trace_id`: names the message in the log. `envid`, `ret`: RFC 3461.
    """

    entry_id: int
    trace_id: str
    account_id: AccountId | None
    reverse_path: str
    destination: str
    blob_id: BlobId
    blob: BlobRef
    arrived: int
    next_attempt: int
    attempts: int
    state: QueueState
    recipients: tuple[QueueRecipient, ...]
    body8bit: bool = False
    smtputf8: bool = False
    lease_until: int = 0
    delay_notified: bool = False
    envid: str = ""
    ret: str = ""
    reason: str = ""


class LoginFailures(NamedTuple):
    """Consecutive failures of a key (an address or an account) and when the last one was."""

    failures: int
    last: float


class Reader(Protocol):
    """Everything that can be asked. Lists are complete and ordered as said; nothing raises but StoreError."""

    # directory
    async def account(self, account_id: AccountId) -> Account:
        """Raises NoSuchAccount."""
        ...

    async def account_named(self, name: str) -> Account | None: ...

    async def accounts(self) -> list[Account]:
        """By name."""
        ...

    async def domain(self, name: str) -> Domain | None: ...

    async def domains(self) -> list[Domain]:
        """By name."""
        ...

    async def address(self, address: str) -> DirectoryAddress | None:
        """`address` is a lookup_key."""
        ...

    async def addresses(self, account_id: AccountId | None = None) -> list[DirectoryAddress]:
        """All, or those with the account among their targets; by address."""
        ...

    async def login_failures(self, keys: Sequence[str]) -> dict[str, LoginFailures]: ...

    # mailboxes
    async def mailboxes(self, account_id: AccountId, prefix: str = "") -> list[Mailbox]:
        """Those whose names begin with `prefix`, by name, code point order."""
        ...

    async def mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> Mailbox:
        """Raises NoSuchMailbox."""
        ...

    async def mailbox_named(self, account_id: AccountId, name: str) -> Mailbox | None: ...

    async def special_mailboxes(self, account_id: AccountId) -> list[Mailbox]:
        """Those with a special use, by name. Costs nothing for the others."""
        ...

    async def mailbox_with_use(self, account_id: AccountId, special_use: str) -> Mailbox | None:
        """The one that has this use, perhaps among others."""
        ...

    async def mailboxes_inside(self, account_id: AccountId, name: str) -> list[Mailbox]:
        """Those whose names begin with `name` and "/", by name. Costs nothing for the others."""
        ...

    async def has_mailboxes_inside(self, account_id: AccountId, name: str) -> bool: ...

    async def mailbox_count(self, account_id: AccountId) -> int: ...

    async def subscriptions(self, account_id: AccountId) -> list[str]:
        """Names subscribed to, whether or not such a mailbox exists (RFC 3501 6.3.6)."""
        ...

    # rights
    async def grants(self, account_id: AccountId, mailbox_id: MailboxId) -> list[Grant]:
        """The mailbox's access control list, ANYONE first, then by name; the positive before the negative."""
        ...

    async def grants_in(self, account_id: AccountId) -> dict[MailboxId, list[Grant]]:
        """Those of all mailboxes of an account that have any."""
        ...

    async def shared_with(self, grantee: AccountId) -> list[SharedMailbox]:
        """Every mailbox of other accounts with an entry for `grantee` or ANYONE, by owner's name and name."""
        ...

    # annotations
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

    # messages
    async def uids(self, account_id: AccountId, mailbox_id: MailboxId) -> array[int]:
        """Every UID, ascending, type code "I" (4 bytes each)."""
        ...

    async def deleted_uids(
        self, account_id: AccountId, mailbox_id: MailboxId, ranges: Sequence[tuple[int, int]]
    ) -> list[Uid]:
        """Those in the ranges (as for `messages`) that are \\Deleted, ascending. Costs nothing for others."""
        ...

    async def messages(
        self, account_id: AccountId, mailbox_id: MailboxId, ranges: Sequence[tuple[int, int]], limit: int = 0
    ) -> list[Message]:
        """Messages whose UID is in one of the closed ranges (ascending, disjoint), ascending by UID.

        With `limit` at most so many: the caller goes on after the last UID it got.
        """
        ...

    async def flag_columns(
        self, account_id: AccountId, mailbox_id: MailboxId, span: tuple[int, int], *, with_modseqs: bool
    ) -> FlagColumns:
        """The messages whose UID is in the closed range. A fifth of the cost of `messages`."""
        ...

    async def facts(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        ranges: Sequence[tuple[int, int]],
        columns: tuple[str, ...],
        limit: int = 0,
    ) -> list[tuple[object, ...]]:
        """For each message in the ranges one row: its uid, then the `columns` (names of Facts) asked for."""
        ...

    async def uids_with_flags(
        self, account_id: AccountId, mailbox_id: MailboxId, first: Uid, last: Uid, mask: int, flags: int
    ) -> array[int]:
        """UIDs from `first` to `last` of messages whose flags under `mask` are just `flags`; ascending."""
        ...

    async def uids_with_number(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        first: Uid,
        last: Uid,
        column: str,
        least: int,
        most: int,
    ) -> array[int]:
        """UIDs from `first` to `last` of messages whose `column` is from `least` to `most`; ascending.

        A column is modseq, or one of Facts that is a size, a time, or the id of an email or a thread."""
        ...

    async def account_modseqs(self) -> dict[AccountId, ModSeq]:
        """How far the changes of every account went."""
        ...

    async def vanished_since(
        self, account_id: AccountId, mailbox_id: MailboxId, modseq: ModSeq
    ) -> list[Uid] | None:
        """What `changes_since` says of messages that are gone, ascending; None where that is not complete, or
        the mailbox is gone."""
        ...

    async def blob_refs(
        self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]
    ) -> dict[Uid, BlobRef]:
        """Missing keys are messages that are no longer there."""
        ...

    async def blob_ref(self, blob_id: BlobId) -> BlobRef | None: ...

    async def changes_since(self, account_id: AccountId, mailbox_id: MailboxId, modseq: ModSeq) -> Changes:
        """Raises NoSuchMailbox."""
        ...

    async def account_changes(self, account_id: AccountId, modseq: ModSeq) -> AccountChanges:
        """Within a transaction without its own events. Raises NoSuchAccount."""
        ...

    # queue
    async def queue_entries(self, limit: int = 1000, after: int = 0) -> list[QueueEntry]:
        """By entry_id, ascending, those past `after`."""
        ...

    async def queue_entry(self, entry_id: int) -> QueueEntry | None: ...

    async def next_due(self) -> int | None:
        """When the earliest waiting entry without a lease is due, seconds since 1970; None if none waits."""
        ...

    # small facts of the whole server (leases, counters, schema): text by key
    async def meta(self, key: str) -> str | None: ...


class Tx(Reader, Protocol):
    """Reading and changing within one transaction: all of it happens, or nothing."""

    # directory
    async def add_domain(self, domain: Domain) -> None:
        """Raises AlreadyExists."""
        ...

    async def update_domain(self, domain: Domain) -> None: ...

    async def remove_domain(self, name: str) -> bool: ...

    async def add_account(
        self, name: str, kind: AccountKind, password_hash: str, *, quota: int = 0, display_name: str = ""
    ) -> AccountId:
        """Also its main address. Raises AlreadyExists. Its mailboxes are the caller's business."""
        ...

    async def set_password_hash(self, account_id: AccountId, password_hash: str) -> None: ...

    async def set_quota(self, account_id: AccountId, *, octets: int, messages: int, mailboxes: int) -> None:
        """Limits of what the account holds, as Account has them; what it has already stays."""
        ...

    async def set_administrator(self, account_id: AccountId, administrator: bool) -> None: ...

    async def set_account_enabled(self, account_id: AccountId, enabled: bool) -> None: ...

    async def remove_account(self, account_id: AccountId) -> None:
        """With its addresses, mailboxes and messages."""
        ...

    async def set_address(self, address: str, targets: Sequence[AddressTarget]) -> None:
        """Creates or replaces an alias; no targets removes it."""
        ...

    async def record_login_failure(self, key: str, now: float) -> LoginFailures: ...

    async def clear_login_failures(self, keys: Sequence[str]) -> None: ...

    async def forget_login_failures(self, before: float) -> None:
        """Those of keys whose last failure was earlier than `before`."""
        ...

    # blobs
    async def add_blob(self, prefix: bytes, body: Spool | bytes) -> tuple[BlobId, BlobRef]:
        """Make the bytes part of this transaction: on disk before it commits, garbage if it does not.

        A Spool must be sealed; it is stored when the transaction commits.
        """
        ...

    # mailboxes
    async def create_mailbox(
        self, account_id: AccountId, name: str, *, special_use: str = "", selectable: bool = True
    ) -> Mailbox:
        """Raises AlreadyExists, OverQuota. Its UIDVALIDITY is greater than that of any earlier one of this
        name."""
        ...

    async def rename_mailbox(self, account_id: AccountId, mailbox_id: MailboxId, name: str) -> None:
        """One mailbox; children are the caller's business. Keeps UIDVALIDITY. Raises AlreadyExists."""
        ...

    async def update_mailbox(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        *,
        selectable: bool | None = None,
        special_use: str | None = None,
    ) -> None: ...

    async def delete_mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> None:
        """With its messages."""
        ...

    async def set_subscribed(self, account_id: AccountId, name: str, subscribed: bool) -> None: ...

    async def claim_recent(self, account_id: AccountId, mailbox_id: MailboxId) -> Uid:
        """The first UID that is \\Recent for the caller; the next caller gets a later one."""
        ...

    # rights
    async def set_grant(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        grantee: AccountId,
        letters: str | None,
        *,
        negative: bool = False,
    ) -> None:
        """Make, replace or (None) remove an entry of the access control list. The account gets a new modseq,
        so that whoever shows one of its mailboxes looks again. Raises NoSuchMailbox."""
        ...

    # annotations
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

    # messages
    async def append(
        self, account_id: AccountId, mailbox_id: MailboxId, messages: Sequence[NewMessage]
    ) -> list[Uid]:
        """UIDs ascending in the order given. Raises NoSuchMailbox, OverQuota, OutOfKeywords."""
        ...

    async def standing(self, account_id: AccountId, mailbox_id: MailboxId) -> tuple[ModSeq, tuple[str, ...]]:
        """The mailbox's modseq and keywords at this point of the transaction: free beside a change of its
        messages, where `mailbox` costs a read. Raises NoSuchMailbox."""
        ...

    async def keyword_bits(
        self, account_id: AccountId, mailbox_id: MailboxId, names: Iterable[str], *, create: bool
    ) -> int:
        """The names' bits together (names compare without case). Unknown ones are made, or left out
        where `create` is False. Raises OutOfKeywords."""
        ...

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
        """Only bits of `among` change. Returns the messages after the change (also those that already were
        so, ascending), and the UIDs left alone because their modseq is past `unchanged_since` (RFC 7162
        3.1.3). Only messages that really change get a new modseq. UIDs that are not there are in neither
        list."""
        ...

    async def expunge(self, account_id: AccountId, mailbox_id: MailboxId, uids: Sequence[Uid]) -> list[Uid]:
        """Those of `uids` that were there, now gone, each with a tombstone."""
        ...

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
        """(source, destination) ascending. Flags and keywords go along, those whose bits are in `keep` (as
        the source numbers them), and email_id and thread_id stay, as RFC 8474 5.1 wants. Raises OverQuota,
        OutOfKeywords."""
        ...

    async def move(
        self,
        account_id: AccountId,
        mailbox_id: MailboxId,
        uids: Sequence[Uid],
        to_mailbox: MailboxId,
        *,
        keep: int = -1,
    ) -> list[tuple[Uid, Uid]]:
        """As copy then expunge, within one account; email_id and thread_id stay."""
        ...

    # queue
    async def add_queue_entry(
        self,
        *,
        trace_id: str,
        account_id: AccountId | None,
        reverse_path: str,
        destination: str,
        blob_id: BlobId,
        recipients: Sequence[QueueRecipient],
        arrived: int,
        next_attempt: int,
        body8bit: bool = False,
        smtputf8: bool = False,
        envid: str = "",
        ret: str = "",
    ) -> int: ...

    async def lease_due(
        self, now: int, owner: str, lease_until: int, limit: int, busy: Sequence[str] = ()
    ) -> list[QueueEntry]:
        """Take up to `limit` due entries without a lease, earliest first, none for a destination in
        `busy`; they carry `lease_until`."""
        ...

    async def release_leases(self, owner_prefix: str) -> int:
        """Give back what owners of that prefix held (a worker that died). Returns how many."""
        ...

    async def update_queue_entry(
        self,
        entry_id: int,
        *,
        recipients: Sequence[QueueRecipient],
        next_attempt: int,
        attempts: int,
        delay_notified: bool,
        reason: str,
        state: QueueState = QueueState.WAITING,
    ) -> None:
        """Writes the entry back and gives up the lease."""
        ...

    async def remove_queue_entry(self, entry_id: int) -> None:
        """The entry is done; its blob goes when nothing else refers to it."""
        ...

    async def set_meta(self, key: str, value: str) -> None: ...

    def stamp(self, account_id: AccountId) -> ModSeq | None:
        """The modseq of all that this transaction has changed in the account so far; None for nothing."""
        ...


class Store(Protocol):
    """An open store. Made by its engine's `open`, which also brings the schema up to date."""

    @property
    def reader(self) -> Reader: ...

    async def transact(self, work: Callable[[Tx], Awaitable[Result]], *, durable: bool = True) -> Result:
        """Run `work` and commit. An exception from `work` undoes it and comes out here.

        `durable=False` is for changes of flags: they survive every crash of processes at once, a power cut
        within a second. Raises StoreUnavailable if the commit failed: then nothing was changed.
        """
        ...

    @property
    def refusal(self) -> str:
        """Why this store refuses everything for good, "" while it works: the disk failed in a way after
        which only a new process may trust it."""
        ...

    async def close(self) -> None: ...
