"""SORT and UID SORT (RFC 5256 3, RFC 5267 3, RFC 5957)."""

from __future__ import annotations

from functools import partial

from postier.imap.session.context import Context
from postier.imap.session.results import answer
from postier.imap.session.sorting import put_in_order
from postier.imap.wire import search_responses
from postier.imap.wire.search_keys import has_key
from postier.imap.wire.sort import Sort

__all__ = ["sort"]


async def sort(context: Context, command: Sort) -> bytes:
    if has_key(command.key, "MODSEQ"):
        context.become_modseq_aware()
    order = partial(put_in_order, context, context.mailbox, command.key, command.criteria)
    return await answer(context, command, command.returns, order, search_responses.sort)
