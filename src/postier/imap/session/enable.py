"""ENABLE (RFC 5161): the client says which answers it understands."""

from __future__ import annotations

from postier.imap.session.context import Context
from postier.imap.wire.capabilities import CAPABILITIES
from postier.imap.wire.responses import enabled
from postier.imap.wire.values import Enable

__all__ = ["ENABLED_WITH", "enable"]

ENABLED_WITH: dict[str, frozenset[str]] = {
    "CONDSTORE": frozenset({"CONDSTORE"}),
    "QRESYNC": frozenset({"CONDSTORE", "QRESYNC"}),  # RFC 7162 3.2.3
    "UTF8=ACCEPT": frozenset({"UTF8=ACCEPT"}),  # RFC 9755 3
    "UIDONLY": frozenset({"UIDONLY"}),  # RFC 9586 3.1
    "IMAP4REV2": frozenset({"IMAP4REV2"}),  # RFC 9051 Appendix A
}
"""What ENABLE knows, in capitals, and what comes with it. Other names, and what is
switched off, are passed over (RFC 5161 3.1)."""

_NAMES = {row.name.upper(): row.name for row in CAPABILITIES}

_SPEAKS_UTF8 = frozenset({"UTF8=ACCEPT", "IMAP4REV2"})


async def enable(context: Context, command: Enable) -> bytes:
    """Says what was enabled by this command; asked for twice, the second time nothing (RFC 5161 3.2)."""
    allowed = (asked for asked in command.capabilities if asked not in context.core.off)
    fresh = {name for asked in allowed for name in ENABLED_WITH.get(asked, ())} - context.enabled
    context.say(enabled([_NAMES[name] for name in command.capabilities if name in fresh]))
    if "CONDSTORE" in fresh:
        context.become_modseq_aware()
    context.enabled |= fresh
    if fresh & _SPEAKS_UTF8:
        context.core.utf8 = True
    if context.rev2 and context.selected is not None:
        context.selected.hide_recent()
    return b"OK Done"
