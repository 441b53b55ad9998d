"""What happened while a client was away (RFC 7162): the QRESYNC parameter of SELECT (3.2.5) and the VANISHED
modifier of UID FETCH (3.2.6). VANISHED (EARLIER) comes first, then FETCH with what changed.

Which messages went is known as long as their tombstones are kept. A client that was away for longer is told
of every UID it may know and that is not here, but for those that its sequence match data vouch for.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.session.fetch_flags import tell_flags
from postier.imap.session.selected import Selected
from postier.imap.session.view import View
from postier.imap.wire.numbers import ranges_text, sequence_set_text
from postier.imap.wire.values import Fetch, Select, SequenceSet
from postier.store.api import Changes, Message, ModSeq, Uid

__all__ = ["matched_up_to", "require_qresync", "resync", "tell_vanished"]

Ranges = list[tuple[int, int]]


def require_qresync(context: Context) -> None:
    """RFC 7162 3.2.3: what belongs to QRESYNC is BAD before ENABLE QRESYNC."""
    if "QRESYNC" not in context.enabled:
        raise Bad("QRESYNC was not enabled")


async def resync(context: Context, selected: Selected, command: Select) -> None:
    """Answer the QRESYNC parameter, in the mailbox that was just opened. Of another UIDVALIDITY the client
    knows nothing that is worth comparing."""
    assert command.qresync is not None
    uidvalidity, modseq, known, matches = command.qresync
    await selected.load(context.reader)
    if uidvalidity != selected.uidvalidity:
        return
    in_step = 0 if matches is None else matched_up_to(selected.view, *matches)
    changes = await context.reader.changes_since(selected.account_id, selected.mailbox_id, ModSeq(modseq))
    asked = [(1, selected.highest)] if known is None else known.resolve(selected.highest)
    _tell_earlier(context, selected, changes, asked, in_step)
    await tell_flags(context, selected, _among(asked, changes.changed))


async def tell_vanished(context: Context, selected: Selected, command: Fetch) -> None:
    """Answer the VANISHED modifier: what of the set is gone since CHANGEDSINCE."""
    assert command.changed_since is not None
    require_qresync(context)
    changes = await context.reader.changes_since(
        selected.account_id, selected.mailbox_id, ModSeq(command.changed_since)
    )
    _tell_earlier(context, selected, changes, command.sequence.resolve(selected.highest))


def _tell_earlier(
    context: Context, selected: Selected, changes: Changes, asked: Ranges, in_step: int = 0
) -> None:
    """VANISHED (EARLIER) of what is gone among the UIDs `asked` for. What this session still counts is told
    by a VANISHED of its own, which takes it out of the sequence numbers."""
    if changes.complete:
        gone = [uid for uid in _uids_among(asked, changes.vanished) if selected.view.place(uid) < 0]
        text = sequence_set_text(gone)
    else:
        unsure = [(max(low, in_step + 1), high) for low, high in asked if high > in_step]
        text = ranges_text(_gaps(selected, unsure))
    if text:
        context.say(b"* VANISHED (EARLIER) %b\r\n" % text)


def _uids_among(asked: Ranges, uids: list[Uid]) -> list[Uid]:
    """Those of `uids`, ascending, that lie in the ranges."""
    return [uid for low, high in asked for uid in uids[bisect_left(uids, low) : bisect_right(uids, high)]]


def _among(asked: Ranges, messages: list[Message]) -> list[Message]:
    chosen: list[Message] = []
    for low, high in asked:
        start = bisect_left(messages, low, key=_uid)
        chosen += messages[start : bisect_right(messages, high, key=_uid)]
    return chosen


def _uid(message: Message) -> int:
    return message.uid


def _gaps(selected: Selected, asked: Ranges) -> Ranges:
    """The UIDs of the ranges that are not here."""
    gone: Ranges = []
    uids = selected.view.uids
    for low, high in asked:
        high = min(high, selected.highest)
        for uid in uids[bisect_left(uids, low) : bisect_right(uids, high)]:
            if low < uid:
                gone.append((low, uid - 1))
            low = uid + 1
        if low <= high:
            gone.append((low, high))
    return gone


def matched_up_to(view: View, numbers: SequenceSet, uids: SequenceSet) -> int:
    """The highest UID that the client has at its right place, 0 for none: up to there it knows of everything
    that went (RFC 7162 3.2.5.2). The sets ascend and are of the same size."""
    here, found = view.uids, 0
    for number, uid, count in _runs(numbers, uids):
        first = number - 1
        within = range(min(count, len(here) - first))
        # here[first + n] - n never falls, so where it is `uid` is one stretch
        last = bisect_right(within, uid, key=lambda n: here[first + n] - n) - 1
        if last >= 0 and here[first + last] - last == uid:
            found = uid + last
    return found


def _runs(numbers: SequenceSet, uids: SequenceSet) -> Iterator[tuple[int, int, int]]:
    """(number, UID, count): stretches of pairs in which both sets go on by ones."""
    left, right = iter(numbers.resolve(1)), iter(uids.resolve(1))
    number, last_number, uid, last_uid = 1, 0, 1, 0
    while True:
        if number > last_number:
            number, last_number = next(left, (0, 0))
        if uid > last_uid:
            uid, last_uid = next(right, (0, 0))
        if not number or not uid:
            return
        count = min(last_number - number, last_uid - uid) + 1
        yield number, uid, count
        number, uid = number + count, uid + count
