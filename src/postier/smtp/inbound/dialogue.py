"""What the parts of an inbound session share: who we are, who talks to us, and the mail under way."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from postier.accounts.device_meter import DeviceMeter
from postier.accounts.devices import DeviceLedger, no_ledger
from postier.accounts.directory import Directory
from postier.accounts.login import Entry, Login
from postier.accounts.sending import USUAL_LIMITS, DailyLimits
from postier.base.address import Address
from postier.base.clock import Clock
from postier.base.ids import new_id
from postier.base.networks import NOWHERE, Networks
from postier.base.shared_counts import SharedCounts
from postier.base.status import Reply
from postier.blobs.api import Blobs
from postier.dns.api import Resolver
from postier.filter.greylist import Greylist
from postier.mailauth.dkim.sign import Signer
from postier.mailauth.evaluation import Evaluation
from postier.mailauth.spf import SpfResult
from postier.net.api import Connection
from postier.reports.out.counter import DmarcCounter
from postier.reports.out.failures import FailureReports
from postier.smtp.inbound.incoming import Incoming
from postier.smtp.inbound.outcome import NO_MARKS, Mark, RunCheck
from postier.smtp.inbound.policy_settings import USUAL_POLICY, PolicySettings
from postier.smtp.wire.events import MailFrom
from postier.store.api import Account, AccountId, Store
from postier.story.recorder import NoteStep, no_note

__all__ = [
    "Checks",
    "Dialogue",
    "InboundServices",
    "InboundSettings",
    "Recipient",
    "Role",
    "Transaction",
]


class Role(enum.Enum):
    """MX takes mail for our own addresses from anybody; SUBMISSION takes mail for anybody from our people;
    LMTP takes mail for our own addresses from a host that has checked it (RFC 2033)."""

    MX = "mx"
    SUBMISSION = "submission"
    LMTP = "lmtp"


@dataclass(frozen=True, slots=True)
class Checks:
    """The checks of policy.py that are on for one role, by their stage, in order. `ahead`: asks, before the
    greeting, for what is needed later."""

    ahead: tuple[Callable[[Dialogue], None], ...] = ()
    connect: tuple[RunCheck, ...] = ()
    helo: tuple[RunCheck, ...] = ()
    mail: tuple[RunCheck, ...] = ()
    rcpt: tuple[RunCheck, ...] = ()
    message: tuple[RunCheck, ...] = ()


@dataclass(frozen=True, slots=True)
class InboundSettings:
    """`hostname`: our name in greeting, trace and Authentication-Results. `max_message_size` in octets.

    `starttls`: a certificate is there. `trust_loopback`: this server serves the loopback alone, so logging
    in needs no TLS, and neither DNS nor manners are checked. `timeout`: seconds without input (RFC 5321
    4.5.3.2.7). `max_refused_recipients`: unknown or foreign addresses before we hang up (address harvest).
    `max_deferred_recipients`: put off since the last message that was accepted, before we hang up: who takes
    no notice of 452 would go on for ever.
    `dns_time`: seconds that the checks of one message may wait for the DNS, all together.
    `lmtp_from`: who may hand mail over by LMTP, beside those at a Unix socket.
    `xclient_from`: proxies that may say whom they speak for.
    `srs`: what an alias forwards gets a return address of ours.
    `future_release`: seconds that submitted mail may be held for its sender (RFC 4865); 0 holds none.
    `undo_send`: seconds that all of it is held, for who changes their mind.
    `hides_client`: nobody learns from which address and machine our people submit.
    `normalise_newlines`: on submission a CR or LF alone is a line end, for devices that know no better.
    `daily_limits`: of who submits, where the account has none of its own.
    """

    hostname: str
    max_message_size: int = 50_000_000
    max_recipients: int = 1000
    starttls: bool = True
    trust_loopback: bool = False
    timeout: float = 300.0
    max_errors: int = 20
    max_login_failures: int = 5
    max_refused_recipients: int = 100
    max_deferred_recipients: int = 10_000
    dns_time: float = 20.0
    normalise_newlines: bool = False
    srs: bool = True
    lmtp_from: Networks = NOWHERE
    xclient_from: Networks = NOWHERE
    future_release: int = 0
    undo_send: int = 0
    hides_client: bool = True
    policy: PolicySettings = USUAL_POLICY
    daily_limits: DailyLimits = USUAL_LIMITS


@dataclass(frozen=True, slots=True)
class InboundServices:
    """`signers_for`: who signs for a domain (A-labels), empty where it is not ours. `note_step`: for steps
    that no transaction carries. `counts`: what senders did lately, at all workers. `dmarc_counter`,
    `failure_reports`: None where no such reports are sent. `devices`: hears what our people's move."""

    store: Store
    blobs: Blobs
    directory: Directory
    login: Login
    resolver: Resolver
    clock: Clock
    signers_for: Callable[[str], Awaitable[Sequence[Signer]]]
    note_step: NoteStep = no_note
    counts: SharedCounts = field(default_factory=SharedCounts)
    dmarc_counter: DmarcCounter | None = None
    failure_reports: FailureReports | None = None
    devices: DeviceLedger = field(default_factory=no_ledger)


