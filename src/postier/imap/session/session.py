"""One IMAP connection from greeting to goodbye.

    event -> handler -> what happened in the mailbox -> tagged response

The table HANDLERS (see handlers.py) says who means what, and which commands may be followed by EXPUNGE.
Handlers return the tagged response without its tag, or raise: refusals are said as tagged NO, faults of ours
as NO [SERVERBUG] with the session's id, under which the log has the rest.
"""

from __future__ import annotations

import asyncio
from functools import partial

from postier.base.log import Log
from postier.blobs.api import BlobUnreadable
from postier.imap.session.context import Context
from postier.imap.session.errors import refusal
from postier.imap.session.fetch import tell_arrived
from postier.imap.session.handlers import HANDLERS, Answer, Handler, News
from postier.imap.session.limits import with_limit_code
from postier.imap.session.others import tell_others
from postier.imap.session.services import ImapServices, ImapSettings
from postier.imap.session.uidonly import refuse_numbers, uses_numbers
from postier.imap.session.updates import tell_updates
from postier.imap.session.watch import Watch
from postier.imap.wire.core import ImapServer
from postier.imap.wire.responses import highest_modseq, tagged
from postier.imap.wire.values import BadCommand, Command
from postier.net.api import Connection, ConnectionLost, IdleTimeout, Wake
from postier.store.api import StoreError, StoreUnavailable

__all__ = ["ImapSession"]

TOGETHER = 64
"""Commands of one kind that are worked on at once."""

AT_A_STRETCH = 8
"""Commands, or groups of them, after which the event loop has a turn."""

log = Log("imap")


async def _fail(error: Exception) -> bytes:
    raise error


