"""NOTIFY=SUCCESS (RFC 3461) for recipients of ours: told by the transaction that delivers.

Foreign recipients are the queue's business: the next host reports, or the queue says "relayed". An alias of
ours stands between: with one foreign target the wish goes on with the message, and with several, "expanded"
is said here and nothing but failures there (RFC 3461 5.2.7).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postier.message.analysis import Analysis
from postier.message.dsn import Action
from postier.queue.bounce import Reporter
from postier.queue.post import Parcel
from postier.queue.schedule import Schedule
from postier.queue.sender import ReportDesk
from postier.queue.verdict import Notice
from postier.smtp.inbound.dialogue import Dialogue, Recipient, Transaction
from postier.store.api import AccountId, QueueRecipient, RecipientState

__all__ = ["notify_of_forwards", "success_report"]

_STATUS = {Action.DELIVERED: "2.1.5", Action.EXPANDED: "2.0.0"}


@dataclass(frozen=True, slots=True)
class _Mail:
    """queue.bounce.Reported."""

    trace_id: str
    account_id: AccountId | None
    reverse_path: str
    arrived: int
    envid: str
    requiretls: bool
    language: str = ""
    release_at: int = 0

    @property
    def begins(self) -> int:
        return self.arrived


async def success_report(
    dialogue: Dialogue, transaction: Transaction, analysis: Analysis, now: int
) -> Parcel | None:
    """What the sender asked to hear of recipients of ours, None for nothing; never for the null path.

    `now` in seconds since 1970. Raises StoreError.
    """
    if not transaction.reverse_path or not any(_wants_success(each) for each in transaction.recipients):
        return None
    notices = list(_notices(transaction, dialogue.settings.hostname, now))
    if not notices:
        return None
    account_id = dialogue.account.account_id if dialogue.account else None
    mail = _Mail(
        transaction.trace_id,
        account_id,
        transaction.reverse_path,
        now,
        transaction.mail.envid,
        transaction.mail.requiretls,
    )
    services = dialogue.services
    desk = ReportDesk(services.directory, Reporter(dialogue.settings.hostname, Schedule()), services.clock)
    return await desk.report_success(mail, notices, analysis.header + b"\r\n")


def notify_of_forwards(recipient: Recipient) -> str:
    """The NOTIFY of the foreign addresses that the recipient stands for."""
    if not _is_expanded(recipient) or not recipient.notify:
        return recipient.notify
    return ",".join(kind for kind in recipient.notify.split(",") if kind != "SUCCESS") or "NEVER"


def _wants_success(recipient: Recipient) -> bool:
    return "SUCCESS" in recipient.notify


def _is_expanded(recipient: Recipient) -> bool:
    """True for an alias that leads to several, some of them elsewhere."""
    return bool(recipient.forwards) and len(recipient.accounts) + len(recipient.forwards) > 1


def _notices(transaction: Transaction, hostname: str, now: int) -> Iterator[Notice]:
    for position, recipient in enumerate(transaction.recipients):
        if not _wants_success(recipient) or (recipient.forwards and not _is_expanded(recipient)):
            continue
        action = Action.EXPANDED if recipient.forwards else Action.DELIVERED
        path = recipient.path if "@" in recipient.path else f"{recipient.path}@{hostname}"
        delivered = QueueRecipient(
            position,
            path,
            RecipientState.DELIVERED,
            attempts=1,
            status=_STATUS[action],
            last_attempt=now,
            notify=recipient.notify,
            orcpt=recipient.orcpt,
        )
        yield Notice(delivered, action, _STATUS[action])
