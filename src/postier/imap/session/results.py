"""The result of a searching command: who may ask for it, what is told of it, what is saved as "$".

SEARCH and SORT differ in the order of what they found and in the name of their plain response; RETURN,
SAVE and MODSEQ mean the same for both (RFC 4731, RFC 5182, RFC 5267 3, RFC 7162 3.1.5, RFC 9394).
"""

from __future__ import annotations

from array import array
from collections.abc import Awaitable, Callable, Iterable, Sequence

from postier.imap.session.context import Context
from postier.imap.session.find import SLICE, find, relevancy
from postier.imap.session.progress import Progress
from postier.imap.session.scope import Scope
from postier.imap.session.selected import Selected
from postier.imap.session.updates import begin_update, refuse_tag_again
from postier.imap.session.view import batches
from postier.imap.wire.returns import Returns, SearchReturn
from postier.imap.wire.search import Search, Searching
from postier.imap.wire.search_keys import has_key
from postier.imap.wire.search_responses import Correlator, esearch
from postier.imap.wire.values import SearchKey

__all__ = [
    "Order",
    "Plain",
    "answer",
    "esearch_of",
    "find_and_order",
    "highest_modseq",
    "reported",
    "save",
    "scores_of",
]

Order = Callable[["array[int]", Progress], Awaitable[Sequence[int]]]
"""Puts UIDs, ascending, into the order of the answer."""
Plain = Callable[[Sequence[int], int | None], bytes]
"""The response without RETURN, of numbers and the highest MODSEQ if that was searched for."""

_ENDS = SearchReturn.MIN | SearchReturn.MAX | SearchReturn.PARTIAL
_WHOLE = SearchReturn.ALL | SearchReturn.COUNT
_TOLD = _ENDS | _WHOLE | SearchReturn.CONTEXT | SearchReturn.UPDATE | SearchReturn.RELEVANCY


async def answer(context: Context, command: Searching, returns: Returns, order: Order, plain: Plain) -> bytes:
    """Find, put in order, save, tell. `returns`: what counts of the command's in this session."""
    selected = context.mailbox
    refuse_tag_again(context, command)
    try:
        ordered = await find_and_order(context, command, order)
        chosen = reported(returns, ordered)
        modseq = await highest_modseq(context, selected, command.key, chosen)
        scores = await scores_of(context, selected, command.key, returns, ordered)
    except BaseException:
        if SearchReturn.SAVE in returns:
            save(selected, ())  # RFC 5182 2.1: a failed search leaves nothing to refer to
        raise
    if SearchReturn.SAVE in returns:
        save(selected, chosen)
    numbers = ordered if command.by_uid else selected.view.numbers_of(ordered)
    if not returns.options:
        context.say(plain(numbers, modseq))
    else:
        correlator = Correlator(command.tag)
        context.say(esearch_of(correlator, returns, numbers, modseq, by_uid=command.by_uid, scores=scores))
        if SearchReturn.UPDATE in returns:
            context.say(begin_update(selected, command, correlator, ordered))
    return b"OK Done"


async def find_and_order(context: Context, command: Searching, order: Order) -> Sequence[int]:
    selected = context.mailbox
    progress = Progress(context, command.tag, len(selected.view))
    whole = not isinstance(command, Search)
    return await order(await find(context, selected, command.key, progress, whole=whole), progress)


async def scores_of(
    context: Context, scope: Scope, key: SearchKey, returns: Returns, ordered: Sequence[int]
) -> Sequence[int] | None:
    """RFC 6203 4: how relevant each message is that the answer lists, in its order."""
    if SearchReturn.RELEVANCY not in returns:
        return None
    known = await relevancy(context, scope, key, ordered)
    listed = ordered if returns.partial is None else ordered[returns.partial.of(len(ordered))]
    return [known[uid] for uid in listed]


def save(selected: Selected, uids: Iterable[int]) -> None:
    """The search result variable (RFC 5182 2.1): what "$" stands for from now on."""
    selected.saved = array("I", sorted(uids))


def reported(returns: Returns, ordered: Sequence[int]) -> Sequence[int]:
    """What SAVE keeps and MODSEQ is about: with MIN, MAX or PARTIAL and neither ALL nor COUNT those alone
    (RFC 5182 2.4, RFC 9394 3.2, RFC 4731 3.2)."""
    if returns.options & _WHOLE or not returns.options & _ENDS:
        return ordered
    chosen: set[int] = set()
    if ordered and SearchReturn.MIN in returns:
        chosen.add(ordered[0])
    if ordered and SearchReturn.MAX in returns:
        chosen.add(ordered[-1])
    if returns.partial is not None:
        chosen.update(ordered[returns.partial.of(len(ordered))])
    return sorted(chosen)


async def highest_modseq(
    context: Context, scope: Scope, key: SearchKey, reported: Sequence[int]
) -> int | None:
    """RFC 7162 3.1.5: of the messages that the answer is about, where MODSEQ was searched for."""
    if not reported or not has_key(key, "MODSEQ"):
        return None
    highest = 0
    for batch in batches(scope.view, scope.view.spans_of(sorted(reported)), SLICE):
        rows = await context.reader.messages(scope.account_id, scope.mailbox_id, batch.ranges)
        highest = max(highest, max((message.modseq for message in rows), default=0))
    return highest


def esearch_of(
    correlator: Correlator,
    returns: Returns,
    numbers: Sequence[int],
    modseq: int | None,
    *,
    by_uid: bool,
    scores: Sequence[int] | None = None,
) -> bytes:
    """The ESEARCH response with what RETURN asked for; none where that was SAVE alone (RFC 5182 2.1)."""
    if not returns.options & _TOLD:
        return b""
    return esearch(
        correlator,
        by_uid=by_uid,
        lowest=numbers[0] if SearchReturn.MIN in returns and numbers else None,
        highest=numbers[-1] if SearchReturn.MAX in returns and numbers else None,
        count=len(numbers) if SearchReturn.COUNT in returns else None,
        found=numbers if SearchReturn.ALL in returns else None,
        partial=None
        if returns.partial is None
        else (returns.partial, numbers[returns.partial.of(len(numbers))]),
        modseq=modseq,
        relevancy=scores,
    )
