"""SELECT, EXAMINE, CLOSE, UNSELECT, CHECK (RFC 3501 6.3.1, 6.4; RFC 3691; RFC 7162 3.1.2, 3.2.5)."""

from __future__ import annotations

from postier.accounts.rights import Place, is_changing
from postier.imap.session.announce import announce, old_name
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.flags import flags_lines
from postier.imap.session.objectid import mailbox_id
from postier.imap.session.recents import Recents
from postier.imap.session.resync import require_qresync, resync
from postier.imap.session.selected import Selected
from postier.imap.wire import responses
from postier.imap.wire.values import Check, Close, Examine, Select, State, Unselect
from postier.store.api import Flag, Mailbox, ModSeq, NoSuchMailbox, Reader, Tx, Uid

__all__ = ["check", "close", "examine", "expunge_deleted", "select", "unselect"]

FIRST_UNSEEN_WITHIN = 200
"""UNSEEN is looked for among so many messages, else left out, as RFC 3501 7.1 allows."""

SEEN = int(Flag.SEEN)


async def select(context: Context, command: Select) -> bytes:
    return await _select(context, command, read_only=False)


async def examine(context: Context, command: Examine) -> bytes:
    return await _select(context, command, read_only=True)


async def _select(context: Context, command: Select, *, read_only: bool) -> bytes:
    if command.qresync is not None:
        require_qresync(context)
    if context.selected is not None:
        leave(context)
        context.say(b"* OK [CLOSED] The mailbox that was selected is closed\r\n")
    place = await context.find(command.mailbox, "r")
    mailbox = place.mailbox
    if not mailbox.selectable:
        raise No("NONEXISTENT", "That name only has mailboxes below it")
    selected = await _opened(context, place, read_only=read_only)
    if context.rev2:
        selected.hide_recent()
    if command.condstore or command.qresync is not None:
        context.enabled |= {"CONDSTORE"}
    context.say(await _description(context, selected, mailbox))
    context.say(await announce(context, place, old_name(command.mailbox, place.name)))
    if command.qresync is not None:
        await resync(context, selected, command)
    selected.subscribe(context.services.bus)
    context.selected = selected
    context.note_progress(selected)
    context.listen()
    context.core.state = State.SELECTED
    return b"OK [READ-WRITE] Selected" if selected.is_writable else b"OK [READ-ONLY] Selected"


async def _opened(context: Context, place: Place, *, read_only: bool) -> Selected:
    mailbox = place.mailbox
    first, last = mailbox.first_recent, Uid(mailbox.uidnext - 1)
    if first <= last and not read_only and is_changing(place.rights):
        first, last = await context.claim_recent(mailbox.account_id, mailbox.mailbox_id)
    recents = Recents()
    recents.add(first, last)
    recent = await count_recent(context.reader, mailbox, recents.first)
    return Selected(place, read_only=read_only, recents=recents, recent=recent)


async def _description(context: Context, selected: Selected, mailbox: Mailbox) -> bytes:
    unseen = 0 if context.rev2 or context.manner.uid_only else await _first_unseen(context, selected, mailbox)
    return b"".join(
        (
            flags_lines(selected.keywords, changeable=selected.changeable),
            selected.exists_lines(),
            b"* OK [UNSEEN %d] Ok\r\n" % unseen if unseen else b"",
            b"* OK [UIDVALIDITY %d] Ok\r\n" % mailbox.uidvalidity,
            b"* OK [UIDNEXT %d] Ok\r\n" % mailbox.uidnext,
            _id_line(mailbox) if context.offers("OBJECTID") else b"",
            responses.highest_modseq(mailbox.modseq) if context.offers("CONDSTORE") else b"",
        )
    )


def _id_line(mailbox: Mailbox) -> bytes:
    """RFC 8474 4.2."""
    return responses.untagged(b"OK", "Id", responses.mailbox_id_code(mailbox_id(mailbox)))


async def _first_unseen(context: Context, selected: Selected, mailbox: Mailbox) -> int:
    """Its sequence number, 0 if there is none or it is far away."""
    if mailbox.unseen in (0, mailbox.messages):
        return 1 if mailbox.unseen else 0
    first = await context.reader.messages(
        mailbox.account_id, mailbox.mailbox_id, [(1, selected.highest)], limit=FIRST_UNSEEN_WITHIN
    )
    return next((number for number, message in enumerate(first, 1) if not message.flags & SEEN), 0)


async def count_recent(reader: Reader, mailbox: Mailbox, first_recent: int) -> int:
    """Messages from the UID `first_recent` on: all where nobody selected it yet, else seldom many."""
    if first_recent >= mailbox.uidnext:
        return 0
    if first_recent <= 1:
        return mailbox.messages
    first, last = Uid(first_recent), Uid(mailbox.uidnext - 1)
    return len(await reader.uids_with_flags(mailbox.account_id, mailbox.mailbox_id, first, last, 0, 0))


def leave(context: Context) -> None:
    """Back to the authenticated state."""
    context.forget_mailbox()
    context.core.state = State.AUTHENTICATED


async def close(context: Context, command: Close) -> bytes:
    """RFC 3501 6.4.2: what is \\Deleted goes, silently, where the session may expunge (RFC 4314 4). No
    HIGHESTMODSEQ is told: others' changes up to it would be missed by a client that believes it."""
    selected = context.mailbox
    if not selected.read_only and "e" in selected.rights and "r" in selected.rights:
        await expunge_deleted(context, selected, None)
    leave(context)
    return b"OK Closed"


async def unselect(context: Context, command: Unselect) -> bytes:
    """RFC 3691: CLOSE without the expunge."""
    leave(context)
    return b"OK Unselected"


async def check(context: Context, command: Check) -> bytes:
    """RFC 3501 6.4.1: everything acknowledged is on disk at all times."""
    return b"OK Done"


async def expunge_deleted(
    context: Context, selected: Selected, among: list[tuple[int, int]] | None, *, limit: int = 0
) -> ModSeq | None:
    """Remove what is \\Deleted and in this view, all of it or what lies in the places `among`; the newest
    `limit` of it, if that is not 0. The mailbox's modseq after that, None if nothing was removed."""

    async def work(tx: Tx) -> tuple[ModSeq | None, int]:
        account_id, mailbox_id = selected.account_id, selected.mailbox_id
        going = await tx.deleted_uids(account_id, mailbox_id, ranges)
        lowest = going[-limit] if limit and len(going) > limit else 0
        gone = await tx.expunge(account_id, mailbox_id, going[-limit:] if lowest else going)
        modseq, _ = await tx.standing(account_id, mailbox_id)
        return modseq if gone else None, lowest

    try:
        if not (await context.reader.mailbox(selected.account_id, selected.mailbox_id)).deleted:
            return None
        await selected.load(context.reader)
        view = selected.view
        ranges = view.ranges([(0, len(view))] if among is None and len(view) else among or [])
        if not ranges:
            return None
        modseq, context.lowest_done = await context.store.transact(work)
        return modseq
    except NoSuchMailbox:
        return None  # deleted by somebody else: nothing is left to expunge
