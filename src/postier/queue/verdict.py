"""What an attempt's results mean for an entry: pure rules, the only place that changes a recipient's state.

PENDING --DELIVERED--> delivered        --PERMANENT--> failed        --TEMPORARY--> PENDING, until too old
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from postier.message.dsn import Action
from postier.queue.api import DeliveryResult, Outcome
from postier.queue.schedule import Schedule
from postier.store.api import QueueEntry, QueueRecipient, RecipientState

__all__ = ["EXPIRED", "Notice", "Verdict", "judge"]

EXPIRED = "5.4.7"
"""RFC 3463: delivery time expired."""

DIAGNOSTIC_LENGTH = 1000

_STATE = {
    Outcome.DELIVERED: RecipientState.DELIVERED,
    Outcome.PERMANENT: RecipientState.FAILED,
    Outcome.TEMPORARY: RecipientState.PENDING,
}
_KEYWORD = {
    Action.FAILED: "FAILURE",
    Action.DELAYED: "DELAY",
    Action.RELAYED: "SUCCESS",
    Action.DELIVERED: "SUCCESS",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """The sender is to be told of `recipient`, as it now is. `status`: what the report says (RFC 3463)."""

    recipient: QueueRecipient
    action: Action
    status: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """`recipients`: all of the entry's, in their order. `next_attempt`: None when nobody is pending any more:
    the entry is done. `reason`: why it still waits, in words. `notices`: for one report, may be empty."""

    recipients: tuple[QueueRecipient, ...]
    next_attempt: int | None
    attempts: int
    delay_notified: bool
    reason: str
    notices: tuple[Notice, ...]


def judge(
    entry: QueueEntry,
    results: Sequence[DeliveryResult],
    now: int,
    schedule: Schedule,
    *,
    jitter: float = 0.0,
    final_hop: bool = False,
) -> Verdict:
    """`results` are those of the entry's pending recipients, in their order. `final_hop`: delivered
    means into a mailbox, not to another host.

    Raises ValueError if they are not as many.
    """
    expired = now >= schedule.expires(entry.begins)
    left = iter(results)
    recipients: list[QueueRecipient] = []
    notices: list[Notice] = []
    for recipient in entry.recipients:
        if recipient.state is RecipientState.PENDING:
            result = next(left, None)
            if result is None:
                raise ValueError("fewer results than pending recipients")
            recipient = _after(recipient, result, now, expired)
            notices += _notices(recipient, result, final_hop)
        recipients.append(recipient)
    if next(left, None) is not None:
        raise ValueError("more results than pending recipients")
    pending = [r for r in recipients if r.state is RecipientState.PENDING]
    late = bool(pending) and not entry.delay_notified and schedule.wants_delay_notice(entry.begins, now)
    if late:
        notices += [Notice(r, Action.DELAYED, r.status) for r in pending if _wants(r, Action.DELAYED)]
    attempts = entry.attempts + 1
    notified = entry.delay_notified or late
    return Verdict(
        recipients=tuple(recipients),
        next_attempt=(
            schedule.next_attempt(entry.begins, now, attempts, notified=notified, jitter=jitter)
            if pending
            else None
        ),
        attempts=attempts,
        delay_notified=notified,
        reason=pending[0].diagnostic if pending else "",
        notices=tuple(notices),
    )


def _after(recipient: QueueRecipient, result: DeliveryResult, now: int, expired: bool) -> QueueRecipient:
    state = _STATE[result.outcome]
    if state is RecipientState.PENDING and expired:
        state = RecipientState.FAILED
    return replace(
        recipient,
        state=state,
        attempts=recipient.attempts + 1,
        status=result.status,
        diagnostic=_readable(result.diagnostic),
        remote=result.remote,
        last_attempt=now,
    )


def _readable(text: str) -> str:
    """One line of bounded length, without controls: it came from a stranger."""
    text = text[: 4 * DIAGNOSTIC_LENGTH]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else " " for c in text)
    return text[:DIAGNOSTIC_LENGTH]


def _notices(recipient: QueueRecipient, result: DeliveryResult, final_hop: bool) -> list[Notice]:
    if recipient.state is RecipientState.PENDING:
        return []
    if recipient.state is RecipientState.FAILED:
        action = Action.FAILED
        status = EXPIRED if result.outcome is Outcome.TEMPORARY else result.status
    else:
        action = Action.DELIVERED if final_hop else Action.RELAYED
        status = result.status if result.status.startswith("2") else "2.0.0"
        if result.facts.get("dsn"):
            return []  # the next host reports by itself
    return [Notice(recipient, action, status)] if _wants(recipient, action) else []


def _wants(recipient: QueueRecipient, action: Action) -> bool:
    """RFC 3461 4.1: without NOTIFY failures are reported, and delays as we see fit."""
    keyword = _KEYWORD[action]
    if not recipient.notify:
        return keyword != "SUCCESS"
    return keyword in recipient.notify.upper().split(",")
