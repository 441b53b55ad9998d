"""What becomes of messages that are deleted over POP3: they rest for a while in a mailbox of their own.

That mailbox is like any other to IMAP: who moves a message from there to INBOX has it back. Until a message's
time is over, each device that has not deleted it is still shown it over POP3, so that several devices get
everything, each once. Where resting is switched off, deleting is for good.

What rests counts against the quotas and gives way: whatever else finds no room takes the place of the oldest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.accounts.directory import language_of
from postier.accounts.mailboxes import INBOX, find
from postier.accounts.pop3_rules import Pop3Usual, applied
from postier.store.api import (
    SYSTEM_FLAGS,
    AccountId,
    Flag,
    Mailbox,
    NoSuchMailbox,
    Pop3Rules,
    RestingMessage,
    Store,
    Tx,
    Uid,
)

__all__ = ["NAMES", "bring_back", "expire_resting", "remove_over_pop3"]

NAMES = {"en": "Fetched by POP3", "fr": "Relevés par POP3"}
"""What the mailbox is called, by language; its owner may rename it."""

MOST_KEYWORDS = 58
"""That a mailbox has (see OutOfKeywords)."""

_AT_ONCE = 500
_KEPT = ~int(Flag.DELETED)


async def remove_over_pop3(
    tx: Tx, inbox: Mailbox, uids: Sequence[Uid], device: int, now: float, usual: Pop3Usual
) -> None:
    """`device` has deleted what these UIDs of INBOX stand for, whether it still lies there or rests already.

    `usual`: what the settings say. All of it is part of the transaction.
    """
    account_id = inbox.account_id
    rules = await tx.pop3_rules(account_id)
    rest = applied(rules, usual).rest
    if rest:
        place = await _resting_place(tx, account_id, rules)
        keep = await _kept_flags(tx, inbox, place)
        moved = await tx.move(account_id, inbox.mailbox_id, uids, place.mailbox_id, keep=keep)
        until = int(now) + rest
        await tx.note_resting(account_id, inbox.uidvalidity, moved, place.mailbox_id, device, until)
        there = {origin for origin, _ in moved}
    else:
        there = set(await tx.expunge(account_id, inbox.mailbox_id, uids))
    others = [uid for uid in uids if uid not in there]
    await tx.note_deleted(account_id, inbox.uidvalidity, others, device)


async def _kept_flags(tx: Tx, inbox: Mailbox, place: Mailbox) -> int:
    """All but \\Deleted, so that no EXPUNGE takes what rests; without keywords where the place has no room
    for more of them: nobody may be kept from deleting by that."""
    _, names = await tx.standing(inbox.account_id, inbox.mailbox_id)
    together = {name.lower() for name in (*names, *place.keywords)}
    return _KEPT if len(together) <= MOST_KEYWORDS else _KEPT & ((1 << SYSTEM_FLAGS) - 1)


async def _resting_place(tx: Tx, account_id: AccountId, rules: Pop3Rules) -> Mailbox:
    """The account's mailbox for what rests, made where there is none, subscribed so that programs show it. A
    mailbox that its owner made is never taken for it: it may be shared."""
    try:
        place = await tx.mailbox(account_id, rules.mailbox_id)
        if place.selectable:
            return place
    except NoSuchMailbox:
        pass
    account = await tx.account(account_id)
    plain = NAMES.get(await language_of(tx, account), NAMES["en"])
    name, number = plain, 1
    while await tx.mailbox_named(account_id, name) is not None:
        number += 1
        name = f"{plain} {number}"
    place = await tx.create_mailbox(account_id, name, limited=False)
    await tx.set_subscribed(account_id, name, True)
    await tx.set_pop3_rules(account_id, rules._replace(mailbox_id=place.mailbox_id))
    return place


async def expire_resting(store: Store, now: float) -> int:
    """Expunge what has rested for its time, some in each transaction. Returns how many are forgotten."""
    total = 0
    while over := await store.reader.resting_since(int(now), _AT_ONCE):

        async def work(tx: Tx, over: Sequence[RestingMessage] = over) -> None:
            await tx.expunge_resting(over)

        await store.transact(work)
        total += len(over)
    return total


async def bring_back(
    store: Store, account_id: AccountId, origins: Collection[Uid] | None = None, *, by: Actor = BY_SERVER
) -> int:
    """Move what rests (of it what has these origins) to INBOX, where it is new to every device; some in each
    transaction. Returns how many messages were moved."""
    resting = await store.reader.resting_of(account_id)
    wanted = [message for message in resting if origins is None or message.origin in origins]
    moved = 0
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]

        async def work(tx: Tx, some: Sequence[RestingMessage] = some) -> int:
            return await _bring_back(tx, account_id, some, by)

        moved += await store.transact(work)
    return moved


async def _bring_back(tx: Tx, account_id: AccountId, some: Sequence[RestingMessage], by: Actor) -> int:
    inbox = await find(tx, account_id, INBOX)
    moved = 0
    for mailbox_id in sorted({message.mailbox_id for message in some}):
        uids = [message.uid for message in some if message.mailbox_id == mailbox_id]
        try:
            moved += len(await tx.move(account_id, mailbox_id, uids, inbox.mailbox_id))
        except NoSuchMailbox:
            continue  # it was deleted meanwhile, and what was in it
    await tx.forget_resting(some)
    if moved:
        await note(tx, by, AuditKind.BROUGHT_BACK, await tx.account(account_id), count=str(moved))
    return moved
