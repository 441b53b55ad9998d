"""What a POP3 client's commands do: one coroutine for each connection.

RFC 1939, with CAPA and response codes (RFC 2449, RFC 3206), STLS (RFC 2595) and AUTH (RFC 5034). A
connection that ends without QUIT has deleted nothing.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass

from postier.accounts.exchange import run_exchange
from postier.accounts.login import (
    Door,
    Entry,
    InvalidCredentials,
    Login,
    LoginRefused,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.accounts.mailboxes import INBOX
from postier.base.log import Log
from postier.blobs.api import BlobRef, Blobs, BlobUnreadable
from postier.net.api import Connection, Session, Wake
from postier.pop3.maildrop import Maildrop, NoSuchMessage
from postier.pop3.wire.events import (
    Auth,
    AuthCancelled,
    AuthResponse,
    Dele,
    List,
    Pass,
    Pop3Event,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    TooManyErrors,
    Top,
    Uidl,
    User,
)
from postier.pop3.wire.multiline import DotStuffer, TopOfMessage
from postier.pop3.wire.server import Pop3Server
from postier.sasl.api import Credentials, SaslError
from postier.store.api import Account, Step, StepKind, Store, StoreError
from postier.story.recorder import NoteStep, no_note
from postier.story.traced import trace_of

__all__ = ["BUSY_LINE", "Pop3Services", "Pop3Settings", "pop3_session"]

BUSY_LINE = b"-ERR [SYS/TEMP] Too many connections, try later\r\n"
"""For a Listener: said to a connection past the limit."""

LINES_AT_ONCE = 2000

log = Log("pop3")


@dataclass(frozen=True, slots=True)
class Pop3Services:
    """Everything with effects that a session may touch. `note_step`: for messages that were fetched."""

    store: Store
    blobs: Blobs
    login: Login
    note_step: NoteStep = no_note


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    """`allow_plaintext`: log in without TLS (only on a loopback that is trusted). `stls`: a certificate is
    there. Times in seconds: `login_timeout` before login, `idle_timeout` after it (RFC 1939 3: 10 minutes
    at least)."""

    hostname: str = "localhost"
    allow_plaintext: bool = False
    stls: bool = True
    login_timeout: float = 60.0
    idle_timeout: float = 600.0
    max_login_failures: int = 3


def pop3_session(services: Pop3Services, settings: Pop3Settings) -> Session:
    """What a Listener runs for each connection."""

    async def session(connection: Connection) -> None:
        await _Pop3Session(connection, services, settings).run()

    return session


class _GivenUp(Exception):
    """The client cancelled the exchange, or is gone."""


_REFUSALS: dict[type[LoginRefused], tuple[str, str]] = {
    InvalidCredentials: ("Wrong name or password", "AUTH"),
    MayNotActForOthers: ("You may not act for somebody else", "AUTH"),
    TooManyFailures: ("Too many failures, try later", "SYS/TEMP"),
}


class _Unavailable(Exception):
    """The message's bytes cannot be had now or for good; `code` is the response code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class _Pop3Session:
    def __init__(self, connection: Connection, services: Pop3Services, settings: Pop3Settings) -> None:
        self._connection = connection
        self._services = services
        self._settings = settings
        self._core = Pop3Server(
            confidential=connection.tls is not None or settings.allow_plaintext,
            offers_stls=connection.tls is None and settings.stls,
            mechanisms=lambda: services.login.mechanisms(self._door()),
        )
        self._failures = 0

    async def run(self) -> None:
        self._core.ok(f"{self._settings.hostname} POP3 ready")
        entry = await self._authorization()
        if entry is None:
            return
        maildrop = await self._open(entry.account)
        if maildrop is not None:
            await self._transaction(entry.account, maildrop)

    async def _event(self, timeout: float) -> Pop3Event | None:
        while True:
            if self._connection.is_retiring:  # a busy client must not hold the server up; nothing is deleted
                await self._connection.flush(self._core)
                return None
            event: Pop3Event | Wake | None = await self._connection.event(self._core, timeout)
            if not isinstance(event, Wake):
                return event

    # ------------------------------------------------------------------ AUTHORIZATION

    async def _authorization(self) -> Entry | None:
        """Until somebody has logged in; None if the connection is over."""
        core = self._core
        while self._failures < self._settings.max_login_failures:
            entry = None
            match await self._event(self._settings.login_timeout):
                case User():
                    core.ok()
                case Pass(name, password):
                    credentials = Credentials("", name, password)
                    entry = await self._login(self._services.login.authenticate(credentials, self._door()))
                case Auth(mechanism, initial):
                    entry = await self._exchange(mechanism, initial)
                case Stls():
                    core.ok("Begin TLS")
                    await self._connection.start_tls(core)
                    core.start_over()
                case Quit():
                    core.ok("Goodbye")
                    break
                case _:  # the end of input, or too many errors
                    break
            if entry is not None:
                return entry
        await self._connection.flush(core)
        return None

    async def _exchange(self, mechanism: str, initial: bytes | None) -> Entry | None:
        try:
            attempt = run_exchange(self._services.login, self._door(), mechanism, initial, self._ask)
            return await self._login(attempt)
        except SaslError as error:
            self._failures += 1
            self._core.error(str(error), "AUTH")
        except _GivenUp:
            pass
        return None

    async def _ask(self, challenge: bytes) -> bytes:
        """Raises _GivenUp."""
        self._core.challenge(challenge)
        match await self._event(self._settings.login_timeout):
            case AuthResponse(data):
                return data
            case _:
                raise _GivenUp

    def _door(self) -> Door:
        return Door.of(self._connection, "pop3", trusted=self._settings.allow_plaintext)

    async def _login(self, attempt: Awaitable[Entry]) -> Entry | None:
        """Who is in, or None with the refusal said."""
        try:
            return await attempt
        except LoginRefused as refused:
            if refused.delay > 0:
                await asyncio.sleep(refused.delay)
            if isinstance(refused, TooManyFailures):
                self._failures = self._settings.max_login_failures
            self._core.error(*_REFUSALS[type(refused)])
        except StoreError as error:
            self._temporary(error)
        self._failures += 1
        return None

    async def _open(self, account: Account) -> Maildrop | None:
        """The maildrop of who has just logged in; that is part of the same reply."""
        try:
            maildrop = await Maildrop.open(self._services.store, account)
        except StoreError as error:
            self._temporary(error)
            await self._connection.flush(self._core)
            return None
        self._core.enter_transaction()
        self._core.ok(f"{maildrop.count} messages")
        return maildrop

    # ------------------------------------------------------------------ TRANSACTION

    async def _transaction(self, account: Account, maildrop: Maildrop) -> None:
        while (event := await self._event(self._settings.idle_timeout)) is not None:
            if isinstance(event, TooManyErrors | AuthCancelled):
                break
            if isinstance(event, Quit):
                await self._update(account, maildrop)
                break
            try:
                await _HANDLERS[type(event)](self, maildrop, event)
            except NoSuchMessage:
                self._core.error("No such message")
            except _Unavailable as error:
                self._core.error("The message cannot be read", error.code)
            except StoreError as error:
                self._temporary(error)
        await self._connection.flush(self._core)

    async def _update(self, account: Account, maildrop: Maildrop) -> None:
        try:
            await maildrop.update()
        except StoreError as error:
            self._temporary(error)
            return
        self._core.ok("Goodbye")
        log.info("quit", session=self._connection.id, account=account.name, left=maildrop.count)

    async def _stat(self, maildrop: Maildrop, event: Stat) -> None:
        self._core.ok(f"{maildrop.count} {maildrop.octets}")

    async def _list(self, maildrop: Maildrop, event: List) -> None:
        if event.number is not None:
            self._core.ok(f"{event.number} {maildrop.size(event.number)}")
        else:
            await self._send_listing(maildrop.sizes())

    async def _uidl(self, maildrop: Maildrop, event: Uidl) -> None:
        if event.number is not None:
            self._core.ok(f"{event.number} {maildrop.unique_id(event.number)}")
        else:
            await self._send_listing(maildrop.unique_ids())

    async def _send_listing(self, lines: Iterator[bytes]) -> None:
        self._core.ok()
        while page := list(itertools.islice(lines, LINES_AT_ONCE)):
            self._core.send_lines(page)
            await self._connection.flush(self._core)
        self._core.end_lines()

    async def _dele(self, maildrop: Maildrop, event: Dele) -> None:
        maildrop.delete(event.number)
        self._core.ok()

    async def _rset(self, maildrop: Maildrop, event: Rset) -> None:
        maildrop.reset()
        self._core.ok()

    async def _retr(self, maildrop: Maildrop, event: Retr) -> None:
        ref = await maildrop.blob_ref(event.number)
        first, rest = await self._open_message(ref)
        self._core.ok(f"{ref.size} octets")
        trace_id = trace_of(first, self._settings.hostname)
        if await self._send_message(first, rest, None) and trace_id:
            self._note_read(maildrop, trace_id)

    def _note_read(self, maildrop: Maildrop, trace_id: str) -> None:
        facts = {
            "session": self._connection.id,
            "role": "pop3",
            "peer": self._connection.peer[0],
            "account": str(maildrop.account_id),
            "mailbox": INBOX,
        }
        self._services.note_step(Step(trace_id, time.time(), StepKind.READ, facts))

    async def _top(self, maildrop: Maildrop, event: Top) -> None:
        first, rest = await self._open_message(await maildrop.blob_ref(event.number))
        self._core.ok()
        await self._send_message(first, rest, TopOfMessage(event.lines))

    async def _open_message(self, ref: BlobRef) -> tuple[bytes, AsyncIterator[bytes]]:
        """The first chunk, read while an error can still be said, and the others.

        Raises _Unavailable.
        """
        chunks = self._services.blobs.stream(ref)
        try:
            return await anext(chunks, b""), chunks
        except (BlobUnreadable, OSError) as error:
            log.error("unreadable", session=self._connection.id, pack=ref.pack, why=error)
            raise _Unavailable("SYS/PERM" if isinstance(error, BlobUnreadable) else "SYS/TEMP") from error

    async def _send_message(self, chunk: bytes, rest: AsyncIterator[bytes], top: TopOfMessage | None) -> bool:
        """Stuffed, chunk by chunk. False: what turned out unreadable halfway can only be
        told by hanging up."""
        stuffer = DotStuffer()
        while chunk:
            self._core.send(stuffer.feed(chunk if top is None else top.feed(chunk)))
            if top is not None and top.done:
                break
            await self._connection.flush(self._core)
            try:
                chunk = await anext(rest, b"")
            except (BlobUnreadable, OSError) as error:
                log.error("unreadable halfway", session=self._connection.id, why=error)
                self._connection.abort()
                return False
        self._core.send(stuffer.finish())
        return True

    def _temporary(self, error: StoreError) -> None:
        log.fault("store", why=error, session=self._connection.id)
        self._core.error("Temporary failure, try later", "SYS/TEMP")


_HANDLERS: dict[type, Callable[..., Awaitable[None]]] = {
    Stat: _Pop3Session._stat,
    List: _Pop3Session._list,
    Uidl: _Pop3Session._uidl,
    Retr: _Pop3Session._retr,
    Top: _Pop3Session._top,
    Dele: _Pop3Session._dele,
    Rset: _Pop3Session._rset,
}
