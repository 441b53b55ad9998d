"""STORE and UID STORE (RFC 3501 6.4.6, RFC 7162 3.1.3)."""

from __future__ import annotations

from typing import NamedTuple

from postier.accounts.rights import NoPermission, allowed_flags
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.fetch import resolve, uids_at
from postier.imap.session.flags import parse_flags
from postier.imap.session.selected import Selected
from postier.imap.wire.numbers import ranges_of
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
    own = [message for message in change.messages if message.uid not in change.news]
    selected.note_own(change.before, own)
    if not is_alone:
        await context.tell_news(expunges=command.by_uid)
    _tell_result(context, selected, command, own)
    _tell_flags(context, selected, [message for message in change.modified if message.uid not in change.news])
    return _verdict(selected, command, change, asked=len(uids))


class _Changed(NamedTuple):
    """`before`: the mailbox's modseq; `keywords`: those it has after; `messages`: those it was done to;
    `modified`: those left alone. `news`: UIDs of which others changed flags, unheard of until now."""

    before: ModSeq
    keywords: tuple[str, ...]
    messages: list[Message]
    modified: list[Message]
    news: frozenset[int]


async def _change(context: Context, selected: Selected, command: Store, uids: list[Uid]) -> _Changed:
    """What others did to the flags since they were last told is told in full, with .SILENT as well (RFC 3501
    6.4.6): the client computes what only it has changed."""
    account_id, mailbox_id = selected.account_id, selected.mailbox_id
    system, names = parse_flags(command.flags)
    change, among = CHANGES[command.operation], selected.changeable
    asked = bool(system or names)
    system, names = allowed_flags(selected.rights, system, names)
    if not among or (asked and not system and not names):
        raise NoPermission("none of the flags can be changed")
    spans = ranges_of(uids)
    unchanged_since = None if command.unchanged_since is None else ModSeq(command.unchanged_since)

    async def work(tx: Tx) -> _Changed:
        before, keywords = await tx.standing(account_id, mailbox_id)
        flags = system
        if names:
            create = change is not FlagChange.REMOVE
            flags |= await tx.keyword_bits(account_id, mailbox_id, names, create=create)
            _, keywords = await tx.standing(account_id, mailbox_id)
        known = selected.modseq
        found = await tx.messages(account_id, mailbox_id, spans) if before > known else []
        messages, left = await tx.change_flags(
            account_id, mailbox_id, uids, change, flags, among=among, unchanged_since=unchanged_since
        )
        modified = await tx.messages(account_id, mailbox_id, ranges_of(left)) if left else []
        news = frozenset(message.uid for message in found if message.modseq > known)
        return _Changed(before, keywords, messages, modified, news)

    return await context.services.store.transact(work, durable=False)


def _tell_result(context: Context, selected: Selected, command: Store, messages: list[Message]) -> None:
    """FETCH with the flags as they are now; with .SILENT only the modseqs, and only to who knows them."""
    manner = context.manner
    if not command.silent:
        _tell_flags(context, selected, messages)
    elif manner.modseqs:
        lines = [
            manner.fetch(place + 1, message.uid, b"MODSEQ (%d)" % message.modseq)
            for message in messages
            if (place := selected.view.place(message.uid)) >= 0
        ]
        context.say(b"".join(lines))


def _tell_flags(context: Context, selected: Selected, messages: list[Message]) -> None:
    """FETCH with flags; RFC 7162 3.1.3 recommends it for messages that UNCHANGEDSINCE left alone."""
    manner = context.manner
    lines = [
        selected.fetch_flags_line(place + 1, message, manner)
        for message in messages
        if (place := selected.view.place(message.uid)) >= 0
    ]
    context.say(b"".join(lines))


def _verdict(selected: Selected, command: Store, change: _Changed, *, asked: int) -> bytes:
    """RFC 7162 3.1.3: MODIFIED names UIDs for UID STORE, else sequence numbers; it may come with NO."""
    some_are_gone = len(change.messages) + len(change.modified) < asked and not command.by_uid
    code = "EXPUNGEISSUED"
    if change.modified:
        uids = [message.uid for message in change.modified]
        numbers = uids if command.by_uid else selected.view.numbers_of(uids)
        code = modified_code(numbers).decode()
    if some_are_gone:
        raise No(code, "Some of the messages no longer exist")
    return b"OK [%b] Some were changed meanwhile" % code.encode() if change.modified else b"OK Done"
