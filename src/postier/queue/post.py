"""Putting what the queue makes or keeps where it belongs, inside one transaction.

A Parcel is a message for accounts of ours, for addresses elsewhere, or both: a report to a sender, or an
entry whose domain has become our own. Everything that takes time (reading, resolving, analysing) was done
before; what is left runs within a store transaction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postier.accounts.delivery import deliver, new_message
from postier.accounts.mailboxes import INBOX
from postier.base.address import Address
from postier.message.analysis import Analysis
from postier.store.api import AccountId, BlobId, QueueRecipient, RecipientState, Step, StepKind, Tx

__all__ = ["Parcel", "StoredBody", "WrittenBody", "by_destination", "post"]

RETURN_PATH_NULL = b"Return-Path: <>\r\n"


@dataclass(frozen=True, slots=True)
class WrittenBody:
    """A message that we wrote: its bytes, which are not stored yet."""

    data: bytes


@dataclass(frozen=True, slots=True)
class StoredBody:
    """A message whose blob is there; offsets of the parcel's analysis count from the blob's start."""

    blob_id: BlobId


@dataclass(frozen=True, slots=True)
class Parcel:
    """`accounts` get it into their INBOX, `forwards` through the queue, from `reverse_path` ("": null).

    `smtputf8`: the message needs it. `trace_id`: names it in the log. `about`: the trace of the message that
    it reports on. `reports`: it goes to an address for reports, too. `binary` (RFC 3030), `requiretls`
    (RFC 8689): what its way must keep.
    """

    trace_id: str
    reverse_path: str
    accounts: tuple[AccountId, ...]
    forwards: tuple[Address, ...]
    body: WrittenBody | StoredBody
    analysis: Analysis
    about: str = ""
    binary: bool = False
    requiretls: bool = False
    reports: bool = False


async def post(tx: Tx, parcel: Parcel, when: float) -> None:
    """Raises OverQuota, NoSuchAccount: then the transaction is to be given up."""
    now = int(when)
    analysis = parcel.analysis
    if isinstance(parcel.body, StoredBody):
        local = remote = parcel.body.blob_id
        prefix = b""
    else:
        prefix = RETURN_PATH_NULL if parcel.accounts else b""
        local, _ = await tx.add_blob(prefix, parcel.body.data)
        remote = local
    steps = []
    if parcel.reports:
        await tx.add_report_mail(local, parcel.reverse_path, now)
    for account_id in parcel.accounts:
        await deliver(tx, account_id, new_message(analysis, local, prefix=prefix, internal_date=now))
        place = {"account": str(account_id), "mailbox": INBOX}
        steps.append(Step(parcel.trace_id, when, StepKind.DELIVERED, {**_facts(parcel), **place}))
    for destination, addresses in by_destination(parcel.forwards).items():
        entry_id = await tx.add_queue_entry(
            trace_id=parcel.trace_id,
            account_id=None,
            reverse_path=parcel.reverse_path,
            destination=destination,
            blob_id=remote,
            recipients=[
                QueueRecipient(i, str(address), RecipientState.PENDING) for i, address in enumerate(addresses)
            ],
            arrived=now,
            next_attempt=now,
            body="BINARYMIME" if parcel.binary else "8BITMIME" if analysis.eight_bit else "7BIT",
            smtputf8=analysis.utf8_headers or any(a.needs_smtputf8 for a in addresses),
            requiretls=parcel.requiretls,
        )
        place = {"entry": str(entry_id), "destination": destination}
        for address in addresses:
            facts = {**_facts(parcel), "recipient": str(address), **place}
            steps.append(Step(parcel.trace_id, when, StepKind.QUEUED, facts))
    await tx.add_steps(steps)


def _facts(parcel: Parcel) -> dict[str, str]:
    """What the story of the parcel begins with; empty where it goes on with that of an entry."""
    if isinstance(parcel.body, StoredBody):
        return {}
    facts = {"sender": parcel.reverse_path or "<>", "message_id": parcel.analysis.message_id or ""}
    return {name: value for name, value in (*facts.items(), ("about", parcel.about)) if value}


def by_destination(addresses: Sequence[Address]) -> dict[str, list[Address]]:
    """Addresses by their domain or address literal, as QueueEntry.destination has it."""
    found: dict[str, list[Address]] = {}
    for address in addresses:
        found.setdefault(str(address.domain), []).append(address)
    return found
