"""One message over one session: MAIL, RCPTs, DATA (RFC 5321 3.3), and what became of each recipient.

Everything up to DATA is given to the core at once; it pipelines what the host lets it. So a refusal of
MAIL or of every recipient is known only after DATA went out: then the host's 354 is answered with an empty
message, as RFC 2920 3.1 says, and its verdict on that counts for nobody.

A BINARYMIME message goes in BDAT chunks, as it is (RFC 3030), once a recipient was taken; to a host without
the extension it can't go, and is returned. Everything else goes by DATA, where line ends are put right.

In LMTP (RFC 2033) the end of the data is answered for each recipient that was taken.

A message with 8-bit lines goes as it is to a host that does not offer 8BITMIME. RFC 6152 3 would have it
converted or returned: converting breaks its signatures, returning it helps nobody, and hosts that can't
pass eight bits are not found any more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from postier.queue.api import DeliveryResult, Envelope, Outcome, OutgoingMessage
from postier.smtp.outbound.connection import Peer, PeerFault
from postier.smtp.wire.client import PeerReply, Verb

__all__ = ["MAX_RECIPIENTS", "PASSED_ON", "Recipient", "Report", "send_message"]

MAX_RECIPIENTS = 100
"""In one transaction: what every host must take (RFC 5321 4.5.3.1.8)."""

PASSED_ON = {"dsn": "passed on"}
"""Fact of a result: the host reports by itself what the sender asked to be told (RFC 3461 5.2.1)."""

OF_RECIPIENT = {"about": "recipient"}
"""Fact of a result: it answers this recipient's RCPT, not the sender or the message."""

GO_AHEAD = PeerReply(354, "", ())
"""In place of the answer that BDAT does without."""

_WRITE_SIZE = 64 * 1024
_TOO_MANY = (452, 552)  # RFC 5321 4.5.3.1.10: both mean "no more recipients" once one was accepted


class Recipient(NamedTuple):
    """One forward-path of the envelope, by its position there."""

    position: int
    path: str
    notify: str
    orcpt: str


@dataclass(frozen=True, slots=True)
class Report:
    """`results`: by position. `final`: no other host should be tried for these, even if TEMPORARY.

    `again`: recipients that this host would take in another transaction.
    """

    results: dict[int, DeliveryResult]
    final: frozenset[int]
    again: tuple[Recipient, ...] = ()


async def send_message(
    peer: Peer, envelope: Envelope, recipients: Sequence[Recipient], message: OutgoingMessage
) -> Report:
    """Hand the message on for `recipients` (at most MAX_RECIPIENTS).

    Raises PeerFault if the session broke before the host had any of the message; later faults are
    TEMPORARY results, since the host may have it. Raises what `message` raises; the session is of no
    use after either.
    """
    refused = _refused_by_us(peer, envelope, recipients, message)
    if refused is not None:
        return refused
    mail, answers, data = await _negotiate(peer, envelope, recipients, message)
    about = OF_RECIPIENT
    if not mail.is_positive:
        about, answers = {}, [mail] * len(recipients)
    asked = list(zip(recipients, answers, strict=True))
    taken = [r for r, answer in asked if _is_positive(answer)]
    results = {
        r.position: _result(peer, r, answer, facts=about if _code(answer) else None)
        for r, answer in asked
        if not _is_positive(answer)
    }
    if isinstance(data, PeerFault):
        peer.abort()
        results |= {r.position: _result(peer, r, data) for r in taken}
        return Report(results, _permanent(results))
    if not taken:
        if data.asks_for_more and not _is_binary(envelope):
            await _send_nothing(peer)
        return Report(results, _permanent(results))
    again = tuple(r for r, a in asked if _code(a) in _TOO_MANY)
    for recipient in again:
        results[recipient.position] = replace(results[recipient.position], outcome=Outcome.TEMPORARY)
    go_ahead = data.asks_for_more
    verdicts: Verdicts = [data] * len(taken)
    if not go_ahead and data.code < 400:
        peer.abort()  # who answers so is out of step: the next answer would count for the wrong question
    if go_ahead:
        send = _send_chunks if _is_binary(envelope) else _send_body
        verdicts = await send(peer, message, len(taken) if peer.terms.lmtp else 1)
        verdicts += verdicts[-1:] * (len(taken) - len(verdicts))
    passed_on = PASSED_ON if peer.core.capabilities.dsn else {}
    for recipient, verdict in zip(taken, verdicts, strict=True):
        results[recipient.position] = _result(peer, recipient, verdict, final=go_ahead, facts=passed_on)
    return Report(results, _permanent(results) | {r.position for r in taken}, again)


