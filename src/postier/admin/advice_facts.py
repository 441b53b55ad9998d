"""A person's own numbers for the adviser: what POP3 and IMAP would move of this very mailbox.

What IMAP moves is made by the code that answers FETCH, and packed by the code that compresses, so that it is
what a session would send; what POP3 moves is the sizes with what POP3 puts around them. Of large mailboxes
the newest messages stand for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, cast

from postier.accounts.advice import DeviceFacts, Facts, Loss, losses
from postier.accounts.device_view import DeviceView, device_views
from postier.accounts.devices import DAY, KEPT_DAYS
from postier.accounts.mailboxes import INBOX
from postier.blobs.api import Blobs, BlobUnreadable
from postier.imap.session.fetch import Rows, lines_of, make_plan
from postier.imap.session.flags import flag_texts
from postier.imap.session.manner import Manner
from postier.imap.wire.deflate import Deflate
from postier.imap.wire.values import Fetch, SequenceSet
from postier.store.api import Account, AccountKind, Mailbox, MailboxId, Message, Reader, SyncPoint, Uid

__all__ = ["FIRST_LISTING", "LISTED_ITEMS", "account_losses", "gather_facts"]

FIRST_LISTING = 100
"""Messages that a mail program shows first."""
LISTED_ITEMS = ("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE")
"""What it asks of each."""
WASTE = {"\\Trash", "\\Junk"}
MOST_LISTED = 5000
"""Messages of which the listing is made; more are like these."""
MOST_READ = 200
"""Messages that are read to count the dots that POP3 doubles."""
MOST_OCTETS = 32 * 1024 * 1024
"""Octets of them, however large they are."""
PAGE = 500
"""As FETCH writes them (imap.session.fetch.BATCH), and so as they are packed."""


class Listing(NamedTuple):
    """Octets of the FETCH responses to so many messages, plain and with COMPRESS=DEFLATE."""

    messages: int
    octets: int
    packed: int


async def gather_facts(reader: Reader, blobs: Blobs, account: Account, now: float) -> Facts:
    """Raises StoreError."""
    account_id = account.account_id
    mailboxes = await reader.mailboxes(account_id)
    inbox = next((mailbox for mailbox in mailboxes if mailbox.name == INBOX), None)
    place = (await reader.pop3_rules(account_id)).mailbox_id
    resting = await reader.resting_total(account_id)
    others = [box for box in mailboxes if box.messages and box.name != INBOX and not _is_waste(box, place)]
    shared = await reader.shared_with(account_id)
    views = await device_views(reader, account_id)
    facts = Facts(
        inbox=inbox.messages if inbox else 0,
        inbox_octets=inbox.size if inbox else 0,
        pop_octets=0,
        listed=0,
        listing=0,
        listing_packed=0,
        all_listing=0,
        all_packed=0,
        folders=len(others),
        folder_messages=sum(mailbox.messages for mailbox in others),
        shared=len(shared),
        quota=max(account.quota, 0),
        used=account.used,
        resting=resting.messages,
        resting_octets=resting.octets,
    )
    if inbox is None:
        return facts
    uids = await reader.uids(account_id, inbox.mailbox_id)
    first = await listing_of(reader, inbox, uids[-FIRST_LISTING:], len(uids))
    whole = await listing_of(reader, inbox, uids[-MOST_LISTED:], len(uids))
    share = len(uids) / max(whole.messages, 1)
    return facts._replace(
        inbox=len(uids),
        pop_octets=await pop_octets(reader, blobs, inbox, uids),
        listed=first.messages,
        listing=first.octets,
        listing_packed=first.packed,
        all_listing=round(whole.octets * share),
        all_packed=round(whole.packed * share),
        is_estimated=len(uids) > whole.messages,
        devices=tuple([await _device(reader, inbox, view, now) for view in views]),
    )


def _is_waste(mailbox: Mailbox, resting: MailboxId) -> bool:
    """Nobody misses what lies there: Trash, Junk, and where what POP3 removed rests."""
    return mailbox.mailbox_id == resting or bool(WASTE & set(mailbox.special_use.split()))


async def listing_of(reader: Reader, mailbox: Mailbox, uids: Sequence[int], count: int) -> Listing:
    """Of the messages with these UIDs, the last of `count`."""
    plan = make_plan(Fetch(b"a", SequenceSet(()), LISTED_ITEMS), Manner(), marks=False)
    octets = packed = done = 0
    for start in range(0, len(uids), PAGE):
        page = uids[start : start + PAGE]
        rows = await _rows(reader, mailbox, plan.facts, page, count - len(uids) + start + 1)
        text = b"".join(lines_of(plan, plan.template, rows))
        octets, packed, done = (
            octets + len(text),
            packed + len(Deflate().encode(text)),
            done + len(rows.numbers),
        )
        await asyncio.sleep(0)
    return Listing(done, octets, packed)


async def _rows(
    reader: Reader, mailbox: Mailbox, columns: tuple[str, ...], uids: Sequence[int], number: int
) -> Rows:
    span = [(uids[0], uids[-1])]
    key = (mailbox.account_id, mailbox.mailbox_id, span)
    flags = {message.uid: message for message in await reader.messages(*key)}
    found = [row for row in await reader.facts(*key, columns) if row[0] in flags]
    messages: list[Message] = [flags[cast(Uid, row[0])] for row in found]
    values = list(zip(*found, strict=True))[1:] if found else [()] * len(columns)
    texts = flag_texts(mailbox.keywords)
    return Rows(
        mailbox.account_id,
        range(number, number + len(found)),
        [message.uid for message in messages],
        messages,
        [texts[message.flags] for message in messages],
        dict(zip(columns, values, strict=True)),
    )


async def pop_octets(reader: Reader, blobs: Blobs, inbox: Mailbox, uids: Sequence[int]) -> int:
    """All that a POP3 server sends to a client that fetches everything: UIDL, LIST, and each message with its
    first and last line and doubled dots."""
    sizes = await _sizes(reader, inbox, uids)
    octets = len(b"+OK\r\n.\r\n") * 2
    for number, size in enumerate(sizes, 1):
        digits, length = len(str(number)), len(str(size))
        octets += digits + 1 + length + 2  # LIST
        octets += digits + 1 + 16 + 2  # UIDL
        octets += len(b"+OK  octets\r\n.\r\n") + length + size
    return octets + await _doubled(reader, blobs, inbox, uids)


async def _sizes(reader: Reader, inbox: Mailbox, uids: Sequence[int]) -> list[int]:
    sizes: list[int] = []
    for start in range(0, len(uids), 10 * PAGE):
        page = uids[start : start + 10 * PAGE]
        key = (inbox.account_id, inbox.mailbox_id, [(page[0], page[-1])])
        sizes += [cast(int, size) for _, size in await reader.facts(*key, ("size",))]
        await asyncio.sleep(0)
    return sizes


async def _doubled(reader: Reader, blobs: Blobs, inbox: Mailbox, uids: Sequence[int]) -> int:
    """Dots at the beginnings of lines, and line ends that messages lack; from messages spread over all."""
    some = [Uid(uid) for uid in uids[:: max(len(uids) // MOST_READ, 1)][:MOST_READ]]
    refs = await reader.blob_refs(inbox.account_id, inbox.mailbox_id, some)
    found = read = octets = 0
    for ref in refs.values():
        octets += ref.size
        if read and octets > MOST_OCTETS:
            break
        before, last = b"\n", b""
        try:
            async for chunk in blobs.stream(ref):
                joined = before + chunk
                found += joined.count(b"\n.")
                before, last = joined[-1:], (last + chunk[-2:])[-2:]
                await asyncio.sleep(0)
        except (BlobUnreadable, OSError):
            continue  # it cannot be fetched either
        found += 0 if last == b"\r\n" else 2
        read += 1
    return round(found * len(uids) / read) if read else 0


async def _device(reader: Reader, inbox: Mailbox, view: DeviceView, now: float) -> DeviceFacts:
    facts = _without_lacks(view, now)
    has = next((one.point.fetched_high for one in view.mailboxes if _is_of(one.point, inbox)), 0)
    if not facts.reads or has + 1 >= inbox.uidnext:
        return facts
    key = (inbox.account_id, inbox.mailbox_id, [(has + 1, inbox.uidnext - 1)])
    rows = await reader.facts(*key, ("size",))
    return facts._replace(lacks=len(rows), lacks_octets=sum(cast(int, size) for _, size in rows))


def _is_of(point: SyncPoint, inbox: Mailbox) -> bool:
    return (point.owner, point.mailbox_id) == (inbox.account_id, inbox.mailbox_id)


def _without_lacks(view: DeviceView, now: float) -> DeviceFacts:
    recent = view.recent
    return DeviceFacts(
        view.device.device_id,
        view.label,
        view.protocols,
        view.is_active(now),
        recent.deleted,
        recent.deleted_octets,
        recent.wire_out,
    )


async def account_losses(reader: Reader, now: float) -> list[tuple[Account, list[Loss]]]:
    """Accounts of which one device removes mail over POP3 while others read; by name. Raises StoreError."""
    deleting = set(await reader.accounts_deleting(int(now // DAY) - KEPT_DAYS + 1))
    found = []
    for account in await reader.accounts():
        if account.account_id not in deleting or account.kind is not AccountKind.PERSON:
            continue
        views = await device_views(reader, account.account_id)
        lost = losses([_without_lacks(view, now) for view in views])
        if lost:
            found.append((account, lost))
    return found
