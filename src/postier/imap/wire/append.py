"""APPEND up to each of its messages' literals (RFC 3501 6.3.11, RFC 3502 for more than one)."""

from __future__ import annotations

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Append, AppendMessage

__all__ = ["parse_append", "parse_next_message"]


def parse_append(g: Grammar, tag: bytes) -> Append | None:
    """mailbox SP append-message, as far as the announcement of the message's literal, which ends the line.

    None if what is announced is the mailbox's name: the core collects it as any argument and asks again.
    """
    g.space()
    if g.announced() is not None:
        return None
    mailbox = g.mailbox()
    return Append(tag, mailbox, parse_next_message(g))


def parse_next_message(g: Grammar) -> AppendMessage:
    """append-message = [SP flag-list] [SP date-time] SP literal."""
    g.space()
    flags: tuple[str, ...] = ()
    if g.peek() == 0x28:  # "("
        flags = g.flag_list()
        g.space()
    internal_date: int | None = None
    if g.peek() == 0x22:  # DQUOTE
        internal_date = g.date_time()
        g.space()
    literal = g.announced()
    if literal is None:
        g.fail("a literal")
    return AppendMessage(flags, internal_date, literal.size)
