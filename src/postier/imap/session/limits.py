"""How many messages one command works on (RFC 9738): the newest of those it names, and the client is told
where to go on. COPY is all or nothing, SORT and THREAD make sense of the whole: they are refused instead.
"""

from __future__ import annotations

from collections.abc import Sequence

from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.view import Span, View

__all__ = ["message_limit_code", "newest", "refuse_more", "with_limit_code"]


def newest(context: Context, view: View, spans: Sequence[Span]) -> tuple[list[Span], int]:
    """The places of the last messages of `spans`, as many as a command works on, and the lowest UID among
    them if some were left out, else 0."""
    limit = context.settings.message_limit
    excess = sum(stop - start for start, stop in spans) - limit
    if not limit or excess <= 0:
        return list(spans), 0
    kept: list[Span] = []
    for start, stop in spans:
        skipped = min(excess, stop - start)
        excess -= skipped
        if start + skipped < stop:
            kept.append((start + skipped, stop))
    return kept, view.uids[kept[0][0]]


def refuse_more(limit: int, count: int, lowest: int = 0) -> None:
    """Raises No where a command that is all or nothing names more than `limit` messages (0: no limit)."""
    if limit and count > limit:
        raise No(message_limit_code(limit, lowest), "Too many messages, try fewer of them")


def message_limit_code(limit: int, lowest: int) -> str:
    """`lowest`: the lowest UID that was worked on, 0 for none."""
    return f"MESSAGELIMIT {limit} {lowest}" if lowest else f"MESSAGELIMIT {limit}"


def with_limit_code(context: Context, done: bytes) -> bytes:
    """The tagged response of a command that left messages out; where it has a code already, an untagged NO
    comes before it (RFC 9738 3.2)."""
    lowest, context.lowest_done = context.lowest_done, 0
    if not lowest or not done.startswith(b"OK "):
        return done
    code = message_limit_code(context.settings.message_limit, lowest).encode()
    if not done.startswith(b"OK ["):
        return b"OK [%b] Done for the newest of the messages" % code
    context.say(b"* NO [%b] Done for the newest of the messages\r\n" % code)
    return done
