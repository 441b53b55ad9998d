"""STORE and UID STORE (RFC 3501 6.4.6, RFC 7162 3.1.3)."""

from __future__ import annotations

from typing import NamedTuple

from postier.accounts.rights import NoPermission, allowed_flags
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.fetch import resolve, uids_at
from postier.imap.session.flags import parse_flags
from postier.imap.session.selected import Selected
from postier.imap.wire.responses import modified_code
from postier.imap.wire.values import Store, StoreOperation
from postier.store.api import FlagChange, Message, ModSeq, Tx, Uid

__all__ = ["store"]

CHANGES = {
    StoreOperation.ADD: FlagChange.ADD,
    StoreOperation.REMOVE: FlagChange.REMOVE,
    StoreOperation.REPLACE: FlagChange.REPLACE,
}


async def store(context: Context, command: Store) -> bytes:
    selected = context.writable_mailbox("")
    if command.unchanged_since is not None:
        context.become_modseq_aware()
    uids = uids_at(selected, resolve(selected, command.sequence, by_uid=command.by_uid))
    if not uids:
        return b"OK Done"
    change = await _change(context, selected, command, uids)
    context.say(selected.learn_keywords(change.keywords))
    is_alone = change.before == selected.modseq
    selected.note_own(change.before, change.messages)
    if not is_alone:
        await context.tell_news(expunges=command.by_uid)
    _tell_result(context, selected, command, change.messages)
    if change.modified:
        return b"OK [%b] Some were changed meanwhile" % _modified(selected, command, change.modified)
    if len(change.messages) < len(uids) and not command.by_uid:
        raise No("EXPUNGEISSUED", "Some of the messages no longer exist")
    return b"OK Done"


class _Changed(NamedTuple):
    """`before`: the mailbox's modseq; `keywords`: those it has after; `modified`: the UIDs left alone."""

    before: ModSeq
    keywords: tuple[str, ...]
    messages: list[Message]
    modified: list[Uid]


async def _change(context: Context, selected: Selected, command: Store, uids: list[Uid]) -> _Changed:
    account_id, mailbox_id = selected.account_id, selected.mailbox_id
    system, names = parse_flags(command.flags)
    change, among = CHANGES[command.operation], selected.changeable
    asked = bool(system or names)
    system, names = allowed_flags(selected.rights, system, names)
    if not among or (asked and not system and not names):
        raise NoPermission("none of the flags can be changed")
    unchanged_since = None if command.unchanged_since is None else ModSeq(command.unchanged_since)

    async def work(tx: Tx) -> _Changed:
        before, keywords = await tx.standing(account_id, mailbox_id)
        flags = system
        if names:
            create = change is not FlagChange.REMOVE
            flags |= await tx.keyword_bits(account_id, mailbox_id, names, create=create)
            _, keywords = await tx.standing(account_id, mailbox_id)
        messages, modified = await tx.change_flags(
            account_id, mailbox_id, uids, change, flags, among=among, unchanged_since=unchanged_since
        )
        return _Changed(before, keywords, messages, modified)

    return await context.services.store.transact(work, durable=False)


def _tell_result(context: Context, selected: Selected, command: Store, messages: list[Message]) -> None:
    """FETCH with the flags as they are now; with .SILENT only the modseqs, and only to who knows them."""
    modseqs = context.modseqs
    if command.silent and not modseqs:
        return
    lines = []
    for message in messages:
        place = selected.view.place(message.uid)
        if place < 0:
            continue
        if command.silent:
            lines.append(b"* %d FETCH (UID %d MODSEQ (%d))\r\n" % (place + 1, message.uid, message.modseq))
        else:
            lines.append(selected.fetch_flags_line(place + 1, message, modseqs))
    context.say(b"".join(lines))


def _modified(selected: Selected, command: Store, modified: list[Uid]) -> bytes:
    """RFC 7162 3.1.3: UIDs for UID STORE, else sequence numbers."""
    if command.by_uid:
        return modified_code(modified)
    return modified_code([selected.view.place(uid) + 1 for uid in modified])
