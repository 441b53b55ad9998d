"""One inbound connection, from greeting to close: each event of the core to the function that answers it."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Awaitable, Callable
from typing import Any

from postier.accounts.directory import RecipientKind, Resolution
from postier.base.address import Address
from postier.base.log import Log
from postier.base.status import Reply
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.verifier import MessageVerifier
from postier.net.api import Connection, IdleTimeout, Session, Wake
from postier.smtp.inbound.accept import accept
from postier.smtp.inbound.authenticate import authenticate, mechanisms
from postier.smtp.inbound.checks_envelope import Addressee
from postier.smtp.inbound.dialogue import (
    Dialogue,
    InboundServices,
    InboundSettings,
    Recipient,
    Role,
    Transaction,
)
from postier.smtp.inbound.incoming import BodyReader, Incoming
from postier.smtp.inbound.introduction import XCLIENT, as_introduced, introduce
from postier.smtp.inbound.marks import without_forged_fields
from postier.smtp.inbound.outcome import Defer, Refuse, decide
from postier.smtp.inbound.policy import checks_for
from postier.smtp.inbound.received import literal
from postier.smtp.inbound.story import note_refusal, note_violation
from postier.smtp.inbound.submission import mend_header
from postier.smtp.wire.commands import Protocol
from postier.smtp.wire.events import (
    Auth,
    ChunkEnd,
    Data,
    DataChunk,
    DataEnd,
    Ehlo,
    Event,
    MailFrom,
    Quit,
    RcptTo,
    Rset,
    StartTls,
    Violation,
    XClient,
)
from postier.smtp.wire.server import SmtpServer
from postier.store.api import OverQuota, StoreError, StoreUnavailable

__all__ = ["EVENTS_AT_ONCE", "inbound_session"]

EVENTS_AT_ONCE = 50
"""Commands of a pipelined batch after which other connections have their turn."""

log = Log("smtp")

_OK = Reply(250, "2.0.0", "OK")
_SENDER_OK = Reply(250, "2.1.0", "Sender OK")
_RECIPIENT_OK = Reply(250, "2.1.5", "Recipient OK")
_GO_AHEAD = Reply(354, "", "Send the message, then a line that is a single dot")
_WHAT_WE_ARE = "ESMTP Postier"
_START_TLS = Reply(220, "2.0.0", "Ready to start TLS")
_BYE = Reply(221, "2.0.0", "Bye")
_IDLE = Reply(421, "4.4.2", "Nothing came for too long, closing")
_HARVEST = Reply(421, "4.7.0", "Too many unknown recipients, closing")
_TOO_MANY = Reply(421, "4.5.3", "Too many recipients were put off, closing")
_TOO_SLOW = Reply(421, "4.4.2", "The message comes too slowly, closing")
_UNAVAILABLE = Reply(451, "4.3.0", "Not possible at the moment, try again later")
_NO_SPACE = Reply(452, "4.3.1", "Not enough storage at the moment, try again later")
_STOPPING = Reply(421, "4.3.2", "Service closing, try later")
_NO_PLACE = Reply(421, "4.3.0", "The message finds no place at the moment, closing")
_FULL = Reply(452, "4.2.2", "A mailbox is full")


def inbound_session(settings: InboundSettings, services: InboundServices, role: Role) -> Session:
    """What a listener of port 25 (MX), of 587 and 465 (SUBMISSION), or of LMTP runs for each connection."""

    checks = checks_for(role, settings)

    async def session(connection: Connection) -> None:
        await _InboundSession(Dialogue(role, settings, services, connection, checks)).run()

    return session


class _InboundSession:
    """The coroutine of one connection and its core."""

    __slots__ = ("_connection", "_core", "_dialogue", "_own_ends")

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self._connection = connection = dialogue.connection
        self._own_ends = connection.peer, connection.local
        settings = dialogue.settings
        is_submission = dialogue.role is Role.SUBMISSION
        self._core = SmtpServer(
            settings.hostname,
            requires_tls=is_submission and dialogue.connection.tls is None and not settings.trust_loopback,
            requires_auth=is_submission,
            strict_pipelining=dialogue.is_strict,
            normalise_newlines=dialogue.normalises_newlines,
            max_errors=settings.max_errors,
            protocol=Protocol.LMTP if dialogue.role is Role.LMTP else Protocol.SMTP,
        )

    async def run(self) -> None:
        """Until either side closes. Raises ConnectionLost."""
        dialogue = self._dialogue
        for ask in dialogue.checks.ahead:
            ask(dialogue)
        refusal = await decide(dialogue.checks.connect, dialogue, dialogue)
        if refusal is not None:
            self._log_refusal(refusal, "")
            self._core.hang_up(refusal.reply)
        else:
            self._offer()
            self._core.greet("LMTP Postier" if dialogue.role is Role.LMTP else _WHAT_WE_ARE)
        try:
            await self._converse()
        except IdleTimeout:
            self._core.hang_up(_IDLE)
        finally:
            dialogue.abandon()
            dialogue.log_out()
            dialogue.forget_lookups()
        await self._connection.flush(self._core)
        self._connection.close()

    async def _converse(self) -> None:
        core, timeout = self._core, self._dialogue.settings.timeout
        for number in itertools.count(1):
            if core.is_closed:
                return
            if number % EVENTS_AT_ONCE == 0:
                await asyncio.sleep(0)
            event: Event | Wake | None = await self._connection.event(core, timeout)
            if event is None:
                return
            if isinstance(event, Wake):
                continue
            try:
                await _HANDLERS[type(event)](self, event)
            except (StoreError, OSError) as error:
                self._fail(event, error)

    def _fail(self, event: Event, error: Exception) -> None:
        """Whatever can't be done for the moment: the transaction is over, and nothing is lost or doubled."""
        dialogue = self._dialogue
        if isinstance(error, OverQuota):
            log.info("mailbox full", session=self._connection.id, why=error)
        elif isinstance(error, StoreUnavailable | OSError):
            log.fault("put off", why=error, session=self._connection.id, during=type(event).__name__)
        else:
            log.error("failed", exception=error, session=self._connection.id, during=type(event).__name__)
        reply, transaction = _reply_for(error), dialogue.transaction
        if isinstance(event, DataChunk):  # the answer waits for the end of the message
            if transaction is not None and transaction.incoming is not None:
                transaction.incoming.fail(reply)
            else:
                self._core.hang_up(_NO_PLACE)  # its beginning is lost
            return
        path = event.forward_path if isinstance(event, RcptTo) else None
        reply = note_refusal(dialogue, reply, str(error), _VERBS.get(type(event), ""), path)
        if not isinstance(event, RcptTo):
            dialogue.abandon()
        self._core.reply(reply)

    # ------------------------------------------------------------------ greeting, TLS, login

    async def _ehlo(self, event: Ehlo) -> None:
        dialogue = self._dialogue
        if dialogue.introduced:
            event = as_introduced(event, dialogue.introduced)
        before, dialogue.helo = dialogue.helo, event.domain
        if dialogue.checks.helo:
            noted = dialogue.marks
            dialogue.marks = tuple(mark for mark in noted if not mark.name.startswith("helo"))
            refusal = await decide(dialogue.checks.helo, dialogue, dialogue, event)
            if refusal is not None:  # RFC 5321 4.1.1.1: all stays as it was before
                self._refuse("EHLO", refusal, None)
                dialogue.helo, dialogue.marks = before, noted
                return
        dialogue.abandon()
        dialogue.extended = event.extended
        self._core.welcome()

    async def _start_tls(self, event: StartTls) -> None:
        self._core.reply(_START_TLS)
        await self._connection.start_tls(self._core)
        self._core.forget()
        dialogue = self._dialogue
        dialogue.abandon()
        dialogue.helo = ""
        dialogue.log_out()
        self._offer()

    def _offer(self) -> None:
        offers = _capabilities(self._dialogue)
        if (
            self._dialogue.role is not Role.LMTP
            and self._own_ends[0][0] in self._dialogue.settings.xclient_from
        ):
            offers.append(XCLIENT)
        self._core.offer(offers)

    async def _xclient(self, event: XClient) -> None:
        """From the greeting on it is another client's dialogue; who the proxy is, nobody asks any more."""
        dialogue = self._dialogue
        introduce(dialogue, event.attributes, self._own_ends)
        self._core.reply(Reply(220, "", f"{dialogue.settings.hostname} {_WHAT_WE_ARE}"))

    async def _auth(self, event: Auth) -> None:
        await authenticate(self._dialogue, self._core, event)

    async def _rset(self, event: Rset) -> None:
        self._dialogue.abandon()
        self._core.reply(_OK)

    async def _quit(self, event: Quit) -> None:
        self._core.reply(_BYE)

    async def _violation(self, event: Violation) -> None:
        log.warning(
            "violation", session=self._connection.id, peer=self._connection.peer[0], reason=event.reason
        )
        note_violation(self._dialogue, event.reason)
        self._dialogue.abandon()

    # ------------------------------------------------------------------ the envelope

    async def _mail(self, event: MailFrom) -> None:
        self._dialogue.abandon()
        if self._connection.is_retiring:  # RFC 5321 3.8: a busy client must not hold the server up
            reply = note_refusal(self._dialogue, _STOPPING, "draining", "MAIL", event.reverse_path)
            self._core.hang_up(reply)
            return
        dialogue = self._dialogue
        transaction = Transaction(event, dialogue.marks)
        refusal = await decide(dialogue.checks.mail, transaction, dialogue, transaction)
        if refusal is not None:
            self._refuse("MAIL", refusal, event.reverse_path)
            return
        dialogue.transaction = transaction
        self._core.reply(_SENDER_OK)

    async def _rcpt(self, event: RcptTo) -> None:
        dialogue, transaction = self._dialogue, self._transaction
        to = Addressee(event, self._resolve)
        refusal = await decide(dialogue.checks.rcpt, transaction, dialogue, transaction, to)
        if refusal is not None:
            dialogue.refused_recipients += refusal.reply.is_permanent
            dialogue.deferred_recipients += refusal.reply.is_transient
            if dialogue.refused_recipients > dialogue.settings.max_refused_recipients:
                refusal = Defer(_HARVEST, "address harvest", closes=True)
            elif dialogue.deferred_recipients > dialogue.settings.max_deferred_recipients:
                refusal = Defer(_TOO_MANY, "recipients without end", closes=True)
            self._refuse("RCPT", refusal, event.forward_path)
            return
        resolution = await to.resolution()
        path = "postmaster" if event.forward_path is None else str(event.forward_path)
        is_foreign = resolution.kind is RecipientKind.FOREIGN and event.forward_path is not None
        forwards = (event.forward_path,) if is_foreign and event.forward_path else resolution.forwards
        transaction.recipients.append(
            Recipient(
                path,
                resolution.accounts,
                forwards,
                event.notify,
                event.orcpt,
                resolution.report_tag,
                resolution.reports,
            )
        )
        self._core.reply(_RECIPIENT_OK)

    async def _resolve(self, path: Address | None) -> Resolution:
        """Postmaster without a domain, or at this very host, is ours, always (RFC 5321 4.5.1)."""
        directory = self._dialogue.services.directory
        if path is not None and not self._is_own_postmaster(path):
            return await directory.resolve(path, size=self._transaction.mail.size or 0)
        account_id = await directory.postmaster()
        if account_id is None:
            return Resolution(RecipientKind.UNKNOWN)
        return Resolution(RecipientKind.LOCAL, (account_id,))

    def _is_own_postmaster(self, path: Address) -> bool:
        if path.local_part.casefold() != "postmaster":
            return False
        return str(path.domain) in (self._dialogue.settings.hostname, literal(self._connection.local[0]))

    def _refuse(self, verb: str, refusal: Refuse | Defer, address: Address | None) -> None:
        self._log_refusal(refusal, address or "<>")
        reply = note_refusal(self._dialogue, refusal.reply, refusal.reason, verb, address)
        if refusal.closes:
            self._core.hang_up(reply)
        else:
            self._core.reply(reply)

    def _log_refusal(self, refusal: Refuse | Defer, address: object) -> None:
        log.info(
            "refused",
            session=self._connection.id,
            peer=self._connection.peer[0],
            address=address,
            reply=refusal.reply,
            reason=refusal.reason,
        )

    # ------------------------------------------------------------------ the message

    async def _data(self, event: Data) -> None:
        self._begin_message()
        self._core.reply(_GO_AHEAD)

    async def _chunk(self, event: DataChunk) -> None:
        incoming = self._transaction.incoming or self._begin_message()
        await incoming.write(event.data)
        if incoming.is_endless and incoming.fault is not None:
            self._core.hang_up(note_refusal(self._dialogue, incoming.fault, "endless", "DATA"))
        elif incoming.is_too_slow:
            self._core.hang_up(note_refusal(self._dialogue, _TOO_SLOW, "slow", "DATA"))

    async def _chunk_end(self, event: ChunkEnd) -> None:
        incoming = self._transaction.incoming or self._begin_message()
        if incoming.fault is None:
            self._core.reply(Reply(250, "2.0.0", f"{event.size} octets received"))
            return
        reply = note_refusal(self._dialogue, incoming.fault, incoming.fault.text, "BDAT")
        self._dialogue.abandon()
        self._core.reply(reply)

    async def _data_end(self, event: DataEnd) -> None:
        transaction = self._transaction
        incoming = transaction.incoming or self._begin_message()
        meter = self._dialogue.meter
        if meter is not None:
            meter.uploads += incoming.size
        reply = await accept(self._dialogue, transaction, incoming)
        if reply.is_positive:
            self._dialogue.deferred_recipients = 0
            if meter is not None:
                meter.sent(self._dialogue.services.clock.now(), transaction.trace_id)
        self._dialogue.abandon()
        self._core.reply(reply, transaction.left_out)

    @property
    def _transaction(self) -> Transaction:
        transaction = self._dialogue.transaction
        assert transaction is not None  # the core lets nothing of a message through before MAIL
        return transaction

    def _begin_message(self) -> Incoming:
        dialogue, transaction = self._dialogue, self._transaction
        begin = self._begin_submitted if dialogue.role is Role.SUBMISSION else self._begin_foreign
        spool = dialogue.services.blobs.spool()
        transaction.incoming = Incoming(spool, begin, dialogue.settings.max_message_size)
        return transaction.incoming

    def _begin_foreign(self, header: bytes) -> tuple[bytes, BodyReader | None]:
        verifier = None
        if self._dialogue.is_strict and MessageVerifier.has_work(header):
            verifier = MessageVerifier(header)
        return without_forged_fields(header, self._dialogue.settings.hostname), verifier

    def _begin_submitted(self, header: bytes) -> tuple[bytes, BodyReader | None]:
        sender = self._transaction.mail.reverse_path
        domain = str(sender.domain) if sender is not None else self._dialogue.settings.hostname
        header = without_forged_fields(header, self._dialogue.settings.hostname)
        login = self._dialogue.account.name if self._dialogue.account is not None else ""
        now = self._dialogue.services.clock.now()
        return mend_header(header, domain=domain, login=login, now=now), BodyHasher()


