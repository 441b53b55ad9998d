"""FETCH and UID FETCH (RFC 3501 6.4.5, RFC 7162 3.1.4).

Batches of some hundred messages: one read of the narrow table for flags, one of the wide table for what never
changes, each item of the answer a column of ready texts, and one `%` of a template for each line. A message's
bytes are read only where a section asks for them (see sections.py), and large ones leave in pieces. No
answer is ever held whole: after each batch the session waits for the client to take it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence, Set
from typing import NamedTuple, cast

from postier.imap.session.context import Context
from postier.imap.session.fetch_flags import PLAIN, fetch_flags, show
from postier.imap.session.limits import newest, refuse_more
from postier.imap.session.manner import Manner
from postier.imap.session.objectid import email_ids, thread_ids
from postier.imap.session.resync import tell_vanished
from postier.imap.session.scope import Scope
from postier.imap.session.sections import SectionReader, Sections
from postier.imap.session.selected import Selected
from postier.imap.session.view import Batch, Span, batches
from postier.imap.wire.responses import fetch_template, internal_date, string
from postier.imap.wire.values import BodySection, Fetch, PartialRange, SequenceSet
from postier.message.body_structure import body_from_body_structure
from postier.store.api import AccountId, Flag, FlagChange, Message, ModSeq, Tx, Uid

__all__ = ["Rows", "fetch", "lines_of", "make_plan", "tell_arrived"]

BATCH = 500
"""Messages of one listing batch: some 300 KiB of ENVELOPE and BODYSTRUCTURE."""
FLAGS_BATCH = 2000
"""Messages of one batch of UIDs and flags: some 80 KiB."""
SECTION_BATCH = 100
"""Messages of one batch whose bytes are read."""

SEEN = int(Flag.SEEN)

Column = Callable[["Rows"], Iterable[object]]


class Rows(NamedTuple):
    """One batch as read: parallel sequences, one entry for each message that is still there."""

    account_id: AccountId
    numbers: Sequence[int]
    uids: Sequence[int]
    messages: Sequence[Message]
    flags: Sequence[bytes]
    facts: dict[str, Sequence[object]]


class Item(NamedTuple):
    """How a FETCH item is answered: the column that fills its place in the line.

    `fact`: the column of the wide table it needs, if any. `narrow`: it needs flags or modseq.
    """

    column: Column
    fact: str = ""
    narrow: bool = False


def _fact(name: str) -> Column:
    return lambda rows: rows.facts[name]


def _dates(name: str) -> Column:
    return lambda rows: map(internal_date, _numbers(rows, name))


def _numbers(rows: Rows, name: str) -> Sequence[int]:
    return cast(Sequence[int], rows.facts[name])


def _previews(rows: Rows) -> Iterable[object]:
    return [string(preview.encode()) for preview in cast(Sequence[str], rows.facts["preview"])]


def _bodies(rows: Rows) -> Iterable[object]:
    return map(body_from_body_structure, cast(Sequence[bytes], rows.facts["body_structure"]))


ITEMS: dict[str, Item] = {
    "UID": Item(lambda rows: rows.uids),
    "FLAGS": Item(lambda rows: rows.flags, narrow=True),
    "MODSEQ": Item(lambda rows: [message.modseq for message in rows.messages], narrow=True),
    "INTERNALDATE": Item(_dates("internal_date"), "internal_date"),
    "SAVEDATE": Item(_dates("saved_date"), "saved_date"),
    "RFC822.SIZE": Item(_fact("size"), "size"),
    "ENVELOPE": Item(_fact("envelope"), "envelope"),
    "BODYSTRUCTURE": Item(_fact("body_structure"), "body_structure"),
    "BODY": Item(_bodies, "body_structure"),
    "PREVIEW": Item(_previews, "preview"),
    "EMAILID": Item(lambda rows: email_ids(rows.account_id, _numbers(rows, "email_id")), "email_id"),
    "THREADID": Item(lambda rows: thread_ids(rows.account_id, _numbers(rows, "thread_id")), "thread_id"),
}


class Plan(NamedTuple):
    """A FETCH command made ready: what to read and how a line looks.

    `template` is of a whole line; sections go before its closing parenthesis. `uid_only`: it begins with the
    UID instead of the sequence number. `unmarked`, where this plan sets \\Seen: how the line of a message
    looks that had it already, whose flags are no news.
    """

    template: bytes
    names: tuple[str, ...]
    columns: list[Column]
    facts: tuple[str, ...]
    narrow: bool
    sections: Sections | None
    marks_seen: bool
    changed_since: int | None
    uid_only: bool = False
    unmarked: Plan | None = None

    @property
    def head(self) -> bytes:
        """The line up to where sections go."""
        return self.template.removesuffix(b")\r\n") + (b" " if self.names else b"")

    @property
    def is_plain(self) -> bool:
        """Nothing but what fetch_flags knows."""
        return (
            self.narrow and self.changed_since is None and not self.sections and PLAIN.issuperset(self.names)
        )


GONE = b"OK [EXPUNGEISSUED] Some of the messages no longer exist"
"""The rest was told. NO is allowed as well (RFC 2180 4.1.2), but clients take it for a failure of all."""


async def fetch(context: Context, command: Fetch) -> bytes:
    selected = context.mailbox
    if command.changed_since is not None or "MODSEQ" in command.items:
        context.become_modseq_aware()
    spans = resolve(selected, command.sequence, by_uid=command.by_uid)
    plan = make_plan(command, context.manner, marks=bool(selected.changeable & SEEN))
    if command.vanished:
        await tell_vanished(context, selected, command)
    if command.partial is not None:
        asked = command.partial
        refuse_more(context.settings.message_limit, asked.last - asked.first + 1)
        spans = await _partial(context, selected, command, command.partial, spans)
    spans, context.lowest_done = newest(context, selected.view, spans)
    size = SECTION_BATCH if plan.sections is not None else BATCH if plan.facts else FLAGS_BATCH
    reader = SectionReader(context, selected, plan.sections) if plan.sections is not None else None
    missing = False
    for number, batch in enumerate(batches(selected.view, spans, size)):
        if number:
            await asyncio.sleep(0)  # the other connections' turn
        missing |= not await _fetch_batch(context, selected, plan, batch, reader)
    if spans and context.progress is not None:
        uids = selected.view.uids
        context.progress.listed(uids[spans[0][0]], uids[spans[-1][1] - 1])
    if reader is not None:
        reader.raise_what_failed()
    if missing and not (command.by_uid or command.sequence.saved):
        return GONE
    return b"OK Done"


async def tell_arrived(context: Context) -> None:
    """FETCH of what NOTIFY wants to hear of each new message of the selected mailbox (RFC 5465 5.2). Nothing
    becomes \\Seen by it."""
    selected, uids = context.selected, context.arrived
    context.arrived = []
    if selected is None or not uids:
        return
    await selected.load(context.reader)
    command = Fetch(b"*", SequenceSet(()), context.hearing.items, by_uid=not context.manner.uid_only)
    plan = make_plan(command, context.manner, marks=False)
    reader = SectionReader(context, selected, plan.sections) if plan.sections is not None else None
    size = BATCH if reader is None else SECTION_BATCH
    for batch in batches(selected.view, selected.view.spans_of(uids), size):
        await _fetch_batch(context, selected, plan, batch, reader)
        await asyncio.sleep(0)
    if context.progress is not None:
        context.progress.listed(uids[0], uids[-1])


def make_plan(command: Fetch, manner: Manner, *, marks: bool) -> Plan:
    """Choose columns. UID comes first where it is owed: with UID FETCH (RFC 3501 6.4.8), and where \\Seen is
    set once the client knows CONDSTORE (RFC 7162 3.2.4); not where the line begins with it (RFC 9586 3.3).
    MODSEQ is owed with CHANGEDSINCE and beside FLAGS (RFC 7162 3.1.4.1)."""
    sections = tuple(item for item in command.items if isinstance(item, BodySection))
    marks_seen = marks and any(not section.peek for section in sections)
    names = [item for item in command.items if isinstance(item, str)]
    owes_uid = command.by_uid or (marks_seen and manner.modseqs)
    if owes_uid and not manner.uid_only and "UID" not in names:
        names.insert(0, "UID")
    if marks_seen and "FLAGS" not in names:
        names.append("FLAGS")
    owed = command.changed_since is not None or (manner.modseqs and "FLAGS" in names)
    if owed and "MODSEQ" not in names:
        names.append("MODSEQ")
    items = [ITEMS[name] for name in names]
    return Plan(
        fetch_template(tuple(names), b"UIDFETCH" if manner.uid_only else b"FETCH"),
        tuple(names),
        [item.column for item in items],
        tuple(dict.fromkeys(item.fact for item in items if item.fact)),
        any(item.narrow for item in items) or command.changed_since is not None or not items,
        Sections(sections) if sections else None,
        marks_seen,
        command.changed_since,
        manner.uid_only,
        make_plan(command, manner, marks=False) if marks_seen else None,
    )


async def _fetch_batch(
    context: Context, selected: Selected, plan: Plan, batch: Batch, reader: SectionReader | None
) -> bool:
    """Answer for one batch; False if a message of it is no longer there."""
    if plan.is_plain and len(batch.spans) == 1 and batch.size > 1:
        return await fetch_flags(context, selected, plan.template, plan.names, batch, uid_only=plan.uid_only)
    messages, marked = await _narrow_rows(context, selected, plan, batch)
    if messages is not None:
        while messages and await show(
            context, selected, max(map(_modseq, messages)), max(map(_flags, messages))
        ):
            messages = await context.reader.messages(selected.account_id, selected.mailbox_id, batch.ranges)
        whole = len(messages) == batch.size
        if plan.changed_since is not None:
            messages = [message for message in messages if message.modseq > plan.changed_since]
            whole = True
        batch = _narrowed(selected, batch, messages)
        if not messages:
            return whole
    rows = await _read(context, selected, plan, batch, messages)
    if reader is None:
        await context.offer(list(lines_of(plan, plan.template, rows)))
    else:
        await reader.answer(_heads(plan, rows, marked), rows.uids)
    return len(rows.numbers) == batch.size and (messages is None or whole)


def lines_of(plan: Plan, template: bytes, rows: Rows) -> Iterable[bytes]:
    numbers = rows.uids if plan.uid_only else rows.numbers
    columns = zip(numbers, *[column(rows) for column in plan.columns], strict=True)
    return map(template.__mod__, columns)


def _heads(plan: Plan, rows: Rows, marked: Set[int]) -> list[bytes]:
    """What comes before the sections of each message. `marked`: those that the command made \\Seen."""
    unmarked = plan.unmarked
    if unmarked is None:
        return list(lines_of(plan, plan.head, rows))
    if not marked:
        return list(lines_of(unmarked, unmarked.head, rows))
    both = zip(
        rows.uids, lines_of(plan, plan.head, rows), lines_of(unmarked, unmarked.head, rows), strict=True
    )
    return [news if uid in marked else plain for uid, news, plain in both]


def _modseq(message: Message) -> int:
    return message.modseq


def _flags(message: Message) -> int:
    return message.flags


def _narrowed(selected: Selected, batch: Batch, messages: list[Message]) -> Batch:
    """The batch of just these messages."""
    if len(messages) == batch.size:
        return batch
    return Batch(selected.view, selected.view.spans_of(message.uid for message in messages), len(messages))


async def _narrow_rows(
    context: Context, selected: Selected, plan: Plan, batch: Batch
) -> tuple[list[Message] | None, Set[int]]:
    """The batch's flags, None if no item asks for them, and the UIDs whose \\Seen the command has set."""
    if not plan.narrow:
        return None, frozenset()
    account_id, mailbox_id = selected.account_id, selected.mailbox_id
    messages = await context.reader.messages(account_id, mailbox_id, batch.ranges)
    unseen = [message.uid for message in messages if not message.flags & SEEN] if plan.marks_seen else []
    if not unseen:
        return messages, frozenset()

    async def work(tx: Tx) -> tuple[ModSeq, list[Message]]:
        before, _ = await tx.standing(account_id, mailbox_id)
        changed, _ = await tx.change_flags(account_id, mailbox_id, unseen, FlagChange.ADD, Flag.SEEN)
        return before, changed

    before, changed = await context.store.transact(work, durable=False)
    is_alone = before == selected.modseq
    context.note_own(before, changed)
    if not is_alone:  # a keyword may be new: it is announced before a FETCH shows it
        await context.tell_news(expunges=False)
        messages = await context.reader.messages(account_id, mailbox_id, batch.ranges)
        return messages, {message.uid for message in changed}
    fresh = {message.uid: message for message in changed}
    return [fresh.get(message.uid, message) for message in messages], fresh.keys()


