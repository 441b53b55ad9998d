"""Putting a message into a mailbox: one way for SMTP, LMTP, IMAP and JMAP.

`new_message` turns what the analysis found into what the store keeps. Offsets of the analysis count from
what came over the wire; those of the store from the blob, which begins with our prefix.
"""

from __future__ import annotations

import re

from postier.accounts.mailboxes import canonical_name, create_in
from postier.message.analysis import Analysis
from postier.message.parts import shift_parts
from postier.store.api import AccountId, BlobId, NewMessage, Tx, Uid

__all__ = ["LISTING_FIELDS", "LISTING_OCTETS", "deliver", "listing_header", "new_message"]

LISTING_FIELDS = frozenset(
    {
        "auto-submitted", "bcc", "cc", "content-type", "date", "from", "importance", "in-reply-to", "list-id",
        "list-post", "list-unsubscribe", "mail-followup-to", "message-id", "newsgroups", "priority",
        "references", "reply-to", "sender", "subject", "to", "x-priority",
    }
)  # fmt: skip
"""The fields that mail programs ask for when they list a mailbox; lower case."""

LISTING_OCTETS = 4096
"""Longer listing fields are not kept beside the message (`Facts.header` is empty then): read the blob."""

_FIELD = re.compile(
    rb"^(?:" + b"|".join(re.escape(name.encode()) for name in sorted(LISTING_FIELDS)) + rb")[ \t]*:"
    rb"[^\n]*\n?(?:[ \t][^\n]*\n?)*+",
    re.IGNORECASE | re.MULTILINE,
)


def listing_header(header: bytes) -> bytes:
    """All LISTING_FIELDS of a header section, in order, byte for byte; b"" if they are too long to keep."""
    if len(header) > LISTING_OCTETS * 16:
        return b""
    chosen = b"".join(_FIELD.findall(header))
    return chosen if len(chosen) <= LISTING_OCTETS else b""


def new_message(
    analysis: Analysis,
    blob_id: BlobId,
    *,
    prefix: bytes,
    internal_date: int,
    flags: int = 0,
    keywords: tuple[str, ...] = (),
) -> NewMessage:
    """What the store keeps of a message whose body was analysed and whose blob begins with `prefix`."""
    references = analysis.references or analysis.in_reply_to[:1]
    has_empty_line = len(analysis.header) < analysis.size  # `Facts.header` tells of the fields alone
    return NewMessage(
        blob_id=blob_id,
        size=len(prefix) + analysis.size,
        internal_date=internal_date,
        sent_date=internal_date if analysis.sent_date is None else analysis.sent_date,
        envelope=analysis.envelope,
        body_structure=analysis.body_structure,
        parts=shift_parts(analysis.parts, len(prefix)) if prefix else analysis.parts,
        header=listing_header(analysis.header) if has_empty_line else b"",
        preview=analysis.preview,
        base_subject=analysis.base_subject,
        message_id=analysis.message_id or "",
        references=references,
        flags=flags,
        keywords=keywords,
    )


async def deliver(tx: Tx, account_id: AccountId, message: NewMessage, *, mailbox: str = "INBOX") -> Uid:
    """Append to the named mailbox, which is made if it is missing. Raises OverQuota, NoSuchAccount."""
    name = canonical_name(mailbox)
    found = await tx.mailbox_named(account_id, name)
    if found is None or not found.selectable:
        await tx.account(account_id)  # NoSuchAccount: it was removed after RCPT
        found = await create_in(tx, account_id, name)
        await tx.set_subscribed(account_id, name, True)
    (uid,) = await tx.append(account_id, found.mailbox_id, [message])
    return uid
