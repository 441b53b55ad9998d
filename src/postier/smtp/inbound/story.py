"""What an inbound session writes into the stories of messages (see postier.story).

What is accepted tells its steps in the transaction that stores it; what is refused is noted beside it, and
the reply names the trace, so that whoever was refused can quote it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from postier.base.address import Address
from postier.base.metrics import MESSAGES, RECIPIENTS
from postier.base.status import Reply
from postier.smtp.inbound.dialogue import Dialogue, Recipient
from postier.store.api import QueueRecipient, Step, StepKind

__all__ = ["arrival_steps", "note_refusal", "note_violation", "queued_steps"]

_LONG_LINE = 440
"""Octets of a reply's line that leave room for the trace (RFC 5321 4.5.3.1.5: 512 with code and CRLF)."""


def arrival_steps(
    dialogue: Dialogue, recipients: Sequence[Recipient], facts: Mapping[str, str], mailbox: str, when: float
) -> list[Step]:
    """ACCEPTED with `facts` and where it came from, and DELIVERED for each account of ours, once."""
    transaction = dialogue.transaction
    assert transaction is not None
    trace_id = transaction.trace_id
    steps = [Step(trace_id, when, StepKind.ACCEPTED, {**_origin(dialogue), **facts})]
    reached = set()
    for recipient in recipients:
        new = [account for account in recipient.accounts if account not in reached]
        reached.update(new)
        for account in new or recipient.accounts[:1]:
            place = {"recipient": recipient.path, "account": str(account), "mailbox": mailbox}
            steps.append(Step(trace_id, when, StepKind.DELIVERED, place))
    return steps


def queued_steps(
    trace_id: str,
    when: float,
    entry: int,
    destination: str,
    recipients: Sequence[QueueRecipient],
    *,
    until: int = 0,
) -> list[Step]:
    """One QUEUED for each recipient of an entry, which waits `until` then if that is not 0."""
    place = {"entry": str(entry), "destination": destination}
    if until:
        place["until"] = str(until)
    return [
        Step(trace_id, when, StepKind.QUEUED, {"recipient": recipient.forward_path, **place})
        for recipient in recipients
    ]


def note_refusal(
    dialogue: Dialogue, reply: Reply, reason: str, verb: str, address: Address | None = None
) -> Reply:
    """Note it where mail was refused, and give back the reply with the trace that tells of it.

    Before there is a transaction the trace is the session's own name. `address`: of MAIL the null path is
    None, of RCPT the bare postmaster is.
    """
    if reply.is_positive or not dialogue.helo:
        return reply
    facts = {**_origin(dialogue), "verb": verb}
    if verb == "MAIL":
        facts["sender"] = str(address or "<>")
    elif verb == "RCPT":
        facts["recipient"] = str(address or "postmaster")
    facts.update(reply=str(reply), status=reply.enhanced, reason=reason)
    kind = StepKind.REFUSED if reply.is_permanent else StepKind.DEFERRED
    (RECIPIENTS if verb == "RCPT" else MESSAGES).add(dialogue.role.value, kind.value)
    return _naming(reply, _note(dialogue, kind, facts))


def note_violation(dialogue: Dialogue, reason: str) -> None:
    """The core has answered and closes: whoever sent the message this happened to wants to know."""
    if dialogue.helo:
        MESSAGES.add(dialogue.role.value, StepKind.REFUSED.value)
        _note(dialogue, StepKind.REFUSED, {**_origin(dialogue), "reason": reason})


def _note(dialogue: Dialogue, kind: StepKind, facts: Mapping[str, str]) -> str:
    """The trace that tells of it."""
    transaction, services = dialogue.transaction, dialogue.services
    trace_id = transaction.trace_id if transaction is not None else dialogue.connection.id
    services.note_step(Step(trace_id, services.clock.now(), kind, facts))
    return trace_id


def _origin(dialogue: Dialogue) -> dict[str, str]:
    connection = dialogue.connection
    facts = {
        "session": connection.id,
        "role": dialogue.role.value,
        "peer": connection.peer[0],
        "helo": dialogue.helo,
    }
    if dialogue.transaction is not None:
        facts["sender"] = dialogue.transaction.reverse_path or "<>"
    if connection.tls is not None:
        facts["tls"] = str(connection.tls)
    if dialogue.account is not None:
        facts["login"] = dialogue.account.name
    return facts


def _naming(reply: Reply, trace_id: str) -> Reply:
    last = reply.text.rpartition("\n")[2]
    between = "\n" if len(last.encode()) > _LONG_LINE else " "
    return replace(reply, text=f"{reply.text}{between}[trace {trace_id}]")