async def _negotiate(
    peer: Peer, envelope: Envelope, recipients: Sequence[Recipient], message: OutgoingMessage
) -> tuple[PeerReply, list[PeerReply | PeerFault], PeerReply | PeerFault]:
    """The answers to MAIL, to each RCPT and to DATA.

    Raises PeerFault if there is none to MAIL. Where the host hangs up later, what it said before still
    counts: many refuse and close at once.
    """
    timeouts = peer.timeouts
    binary = _is_binary(envelope)
    reset = peer.core.in_transaction  # the one before got no further than RCPT
    _ask(peer, envelope, recipients, message)
    if reset:
        await peer.reply(Verb.RSET, timeouts.command)
    mail = await peer.reply(Verb.MAIL, timeouts.command)
    answers: list[PeerReply | PeerFault] = []
    data: PeerReply | PeerFault
    try:
        for _ in recipients:
            answers.append(await peer.reply(Verb.RCPT, timeouts.command))
        data = GO_AHEAD if binary else await peer.reply(Verb.DATA, timeouts.data_start)
    except PeerFault as fault:
        data = fault
        answers += [fault] * (len(recipients) - len(answers))
    return mail, answers, data


def _is_positive(answer: PeerReply | PeerFault) -> bool:
    """RCPT's 251 says that the host forwards it (RFC 5321 3.4)."""
    return not isinstance(answer, PeerFault) and answer.is_positive


def _code(answer: PeerReply | PeerFault) -> int:
    return 0 if isinstance(answer, PeerFault) else answer.code


def _permanent(results: dict[int, DeliveryResult]) -> frozenset[int]:
    return frozenset(p for p, result in results.items() if result.outcome is Outcome.PERMANENT)


def _refused_by_us(
    peer: Peer, envelope: Envelope, recipients: Sequence[Recipient], message: OutgoingMessage
) -> Report | None:
    """What the host's capabilities rule out needs no question.

    For REQUIRETLS the other exchanges are asked too (RFC 8689 4.2.1).
    """
    able = peer.core.capabilities
    if _needs_smtputf8(envelope, recipients) and not able.smtputf8:
        status, text = "5.6.7", "the host does not offer SMTPUTF8, which this message needs"
    elif _is_binary(envelope) and not (able.chunking and able.binary_mime):
        status, text = "5.6.3", "the host does not take binary messages (BINARYMIME)"
    elif envelope.demands_tls and not (able.requiretls and peer.tls):
        status, text = "5.7.30", "the host does not offer REQUIRETLS, which this message needs"
    elif able.size and message.size > able.size:
        status, text = "5.3.4", f"the host takes at most {able.size} octets, the message has {message.size}"
    else:
        return None
    results = {
        r.position: DeliveryResult(
            r.path, Outcome.PERMANENT, status, text, str(peer.host), peer.tls, _facts(peer)
        )
        for r in recipients
    }
    return Report(results, frozenset() if status == "5.7.30" else frozenset(results))


def _is_binary(envelope: Envelope) -> bool:
    return envelope.body == "BINARYMIME"