class ImapSession:
    """`await ImapSession(connection, core, services, settings).run()` serves one connection to its end."""

    __slots__ = ("_answered", "_context", "_waiting")

    def __init__(
        self, connection: Connection, core: ImapServer, services: ImapServices, settings: ImapSettings
    ) -> None:
        self._context = Context(connection, core, services, settings)
        self._waiting: object = None  # an event that was read ahead
        self._answered = 0

    async def run(self) -> None:
        """Raises ConnectionLost when the connection breaks; everything else ends in a goodbye."""
        context = self._context
        await self._prepare()
        context.say(b"* OK [CAPABILITY %b] Postier ready\r\n" % context.capabilities())
        try:
            while not context.ending:
                event = await self._next_event()
                if event is None:
                    return
                if context.meter is not None and context.meter.is_mixed:
                    context.meter.settle()
                await self._answer(event)
                if context.watch is not None and self._waiting is None and not context.ending:
                    await self._tell_unasked(context.watch)
                if context.connection.is_retiring and not context.ending:  # a busy client holds nothing up
                    context.end("Server closing", b"UNAVAILABLE")
            await context.write([context.goodbye])
        except IdleTimeout:
            await context.write([b"* BYE Nothing came for too long\r\n"])
        except asyncio.CancelledError:  # the server stops: nothing is asked of the store any more
            context.stop_watching()
            context.forget_mailbox()
            raise
        finally:
            context.end_login()

    async def _next_event(self) -> object:
        """After some commands that came together the other connections have their turn."""
        context = self._context
        self._answered += 1
        if self._answered % AT_A_STRETCH == 0:
            await asyncio.sleep(0)
        event, self._waiting = self._waiting, None
        return event or await context.connection.event(context.core, self._timeout())

    async def _prepare(self) -> None:
        try:
            await self._context.obey_switches(None)
        except StoreError as error:  # a login will look again
            log.info("switches unknown", session=self._context.connection.id, detail=str(error))

    def _timeout(self) -> float:
        settings = self._context.settings
        return settings.idle_timeout if self._context.account is not None else settings.login_timeout

    async def _answer(self, event: object) -> None:
        context = self._context
        handler = HANDLERS.get(type(event))
        if handler is None:
            self._answer_stray(event)
            return
        assert isinstance(event, Command)
        commands = [event]
        if handler.together is not None:
            commands += self._following(event)
        try:
            refuse_numbers(context, event)
            await self._be_ready(handler)
            if handler.together is not None and len(commands) > 1:
                answers = await handler.together(context, commands)
            else:
                answers = [partial(handler.run, context, event)]
        except (ConnectionLost, IdleTimeout, asyncio.CancelledError):
            raise
        except Exception as error:
            context.core.refuse_pending()
            answers = [partial(_fail, error)] * len(commands)
        for command, answer in zip(commands, answers, strict=True):
            if not context.ending:
                await self._finish(handler, command, answer)

    def _following(self, first: Command) -> list[Command]:
        """More commands like the first that have come whole; one that is unlike it waits for its turn."""
        kind = (type(first), uses_numbers(first))
        found: list[Command] = []
        while len(found) < TOGETHER - 1:
            event = self._context.core.next_event()
            if not isinstance(event, Command) or (type(event), uses_numbers(event)) != kind:
                self._waiting = event
                break
            found.append(event)
        return found

    async def _be_ready(self, handler: Handler) -> None:
        context = self._context
        if context.selected is not None:
            await context.refresh_rights()
        if handler.counts:
            await context.readable_mailbox().load(context.reader)

    async def _finish(self, handler: Handler, command: Command, answer: Answer) -> None:
        """Say what the command answers, what happened in the mailbox, and the tagged response."""
        context = self._context
        try:
            done = await answer()
        except (ConnectionLost, IdleTimeout, asyncio.CancelledError):
            raise
        except Exception as error:
            done = self._refuse(command, error)
        if context.selected is not None:
            try:
                await self._tell_news(handler, command)
                await tell_updates(context)
                await tell_arrived(context)
            except (StoreError, BlobUnreadable) as error:  # they are told with a later command
                log.info("no news", session=context.connection.id, detail=str(error))
        if done:
            done = with_limit_code(context, done)
            context.say(b"%b %b\r\n" % (command.tag, done))

    async def _tell_unasked(self, watch: Watch) -> None:
        """Between commands a client of NOTIFY hears what it asked for (RFC 5465 3.1)."""
        context, selected, hearing = self._context, self._context.selected, self._context.hearing
        try:
            if selected is not None and (selected.is_stale or (selected.gone and not hearing.delayed)):
                await context.tell_news(expunges=not hearing.delayed)
                await tell_updates(context)
                await tell_arrived(context)
                if context.modseqs and selected.gone:
                    context.say(highest_modseq(selected.told_modseq))
                selected.unload()
            if selected is None or not selected.is_stale:
                watch.own_in_selected.clear()
            if watch is context.watch:
                await tell_others(context)
        except (StoreError, BlobUnreadable) as error:  # told with the next that happens
            log.info("notifying failed", session=context.connection.id, detail=str(error))

    async def _tell_news(self, handler: Handler, command: Command) -> None:
        """Before the tagged response: what others did. While expunges wait, the client hears up to which
        modseq it knows everything, and once they are told, that it does again (RFC 7162 3.2)."""
        context, selected = self._context, self._context.mailbox
        news = handler.news(command)
        if news is News.NONE:
            return
        expunges, held = news is not News.NO_EXPUNGE, bool(selected.gone)
        asks = news in (News.FRESH, News.OWN)
        if selected.is_stale or (asks and not await selected.is_current(context.reader)):
            await context.tell_news(expunges=expunges, own=news is News.OWN)
        elif expunges and held:
            context.say(selected.told_expunges(context.manner))
        if context.modseqs and context.selected is not None and (held or selected.gone):
            context.say(highest_modseq(selected.told_modseq))

    def _refuse(self, command: Command, error: Exception) -> bytes:
        session = self._context.connection.id
        line = refusal(error)
        if line is None:
            log.error("handler failed", exception=error, session=session, command=command.name)
            return b"NO [SERVERBUG] Internal error, session %b" % session.encode()
        if isinstance(error, StoreUnavailable):
            log.fault("store", why=error, session=session, command=command.name)
        elif isinstance(error, (StoreError, BlobUnreadable)):
            log.info("refused", session=session, command=command.name, detail=str(error))
        return line

    def _answer_stray(self, event: object) -> None:
        """What is no command of its own: a bad line, a wake-up between commands, a left-over of a literal."""
        context = self._context
        if isinstance(event, BadCommand):
            context.say(tagged(event.tag, event.status.encode(), event.text, event.code.encode()))
            if event.fatal:
                context.end("Too many errors")
        elif not isinstance(event, Wake):
            log.debug("stray event", session=context.connection.id, kind=type(event).__name__)
