"""The TRANSACTION state (RFC 1939 5) and the UPDATE state (6): what the commands about messages do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from postier.accounts.directory import language_of
from postier.accounts.login import Entry
from postier.accounts.mailboxes import INBOX
from postier.base.log import Log
from postier.blobs.api import BlobRef, BlobUnreadable
from postier.message.downgrade import Downgrading
from postier.net.api import Connection
from postier.pop3.authorization import tell_fault
from postier.pop3.maildrop import Maildrop, NoSuchMessage, Removed
from postier.pop3.metering import Metering
from postier.pop3.services import Pop3Services, Pop3Settings, next_event
from postier.pop3.wire.capabilities import Policy
from postier.pop3.wire.events import (
    AuthCancelled,
    Capa,
    Dele,
    Lang,
    List,
    Quit,
    Retr,
    Rset,
    Stat,
    TooManyErrors,
    Top,
    Uidl,
)
from postier.pop3.wire.multiline import DotStuffer, TopOfMessage
from postier.pop3.wire.server import Pop3Server
from postier.pop3.wire.words import LANGUAGES
from postier.store.api import Step, StepKind, StoreError
from postier.story.traced import trace_of

__all__ = ["Transaction"]

log = Log("pop3")


class _Unavailable(Exception):
    """The message's bytes cannot be had now or for good; `code` is the response code."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Transaction:
    """One client with its maildrop."""

    def __init__(
        self,
        connection: Connection,
        core: Pop3Server,
        services: Pop3Services,
        settings: Pop3Settings,
        entry: Entry,
        maildrop: Maildrop,
        metering: Metering,
    ) -> None:
        self._connection = connection
        self._core = core
        self._services = services
        self._settings = settings
        self._entry = entry
        self._maildrop = maildrop
        self._metering = metering

    async def run(self) -> None:
        """Until QUIT, or the end of the connection."""
        timeout = self._settings.idle_timeout
        while (event := await next_event(self._connection, self._core, timeout)) is not None:
            if isinstance(event, TooManyErrors | AuthCancelled):
                break
            if isinstance(event, Quit):
                await self._update()
                break
            try:
                await _HANDLERS[type(event)](self, event)
            except Removed:
                self._core.error("The message was removed meanwhile")
            except NoSuchMessage:
                self._core.error("No such message")
            except _Unavailable as error:
                self._core.error("The message cannot be read", error.code)
            except StoreError as error:
                tell_fault(self._core, self._connection, error)
            if self._core.has_much_to_send:  # pipelined commands: their answers have a bound
                await self._connection.flush(self._core)
        await self._connection.flush(self._core)

    async def _update(self) -> None:
        marked = self._maildrop.marked
        try:
            await self._maildrop.update(self._services.clock.now())
        except StoreError as error:
            tell_fault(self._core, self._connection, error)
            return
        self._metering.removed(*marked)
        self._core.ok("Goodbye")
        account = self._entry.account.name
        log.info("quit", session=self._connection.id, account=account, left=self._maildrop.count)

    async def _capa(self, event: Capa) -> None:
        rules = self._maildrop.rules
        self._core.tell_capabilities(Policy(rules.expire or None, rules.login_delay))

    async def _lang(self, event: Lang) -> None:
        """LANG *: what the person is told other things in."""
        wanted = await language_of(self._services.store.reader, self._entry.account)
        self._core.speak(wanted if wanted in LANGUAGES else next(iter(LANGUAGES)))

    async def _stat(self, event: Stat) -> None:
        self._core.ok(f"{self._maildrop.count} {self._maildrop.octets}")

    async def _list(self, event: List) -> None:
        if event.number is not None:
            self._core.ok(f"{event.number} {self._maildrop.size(event.number)}")
        else:
            await self._send_listing(self._maildrop.sizes())

    async def _uidl(self, event: Uidl) -> None:
        if event.number is not None:
            self._core.ok(f"{event.number} {self._maildrop.unique_id(event.number)}")
        else:
            await self._send_listing(self._maildrop.unique_ids())

    async def _send_listing(self, pieces: Iterator[bytes]) -> None:
        self._metering.listed()
        self._core.ok()
        for piece in pieces:
            self._core.send(piece)
            if self._core.has_much_to_send:
                await self._connection.flush(self._core)
        self._core.end_lines()

    async def _dele(self, event: Dele) -> None:
        self._maildrop.delete(event.number)
        self._core.ok()

    async def _rset(self, event: Rset) -> None:
        self._maildrop.reset()
        self._core.ok()

    async def _retr(self, event: Retr) -> None:
        ref = await self._maildrop.blob_ref(event.number)
        first, rest = await self._open_message(ref)
        self._core.ok("{octets} octets", octets=ref.size)
        await self._metering.fetched(event.number, ref.size)
        trace_id = trace_of(first, self._settings.hostname)
        if await self._send_message(ref, first, rest, None) and trace_id:
            self._note_read(trace_id)

    def _note_read(self, trace_id: str) -> None:
        facts = {
            "session": self._connection.id,
            "role": "pop3",
            "peer": self._connection.peer[0],
            "account": str(self._maildrop.account_id),
            "mailbox": INBOX,
        }
        step = Step(trace_id, self._services.clock.now(), StepKind.READ, facts)
        self._services.note_step(step)

    async def _top(self, event: Top) -> None:
        ref = await self._maildrop.blob_ref(event.number)
        first, rest = await self._open_message(ref)
        self._core.ok()
        await self._send_message(ref, first, rest, TopOfMessage(event.lines))

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

    async def _send_message(
        self, ref: BlobRef, chunk: bytes, rest: AsyncIterator[bytes], top: TopOfMessage | None
    ) -> bool:
        """Stuffed, chunk by chunk; what ends the response goes with the last. False: what turned out
        unreadable halfway can only be told by hanging up."""
        stuffer, left = DotStuffer(), ref.size
        downgrading = None if self._core.utf8 else Downgrading()
        while chunk:
            left -= len(chunk)
            if downgrading is not None:
                chunk = downgrading.feed(chunk)
                if left <= 0:
                    chunk += downgrading.finish()
            piece = chunk if top is None else top.feed(chunk)
            if top is not None and top.wants_body:
                self._metering.meter.bodies += len(piece)
            self._core.send(stuffer.feed(piece))
            if left > 0:
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


_HANDLERS: dict[type, Callable[..., Awaitable[None]]] = {
    Capa: Transaction._capa,
    Lang: Transaction._lang,
    Stat: Transaction._stat,
    List: Transaction._list,
    Uidl: Transaction._uidl,
    Retr: Transaction._retr,
    Top: Transaction._top,
    Dele: Transaction._dele,
    Rset: Transaction._rset,
}
