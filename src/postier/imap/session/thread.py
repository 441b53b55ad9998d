"""THREAD and UID THREAD (RFC 5256 3): what is read of the messages found, and the answer.

How messages are linked is thread_links.py's business, what the algorithms make of that thread_shape.py's.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple, cast

from postier.imap.session.context import Context
from postier.imap.session.find import find
from postier.imap.session.progress import Progress
from postier.imap.session.scope import Scope
from postier.imap.session.search_leaf import Search
from postier.imap.session.thread_links import PIECE, Forest, Links
from postier.imap.session.thread_shape import (
    by_newest,
    by_subject,
    merge_subjects,
    sort_by_date,
    subjects_shared,
)
from postier.imap.session.turns import in_turns
from postier.imap.session.view import batches
from postier.imap.wire.search_keys import has_key
from postier.imap.wire.thread import Thread, thread_list
from postier.message.collation import unicode_casemap
from postier.message.encoded_words import decode_text
from postier.message.headers import HeaderFields
from postier.message.message_ids import thread_ids
from postier.message.subject import is_reply_or_forward

__all__ = ["thread"]

BATCH = 500
"""Messages whose listing fields are read at once: two megabytes at most."""
_UNLINKED = ("sent_date", "base_subject")
_LINKED = (*_UNLINKED, "header")

THREADS = 1000
"""Threads that are written at once."""


async def thread(context: Context, command: Thread) -> bytes:
    selected = context.mailbox
    if has_key(command.key, "MODSEQ"):
        context.become_modseq_aware()
    progress = Progress(context, command.tag, len(selected.view))
    found = await find(context, selected, command.key, progress, whole=True)
    progress.expect(len(found))
    forest = await _forest(context, command, found, progress)
    numbers = found if command.by_uid else selected.view.numbers_of(found)
    context.say(await _response(forest, numbers))
    return b"OK Done"


async def _response(forest: Forest, numbers: Sequence[int]) -> bytes:
    lists = []
    for count, top in enumerate(forest.top, 1):
        lists.append(thread_list(top, forest.below, numbers))
        if count % THREADS == 0:
            await asyncio.sleep(0)
    return b"* THREAD %b\r\n" % b"".join(lists) if lists else b"* THREAD\r\n"


async def _forest(context: Context, command: Thread, found: array[int], progress: Progress) -> Forest:
    """The messages found as the algorithm threads them, each by its place in `found`."""
    scope = context.mailbox
    dates: list[int] = []
    subjects: list[str] = []
    once: dict[str, str] = {}
    links, references = Links(), 0
    linked = command.algorithm != "ORDEREDSUBJECT"
    async for row in _rows(context, scope, found, _LINKED if linked else _UNLINKED, progress):
        dates.append(row.sent_date)
        subject = unicode_casemap(row.base_subject)
        subjects.append(once.setdefault(subject, subject))
        if linked:
            ids = thread_ids(row.header)
            links.add(ids.message_id, ids.references)
            references += len(ids.references)
            if references > PIECE:
                references = 0
                await asyncio.sleep(0)
    if not linked:
        return await in_turns(by_subject(dates, subjects))
    forest = await in_turns(links.forest())
    if command.algorithm == "REFS":
        await in_turns(by_newest(forest, dates))
        return forest
    await in_turns(sort_by_date(forest, dates))
    replies = await _replies(context, scope, found, subjects_shared(forest, subjects))
    merge_subjects(forest, subjects, replies.__contains__)
    await in_turns(sort_by_date(forest, dates))
    return forest


class _Row(NamedTuple):
    """Of a message that vanished meanwhile nothing is known: it stays where its number is."""

    sent_date: int = 0
    base_subject: str = ""
    header: bytes = b""


async def _rows(
    context: Context,
    scope: Scope,
    uids: Sequence[int],
    columns: tuple[str, ...],
    progress: Progress | None = None,
) -> AsyncIterator[_Row]:
    """One for each of `uids`, which ascend. The header is that of the listing where the store has one."""
    texts = Search(context, scope).texts
    for batch in batches(scope.view, scope.view.spans_of(uids), BATCH):
        facts = await context.reader.facts(scope.account_id, scope.mailbox_id, batch.ranges, columns)
        rows = {cast(int, uid): _Row(*cast("tuple[int, str, bytes]", rest)) for uid, *rest in facts}
        for uid in batch.uids():
            row = rows.get(uid)
            if row is None:
                row = _Row()
            elif columns is _LINKED and not row.header:
                row = row._replace(header=await texts.header(uid))
            yield row
        await asyncio.sleep(0)
        if progress is not None:
            await progress.advance(batch.size)


async def _replies(context: Context, scope: Scope, found: array[int], places: set[int]) -> set[int]:
    """Those of `places` whose subject says that they are replies or forwards."""
    replies: set[int] = set()
    ascending = sorted(places)
    next_place = iter(ascending)
    async for row in _rows(context, scope, [found[place] for place in ascending], _LINKED):
        place = next(next_place)
        subject = HeaderFields(row.header).first(b"subject")
        if subject is not None and is_reply_or_forward(decode_text(subject)):
            replies.add(place)
    return replies
