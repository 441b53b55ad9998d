"""The end of DATA: one transaction of the store makes us responsible, and only then the client reads 250.

One blob serves everybody: its prefix begins with Return-Path, which the queue leaves out when it sends
(RFC 5321 4.4), then come our results or signatures, then Received, then the message.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postier.accounts.delivery import deliver, new_message
from postier.accounts.report_returns import stop_reports
from postier.accounts.sending import WARNINGS, LimitReached, Usage
from postier.base.address import Address
from postier.base.log import Log
from postier.base.metrics import ACCEPTANCE, MESSAGES, RECIPIENTS
from postier.base.status import Reply
from postier.mailauth.dkim.canonical import BodyHasher
from postier.message.analysis import Analysis
from postier.queue.post import Parcel, post
from postier.smtp.inbound.bounced_reports import bounced_reports
from postier.smtp.inbound.dialogue import Dialogue, Recipient, Role, Transaction
from postier.smtp.inbound.evidence import Arrived
from postier.smtp.inbound.hold import held_recipients, release_at, release_words
from postier.smtp.inbound.incoming import Incoming
from postier.smtp.inbound.limits import count, limit_reply, warn
from postier.smtp.inbound.marks import junk_reason, policy_field
from postier.smtp.inbound.notify import notify_of_forwards, success_report
from postier.smtp.inbound.outcome import decide
from postier.smtp.inbound.overflow import full_left_out, full_set_aside
from postier.smtp.inbound.received import delivered_to, protocol, received, return_path
from postier.smtp.inbound.story import arrival_steps, note_refusal, queued_steps
from postier.smtp.inbound.submission import signatures
from postier.store.api import (
    AccountId,
    BlobId,
    DmarcCount,
    DmarcSeen,
    NoSuchAccount,
    OverQuota,
    QueueRecipient,
    RecipientState,
    Step,
    StepKind,
    StoreError,
    Tx,
)

__all__ = ["accept"]

JUNK = "Junk"
_NO_BLOB = BlobId(0)
"""Of a message that has no place yet."""

_ACCEPTED, _SET_ASIDE = DmarcCount(1, 1), DmarcCount(1, 0)

log = Log("smtp")


@dataclass(frozen=True, slots=True)
class _Accepted:
    """What the store is to take, `when`, and `now` in whole seconds. `sender_may_be_told`: of success, if
    asked for. `facts`: for its story, and `set_aside`: why it goes to the junk folder. `seen`: what a DMARC
    report will tell of it."""

    analysis: Analysis
    prefix: bytes
    mailbox: str
    now: int
    when: float
    sender_may_be_told: bool
    facts: Mapping[str, str]
    set_aside: str
    seen: DmarcSeen | None = None


async def accept(dialogue: Dialogue, transaction: Transaction, incoming: Incoming) -> Reply:
    """The reply to the end of the message; positive only after the commit. Raises StoreError, OSError."""
    if incoming.fault is None:
        analysis = await incoming.finish()
    if incoming.fault is not None:
        return _refused(dialogue, transaction, incoming.fault, incoming.fault.text)
    arrived = Arrived(incoming, analysis)
    refusal = await decide(dialogue.checks.message, transaction, dialogue, transaction, arrived)
    failures = dialogue.services.failure_reports
    if failures is not None and transaction.evaluation is not None:
        failures.note(transaction.evaluation, transaction.reverse_path, incoming.header)
    counter = dialogue.services.dmarc_counter
    seen = counter.seen(transaction.evaluation, incoming.header) if counter is not None else None
    if refusal is not None:
        if counter is not None and seen is not None and refusal.reply.is_permanent:
            counter.note_refused(seen)
        return _refused(dialogue, transaction, refusal.reply, refusal.reason)
    now = dialogue.services.clock.now()
    prefix = await _prefix(dialogue, transaction, arrived, now)
    set_aside = junk_reason(transaction.marks, dialogue.settings.policy) if transaction.marks else ""
    mailbox = JUNK if set_aside else "INBOX"
    accepted = _Accepted(
        analysis,
        prefix,
        mailbox,
        int(now),
        now,
        sender_may_be_told=not (set_aside or (arrived.evidence and arrived.evidence.disowns_sender)),
        facts=_facts(arrived, len(prefix) + analysis.size, transaction),
        set_aside=set_aside,
        seen=seen,
    )
    transaction.release_at = release_at(dialogue, transaction, now)
    try:
        usage = await _store_for_all(dialogue, transaction, incoming, accepted)
    except LimitReached as error:
        await _warn(dialogue, transaction, error.usage, WARNINGS[0], now)
        return _refused(dialogue, transaction, limit_reply(error), str(error))
    log.info(
        "accepted",
        session=dialogue.connection.id,
        trace=transaction.trace_id,
        peer=dialogue.connection.peer[0],
        sender=transaction.reverse_path or "<>",
        recipients=len(transaction.recipients),
        size=incoming.size,
        mailbox=mailbox,
    )
    role = dialogue.role.value
    MESSAGES.add(role, "accepted")
    RECIPIENTS.add(role, "accepted", amount=len(transaction.recipients))
    if usage is not None and usage.warning:
        await _warn(dialogue, transaction, usage, usage.warning, now)
    if incoming.began:
        ACCEPTANCE.observe(time.monotonic() - incoming.began, role)
    text = f"accepted {transaction.trace_id}"
    if transaction.release_at:
        text += f", {release_words(transaction.release_at)}"
    return Reply(250, "2.0.0", text)


def _refused(dialogue: Dialogue, transaction: Transaction, reply: Reply, reason: str) -> Reply:
    log.info(
        "refused",
        session=dialogue.connection.id,
        trace=transaction.trace_id,
        peer=dialogue.connection.peer[0],
        sender=transaction.reverse_path or "<>",
        reply=reply,
        reason=reason,
    )
    return note_refusal(dialogue, reply, reason, "DATA")


def _facts(arrived: Arrived, size: int, transaction: Transaction) -> dict[str, str]:
    facts = {"size": str(size), **arrived.facts}
    if arrived.analysis.message_id:
        facts["message_id"] = arrived.analysis.message_id
    if transaction.marks:
        facts["marks"] = "; ".join(map(str, transaction.marks))
    return facts


async def _prefix(dialogue: Dialogue, transaction: Transaction, arrived: Arrived, now: float) -> bytes:
    """What we add before the message, fixed from now on."""
    only = transaction.recipients[0].path if len(transaction.recipients) == 1 else ""
    is_sent_on = transaction.recipients[0].is_sent_on
    if "@" not in only or (is_sent_on and not only.isascii()):
        only = ""  # no path; or it may go where only ASCII is taken (RFC 5321 4.4, RFC 6531 3.7.3)
    sent_on = delivered_to(only) if only and is_sent_on else b""
    tls = dialogue.connection.tls
    hides = dialogue.role is Role.SUBMISSION and dialogue.settings.hides_client
    trace = received(
        helo="" if hides else dialogue.helo,
        ip=None if hides else dialogue.connection.peer[0],
        hostname=dialogue.settings.hostname,
        protocol=protocol(
            extended=dialogue.extended,
            tls=tls is not None,
            authenticated=dialogue.account is not None,
            smtputf8=transaction.mail.smtputf8,
            lmtp=dialogue.role is Role.LMTP,
        ),
        tls=tls,
        trace_id=transaction.trace_id,
        forward_path=only,
        when=now,
    )
    signed = await _sign(dialogue, arrived.incoming, arrived.analysis, now)
    results = arrived.results(dialogue, transaction)
    noted = policy_field(transaction.marks) if transaction.marks else b""
    return b"".join((return_path(transaction.reverse_path), results, noted, signed, sent_on, trace))


async def _sign(dialogue: Dialogue, incoming: Incoming, analysis: Analysis, now: float) -> bytes:
    """Signatures of the author's domain, on what our people send."""
    if dialogue.role is not Role.SUBMISSION or not isinstance(incoming.body_reader, BodyHasher):
        return b""
    signers = await dialogue.services.signers_for(analysis.author_mailboxes[0].domain)
    return signatures(signers, incoming.header, incoming.body_reader, now=now)


