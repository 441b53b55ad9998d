"""Checks of the whole message, at the end of its data."""

from __future__ import annotations

from zlib import crc32

from postier.base.status import Reply
from postier.filter.networks import is_inside, network_of, parse_ip
from postier.filter.rates import exceeded_rate
from postier.mailauth import verdict
from postier.mailauth.dmarc import Dmarc
from postier.mailauth.evaluation import evaluation_of
from postier.mailauth.spf import Spf
from postier.message.addresses import ADDRESSES_PARSED
from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.evidence import Arrived, Evidence, evidence_of, spf_of
from postier.smtp.inbound.outcome import Defer, Mark, Outcome, Refuse

__all__ = ["MAX_HOPS", "dkim", "dmarc", "does_not_loop", "has_one_author", "is_not_too_fast", "spf"]

MAX_HOPS = 50
"""Received fields. RFC 5321 6.3 speaks of 100; no honest path has half of that, and a loop ends sooner."""

_LOOP = Refuse(Reply(554, "5.4.6", "Too many hops: the message goes in a circle"), "loop")
_COMES_BACK = Refuse(Reply(554, "5.4.6", "The message has been here before and goes in a circle"), "loop")
_SEVERAL_AUTHORS = Refuse(
    Reply(550, "5.7.1", "The From field names more than one domain"), "more than one author domain"
)
_NO_AUTHOR = Refuse(Reply(550, "5.7.1", "The From field names no author's domain"), "no author domain")
_NO_AUTHOR_MARK = Mark("author", "none", "no author domain", sets_aside=True)
_SPF_SPEAKS = (Spf.FAIL, Spf.SOFTFAIL, Spf.PERMERROR, Spf.TEMPERROR)


async def does_not_loop(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 5321 6.3; and RFC 9228: a message that an alias of ours sent on comes back to it."""
    if arrived.analysis.received_count >= MAX_HOPS:
        return _LOOP
    sent_on = [recipient.path for recipient in transaction.recipients if recipient.is_sent_on]
    if len(sent_on) < len(transaction.recipients) or b"delivered-to" not in arrived.incoming.header.lower():
        return None
    known = {value.strip().lower() for value in HeaderFields(arrived.incoming.header).all(b"delivered-to")}
    return _COMES_BACK if all(path.encode().lower() in known for path in sent_on) else None


async def has_one_author(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """More than one author domain is refused, since no reader can tell who is meant (RFC 9989 5.3.1)."""
    if arrived.has_one_author:
        return None
    domains = arrived.author_domains
    if len(domains) > 1 or len(arrived.analysis.author_mailboxes) >= ADDRESSES_PARSED:
        return _SEVERAL_AUTHORS
    if domains:
        return None
    return _NO_AUTHOR if dialogue.settings.policy.no_author == "refuse" else _NO_AUTHOR_MARK


async def spf(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 7208. Asks at once all that DKIM and DMARC need too."""
    found = (await evidence_of(dialogue, transaction, arrived)).spf
    if found.result not in _SPF_SPEAKS:
        return None
    if found.result is Spf.FAIL and dialogue.settings.policy.spf_fail == "refuse":
        text = f"{found.domain} does not let this host send its mail (SPF)"
        return Refuse(Reply(550, "5.7.23", text), f"SPF fails for {found.domain}")  # RFC 7372 3.2
    return Mark("spf", found.result.value, found.reason or f"of {found.domain}")


async def is_not_too_fast(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """So many messages and recipients in an hour of a domain that SPF vouches for, else of a network."""
    peer = parse_ip(dialogue.connection.peer[0])
    if peer is None or is_inside(peer):
        return None
    services, policy = dialogue.services, dialogue.settings.policy
    found = await spf_of(dialogue, transaction)
    sender = found.domain if found.result is Spf.PASS else network_of(peer)
    exceeded = exceeded_rate(
        services.counts,
        sender,
        len(transaction.recipients),
        now=services.clock.now(),
        messages_limit=policy.sender_messages,
        recipients_limit=policy.sender_recipients,
    )
    if not exceeded:
        return None
    text = f"Too many {exceeded} from {sender} in this hour, try again later"
    return Defer(Reply(451, "4.7.1", text), f"too many {exceeded} of {sender}")


async def dkim(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 6376 6.1: a signature that fails counts as none, so it is no more than a mark."""
    evidence = await evidence_of(dialogue, transaction, arrived)
    if not evidence.dkim or evidence.is_signed:
        return None
    first = evidence.dkim[0]
    return Mark("dkim", first.result.value, first.reason or f"of {first.domain}")


async def dmarc(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 9989, as far as our own policy follows it (mailauth.verdict)."""
    evidence = await evidence_of(dialogue, transaction, arrived)
    if evidence.dmarc.result is Dmarc.PERMERROR:
        return None  # not one author domain: has_one_author has spoken
    decided = verdict.decide(_found(transaction, arrived, evidence), dialogue.settings.policy.local)
    transaction.evaluation = evaluation_of(
        ip=dialogue.connection.peer[0],
        helo=dialogue.helo,
        envelope_from=transaction.reverse_path.rpartition("@")[2].lower(),
        spf=evidence.spf,
        dkim=evidence.dkim,
        dmarc=evidence.dmarc,
        arc=evidence.arc,
        verdict=decided,
    )
    if decided.reply is not None:
        return Refuse(decided.reply, decided.reason)
    if decided.action is verdict.Action.ACCEPT:
        return None
    return Mark("dmarc", decided.action.value, decided.reason, sets_aside=True)


def _found(transaction: Transaction, arrived: Arrived, evidence: Evidence) -> verdict.Found:
    """What only counts for mail that fails is only looked for there."""
    if evidence.dmarc.result is not Dmarc.FAIL:
        return verdict.Found(evidence.spf, evidence.dkim, evidence.dmarc, evidence.arc)
    lists = HeaderFields(arrived.incoming.header).all(b"list-id")
    mailboxes = arrived.analysis.author_mailboxes
    return verdict.Found(
        evidence.spf,
        evidence.dkim,
        evidence.dmarc,
        evidence.arc,
        author=f"{mailboxes[0].local_part}@{evidence.dmarc.domain}" if mailboxes else "",
        list_id=lists[0] if len(lists) == 1 else None,
        reverse_path=transaction.reverse_path,
        sample=crc32(transaction.trace_id.encode()) % 100,
    )
