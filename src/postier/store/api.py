"""The store: one seam, several engines, one suite that all of them pass (testing/store_contract.py).

**Reading** goes through a Reader: `store.reader` for what is committed now, or the Tx inside a transaction.
**Changing** goes through `store.transact(work)`: `work` is a coroutine function that gets a Tx, may read and
write through it, and returns a value. It must await nothing but the Tx, so that an engine may run it in a
thread of its own, together with other transactions in one commit (group commit), and again after a
conflict. When `transact` returns, the commit is durable (unless `durable=False` was asked, see there) and
the bus has been told.

Everything that belongs to somebody has its account first. Names of mailboxes are Unicode (NFC), levels
separated by "/". The values that go in and out are in `store.values`.
"""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from postier.blobs.api import BlobRef, Spool
from postier.store.acme import AcmeAccount, AcmeChallenge, AcmeReader, AcmeTx, Renewal
from postier.store.annotating import (
    Annotation,
    AnnotationChange,
    AnnotationReader,
    AnnotationTotals,
    AnnotationTx,
)
from postier.store.auditing import (
    Actor,
    AuditEntry,
    AuditPlace,
    AuditReader,
    AuditTx,
    NewAuditEntry,
)
from postier.store.certificates import CertificateReader, CertificateTx, StoredCertificate
from postier.store.devices import (
    NOTHING_MOVED,
    Device,
    DeviceCounts,
    DeviceDay,
    DeviceNote,
    DeviceReader,
    DeviceTx,
    KeepDevices,
    SyncPoint,
)
from postier.store.directories import (
    DirectoryGroup,
    DirectoryLogin,
    DirectoryMember,
    DirectoryPerson,
    DirectoryReader,
    DirectoryTx,
    LdapDirectory,
    SyncState,
)
from postier.store.factors import FactorReader, FactorTx, SecondFactor, WebSession
from postier.store.greylisting import GreylistEntry, GreylistReader, GreylistTx
from postier.store.logins import AppPassword, LoginReader, LoginTx, ScramRow, ScramStored
from postier.store.queueing import (
    Due,
    QueueEntry,
    QueueFigures,
    QueueReader,
    QueueRecipient,
    QueueState,
    QueueTotal,
    QueueTx,
    RecipientState,
)
from postier.store.report_sending import (
    DmarcCount,
    DmarcDay,
    DmarcSeen,
    ReportOutcome,
    ReportSendingReader,
    ReportSendingTx,
    ReportTarget,
)
from postier.store.reports import (
    AggregateReport,
    AuthDkim,
    AuthSpf,
    FailureReport,
    Override,
    PublishedPolicy,
    ReportAlert,
    ReportHead,
    ReportMail,
    ReportReader,
    ReportRow,
    ReportTx,
    RowTotal,
    TlsFailure,
    TlsPolicyResult,
    TlsReport,
    TlsReported,
    UnreadableReport,
)
from postier.store.resting import (
    NO_DEVICE,
    NO_MAILBOX,
    NO_RULES,
    Pop3Extremes,
    Pop3Rules,
    RestingMessage,
    RestingReader,
    RestingTotal,
    RestingTx,
    SizeColumns,
)
from postier.store.routing import (
    MailRoute,
    RouteHost,
    RouteTls,
    RouteTransport,
    RoutingReader,
    RoutingTx,
    Source,
    SourcePool,
    Suppression,
    SuppressionReader,
    SuppressionTx,
)
from postier.store.sending import NOTHING_SENT, SendAs, Sent, SentReader, SentTx
from postier.store.telling import (
    Step,
    StepKey,
    StepKind,
    StoryReader,
    StoryTx,
)
from postier.store.transport_security import (
    FetchedPolicy,
    TlsContract,
    TlsResult,
    TransportSecurityReader,
    TransportSecurityTx,
)
from postier.store.values import (
    ANYONE,
    FOREIGN_ID,
    SERVER,
    SYSTEM_FLAGS,
    WHOLE_ACCOUNT,
    Account,
    AccountChanges,
    AccountId,
    AccountKind,
    AddressTarget,
    AlreadyExists,
    BlobId,
    Changes,
    DirectoryAddress,
    Domain,
    Facts,
    Flag,
    FlagChange,
    FlagColumns,
    Grant,
    LoginFailures,
    Mailbox,
    MailboxEvent,
    MailboxEventKind,
    MailboxId,
    Message,
    ModSeq,
    NewMessage,
    NoSuchAccount,
    NoSuchMailbox,
    OutOfKeywords,
    OverQuota,
    SharedMailbox,
    StoreError,
    StoreUnavailable,
    Uid,
)

