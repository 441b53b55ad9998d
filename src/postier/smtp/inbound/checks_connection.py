"""Checks before there is any mail: the connection and the client's name for itself."""

from __future__ import annotations

from postier.base.status import Reply
from postier.smtp.inbound.dialogue import Dialogue
from postier.smtp.inbound.outcome import Outcome, Refuse

__all__ = ["waits_for_greeting"]

_EARLY = Refuse(Reply(554, "", "Wait for the greeting"), "talks before the greeting", closes=True)
"""RFC 2034 4: a greeting has no enhanced code."""


async def waits_for_greeting(dialogue: Dialogue) -> Outcome:
    """RFC 5321 3.1, 4.3.1: the client waits for 220. Only junk senders do not."""
    return _EARLY if dialogue.connection.bytes_in else None