def _capabilities(dialogue: Dialogue) -> list[str]:
    """What EHLO lists (a new extension is a line here and a row in wire.commands or wire.params)."""
    settings = dialogue.settings
    offers = [
        "PIPELINING",
        f"SIZE {settings.max_message_size}",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        *(() if dialogue.normalises_newlines else ("CHUNKING", "BINARYMIME")),  # counted octets stay
        "DSN",
        "HELP",
        f"LIMITS RCPTMAX={settings.max_recipients}",
    ]
    is_local = not dialogue.connection.peer[0]  # a Unix socket
    if settings.starttls and dialogue.connection.tls is None and not is_local:
        offers.append("STARTTLS")
    if dialogue.connection.tls is not None:
        offers.append("REQUIRETLS")
    if dialogue.role is Role.SUBMISSION and (names := mechanisms(dialogue)):
        offers.append(f"AUTH {' '.join(names)}")
    if dialogue.role is Role.SUBMISSION and settings.future_release:
        offers.append(_future_release(settings.future_release, dialogue.services.clock.now()))
    return offers


def _future_release(longest: int, now: float) -> str:
    """How long, and until when (UTC) a message may be held from now on (RFC 4865 3)."""
    return f"FUTURERELEASE {longest} {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(now + longest))}"


def _reply_for(error: Exception) -> Reply:
    if isinstance(error, OverQuota):
        return _FULL
    return _NO_SPACE if isinstance(error, OSError) else _UNAVAILABLE


_VERBS: dict[type[Event], str] = {
    MailFrom: "MAIL",
    RcptTo: "RCPT",
    Data: "DATA",
    DataEnd: "DATA",
    ChunkEnd: "BDAT",
    Auth: "AUTH",
}
"""What a fault happened during, for the story."""

_HANDLERS: dict[type[Event], Callable[[_InboundSession, Any], Awaitable[None]]] = {
    Ehlo: _InboundSession._ehlo,
    StartTls: _InboundSession._start_tls,
    XClient: _InboundSession._xclient,
    Auth: _InboundSession._auth,
    Rset: _InboundSession._rset,
    Quit: _InboundSession._quit,
    Violation: _InboundSession._violation,
    MailFrom: _InboundSession._mail,
    RcptTo: _InboundSession._rcpt,
    Data: _InboundSession._data,
    DataChunk: _InboundSession._chunk,
    ChunkEnd: _InboundSession._chunk_end,
    DataEnd: _InboundSession._data_end,
}
