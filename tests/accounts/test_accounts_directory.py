"""Who gets the mail of an address, on the real store."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from postier.accounts import domains, people
from postier.accounts.directory import Directory, RecipientKind
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.base.domain import Domain
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import AccountId, Store, Tx
from postier.store.sqlite import open_sqlite

ALICE = Address.parse("alice@orchard.test")


def with_store(tmp_path: Path, work: Callable[[Store], Awaitable[None]]) -> None:
    async def whole() -> None:
        store = await open_sqlite(
            tmp_path / "postier.db",
            blobs=LocalBlobs(tmp_path, "test"),
            bus=MemoryBus(),
            clock=SystemClock(),
            owner="test",
        )
        try:

            async def change(tx: Tx) -> None:
                await domains.add_domain(tx, Domain("orchard.test"), SystemClock())

            await store.transact(change)
            await work(store)
        finally:
            await store.close()

    asyncio.run(whole())


async def add(store: Store, text: str, quota: int = 0) -> AccountId:
    return await people.add_person(store, Address.parse(text), "", quota=quota)


def test_an_address_with_a_tag_reaches_its_base(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        alice = await add(store, "alice@orchard.test")
        found = await Directory(store).resolve(Address.parse("Alice+shopping@ORCHARD.test"))
        assert (found.kind, found.accounts) == (RecipientKind.LOCAL, (alice,))

    with_store(tmp_path, work)


def test_an_address_of_its_own_wins_over_the_tag(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await add(store, "alice@orchard.test")
        special = await add(store, "alice+vip@orchard.test")
        found = await Directory(store).resolve(Address.parse("alice+vip@orchard.test"))
        assert found.accounts == (special,)

    with_store(tmp_path, work)


@pytest.mark.parametrize(
    ("address", "kind"),
    [
        ("nobody@orchard.test", RecipientKind.UNKNOWN),
        ("+@orchard.test", RecipientKind.UNKNOWN),
        ("alice@elsewhere.test", RecipientKind.FOREIGN),
        ("alice@[127.0.0.1]", RecipientKind.FOREIGN),
        ("postmaster@orchard.test", RecipientKind.UNKNOWN),
    ],
)
def test_what_is_not_ours(tmp_path: Path, address: str, kind: RecipientKind) -> None:
    async def work(store: Store) -> None:
        await add(store, "alice@orchard.test")
        assert (await Directory(store).resolve(Address.parse(address))).kind is kind

    with_store(tmp_path, work)


def test_postmaster_of_every_domain_is_whoever_answers_for_the_server(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        alice = await add(store, "alice@orchard.test")
        directory, postmaster = Directory(store), Address.parse("PostMaster@orchard.test")
        await people.set_postmaster(store, ALICE)
        assert (await directory.resolve(postmaster)).accounts == (alice,)
        assert await directory.postmaster() == alice
        await people.remove_person(store, ALICE)
        assert (await directory.resolve(postmaster)).kind is RecipientKind.UNKNOWN
        assert await directory.postmaster() is None

    with_store(tmp_path, work)


def test_aliases_of_aliases_end_and_nobody_gets_a_message_twice(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        alice = await add(store, "alice@orchard.test")
        team, all_ = Address.parse("team@orchard.test"), Address.parse("all@orchard.test")
        outside = Address.parse("friend@elsewhere.test")
        await people.add_alias(store, team, [ALICE, outside])
        await people.add_alias(store, all_, [team, ALICE])
        await people.add_alias(store, team, [ALICE, outside, all_])  # a circle
        found = await Directory(store).resolve(all_)
        assert (found.accounts, found.forwards) == ((alice,), (outside,))

    with_store(tmp_path, work)


def test_one_may_write_as_ones_own_addresses_only(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        alice = await add(store, "alice@orchard.test")
        await add(store, "bob@orchard.test")
        await people.add_alias(store, Address.parse("sales@orchard.test"), [ALICE])
        directory = Directory(store)
        account = await store.reader.account(alice)
        may = [
            await directory.may_send_as(account, Address.parse(address))
            for address in (
                "alice@orchard.test",
                "alice+x@orchard.test",
                "sales@orchard.test",
                "bob@orchard.test",
            )
        ]
        assert may == [True, True, True, False]
        assert await directory.addresses_of(account) == ("alice@orchard.test", "sales@orchard.test")

    with_store(tmp_path, work)


def test_a_second_person_of_one_address_is_refused(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await add(store, "alice@orchard.test")
        with pytest.raises(people.PeopleError, match="taken"):
            await add(store, "ALICE@orchard.test")
        with pytest.raises(people.PeopleError, match="not a domain"):
            await add(store, "alice@elsewhere.test")

    with_store(tmp_path, work)


def test_an_import_with_one_bad_row_adds_nobody(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        rows = [(Address.parse(a), "") for a in ("a@orchard.test", "b@orchard.test", "c@elsewhere.test")]
        with pytest.raises(people.PeopleError):
            await people.add_people(store, rows)
        assert await store.reader.accounts() == []

    with_store(tmp_path, work)


def test_removing_a_person_frees_the_address(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        await add(store, "alice@orchard.test")
        await people.remove_person(store, ALICE)
        assert (await Directory(store).resolve(ALICE)).kind is RecipientKind.UNKNOWN
        await add(store, "alice@orchard.test")

    with_store(tmp_path, work)


def test_every_domain_has_two_signing_keys(tmp_path: Path) -> None:
    async def work(store: Store) -> None:
        signers = await domains.signers_for(store.reader, "orchard.test")
        assert [signer.algorithm for signer in signers] == ["rsa-sha256", "ed25519-sha256"]
        assert await domains.signers_for(store.reader, "elsewhere.test") == ()

    with_store(tmp_path, work)


@pytest.mark.parametrize(
    ("pattern", "yes", "no"),
    [
        ("info@orchard.test", ["info@orchard.test", "info+x@orchard.test"], ["bob@orchard.test"]),
        ("INFO@orchard.test", ["Info@orchard.test"], []),
        (
            "bob@orchard.test",
            ["bob@orchard.test", "bob+x@orchard.test", "info@orchard.test"],
            ["carol@orchard.test", "nobody@orchard.test"],
        ),
        (
            "*@orchard.test",
            ["bob@orchard.test", "carol@orchard.test", "nobody@orchard.test", "bob+x@orchard.test"],
            ["bob@else.test", "bob@sub.orchard.test"],
        ),
    ],
)
def test_one_may_write_as_others_as_far_as_one_was_let(
    tmp_path: Path, pattern: str, yes: list[str], no: list[str]
) -> None:
    async def work(store: Store) -> None:
        alice = await store.reader.account(await add(store, "alice@orchard.test"))
        for name in ("bob", "carol"):
            await add(store, f"{name}@orchard.test")
        await people.add_alias(store, Address.parse("info@orchard.test"), [Address.parse("bob@orchard.test")])
        whose = Domain("orchard.test") if pattern.startswith("*@") else Address.parse(pattern)
        directory = Directory(store)

        async def may(addresses: list[str]) -> list[bool]:
            return [await directory.may_send_as(alice, Address.parse(address)) for address in addresses]

        assert not any(await may(yes + no))
        assert await people.set_send_as(store, whose, ALICE, True)
        assert not await people.set_send_as(store, whose, ALICE, True)
        assert all(await may([*yes, "alice@orchard.test"]))
        assert not any(await may(no))
        assert await directory.addresses_of(alice) == ("alice@orchard.test", pattern.lower())
        assert await people.set_send_as(store, whose, ALICE, False)
        assert not any(await may(yes + no))

    with_store(tmp_path, work)


@pytest.mark.parametrize("whose", ["nobody@orchard.test", "x@else.test", "*@else.test"])
def test_nobody_is_let_write_as_what_is_not_ours(tmp_path: Path, whose: str) -> None:
    async def work(store: Store) -> None:
        await add(store, "alice@orchard.test")
        named = Domain(whose[2:]) if whose.startswith("*@") else Address.parse(whose)
        with pytest.raises(people.PeopleError):
            await people.set_send_as(store, named, ALICE, True)
        with pytest.raises(people.PeopleError):
            await people.set_send_as(store, ALICE, Address.parse("nobody@orchard.test"), True)
        assert await store.reader.send_as() == []

    with_store(tmp_path, work)
