"""SEARCH and UID SEARCH (RFC 3501 6.4.4) with ESEARCH (RFC 4731), SEARCHRES (RFC 5182) and MODSEQ (RFC 7162).

What is told of the messages that match; which ones do is find.py's business.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from postier.imap.session.context import Context
from postier.imap.session.find import SLICE, find
from postier.imap.session.search_keys import has_key
from postier.imap.session.selected import Selected
from postier.imap.session.view import batches
from postier.imap.wire import responses
from postier.imap.wire.values import BadCharset, Search, SearchReturn

__all__ = ["bad_charset", "search"]


async def bad_charset(context: Context, command: BadCharset) -> bytes:
    return b"NO [%b] That charset is not known" % responses.bad_charset_code()


async def search(context: Context, command: Search) -> bytes:
    selected = context.mailbox
    with_modseq = has_key(command.key, "MODSEQ")
    if with_modseq:
        context.become_modseq_aware()
    try:
        found = await find(context, selected, command.key)
    except BaseException:
        if SearchReturn.SAVE in command.returns:
            selected.saved = None  # RFC 5182 2.1: a failed search leaves nothing to refer to
        raise
    modseq = None
    if with_modseq and found:
        modseq = await _highest_modseq(context, selected, _reported(command.returns, found))
    _tell(context, selected, command, found, modseq)
    return b"OK Done"


async def _highest_modseq(context: Context, selected: Selected, found: array[int]) -> int:
    """RFC 7162 3.1.5: of the messages that the answer is about."""
    highest = 0
    for batch in batches(selected.view, selected.view.spans_of(found), SLICE):
        rows = await context.reader.messages(selected.account_id, selected.mailbox_id, batch.ranges)
        highest = max(highest, max((message.modseq for message in rows), default=0))
    return highest


def _tell(
    context: Context, selected: Selected, command: Search, found: array[int], modseq: int | None
) -> None:
    """SEARCH, or ESEARCH with what RETURN asked for. SAVE alone answers nothing (RFC 5182 2.1)."""
    returns = command.returns
    if SearchReturn.SAVE in returns:
        selected.saved = _reported(returns, found)
        if returns is SearchReturn.SAVE:
            return
    numbers: Sequence[int] = found
    if not command.by_uid:
        numbers = selected.view.numbers_of(found)
    if not returns:
        context.say(responses.search(numbers, modseq))
        return
    context.say(
        responses.esearch(
            command.tag,
            by_uid=command.by_uid,
            lowest=numbers[0] if SearchReturn.MIN in returns and numbers else None,
            highest=numbers[-1] if SearchReturn.MAX in returns and numbers else None,
            count=len(numbers) if SearchReturn.COUNT in returns else None,
            found=numbers if SearchReturn.ALL in returns else None,
            modseq=modseq,
        )
    )


def _reported(returns: SearchReturn, found: array[int]) -> array[int]:
    """With MIN or MAX and neither ALL nor COUNT, only those are saved (RFC 5182 2.4) and count for MODSEQ
    (RFC 4731 3.2)."""
    if returns & (SearchReturn.ALL | SearchReturn.COUNT) or not returns & (
        SearchReturn.MIN | SearchReturn.MAX
    ):
        return found
    ends = array("I")
    if found and SearchReturn.MIN in returns:
        ends.append(found[0])
    if found and SearchReturn.MAX in returns and found[-1] not in ends:
        ends.append(found[-1])
    return ends
