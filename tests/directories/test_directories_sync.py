"""Accounts become what OpenLDAP's server says of its people, and nothing is lost on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postier.accounts.directory import Directory
from postier.accounts.people import (
    PeopleError,
    add_alias,
    add_person,
    add_shared,
    remove_person,
    set_enabled,
    set_password,
)
from postier.base.address import Address
from postier.base.clock import SystemClock
from postier.directories.sync import SyncOptions, SyncReport, sync_directory, too_many_gone
from postier.directories.terms import listing_terms
from postier.directories.upkeep import compare, keep_comparing
from postier.store.api import Account, DirectoryGroup, LdapDirectory, Store, StoreUnavailable
from postier.testing.slapd import BASE, Slapd

Office = Callable[..., LdapDirectory]
CLOCK = SystemClock()


OnStore = Callable[[Callable[[Store], Awaitable[None]]], None]


async def sync(store: Store, directory: LdapDirectory, **options: bool) -> SyncReport:
    known = await store.reader.ldap_directories()
    if known != [directory]:
        await store.transact(lambda tx: tx.set_ldap_directory(directory))
    return await sync_directory(store, CLOCK, directory, listing_terms, SyncOptions(**options))


async def account(store: Store, name: str) -> Account:
    found = await store.reader.account_named(name)
    assert found is not None, name
    return found


def test_people_come_change_and_go(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    for number in range(10):
        slapd.person(f"p{number}")
    anna = slapd.person("anna", displayName=["Anna"], mailAlternateAddress=["a@orchard.test"],
                        preferredLanguage=["fr"])  # fmt: skip

    async def work(store: Store) -> None:
        dry = await sync(store, office(), dry_run=True)
        assert (len(dry.changes), await store.reader.accounts()) == (13, [])
        assert (await store.reader.sync_state("office")).at == 0
        assert (await sync(store, office())).changes == dry.changes
        assert (await sync(store, office())).changes == []
        before = await account(store, "anna@orchard.test")
        assert (before.display_name, before.language, before.password_hash) == ("Anna", "fr", "")
        await store.transact(lambda tx: tx.set_language(before.account_id, "en"))
        slapd.modify(anna, "mail", ["anna.oak@orchard.test"])
        slapd.modify(anna, "mailAlternateAddress", ["oak@orchard.test"])
        slapd.modify(anna, "displayName", ["Anna Oak"])
        slapd.rename(anna, "uid=oak")
        changed = await sync(store, office())
        assert changed.problems == []
        after = await account(store, "anna.oak@orchard.test")
        assert (after.account_id, after.display_name, after.language) == (before.account_id, "Anna Oak", "en")
        resolve = Directory(store).resolve
        for name in ("anna@orchard.test", "anna.oak@orchard.test", "oak@orchard.test"):
            assert (await resolve(Address.parse(name))).accounts == (after.account_id,)
        assert (await resolve(Address.parse("a@orchard.test"))).accounts == ()
        slapd.delete(f"uid=oak,ou=people,{BASE}")
        slapd.modify(f"uid=p1,ou=people,{BASE}", "userAccountControl", ["514"])
        gone = await sync(store, office())
        assert sorted(gone.changes) == [
            "anna.oak@orchard.test: disabled, as gone from the directory; the mail stays",
            "p1@orchard.test: disabled, as disabled in the directory; the mail stays",
        ]
        assert not (await account(store, "anna.oak@orchard.test")).enabled
        assert (await resolve(Address.parse("anna.oak@orchard.test"))).accounts == (after.account_id,)
        assert (await sync(store, office())).changes == []
        slapd.modify(f"uid=p1,ou=people,{BASE}", "userAccountControl", ["512"])
        assert (await sync(store, office())).changes == ["p1@orchard.test: enabled again"]
        await set_enabled(store, Address.parse("p2@orchard.test"), False)
        assert (await sync(store, office())).changes == []
        assert not (await account(store, "p2@orchard.test")).enabled  # it was disabled here, by hand
        with pytest.raises(PeopleError, match="comes from the directory office: change the password there"):
            await set_password(store, Address.parse("p1@orchard.test"), "hash")
        with pytest.raises(PeopleError, match="remove the person there first"):
            await remove_person(store, Address.parse("p1@orchard.test"))
        await remove_person(store, Address.parse("anna.oak@orchard.test"))  # left, so its mail may be deleted
        assert await store.reader.account_named("anna.oak@orchard.test") is None

    on_store(work)


@pytest.mark.parametrize(
    ("present", "gone", "stops"),
    [
        (0, 0, False),
        (1, 1, False),
        (10, 2, False),
        (10, 3, True),
        (100, 20, False),
        (100, 21, True),
        (2, 2, True),
    ],
)
def test_when_too_many_are_gone(present: int, gone: int, stops: bool) -> None:
    assert too_many_gone(present, gone) is stops


def test_a_wrong_filter_disables_nobody(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    for number in range(6):
        slapd.person(f"p{number}")

    async def work(store: Store) -> None:
        await sync(store, office())
        wrong = office(people="(uid=p1)")
        report = await sync(store, wrong)
        assert report.stopped.startswith("5 of 6 people are gone from office")
        assert all(one.enabled for one in await store.reader.accounts())
        assert (await store.reader.sync_state("office")).words == report.stopped
        slapd.kill()
        down = await sync(store, wrong, force=True)
        assert "cannot be reached" in down.stopped
        assert all(one.enabled for one in await store.reader.accounts())
        slapd.start()
        assert "does not search" in (await sync(store, office(base="dc=elsewhere"), force=True)).stopped
        assert len((await sync(store, wrong, force=True)).changes) == 5

    on_store(work)


def test_an_address_is_never_taken_from_anybody(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("own")
    slapd.person("shared")
    slapd.person("alias")
    slapd.person("one", mail=["both@orchard.test"])
    slapd.person("two", mail=["both@orchard.test"])
    slapd.person("far", mail=["far@elsewhere.test"])
    slapd.person("anna", mailAlternateAddress=["own@orchard.test", "extra@orchard.test"])
    slapd.person("junk", mail=["no address"])

    async def work(store: Store) -> None:
        own = await add_person(store, Address.parse("own@orchard.test"), "hash")
        await add_shared(store, Address.parse("shared@orchard.test"))
        await add_alias(store, Address.parse("alias@orchard.test"), [Address.parse("own@orchard.test")])
        report = await sync(store, office())
        told = "\n".join(report.problems)
        for words in (
            "own@orchard.test is an account of this server's own; hand it over with --adopt",
            "shared@orchard.test is a shared account",
            "alias@orchard.test is taken",
            "both@orchard.test is said to be that of several people",
            "own@orchard.test of anna@orchard.test is another's",
            "uid=far,ou=people,dc=orchard,dc=test has no address in orchard.test",
            "uid=junk",
        ):
            assert words in told
        names = {one.name for one in await store.reader.accounts()}
        assert names == {"own@orchard.test", "shared@orchard.test", "anna@orchard.test"}
        assert (await store.reader.account(own)).password_hash == "hash"
        adopted = await sync(store, office(), adopt=True)
        assert "own@orchard.test: comes from the directory now" in adopted.changes
        assert (await store.reader.account(own)).password_hash == ""
        # whoever has a contested address keeps it
        slapd.delete(f"uid=two,ou=people,{BASE}")
        await sync(store, office())
        slapd.person("three", mail=["both@orchard.test"])
        await sync(store, office())
        link = await store.reader.directory_person((await account(store, "both@orchard.test")).account_id)
        assert link is not None
        assert link.dn.startswith("uid=one,")

    on_store(work)


def test_a_name_that_went_over_to_a_colleague_is_not_the_old_account(
    slapd: Slapd, office: Office, on_store: OnStore
) -> None:
    old = slapd.person("anna")
    for number in range(6):
        slapd.person(f"p{number}")

    async def work(store: Store) -> None:
        await sync(store, office())
        before = await account(store, "anna@orchard.test")
        slapd.delete(old)
        slapd.person("anna")  # the same name and address, another person
        report = await sync(store, office())
        assert any("anna@orchard.test is uid=anna" in problem for problem in report.problems)
        after = await account(store, "anna@orchard.test")
        assert (after.account_id, after.enabled) == (before.account_id, False)

    on_store(work)


def test_groups_open_mailboxes_and_are_addresses(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    names = [slapd.person(uid) for uid in ("anna", "ben", "carla")]
    odd = slapd.person(r"smith\, \"jo\" \+ lučić", mail=["odd@orchard.test"], cn=['Smith, "Jo" +'])
    inner = slapd.group("inner", [odd])
    sales = slapd.group("sales", [names[0], inner, f"uid=stranger,{BASE}"])
    slapd.modify(inner, "member", [odd, sales])  # a circle
    board = slapd.group("board", names[1:], mail=["board@orchard.test"])

    async def work(store: Store) -> None:
        await add_shared(store, Address.parse("office@orchard.test"))
        groups = (
            DirectoryGroup(sales, "office@orchard.test", "lrs"),
            DirectoryGroup(board, "office@orchard.test", "lrswi", send_as=True),
            DirectoryGroup(inner, "inner@orchard.test"),
            DirectoryGroup(f"cn=none,{BASE}", "none@orchard.test"),
        )
        directory = office(groups=groups, mail_groups="(&(objectClass=groupOfNames)(mail=*))")
        report = await sync(store, directory)
        assert report.problems == [f"the group cn=none,{BASE} is not there: what it gave stays as it is"]
        owner = await account(store, "office@orchard.test")
        inbox = await store.reader.mailbox_named(owner.account_id, "INBOX")
        assert inbox is not None

        async def rights() -> dict[str, str]:
            granted = await store.reader.grants(owner.account_id, inbox.mailbox_id)
            return {one.name.partition("@")[0]: "".join(sorted(one.letters)) for one in granted}

        assert await rights() == {"anna": "lrs", "odd": "lrs", "ben": "ilrsw", "carla": "ilrsw"}
        assert len(await store.reader.send_as()) == 2
        resolve = Directory(store).resolve
        assert len((await resolve(Address.parse("board@orchard.test"))).accounts) == 2
        assert len((await resolve(Address.parse("inner@orchard.test"))).accounts) == 2
        assert (await sync(store, directory)).changes == []
        slapd.modify(board, "member", [names[0]])
        await sync(store, directory)
        assert await rights() == {"anna": "ilrsw", "odd": "lrs"}
        assert [one.account_id for one in await store.reader.send_as()] == [
            (await account(store, "anna@orchard.test")).account_id
        ]
        await sync(store, office(groups=groups[1:2]))
        assert await rights() == {"anna": "ilrsw"}
        assert await store.reader.directory_aliases("office") == []
        assert (await resolve(Address.parse("inner@orchard.test"))).accounts == ()
        slapd.delete(board)  # gone, perhaps by mistake: nothing is taken
        await sync(store, office(groups=groups[1:2]))
        assert await rights() == {"anna": "ilrsw"}
        await sync(store, office())
        assert await rights() == {}

    on_store(work)


def test_one_compares_at_a_time(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("anna")

    async def work(store: Store) -> None:
        await store.transact(lambda tx: tx.set_ldap_directory(office()))
        reports = await asyncio.gather(*(compare(store, CLOCK, office(), f"w{n}") for n in range(3)))
        assert sum(report is not None for report in reports) == 1
        assert await compare(store, CLOCK, office(), "w9") is not None

    on_store(work)


def test_a_comparison_that_was_cut_off_is_finished_by_the_next(
    slapd: Slapd, office: Office, on_store: OnStore
) -> None:
    for number in range(12):
        slapd.person(f"p{number}")

    async def work(store: Store) -> None:
        await store.transact(lambda tx: tx.set_ldap_directory(office()))
        whole, left = store.transact, 4

        async def cut(*asked: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise StoreUnavailable("the disk is full")
            return await whole(*asked, **options)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(type(store), "transact", lambda _, *asked, **options: cut(*asked, **options))
            with pytest.raises(StoreUnavailable):
                await sync(store, office())
        assert len(await store.reader.directory_people("office")) == 4
        assert (await sync(store, office())).problems == []
        people = await store.reader.directory_people("office")
        assert len({one.entry_id for one in people}) == len(await store.reader.accounts()) == 12

    on_store(work)


def test_a_worker_compares_again_and_again(slapd: Slapd, office: Office, on_store: OnStore) -> None:
    slapd.person("anna")

    async def work(store: Store) -> None:
        await store.transact(lambda tx: tx.set_ldap_directory(office()))
        chore = asyncio.create_task(keep_comparing(store, CLOCK, "w0", 1, pause=0.01))
        while await store.reader.account_named("anna@orchard.test") is None:
            await asyncio.sleep(0.01)
        slapd.person("ben")
        while await store.reader.account_named("ben@orchard.test") is None:
            await asyncio.sleep(0.01)
        chore.cancel()
        with pytest.raises(asyncio.CancelledError):
            await chore
        await asyncio.wait_for(keep_comparing(store, CLOCK, "w0", 0), 5)  # 0: never

    on_store(work)