async def _warn(dialogue: Dialogue, transaction: Transaction, usage: Usage, level: int, now: float) -> None:
    """The answer to the message stands, whatever becomes of this; what fails comes with the next message."""
    try:
        await warn(dialogue, transaction, usage, level, now)
    except StoreError as error:
        log.fault("no warning", why=error, trace=transaction.trace_id)


async def _store_for_all(
    dialogue: Dialogue, transaction: Transaction, incoming: Incoming, accepted: _Accepted
) -> Usage | None:
    """Where a mailbox is full, for all others at least. Raises LimitReached, StoreError, OSError."""
    try:
        return await _store_with_report(dialogue, transaction, incoming, accepted)
    except OverQuota as error:
        log.warning("mailbox full", trace=transaction.trace_id, why=error)
        make_room = full_left_out if dialogue.role is Role.LMTP else full_set_aside
        await make_room(dialogue, transaction, len(accepted.prefix) + accepted.analysis.size)
        return await _store_with_report(dialogue, transaction, incoming, accepted)


async def _store_with_report(
    dialogue: Dialogue, transaction: Transaction, incoming: Incoming, accepted: _Accepted
) -> Usage | None:
    """All recipients or none, and the report on them, unless its own addressee can't take it. What its sender
    has sent today then.

    Raises LimitReached, StoreError, OSError.
    """
    report = None
    if accepted.sender_may_be_told and not transaction.release_at:
        report = await success_report(dialogue, transaction, accepted.analysis, accepted.now)
    if report is not None:
        try:
            return await _store(dialogue, transaction, incoming, accepted, report)
        except (OverQuota, NoSuchAccount) as error:
            log.warning("report not taken", trace=transaction.trace_id, why=error)
    return await _store(dialogue, transaction, incoming, accepted, None)


