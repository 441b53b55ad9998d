"""STORE and UID STORE (RFC 3501 6.4.6, RFC 7162 3.1.3)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

from postier.accounts.rights import NoPermission, allowed_flags
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.fetch import resolve, uids_at
from postier.imap.session.fetch_flags import tell_flags, tell_modseqs
from postier.imap.session.flags import parse_flags
from postier.imap.session.limits import newest
from postier.imap.session.selected import Selected
from postier.imap.wire.notify import Event
from postier.imap.wire.numbers import ranges_of
from postier.imap.wire.responses import modified_code
from postier.imap.wire.values import Store, StoreOperation
from postier.store.api import FlagChange, Message, ModSeq, OutOfKeywords, Tx, Uid

__all__ = ["store", "store_together"]

Answer = Callable[[], Awaitable[bytes]]

CHANGES = {
    StoreOperation.ADD: FlagChange.ADD,
    StoreOperation.REMOVE: FlagChange.REMOVE,
    StoreOperation.REPLACE: FlagChange.REPLACE,
}


class _Asked(NamedTuple):
    """A STORE made ready. `among`: the bits that may change at all. `lowest`: see Context.lowest_done."""

    command: Store
    uids: list[Uid]
    system: int = 0
    names: tuple[str, ...] = ()
    among: int = 0
    lowest: int = 0


class _Changed(NamedTuple):
    """`before`: the mailbox's modseq; `keywords`: those it has after; `messages`: those it was done to;
    `modified`: those left alone. `news`: UIDs of which others changed flags, unheard of until now. `end`: the
    mailbox's modseq when all that was asked for together was done."""

    asked: _Asked
    before: ModSeq
    keywords: tuple[str, ...]
    messages: list[Message]
    modified: list[Message]
    news: frozenset[int]
    end: ModSeq = ModSeq(0)


async def store(context: Context, command: Store) -> bytes:
    (answer,) = await store_together(context, [command])
    return await answer()


async def store_together(context: Context, commands: list[Store]) -> list[Answer]:
    """Commands that came one behind the other, in one transaction; what answers each of them in its turn."""
    outcomes = await _change(context, [_ready(context, command) for command in commands])
    return [partial(_answer, context, outcome) for outcome in outcomes]


def _ready(context: Context, command: Store) -> _Asked | Exception:
    try:
        return _prepare(context, command)
    except Exception as error:  # told in this command's turn
        return error


def _prepare(context: Context, command: Store) -> _Asked:
    selected = context.writable_mailbox("")
    if command.unchanged_since is not None:
        context.become_modseq_aware()
    spans = resolve(selected, command.sequence, by_uid=command.by_uid)
    spans, lowest = newest(context, selected.view, spans)
    uids = uids_at(selected, spans)
    if not uids:
        return _Asked(command, [])
    system, names = parse_flags(command.flags)
    asked, among = bool(system or names), selected.changeable
    system, names = allowed_flags(selected.rights, system, names)
    if not among or (asked and not system and not names):
        raise NoPermission("none of the flags can be changed")
    return _Asked(command, uids, system, names, among, lowest)


async def _change(context: Context, ready: list[_Asked | Exception]) -> list[_Changed | Exception]:
    selected = context.mailbox
    if not any(isinstance(asked, _Asked) and asked.uids for asked in ready):
        return [asked if isinstance(asked, Exception) else _nothing(asked) for asked in ready]

    async def work(tx: Tx) -> list[_Changed | Exception]:
        begin, _ = await tx.standing(selected.account_id, selected.mailbox_id)
        done = [
            asked if isinstance(asked, Exception) else await _change_one(tx, selected, asked, begin)
            for asked in ready
        ]
        end, _ = await tx.standing(selected.account_id, selected.mailbox_id)
        return [one if isinstance(one, Exception) else one._replace(end=end) for one in done]

    return await context.store.transact(work, durable=False)


def _nothing(asked: _Asked) -> _Changed:
    return _Changed(asked, ModSeq(0), (), [], [], frozenset())


