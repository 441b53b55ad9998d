"""A store in plain Python, to compare engines with: any sequence of operations must leave both the same.

What is compared after every operation: each message's UID and flags, the counters of mailboxes and account
against a recount, and whether a client that knew an earlier state arrives at the present one by
`changes_since` alone.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies

from postier.store.api import AccountId, Flag, FlagChange, Mailbox, MailboxId, Store, Tx, Uid
from postier.testing.store_helpers import letter

__all__ = ["Operation", "check_against_model", "operations"]

BOXES = 3
Operation = tuple[str, int, int, list[int], int, FlagChange]
"""Name, mailbox, other mailbox, places of messages in the mailbox, flags, change."""


def operations(length: int) -> strategies.SearchStrategy[list[Operation]]:
    """Sequences of up to `length` operations."""
    box = strategies.integers(0, BOXES - 1)
    operation = strategies.tuples(
        strategies.sampled_from(("append", "flags", "expunge", "copy", "move", "abort")),
        box,
        box,
        strategies.lists(strategies.integers(0, 6), max_size=5),
        strategies.integers(0, 31),
        strategies.sampled_from(FlagChange),
    )
    return strategies.lists(operation, min_size=length // 2, max_size=length)


@dataclass
class Box:
    """A mailbox as it must be. `snapshots`: what a client knew that saw it at that modseq."""

    mailbox_id: MailboxId
    uidnext: int = 1
    messages: dict[int, tuple[int, int]] = field(default_factory=dict)
    snapshots: list[tuple[int, dict[int, int]]] = field(default_factory=list)

    def add(self, flags: int, size: int) -> None:
        self.messages[self.uidnext] = (flags, size)
        self.uidnext += 1

    def chosen(self, places: list[int]) -> list[int]:
        """The UIDs at these places, and one that is not there."""
        uids = sorted(self.messages)
        return [*sorted({uids[place] for place in places if place < len(uids)}), self.uidnext + 7]

    def present(self, uids: list[int]) -> list[int]:
        return [uid for uid in uids if uid in self.messages]


class _Abort(Exception):
    """Raised to undo a transaction."""


async def check_against_model(store: Store, account_id: AccountId, sequence: list[Operation]) -> None:
    """Run the operations on the store and on the model. `account_id` must have no mailboxes yet."""

    async def make(tx: Tx) -> list[Box]:
        return [Box((await tx.create_mailbox(account_id, f"box {n}")).mailbox_id) for n in range(BOXES)]

    boxes = await store.transact(make)
    seed: list[Operation] = [("append", n, n, [10, 20, 30, 40], 9 * n, FlagChange.ADD) for n in range(BOXES)]
    for operation in seed + sequence:
        await _OPERATIONS[operation[0]](store, account_id, boxes, operation)
        for box in boxes:
            await _compare(store, account_id, box)
        account = await store.reader.account(account_id)
        everything = [size for box in boxes for _, size in box.messages.values()]
        assert (account.messages, account.used) == (len(everything), sum(everything))


async def _append(store: Store, account_id: AccountId, boxes: list[Box], operation: Operation) -> None:
    _, place, _, sizes, flags, _ = operation
    box = boxes[place]

    async def work(tx: Tx) -> list[Uid]:
        blob_id, _ = await tx.add_blob(b"", b"x")
        letters = [letter(blob_id, flags=flags, size=size) for size in sizes]
        return await tx.append(account_id, box.mailbox_id, letters)

    assert await store.transact(work) == list(range(box.uidnext, box.uidnext + len(sizes)))
    for size in sizes:
        box.add(flags, size)


async def _flags(store: Store, account_id: AccountId, boxes: list[Box], operation: Operation) -> None:
    _, place, _, places, flags, change = operation
    box = boxes[place]
    uids = box.chosen(places)
    after, _ = await store.transact(
        lambda tx: tx.change_flags(account_id, box.mailbox_id, list(map(Uid, uids)), change, flags),
        durable=False,
    )
    for uid in box.present(uids):
        old, size = box.messages[uid]
        new = {FlagChange.ADD: old | flags, FlagChange.REMOVE: old & ~flags, FlagChange.REPLACE: flags}[
            change
        ]
        box.messages[uid] = (new, size)
    assert [(m.uid, m.flags) for m in after] == [(uid, box.messages[uid][0]) for uid in box.present(uids)]


async def _expunge(store: Store, account_id: AccountId, boxes: list[Box], operation: Operation) -> None:
    box = boxes[operation[1]]
    uids = box.chosen(operation[3])
    gone = await store.transact(lambda tx: tx.expunge(account_id, box.mailbox_id, list(map(Uid, uids))))
    assert gone == box.present(uids)
    for uid in gone:
        del box.messages[uid]


async def _copy(store: Store, account_id: AccountId, boxes: list[Box], operation: Operation) -> None:
    box, target = boxes[operation[1]], boxes[operation[2]]
    uids = box.chosen(operation[3])
    pairs = await store.transact(
        lambda tx: tx.copy(account_id, box.mailbox_id, list(map(Uid, uids)), account_id, target.mailbox_id)
    )
    _expect_pairs(pairs, box, target, uids)


async def _move(store: Store, account_id: AccountId, boxes: list[Box], operation: Operation) -> None:
    box, target = boxes[operation[1]], boxes[operation[2]]
    uids = box.chosen(operation[3])
    pairs = await store.transact(
        lambda tx: tx.move(account_id, box.mailbox_id, list(map(Uid, uids)), target.mailbox_id)
    )
    _expect_pairs(pairs, box, target, uids)
    for source, _ in pairs:
        del box.messages[source]


def _expect_pairs(pairs: list[tuple[Uid, Uid]], box: Box, target: Box, uids: list[int]) -> None:
    present = box.present(uids)
    assert pairs == list(zip(present, range(target.uidnext, target.uidnext + len(present)), strict=True))
    for uid in present:
        target.add(*box.messages[uid])


async def _abort(store: Store, account_id: AccountId, boxes: list[Box], operation: Operation) -> None:
    box, target = boxes[operation[1]], boxes[operation[2]]
    uids = list(map(Uid, box.chosen(operation[3])))

    async def work(tx: Tx) -> None:
        await tx.change_flags(account_id, box.mailbox_id, uids, FlagChange.ADD, operation[4])
        await tx.move(account_id, box.mailbox_id, uids, target.mailbox_id)
        await tx.expunge(account_id, target.mailbox_id, uids)
        raise _Abort

    try:
        await store.transact(work)
    except _Abort:
        return
    raise AssertionError("the error of the work did not come out")


_OPERATIONS: dict[str, Callable[[Store, AccountId, list[Box], Operation], Awaitable[Any]]] = {
    "append": _append,
    "flags": _flags,
    "expunge": _expunge,
    "copy": _copy,
    "move": _move,
    "abort": _abort,
}


async def _compare(store: Store, account_id: AccountId, box: Box) -> None:
    mailbox = await store.reader.mailbox(account_id, box.mailbox_id)
    listed = await store.reader.messages(account_id, box.mailbox_id, ((1, 2**32 - 1),))
    flags = {uid: flags for uid, (flags, _) in sorted(box.messages.items())}
    assert {message.uid: message.flags for message in listed} == flags
    assert list(await store.reader.uids(account_id, box.mailbox_id)) == list(flags)
    sizes = await store.reader.facts(account_id, box.mailbox_id, ((1, 2**32 - 1),), ("size",))
    assert sizes == [(uid, box.messages[uid][1]) for uid in flags]
    _compare_counters(mailbox, box)
    for modseq, known in box.snapshots:
        await _catch_up(store, mailbox, modseq, dict(known), flags)
    if not box.snapshots or box.snapshots[-1][0] != mailbox.modseq:
        box.snapshots.append((mailbox.modseq, flags))
    else:
        assert box.snapshots[-1][1] == flags, "something changed and the modseq did not"


def _compare_counters(mailbox: Mailbox, box: Box) -> None:
    all_flags = [flags for flags, _ in box.messages.values()]
    assert mailbox.uidnext == box.uidnext
    assert mailbox.messages == len(all_flags)
    assert mailbox.unseen == sum(not flags & Flag.SEEN for flags in all_flags)
    assert mailbox.deleted == sum(bool(flags & Flag.DELETED) for flags in all_flags)
    assert mailbox.size == sum(size for _, size in box.messages.values())


async def _catch_up(
    store: Store, mailbox: Mailbox, modseq: Any, known: dict[int, int], present: dict[int, int]
) -> None:
    """A client that knew `known` at `modseq` learns what changed, and nothing twice."""
    changes = await store.reader.changes_since(mailbox.account_id, mailbox.mailbox_id, modseq)
    assert changes.complete
    assert changes.mailbox == mailbox
    for message in changes.changed:
        assert modseq < message.modseq <= mailbox.modseq
        known[message.uid] = message.flags
    for uid in changes.vanished:
        known.pop(uid, None)
    assert known == present