def _needs_smtputf8(envelope: Envelope, recipients: Sequence[Recipient]) -> bool:
    return envelope.smtputf8 or not (
        envelope.reverse_path.isascii() and all(recipient.path.isascii() for recipient in recipients)
    )


def _ask(peer: Peer, envelope: Envelope, recipients: Sequence[Recipient], message: OutgoingMessage) -> None:
    core = peer.core
    if core.in_transaction:
        core.rset()
    core.mail(
        envelope.reverse_path,
        size=message.size,
        body=envelope.body,
        smtputf8=_needs_smtputf8(envelope, recipients),
        requiretls=envelope.requiretls and bool(peer.tls),
        auth="<>" if peer.terms.login else "",
        ret=envelope.ret,
        envid=envelope.envid,
    )
    for recipient in recipients:
        core.rcpt(recipient.path, notify=recipient.notify, orcpt=recipient.orcpt)
    if not _is_binary(envelope):
        core.data()


async def _send_nothing(peer: Peer) -> None:
    peer.core.end_data()
    try:
        await peer.reply(Verb.END_OF_DATA, peer.timeouts.command)
    except PeerFault:
        peer.abort()  # the recipients have their answers already


Verdicts = list[PeerReply | PeerFault]
"""To the end of the data: one, or in LMTP one for each recipient."""


async def _send_body(peer: Peer, message: OutgoingMessage, replies: int) -> Verdicts:
    """The host's answers to the end of data, or the fault that took their place."""
    core = peer.core
    waiting = 0
    try:
        async for chunk in message.chunks():
            core.send_data(chunk)
            waiting += len(chunk)
            if waiting >= _WRITE_SIZE:
                waiting = 0
                await peer.send()
                await peer.expect_silence()
        await peer.expect_silence()
    except PeerFault as fault:
        peer.abort()
        return [fault]
    core.end_data(replies)
    return await _verdicts(peer, replies)


async def _send_chunks(peer: Peer, message: OutgoingMessage, replies: int) -> Verdicts:
    """The same by BDAT: each chunk waits for its 250, so that a refusal ends it."""
    core = peer.core
    held: bytes | None = None
    try:
        async for chunk in message.chunks():
            if held is not None:
                core.bdat(held)
                reply = await peer.reply(Verb.BDAT, peer.timeouts.data_block)
                if not reply.is_positive:
                    peer.abort()
                    return [reply if reply.code >= 400 else peer.fault("4.5.0", reply.text)]
            held = chunk
    except PeerFault as fault:
        peer.abort()
        return [fault]
    core.bdat(held or b"", last=True, replies=replies)
    return await _verdicts(peer, replies)


async def _verdicts(peer: Peer, replies: int) -> Verdicts:
    found: Verdicts = []
    try:
        for _ in range(replies):
            found.append(await peer.reply(Verb.END_OF_DATA, peer.timeouts.end_of_data))
    except PeerFault as fault:
        peer.abort()
        found += [fault] * (replies - len(found))
    return found


def _facts(peer: Peer, more: dict[str, str] | None = None) -> dict[str, str]:
    return {"tls policy": peer.terms.policy.origin, **(more or {})}


def _result(
    peer: Peer,
    recipient: Recipient,
    answer: PeerReply | PeerFault,
    *,
    final: bool = False,
    facts: dict[str, str] | None = None,
) -> DeliveryResult:
    """`final`: it answers the end of data, the only place where a positive reply means DELIVERED."""
    outcome = Outcome.TEMPORARY
    if isinstance(answer, PeerFault):
        text = str(answer)
    else:
        text = answer.text
        if final and answer.is_positive:
            outcome = Outcome.DELIVERED
    status = answer.status
    if status.startswith("5"):
        outcome = Outcome.PERMANENT
    elif outcome is Outcome.TEMPORARY and not status.startswith("4"):
        status = "4.5.0"  # an answer that has no meaning here
    return DeliveryResult(
        recipient.path, outcome, status, text, str(peer.host), peer.tls, _facts(peer, facts)
    )
