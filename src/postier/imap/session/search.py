"""SEARCH and UID SEARCH (RFC 3501 6.4.4, RFC 9051 6.4.4).

Which messages match is find.py's business, what is told of them results.py's.
"""

from __future__ import annotations

from array import array

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.session.progress import Progress
from postier.imap.session.results import answer, save
from postier.imap.wire import search_responses
from postier.imap.wire.returns import Returns, SearchReturn
from postier.imap.wire.search import BadCharset, Search
from postier.imap.wire.search_keys import has_key

__all__ = ["bad_charset", "search"]


async def bad_charset(context: Context, command: BadCharset) -> bytes:
    if command.save and context.selected is not None:
        save(context.mailbox, ())
    return b"NO [%b] That charset is not known" % search_responses.bad_charset_code()


async def search(context: Context, command: Search) -> bytes:
    """IMAP4rev2 knows no SEARCH response: there a command without RETURN asks for ALL (RFC 9051 6.4.4)."""
    if command.names_charset and "UTF8=ACCEPT" in context.enabled:  # RFC 9755 3
        raise Bad("All text is UTF-8 once UTF8=ACCEPT is enabled: no CHARSET", "CLIENTBUG")
    if has_key(command.key, "MODSEQ"):
        context.become_modseq_aware()
    returns = command.returns
    if not returns.options and "IMAP4REV2" in context.enabled:
        returns = Returns(SearchReturn.ALL)
    return await answer(context, command, returns, _in_mailbox_order, search_responses.search)


async def _in_mailbox_order(found: array[int], progress: Progress) -> array[int]:
    return found
