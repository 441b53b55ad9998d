"""COPY, MOVE and EXPUNGE with their UID forms (RFC 3501 6.4.3, 6.4.7; RFC 4315; RFC 6851)."""

from __future__ import annotations

from postier.accounts import folders
from postier.accounts.rights import Place, changeable_flags
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.fetch import resolve, uids_at
from postier.imap.session.limits import newest, refuse_more
from postier.imap.session.select import expunge_deleted
from postier.imap.session.selected import Selected
from postier.imap.session.view import Span
from postier.imap.wire.responses import copy_uid_code, highest_modseq_code
from postier.imap.wire.values import Copy, Expunge, Move
from postier.store.api import ModSeq, NoSuchMailbox, Tx, Uid

__all__ = ["copy", "expunge", "move"]

Pairs = list[tuple[Uid, Uid]]


async def copy(context: Context, command: Copy) -> bytes:
    selected = context.mailbox
    spans = resolve(selected, command.sequence, by_uid=command.by_uid)
    _refuse_too_many(context, selected, spans)
    uids, target = uids_at(selected, spans), await existing_target(context, command.mailbox)

    async def work(tx: Tx) -> Pairs:
        pairs = await tx.copy(
            selected.account_id,
            selected.mailbox_id,
            uids,
            target.account_id,
            target.mailbox_id,
            keep=changeable_flags(target.rights),
        )
        return _all_or_nothing(command, uids, pairs)

    pairs = await context.store.transact(work) if uids else []
    if not pairs:
        return b"OK Nothing to copy"
    return b"OK [%b] Copied" % _copied(target, pairs) if target.tells_uids else b"OK Copied"


async def move(context: Context, command: Move) -> bytes:
    """COPYUID comes in an untagged OK before the EXPUNGEs (RFC 6851 4.3). Moved to where they are, messages
    get new UIDs: the command is a COPY and an EXPUNGE. It needs the rights of both (RFC 6851 4.2)."""
    selected = context.writable_mailbox("te")
    spans = resolve(selected, command.sequence, by_uid=command.by_uid)
    spans, lowest = newest(context, selected.view, spans)
    uids, target = uids_at(selected, spans), await existing_target(context, command.mailbox)

    async def work(tx: Tx) -> tuple[Pairs, ModSeq]:
        pairs = await _move(tx, selected, uids, target)
        modseq, _ = await tx.standing(selected.account_id, selected.mailbox_id)
        return _all_or_nothing(command, uids, pairs), modseq

    pairs, modseq = await context.store.transact(work) if uids else ([], ModSeq(0))
    if not pairs:
        return b"OK Nothing to move"
    context.lowest_done = lowest
    if target.tells_uids:
        context.say(b"* OK [%b] Moved\r\n" % _copied(target, pairs))
    return _removed(context, b"Moved", modseq)


async def _move(tx: Tx, selected: Selected, uids: list[Uid], target: Place) -> Pairs:
    """To another account a message is copied, then expunged, in one transaction."""
    source, keep = (selected.account_id, selected.mailbox_id), changeable_flags(target.rights)
    if target.account_id == selected.account_id:
        return await tx.move(*source, uids, target.mailbox_id, keep=keep)
    pairs = await tx.copy(*source, uids, target.account_id, target.mailbox_id, keep=keep)
    await tx.expunge(*source, [uid for uid, _ in pairs])
    return pairs


def _refuse_too_many(context: Context, selected: Selected, spans: list[Span]) -> None:
    """COPY is all or nothing (RFC 9738 3.1); the code says which messages would have been few enough."""
    count = sum(stop - start for start, stop in spans)
    refuse_more(context.settings.save_limit, count)
    _, lowest = newest(context, selected.view, spans)
    refuse_more(context.settings.message_limit, count, lowest)


async def existing_target(context: Context, name: str) -> Place:
    """The mailbox that messages are to be put into. Raises NoPermission where the client may not do that, and
    No [TRYCREATE] where the client could make it (RFC 3501 6.4.7)."""
    try:
        target = await context.find(name, "i")
    except NoSuchMailbox:
        is_makeable = await folders.may_create(context.reader, context.viewer, name)
        raise No("TRYCREATE" if is_makeable else "NONEXISTENT", "No such mailbox") from None
    if not target.mailbox.selectable:
        raise No("TRYCREATE", "That name only has mailboxes below it")
    return target


def _all_or_nothing(command: Copy | Move, uids: list[Uid], pairs: Pairs) -> Pairs:
    """Sequence numbers must name what is there; raising undoes the transaction (RFC 3501 6.4.7). "$" has
    lost what is gone (RFC 5182 2.1)."""
    if len(pairs) < len(uids) and not (command.by_uid or command.sequence.saved):
        raise No("EXPUNGEISSUED", "Some of the messages no longer exist")
    return pairs


def _copied(target: Place, pairs: Pairs) -> bytes:
    """RFC 4315 3: the target's UIDVALIDITY, then both sets in the same order."""
    sources, copies = zip(*pairs, strict=True)
    return copy_uid_code(target.mailbox.uidvalidity, sources, copies)


async def expunge(context: Context, command: Expunge) -> bytes:
    """Only what this session has seen can go: a message that others brought stays, even if \\Deleted."""
    selected = context.writable_mailbox("e")
    spans = None if command.uids is None else resolve(selected, command.uids, by_uid=True)
    limit = 0 if spans is None else context.settings.message_limit
    return _removed(context, b"Expunged", await expunge_deleted(context, selected, spans, limit=limit))


def _removed(context: Context, text: bytes, modseq: ModSeq | None) -> bytes:
    """RFC 7162 3.2.7, RFC 6851 4.4: who knows modseqs is told the one after messages went. Everything up to
    it is told before, since these commands ask for FRESH news."""
    if modseq is None or not context.modseqs:
        return b"OK " + text
    return b"OK [%b] %b" % (highest_modseq_code(modseq), text)
