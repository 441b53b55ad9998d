"""The rules about mailbox names and the hierarchy, on the real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from postier.accounts import mailboxes
from postier.accounts.mailboxes import BadMailboxName, canonical_name
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import (
    AccountId,
    AccountKind,
    AlreadyExists,
    Mailbox,
    NewMessage,
    NoSuchMailbox,
    Store,
    Tx,
)
from postier.store.sql.mailboxes import MailboxReader
from postier.store.sqlite import open_sqlite

MESSAGE = NewMessage(None, 10, 0, 0, b"()", b"()", b"", b"", "", "", "")  # type: ignore[arg-type]


def with_account(tmp_path: Path, work: Callable[[Store, AccountId], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = await open_sqlite(
            tmp_path / "postier.db",
            blobs=LocalBlobs(tmp_path, "test"),
            bus=MemoryBus(),
            clock=SystemClock(),
            owner="test",
        )
        try:

            async def make(tx: Tx) -> AccountId:
                account_id = await tx.add_account("a@b.example", AccountKind.PERSON, "")
                await mailboxes.create_defaults(tx, account_id)
                return account_id

            await work(store, await store.transact(make))
        finally:
            await store.close()

    asyncio.run(whole())


async def append(store: Store, account_id: AccountId, name: str) -> None:
    async def work(tx: Tx) -> None:
        mailbox = await mailboxes.find(tx, account_id, name)
        blob_id, _ = await tx.add_blob(b"", b"0123456789")
        await tx.append(account_id, mailbox.mailbox_id, [MESSAGE._replace(blob_id=blob_id)])

    await store.transact(work)


async def names(store: Store, account_id: AccountId) -> list[str]:
    return [mailbox.name for mailbox in await store.reader.mailboxes(account_id)]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("inbox", "INBOX"),
        ("iNbOx/Old", "INBOX/Old"),
        ("e\u0301te\u0301", "été"),
        ("Projects/", "Projects"),
        ("inboxes", "inboxes"),
    ],
)
def test_a_name_has_one_form(written: str, canonical: str) -> None:
    assert canonical_name(written) == canonical


@pytest.mark.parametrize(
    "name",
    ["", "/", "a//b", "/a", "a\0b", "a\nb", "a*", "100%", "#news", "\ud800", "x" * 1001, "a/" * 100 + "b"],
)
def test_names_no_mailbox_may_have(name: str) -> None:
    with pytest.raises(BadMailboxName):
        canonical_name(name)


def test_a_name_at_the_limit_is_taken() -> None:
    assert canonical_name("x" * 1000) == "x" * 1000


def test_parents_are_made(tmp_path: Path) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await mailboxes.create(store, account_id, "a/b/c")
        assert {"a", "a/b", "a/b/c"} <= set(await names(store, account_id))
        with pytest.raises(AlreadyExists):
            await mailboxes.create(store, account_id, "a/b")

    with_account(tmp_path, work)


@pytest.mark.parametrize("name", ["Shared", "Other Users/alice@a.example/INBOX"])
def test_names_that_are_kept_for_others_are_made_by_nobody(tmp_path: Path, name: str) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        with pytest.raises(BadMailboxName):
            await mailboxes.create(store, account_id, name)
        with pytest.raises(BadMailboxName):
            await mailboxes.rename(store, account_id, "Archive", name)

    with_account(tmp_path, work)


def test_a_special_use_is_one_mailboxs_only(tmp_path: Path) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await mailboxes.create(store, account_id, "Envoyés", special_use="\\Memos \\Sent")
        await mailboxes.create(store, account_id, "Notes", special_use="\\Memos")
        uses = {m.name: m.special_use for m in await store.reader.special_mailboxes(account_id)}
        assert {name: use for name, use in uses.items() if "S" in use or "M" in use} == {
            "Envoyés": "\\Sent",
            "Notes": "\\Memos",
        }

    with_account(tmp_path, work)


def test_renaming_takes_the_children_along(tmp_path: Path) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await mailboxes.create(store, account_id, "a/b")
        await mailboxes.create(store, account_id, "ab")
        before = await mailboxes.find(store.reader, account_id, "a/b")
        await mailboxes.rename(store, account_id, "a", "x/y")
        found = await names(store, account_id)
        assert {"x", "x/y", "x/y/b", "ab"} <= set(found)
        assert not {"a", "a/b"} & set(found)
        after = await mailboxes.find(store.reader, account_id, "x/y/b")
        assert (after.mailbox_id, after.uidvalidity) == (before.mailbox_id, before.uidvalidity)

    with_account(tmp_path, work)


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        ("a", "a/b/c", BadMailboxName),
        ("a", "Sent", AlreadyExists),
        ("gone", "b", NoSuchMailbox),
    ],
)
def test_renames_that_are_refused(tmp_path: Path, old: str, new: str, error: type[Exception]) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await mailboxes.create(store, account_id, "a/b")
        before = await names(store, account_id)
        with pytest.raises(error):
            await mailboxes.rename(store, account_id, old, new)
        assert await names(store, account_id) == before

    with_account(tmp_path, work)


def test_there_is_a_most_and_parents_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        before = await names(store, account_id)
        monkeypatch.setattr(mailboxes, "MAX_MAILBOXES", len(before) + 2)
        for refused in ("a/b/c", "a/b/c/d"):
            with pytest.raises(BadMailboxName, match="too many"):
                await mailboxes.create(store, account_id, refused)
        assert await names(store, account_id) == before
        await mailboxes.create(store, account_id, "a/b")
        await mailboxes.rename(store, account_id, "a/b", "c")  # needs no other
        with pytest.raises(BadMailboxName, match="too many"):
            await mailboxes.rename(store, account_id, "c", "d/c")
        with pytest.raises(AlreadyExists):
            await mailboxes.create(store, account_id, "c")

    with_account(tmp_path, work)


def test_what_a_command_costs_does_not_depend_on_the_other_mailboxes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await mailboxes.create(store, account_id, "a/b")

        async def refuse(*_: object) -> list[Mailbox]:
            raise AssertionError("all mailboxes were read")

        monkeypatch.setattr(MailboxReader, "mailboxes", refuse)
        await mailboxes.create(store, account_id, "c/d")
        await mailboxes.rename(store, account_id, "a", "e/a")
        await mailboxes.delete(store, account_id, "c")
        await mailboxes.delete(store, account_id, "e/a/b")
        monkeypatch.undo()
        left = {mailbox.name: mailbox.selectable for mailbox in await store.reader.mailboxes(account_id)}
        assert {"c": False, "c/d": True, "e": True, "e/a": True}.items() <= left.items()
        assert "e/a/b" not in left

    with_account(tmp_path, work)


def test_renaming_inbox_moves_its_messages(tmp_path: Path) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await append(store, account_id, "INBOX")
        await mailboxes.create(store, account_id, "INBOX/kept")
        await mailboxes.rename(store, account_id, "inbox", "2025")
        counts = {m.name: m.messages for m in await store.reader.mailboxes(account_id)}
        assert (counts["INBOX"], counts["2025"]) == (0, 1)
        assert "INBOX/kept" in counts

    with_account(tmp_path, work)


def test_a_mailbox_with_children_stays_as_a_name(tmp_path: Path) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        await mailboxes.create(store, account_id, "a/b")
        await append(store, account_id, "a")
        old = await mailboxes.find(store.reader, account_id, "a")
        await mailboxes.delete(store, account_id, "a")
        left = await mailboxes.find(store.reader, account_id, "a")
        assert (left.selectable, left.messages) == (False, 0)
        with pytest.raises(BadMailboxName, match="children"):
            await mailboxes.delete(store, account_id, "a")
        again = await mailboxes.create(store, account_id, "a")
        assert again.selectable
        assert again.uidvalidity > old.uidvalidity

    with_account(tmp_path, work)


def test_inbox_cannot_be_deleted(tmp_path: Path) -> None:
    async def work(store: Store, account_id: AccountId) -> None:
        with pytest.raises(BadMailboxName):
            await mailboxes.delete(store, account_id, "InBox")

    with_account(tmp_path, work)