__all__ = [
    "ANYONE",
    "FOREIGN_ID",
    "NOTHING_MOVED",
    "NOTHING_SENT",
    "NO_DEVICE",
    "NO_MAILBOX",
    "NO_RULES",
    "SERVER",
    "SYSTEM_FLAGS",
    "WHOLE_ACCOUNT",
    "Account",
    "AccountChanges",
    "AccountId",
    "AccountKind",
    "AcmeAccount",
    "AcmeChallenge",
    "AcmeReader",
    "AcmeTx",
    "Actor",
    "AddressTarget",
    "AggregateReport",
    "AlreadyExists",
    "Annotation",
    "AnnotationChange",
    "AnnotationTotals",
    "AppPassword",
    "AuditEntry",
    "AuditPlace",
    "AuditReader",
    "AuditTx",
    "AuthDkim",
    "AuthSpf",
    "BlobId",
    "Changes",
    "Device",
    "DeviceCounts",
    "DeviceDay",
    "DeviceNote",
    "DeviceReader",
    "DeviceTx",
    "DirectoryAddress",
    "DirectoryGroup",
    "DirectoryLogin",
    "DirectoryMember",
    "DirectoryPerson",
    "DmarcCount",
    "DmarcDay",
    "DmarcSeen",
    "Domain",
    "Due",
    "FactorReader",
    "FactorTx",
    "Facts",
    "FailureReport",
    "FetchedPolicy",
    "Flag",
    "FlagChange",
    "FlagColumns",
    "Grant",
    "GreylistEntry",
    "KeepDevices",
    "LdapDirectory",
    "LoginFailures",
    "LoginReader",
    "LoginTx",
    "MailRoute",
    "Mailbox",
    "MailboxEvent",
    "MailboxEventKind",
    "MailboxId",
    "Message",
    "ModSeq",
    "NewAuditEntry",
    "NewMessage",
    "NoSuchAccount",
    "NoSuchMailbox",
    "OutOfKeywords",
    "OverQuota",
    "Override",
    "Pop3Extremes",
    "Pop3Rules",
    "PublishedPolicy",
    "QueueEntry",
    "QueueFigures",
    "QueueRecipient",
    "QueueState",
    "QueueTotal",
    "Reader",
    "RecipientState",
    "Renewal",
    "ReportAlert",
    "ReportHead",
    "ReportMail",
    "ReportOutcome",
    "ReportReader",
    "ReportRow",
    "ReportSendingReader",
    "ReportSendingTx",
    "ReportTarget",
    "ReportTx",
    "RestingMessage",
    "RestingReader",
    "RestingTotal",
    "RestingTx",
    "RouteHost",
    "RouteTls",
    "RouteTransport",
    "RoutingReader",
    "RoutingTx",
    "RowTotal",
    "ScramRow",
    "ScramStored",
    "SecondFactor",
    "SendAs",
    "Sent",
    "SentReader",
    "SentTx",
    "SharedMailbox",
    "SizeColumns",
    "Source",
    "SourcePool",
    "Step",
    "StepKey",
    "StepKind",
    "Store",
    "StoreError",
    "StoreUnavailable",
    "StoredCertificate",
    "Suppression",
    "SuppressionReader",
    "SuppressionTx",
    "SyncPoint",
    "SyncState",
    "TlsContract",
    "TlsFailure",
    "TlsPolicyResult",
    "TlsReport",
    "TlsReported",
    "TlsResult",
    "TransportSecurityReader",
    "TransportSecurityTx",
    "Tx",
    "Uid",
    "UnreadableReport",
    "WebSession",
]

Result = TypeVar("Result")


class Reader(
    RoutingReader,
    SuppressionReader,
    GreylistReader,
    SentReader,
    TransportSecurityReader,
    CertificateReader,
    LoginReader,
    FactorReader,
    ReportSendingReader,
    ReportReader,
    QueueReader,
    StoryReader,
    AnnotationReader,
    DeviceReader,
    RestingReader,
    AcmeReader,
    AuditReader,
    DirectoryReader,
    Protocol,
):
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

    # small facts of the whole server (leases, counters, schema): text by key
    async def meta(self, key: str) -> str | None: ...


class Tx(
    Reader,
    RoutingTx,
    SuppressionTx,
    GreylistTx,
    SentTx,
    TransportSecurityTx,
    CertificateTx,
    LoginTx,
    FactorTx,
    ReportSendingTx,
    ReportTx,
    QueueTx,
    StoryTx,
    AnnotationTx,
    DeviceTx,
    RestingTx,
    AcmeTx,
    AuditTx,
    DirectoryTx,
    Protocol,
):
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

    async def set_language(self, account_id: AccountId, language: str) -> None: ...

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
        self,
        account_id: AccountId,
        name: str,
        *,
        special_use: str = "",
        selectable: bool = True,
        limited: bool = True,
    ) -> Mailbox:
        """Raises AlreadyExists, and OverQuota unless `limited` is False: what the server itself needs. Its
        UIDVALIDITY is greater than that of any earlier one of this name."""
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