async def _store(
    dialogue: Dialogue,
    transaction: Transaction,
    incoming: Incoming,
    accepted: _Accepted,
    report: Parcel | None,
) -> Usage | None:
    """One transaction; what can be made before it is, since others wait for its lock.

    Raises LimitReached, StoreError, OSError.
    """
    held_until = transaction.release_at
    here = [] if held_until else transaction.recipients
    accounts = _accounts(here)
    facts = accepted.facts if report is None else {**accepted.facts, "report": report.trace_id}
    arrival = arrival_steps(dialogue, here, facts, accepted.mailbox, accepted.when)
    if accepted.set_aside:
        place = {"mailbox": accepted.mailbox, "reason": accepted.set_aside}
        arrival.insert(1, Step(transaction.trace_id, accepted.when, StepKind.FILTERED, place))
    outgoing = await _outgoing(dialogue, transaction)
    bounced = await bounced_reports(transaction, incoming)

    arrives = None
    if accounts:
        arrives = new_message(accepted.analysis, _NO_BLOB, prefix=accepted.prefix, internal_date=accepted.now)

    async def work(tx: Tx) -> Usage | None:
        usage = await count(tx, dialogue, transaction, accepted.now)
        blob_id, _ = await tx.add_blob(accepted.prefix, incoming.spool)
        steps = arrival.copy()
        if any(recipient.reports for recipient in here):
            await tx.add_report_mail(blob_id, transaction.reverse_path, accepted.now)
        if arrives is not None:
            message = arrives._replace(blob_id=blob_id)
            for account_id in accounts:
                await deliver(tx, account_id, message, mailbox=accepted.mailbox)
        for (destination, reverse_path), recipients in outgoing.items():
            entry_id = await tx.add_queue_entry(
                trace_id=transaction.trace_id,
                account_id=dialogue.account.account_id if dialogue.account else None,
                reverse_path=reverse_path,
                destination=destination,
                blob_id=blob_id,
                recipients=recipients,
                arrived=accepted.now,
                next_attempt=accepted.now,
                body=_body(transaction, accepted.analysis),
                smtputf8=_needs_smtputf8(reverse_path, accepted.analysis, recipients),
                envid=transaction.mail.envid,
                ret=transaction.mail.ret,
                requiretls=transaction.mail.requiretls,
                release_at=held_until,
                language=dialogue.account.language if dialogue.account else "",
            )
            steps += queued_steps(
                transaction.trace_id, accepted.when, entry_id, destination, recipients, until=held_until
            )
        if usage is not None and usage.percent >= WARNINGS[-1]:
            steps[0] = steps[0]._replace(facts={**steps[0].facts, "used": f"{usage.percent} %"})
        if accepted.seen is not None:
            await tx.add_dmarc_results({accepted.seen: _SET_ASIDE if accepted.set_aside else _ACCEPTED})
        for tag, reason in bounced.items():
            await stop_reports(tx, tag, reason, accepted.when)
        await tx.add_steps(steps)
        if report is not None:
            await post(tx, report, accepted.when)
        return usage

    return await dialogue.services.store.transact(work)