async def _read(
    context: Context, selected: Selected, plan: Plan, batch: Batch, messages: list[Message] | None
) -> Rows:
    """The columns of a batch. A message that vanished between two reads is left out of all of them."""
    facts: dict[str, Sequence[object]] = {}
    uids: Sequence[int] = [message.uid for message in messages] if messages is not None else batch.uids()
    if plan.facts:
        rows = await context.reader.facts(selected.account_id, selected.mailbox_id, batch.ranges, plan.facts)
        if len(rows) != len(uids):
            there = {cast(int, row[0]) for row in rows}
            messages = None if messages is None else [m for m in messages if m.uid in there]
            wanted = there.intersection(uids)
            rows = [row for row in rows if row[0] in wanted]
            uids = [uid for uid in uids if uid in there]
        for name, column in zip(plan.facts, list(zip(*rows, strict=True))[1:], strict=False):
            facts[name] = column
        if not rows:
            facts = dict.fromkeys(plan.facts, ())
    flags = selected.flags_texts(messages) if messages is not None else ()
    return Rows(selected.account_id, batch.number_each(uids), uids, messages or (), flags, facts)


# ---------------------------------------------------------------------- shared by other commands


def resolve(scope: Scope, sequence: SequenceSet, *, by_uid: bool, lenient: bool = False) -> list[Span]:
    """The places that a command names (see View.spans); "$" is the saved result of a search (RFC 5182)."""
    if sequence.saved:
        return scope.view.spans_of(scope.saved or ())
    return scope.view.spans(sequence, by_uid=by_uid, lenient=lenient)


async def _partial(
    context: Context, selected: Selected, command: Fetch, asked: PartialRange, spans: Sequence[Span]
) -> list[Span]:
    """RFC 9394 3.3: some of the messages that would be answered for; with CHANGEDSINCE of those that
    changed (3.4)."""
    uids: Sequence[int] = selected.view.select(spans)
    if command.changed_since is not None:
        uids = []
        for batch in batches(selected.view, spans, FLAGS_BATCH):
            rows = await context.reader.messages(selected.account_id, selected.mailbox_id, batch.ranges)
            uids.extend(message.uid for message in rows if message.modseq > command.changed_since)
            await asyncio.sleep(0)
    return selected.view.spans_of(uids[asked.of(len(uids))])


def uids_at(selected: Selected, spans: Sequence[Span]) -> list[Uid]:
    """The UIDs at those places, for the store."""
    return cast(list[Uid], selected.view.select(spans).tolist())
