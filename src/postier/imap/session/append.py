"""APPEND (RFC 3501 6.3.11), of several messages as well (RFC 3502): all of them or none.

The message streams into a Spool and through the Analyser, so memory does not grow with it. Whatever goes
wrong on the way, the rest of the command is skipped and the connection stays in step.
"""

from __future__ import annotations

from postier.accounts.delivery import new_message
from postier.accounts.rights import Place, allowed_flags
from postier.base.log import Log
from postier.blobs.api import Spool
from postier.imap.session.context import Context
from postier.imap.session.copy import existing_target
from postier.imap.session.errors import Bad, No
from postier.imap.session.flags import parse_flags
from postier.imap.wire.responses import append_uid_code
from postier.imap.wire.values import Append, AppendMessage, BadCommand, LiteralChunk, LiteralEnd
from postier.message.analysis import Analyser, Analysis
from postier.net.api import ConnectionLost, Wake
from postier.store.api import NoSuchMailbox, Tx, Uid

__all__ = ["append"]

MAX_MESSAGES = 1000
"""Of one command; together they may be as large as one message may be."""

log = Log("imap")


class _Arrival:
    """One message that came in whole."""

    __slots__ = ("analysis", "asked", "spool")

    def __init__(self, asked: AppendMessage, spool: Spool, analysis: Analysis) -> None:
        self.asked = asked
        self.spool = spool
        self.analysis = analysis


async def append(context: Context, command: Append) -> bytes:
    intake = _Intake(context)
    try:
        target = await existing_target(context, command.mailbox)
        asked: AppendMessage | None = command.message
        while asked is not None:
            intake.judge(asked)
            asked = await intake.receive(asked)
        uids = await _commit(context, target, intake.arrivals)
    except NoSuchMailbox:
        raise No("TRYCREATE", "The mailbox was deleted meanwhile") from None
    except OSError as error:
        log.fault("spool failed", why=error, session=context.connection.id)
        raise No("UNAVAILABLE", "The message cannot be stored at the moment") from None
    finally:
        intake.end()
    selected = context.selected
    if selected is not None and selected.is_at(target):
        await context.tell_news(expunges=True)
    return b"OK [%b] Appended" % append_uid_code(target.mailbox.uidvalidity, uids)


class _Intake:
    """The messages of one APPEND on their way in.

    `pending`: the core waits for a decision about a literal, or is in the middle of one.
    """

    __slots__ = ("_context", "_size", "arrivals", "pending")

    def __init__(self, context: Context) -> None:
        self._context = context
        self._size = 0
        self.arrivals: list[_Arrival] = []
        self.pending = True

    def judge(self, asked: AppendMessage) -> None:
        """Before the first octet. Raises No for a message that is too large, or nothing at all: that is how
        a client calls the whole command off (RFC 3502 6.3.11)."""
        self._size += asked.size
        if asked.size == 0:
            raise No("", "A message of no octets: nothing was appended")
        if self._size > self._context.settings.max_message_size:
            raise No("TOOBIG", "The message is too large")
        if len(self.arrivals) == MAX_MESSAGES:
            raise No("LIMIT", "Too many messages in one command")

    async def receive(self, asked: AppendMessage) -> AppendMessage | None:
        """Take the message in; what the client announces behind it. Raises OSError if it cannot be kept."""
        context = self._context
        context.core.accept_literal()
        spool, analyser = context.services.blobs.spool(), Analyser()
        try:
            end = await self._fill(spool, analyser)
            await spool.seal()
        except BaseException:
            spool.discard()
            raise
        self.arrivals.append(_Arrival(asked, spool, analyser.finish()))
        return end.next

    async def _fill(self, spool: Spool, analyser: Analyser) -> LiteralEnd:
        context = self._context
        while True:
            event: object = await context.connection.event(context.core, context.settings.idle_timeout)
            match event:
                case LiteralChunk(data):
                    await spool.write(data)
                    analyser.feed(data)
                case LiteralEnd(following):
                    self.pending = following is not None
                    return event
                case BadCommand(_, text, fatal, code):
                    self.pending = False
                    context.ending = fatal
                    raise Bad(text, code)
                case Wake():
                    continue
                case _:
                    raise ConnectionLost("closed during APPEND")

    def end(self) -> None:
        """Skip what still comes of a command that failed, and let go of what was not stored."""
        if self.pending:
            self._context.core.refuse_literal()
        for arrival in self.arrivals:
            arrival.spool.discard()


async def _commit(context: Context, target: Place, arrivals: list[_Arrival]) -> list[Uid]:
    now = int(context.services.clock.now())

    async def work(tx: Tx) -> list[Uid]:
        messages = []
        for arrival in arrivals:
            blob_id, _ = await tx.add_blob(b"", arrival.spool)
            flags, keywords = allowed_flags(target.rights, *parse_flags(arrival.asked.flags))
            asked = arrival.asked.internal_date
            messages.append(
                new_message(
                    arrival.analysis,
                    blob_id,
                    prefix=b"",
                    internal_date=now if asked is None else asked,
                    flags=flags,
                    keywords=keywords,
                )
            )
        return await tx.append(target.account_id, target.mailbox_id, messages)

    return await context.services.store.transact(work)