def _accounts(recipients: Sequence[Recipient]) -> tuple[AccountId, ...]:
    """Everybody once, however many of the recipients lead there."""
    return tuple(dict.fromkeys(account for recipient in recipients for account in recipient.accounts))


async def _outgoing(
    dialogue: Dialogue, transaction: Transaction
) -> dict[tuple[str, str], list[QueueRecipient]]:
    """Foreign recipients, each once, by the domain or literal they share and the reverse-path of the mail; of
    mail that is held all of them."""
    if transaction.release_at:
        held = await held_recipients(dialogue, transaction.recipients)
        return {(where, transaction.reverse_path): recipients for where, recipients in held.items()}
    from_path: dict[str, tuple[str, Recipient]] = {}
    for recipient in transaction.recipients:
        for address in recipient.forwards:
            from_path.setdefault(str(address), (str(address.domain), recipient))
    found: dict[tuple[str, str], list[QueueRecipient]] = {}
    for path, (destination, recipient) in from_path.items():
        sender = transaction.reverse_path
        if dialogue.settings.srs and sender and path != recipient.path:  # an alias forwards it
            sender = await dialogue.services.directory.return_path(sender, _alias(dialogue, recipient))
        same = found.setdefault((destination, sender), [])
        same.append(
            QueueRecipient(
                len(same),
                path,
                RecipientState.PENDING,
                notify=notify_of_forwards(recipient),
                orcpt=recipient.orcpt,
            )
        )
    return found


def _alias(dialogue: Dialogue, recipient: Recipient) -> Address:
    """RCPT TO:<postmaster> is the only one without a domain."""
    path = recipient.path
    return Address.parse(path if "@" in path else f"{path}@{dialogue.settings.hostname}")


def _body(transaction: Transaction, analysis: Analysis) -> str:
    """What the next host must take (RFC 6152, RFC 3030), by what there is rather than by what was said."""
    if transaction.mail.is_binary:
        return "BINARYMIME"
    return "8BITMIME" if analysis.eight_bit else "7BIT"


def _needs_smtputf8(reverse_path: str, analysis: Analysis, recipients: Sequence[QueueRecipient]) -> bool:
    """Asked for only where something is not ASCII: many hosts still lack the extension (RFC 6531 3.4)."""
    paths = (reverse_path, *(recipient.forward_path for recipient in recipients))
    return analysis.utf8_headers or not all(path.isascii() for path in paths)