async def _change_one(tx: Tx, selected: Selected, asked: _Asked, begin: ModSeq) -> _Changed | Exception:
    """What others did to the flags since they were last told is told in full, with .SILENT as well (RFC 3501
    6.4.6): the client computes what only it has changed. `begin`: where others had brought the mailbox.

    A keyword too many is refused before anything of its command was changed, and hurts no other command.
    """
    if not asked.uids:
        return _nothing(asked)
    account_id, mailbox_id, command = selected.account_id, selected.mailbox_id, asked.command
    change, known = CHANGES[command.operation], selected.modseq
    unchanged_since = None if command.unchanged_since is None else ModSeq(command.unchanged_since)
    before, keywords = await tx.standing(account_id, mailbox_id)
    flags = asked.system
    if asked.names:
        create = change is not FlagChange.REMOVE
        try:
            flags |= await tx.keyword_bits(account_id, mailbox_id, asked.names, create=create)
        except OutOfKeywords as error:
            return error
        _, keywords = await tx.standing(account_id, mailbox_id)
    found = await tx.messages(account_id, mailbox_id, ranges_of(asked.uids)) if begin > known else []
    messages, left = await tx.change_flags(
        account_id, mailbox_id, asked.uids, change, flags, among=asked.among, unchanged_since=unchanged_since
    )
    modified = await tx.messages(account_id, mailbox_id, ranges_of(left)) if left else []
    news = frozenset(message.uid for message in found if known < message.modseq <= begin)
    return _Changed(asked, before, keywords, messages, modified, news)


async def _answer(context: Context, changed: _Changed | Exception) -> bytes:
    """The untagged responses, said, and the tagged one. Raises what refuses the command."""
    if isinstance(changed, Exception):
        raise changed
    selected, asked, command = context.mailbox, changed.asked, changed.asked.command
    if not asked.uids:
        return b"OK Done"
    context.lowest_done = asked.lowest
    context.say(selected.learn_keywords(changed.keywords))
    is_alone = changed.before == selected.modseq
    news = changed.news if Event.FLAG_CHANGE in context.hearing.events else frozenset()
    own = [message for message in changed.messages if message.uid not in news]
    context.note_own(changed.before, own)
    left = [message for message in changed.modified if message.uid not in news]
    if selected.modseq > changed.end:  # an answer before this one told news already: nothing older may follow
        own, left = await _as_now(context, selected, own), await _as_now(context, selected, left)
    await _tell_result(context, selected, command, own)
    await tell_flags(context, selected, left)  # as RFC 7162 3.1.3 recommends
    if not is_alone:
        await context.tell_news(expunges=command.by_uid)
    return _verdict(selected, command, changed)


async def _as_now(context: Context, selected: Selected, messages: list[Message]) -> list[Message]:
    if not messages:
        return []
    ranges = ranges_of([message.uid for message in messages])
    return await context.reader.messages(selected.account_id, selected.mailbox_id, ranges)


async def _tell_result(context: Context, selected: Selected, command: Store, messages: list[Message]) -> None:
    """FETCH with the flags as they are now; with .SILENT only the modseqs, and only to who knows them."""
    if not command.silent:
        await tell_flags(context, selected, messages)
    elif context.modseqs:
        await tell_modseqs(context, selected, messages)


def _verdict(selected: Selected, command: Store, change: _Changed) -> bytes:
    """RFC 7162 3.1.3: MODIFIED names UIDs for UID STORE, else sequence numbers; it may come with NO."""
    missing = len(change.asked.uids) - len(change.messages) - len(change.modified)
    code = "EXPUNGEISSUED"
    if change.modified:
        uids = [message.uid for message in change.modified]
        numbers = uids if command.by_uid else selected.view.numbers_of(uids)
        code = modified_code(numbers).decode()
    if missing and not (command.by_uid or command.sequence.saved):
        raise No(code, "Some of the messages no longer exist")
    return b"OK [%b] Some were changed meanwhile" % code.encode() if change.modified else b"OK Done"
