"""How much one sender may send in an hour: a domain that SPF vouches for, or else a network."""

from __future__ import annotations

from postier.base.shared_counts import SharedCounts

__all__ = ["HOUR", "exceeded_rate"]

HOUR = 3600


def exceeded_rate(
    counts: SharedCounts,
    sender: str,
    recipients: int,
    *,
    now: float,
    messages_limit: int,
    recipients_limit: int,
) -> str:
    """Count a message of `sender`; "messages" or "recipients" where it is one too many, "" where it is well.

    A limit of 0 is none. `now` in seconds of a clock that all processes share.
    """
    period = int(now // HOUR)
    if messages_limit and counts.add(f"messages {sender}", period) > messages_limit:
        return "messages"
    if recipients_limit and counts.add(f"recipients {sender}", period, recipients) > recipients_limit:
        return "recipients"
    return ""