@dataclass(frozen=True, slots=True)
class Recipient:
    """An accepted forward-path: the accounts of ours it reaches, and the foreign addresses.

    `path`: as on the wire, without <>. `notify`, `orcpt`: RFC 3461. `report_tag`: it is the return address of
    reports to another domain (see accounts/report_returns.py). `reports`: it takes those of others.
    """

    path: str
    accounts: tuple[AccountId, ...]
    forwards: tuple[Address, ...]
    notify: str = ""
    orcpt: str = ""
    report_tag: str = ""
    reports: bool = False

    @property
    def is_sent_on(self) -> bool:
        """An address of ours that leads to foreign ones."""
        return bool(self.forwards) and str(self.forwards[0]) != self.path


@dataclass(slots=True)
class Transaction:
    """One mail transaction; the next one, also after a failure, is another object.

    `marks`: what the checks so far noted, those of the connection first. `spf`: once somebody asked;
    `spf_helo`: if the helo identity was asked about, too.
    `dns_seconds`: what that took before the message was there; its other checks have so much less.
    `evaluation`: what DMARC found and what followed, of mail from strangers once it is decided.
    `release_at`: not to leave before (RFC 4865), known once it is being accepted; 0 is at once.
    `left_out`: in LMTP, the answers to recipients (by their number) who did not get it while others did.
    """

    mail: MailFrom
    marks: tuple[Mark, ...] = NO_MARKS
    trace_id: str = field(default_factory=new_id)
    recipients: list[Recipient] = field(default_factory=list)
    incoming: Incoming | None = None
    spf: SpfResult | None = None
    spf_helo: SpfResult | None = None
    dns_seconds: float = 0.0
    evaluation: Evaluation | None = None
    release_at: int = 0
    left_out: dict[int, Reply] = field(default_factory=dict)
    reverse_path: str = field(init=False)
    """As on the wire without <>; "" is the null path."""

    def __post_init__(self) -> None:
        self.reverse_path = "" if self.mail.reverse_path is None else str(self.mail.reverse_path)


@dataclass(slots=True)
class Dialogue:
    """One connection: `helo` and `extended` from EHLO or HELO, `entry` and `meter` once logged in.

    `checks`: who is let in (policy.checks_for). `marks`: what they noted of the connection, and of the name
    the client gave itself last. `lookups`: questions about its address under way (reputation.py).
    `introduced`: what a proxy said of its client (XCLIENT). `greylist`: once it was needed.
    """

    role: Role
    settings: InboundSettings
    services: InboundServices
    connection: Connection
    checks: Checks
    helo: str = ""
    extended: bool = True
    entry: Entry | None = None
    meter: DeviceMeter | None = None
    login_failures: int = 0
    refused_recipients: int = 0
    deferred_recipients: int = 0
    transaction: Transaction | None = None
    marks: tuple[Mark, ...] = NO_MARKS
    lookups: dict[str, asyncio.Task[Any]] = field(default_factory=dict)
    introduced: dict[str, str] = field(default_factory=dict)
    greylist: Greylist | None = None

    @property
    def account(self) -> Account | None:
        """Who has logged in."""
        return self.entry.account if self.entry is not None else None

    @property
    def is_strict(self) -> bool:
        """Manners, DNS and reputation are checked: mail from strangers, on a server for the world."""
        return self.role is Role.MX and not self.settings.trust_loopback

    @property
    def normalises_newlines(self) -> bool:
        return self.role is Role.SUBMISSION and self.settings.normalise_newlines

    def abandon(self) -> None:
        """The transaction is over; what it held is given back."""
        if self.transaction is not None and self.transaction.incoming is not None:
            self.transaction.incoming.discard()
        self.transaction = None

    def log_in(self, entry: Entry) -> None:
        self.entry = entry
        self.meter = self.services.devices.open(self.connection, entry, "submission")

    def log_out(self) -> None:
        """Nobody is logged in, or the connection is over."""
        if self.meter is not None:
            self.services.devices.close(self.meter)
        self.entry = self.meter = None

    def forget_lookups(self) -> None:
        """The connection is over, or its address turned out to be another."""
        for task in self.lookups.values():
            task.cancel()
        self.lookups.clear()
