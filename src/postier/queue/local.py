"""Entries whose destination is a domain of ours: it was added after they were queued.

They are not sent to ourselves: their recipients are looked up, and the copies are put into the mailboxes in
the same transaction that takes the recipients off the entry, so that no crash can deliver twice.
"""

from __future__ import annotations

from collections.abc import Sequence

from postier.accounts.directory import Directory, RecipientKind
from postier.base.address import Address
from postier.blobs.api import Blobs
from postier.message.analysis import Analyser
from postier.queue.api import DeliveryResult, Outcome
from postier.queue.post import Parcel, StoredBody
from postier.store.api import AccountId, QueueEntry, QueueRecipient

__all__ = ["plan_local"]

_UNKNOWN = (Outcome.PERMANENT, "5.1.1", "no such address here")
_FULL = (Outcome.TEMPORARY, "4.2.2", "mailbox full")
_TAKEN = (Outcome.DELIVERED, "2.1.5", "delivered to a mailbox here")


async def plan_local(
    entry: QueueEntry, pending: Sequence[QueueRecipient], directory: Directory, blobs: Blobs
) -> tuple[tuple[DeliveryResult, ...], tuple[Parcel, ...]]:
    """A result for each recipient, and what must be posted for them to be true.

    Raises BlobUnreadable.
    """
    results = []
    accounts: dict[AccountId, None] = {}
    forwards: dict[Address, None] = {}
    reports = False
    for recipient in pending:
        address = Address.parse(recipient.forward_path)
        resolution = await directory.resolve(address, size=entry.blob.size)  # the full hold up nobody else
        verdict = _TAKEN
        if resolution.kind is not RecipientKind.LOCAL:
            verdict = _UNKNOWN
        elif resolution.full:
            verdict = _FULL
        else:
            accounts.update(dict.fromkeys(resolution.accounts))
            forwards.update(dict.fromkeys(resolution.forwards))
            reports = reports or resolution.reports
        results.append(DeliveryResult(recipient.forward_path, *verdict))
    if not accounts and not forwards and not reports:
        return tuple(results), ()
    analyser = Analyser()
    async for chunk in blobs.stream(entry.blob):
        analyser.feed(chunk)
    parcel = Parcel(
        trace_id=entry.trace_id,
        reverse_path=entry.reverse_path,
        accounts=tuple(accounts),
        forwards=tuple(forwards),
        body=StoredBody(entry.blob_id),
        analysis=analyser.finish(),
        binary=entry.body == "BINARYMIME",
        requiretls=entry.requiretls,
        reports=reports,
    )
    return tuple(results), (parcel,)
