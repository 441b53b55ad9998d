"""What the queue writes into the stories of messages: each attempt, what became of it, and who stepped in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from postier.message.dsn import Action
from postier.queue.api import DeliveryResult, Outcome
from postier.queue.verdict import Verdict
from postier.store.api import QueueEntry, QueueRecipient, RecipientState, Step, StepKind

__all__ = ["attempt_steps", "managed_steps"]

_KINDS = {
    RecipientState.DELIVERED: StepKind.DELIVERED,
    RecipientState.PENDING: StepKind.ATTEMPTED,
    RecipientState.FAILED: StepKind.BOUNCED,
}


def attempt_steps(
    entry: QueueEntry,
    results: Sequence[DeliveryResult],
    verdict: Verdict,
    now: float,
    *,
    report: str = "",
    in_mailbox: bool = False,
) -> list[Step]:
    """One step for each recipient that was tried, one more for each whose sender hears of a delay.

    `report`: trace id of the report that is posted with them. `in_mailbox`: what was delivered is here, and
    the story of that is told by who puts it there.
    """
    told = {notice.recipient.position: notice.action for notice in verdict.notices} if report else {}
    left = iter(results)
    steps = []
    for before, after in zip(entry.recipients, verdict.recipients, strict=True):
        if before.state is not RecipientState.PENDING:
            continue
        result = next(left)
        if in_mailbox and result.outcome is Outcome.DELIVERED:
            continue
        facts = _facts(entry, after, result, verdict)
        action = told.get(after.position)
        if action is not None and action is not Action.DELAYED:
            facts["report"] = report
        steps.append(Step(entry.trace_id, now, _kind(after, result), facts))
        if action is Action.DELAYED:
            late = {"recipient": after.forward_path, "entry": str(entry.entry_id), "report": report}
            steps.append(Step(entry.trace_id, now, StepKind.DELAYED, late))
    return steps


def managed_steps(entry: QueueEntry, kind: StepKind, now: float, by: str) -> list[Step]:
    """An administrator, or whoever `by` names, did something to the whole entry."""
    facts = {"entry": str(entry.entry_id), "destination": entry.destination, "by": by}
    pending = [r for r in entry.recipients if r.state is RecipientState.PENDING]
    return [Step(entry.trace_id, now, kind, {"recipient": r.forward_path, **facts}) for r in pending]


def _kind(after: QueueRecipient, result: DeliveryResult) -> StepKind:
    if after.state is RecipientState.FAILED and result.outcome is Outcome.TEMPORARY:
        return StepKind.EXPIRED
    return _KINDS[after.state]


def _facts(
    entry: QueueEntry, after: QueueRecipient, result: DeliveryResult, verdict: Verdict
) -> dict[str, str]:
    facts: Mapping[str, str] = {
        "recipient": after.forward_path,
        "entry": str(entry.entry_id),
        "attempt": str(verdict.attempts),
        "status": result.status,
        "reply": result.diagnostic,
        "remote": result.remote,
        "tls": result.tls,
        "policy": result.facts.get("tls policy", ""),
    }
    found = {name: value for name, value in facts.items() if value}
    if after.state is RecipientState.PENDING and verdict.next_attempt is not None:
        found["next_attempt"] = str(verdict.next_attempt)
    return found
