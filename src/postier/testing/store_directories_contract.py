"""What every engine promises of directories elsewhere; part of StoreContract."""

from __future__ import annotations

from dataclasses import replace

import pytest

from postier.store.api import (
    AddressTarget,
    AlreadyExists,
    DirectoryGroup,
    DirectoryLogin,
    DirectoryMember,
    DirectoryPerson,
    LdapDirectory,
    SyncState,
)
from postier.testing.store_helpers import Opened, add_person, on_store

__all__ = ["DirectoriesContract"]

ONE = LdapDirectory(
    "office",
    ("ldaps://ldap.orchard.test:636", "ldap://[::1]:389"),
    ("orchard.test",),
    "dc=orchard,dc=test",
    bind_dn="cn=postier,dc=orchard,dc=test",
    password="a \N{SNOWMAN} secret",  # noqa: S106 - of nobody
    login=DirectoryLogin.BIND,
    groups=(DirectoryGroup("cn=sales,dc=orchard,dc=test", "sales@orchard.test", "lrs", send_as=True),),
)


class DirectoriesContract:
    @on_store
    async def test_a_directory_is_kept_replaced_and_removed(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.ldap_directories() == []
        before = await store.reader.directories_version()
        await store.transact(lambda tx: tx.set_ldap_directory(ONE))
        await store.transact(lambda tx: tx.set_ldap_directory(replace(ONE, name="annex")))
        assert await store.reader.ldap_directories() == [replace(ONE, name="annex"), ONE]
        assert await store.reader.directories_version() > before
        await store.transact(lambda tx: tx.set_ldap_directory(replace(ONE, base="dc=test")))
        assert await store.reader.ldap_directories() == [
            replace(ONE, name="annex"),
            replace(ONE, base="dc=test"),
        ]
        assert await store.transact(lambda tx: tx.remove_ldap_directory("annex"))
        assert not await store.transact(lambda tx: tx.remove_ldap_directory("annex"))

    @on_store
    async def test_the_state_of_a_directory_survives_a_change_of_it(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.sync_state("office") == SyncState()
        await store.transact(lambda tx: tx.set_ldap_directory(ONE))
        await store.transact(lambda tx: tx.set_sync_state("office", SyncState(200, 100, "down")))
        await store.transact(lambda tx: tx.set_ldap_directory(replace(ONE, base="dc=test")))
        assert await store.reader.sync_state("office") == SyncState(200, 100, "down")

    @on_store
    async def test_an_account_is_an_entry_until_it_goes(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        person = DirectoryPerson(alice, "office", "0af1", "cn=alice", ("a@orchard.test", "b@orchard.test"))
        await store.transact(lambda tx: tx.set_directory_person(person))
        assert await store.reader.directory_person(alice) == person
        assert await store.reader.directory_person(bob) is None
        assert await store.reader.directory_entry("office", "0af1") == person
        assert await store.reader.directory_entry("annex", "0af1") is None
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.set_directory_person(person._replace(account_id=bob)))
        gone = person._replace(present=False, addresses=())
        await store.transact(lambda tx: tx.set_directory_person(gone))
        assert await store.reader.directory_people("office") == [gone]
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.directory_people("office") == []
        assert not await store.transact(lambda tx: tx.remove_directory_person(alice))

    @on_store
    async def test_memberships_and_aliases_go_with_accounts_and_directory(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        sales, _ = await add_person(store, "sales@orchard.test")
        await store.transact(lambda tx: tx.set_ldap_directory(ONE))
        member = DirectoryMember(sales, alice, "office", "lrs")
        await store.transact(lambda tx: tx.set_directory_member(member))
        await store.transact(lambda tx: tx.set_directory_member(member._replace(send_as=True)))
        assert await store.reader.directory_members("office") == [member._replace(send_as=True)]
        assert await store.transact(lambda tx: tx.remove_directory_member(sales, alice))
        assert not await store.transact(lambda tx: tx.remove_directory_member(sales, alice))
        await store.transact(lambda tx: tx.set_directory_member(member))
        await store.transact(lambda tx: tx.remove_account(sales))
        assert await store.reader.directory_members("office") == []
        await store.transact(lambda tx: tx.set_directory_alias("office", "all@orchard.test", True))
        await store.transact(lambda tx: tx.set_directory_alias("office", "b@orchard.test", True))
        await store.transact(lambda tx: tx.set_directory_alias("office", "b@orchard.test", False))
        assert await store.reader.directory_aliases("office") == ["all@orchard.test"]
        await store.transact(lambda tx: tx.set_directory_person(DirectoryPerson(alice, "office", "1", "")))
        await store.transact(lambda tx: tx.remove_ldap_directory("office"))
        assert await store.reader.directory_aliases("office") == []
        assert await store.reader.directory_people("office") == []
        assert (await store.reader.account(alice)).name == "alice@orchard.test"

    @on_store
    async def test_a_renamed_account_keeps_its_earlier_address(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        bob, _ = await add_person(store, "bob@orchard.test")
        await store.transact(lambda tx: tx.set_send_as(bob, "alice@orchard.test", True))
        with pytest.raises(AlreadyExists):
            await store.transact(lambda tx: tx.rename_account(alice, "bob@orchard.test"))
        await store.transact(lambda tx: tx.rename_account(alice, "alice.smith@orchard.test"))
        reader = store.reader
        assert (await reader.account(alice)).name == "alice.smith@orchard.test"
        assert await reader.account_named("alice@orchard.test") is None
        old, new = [await reader.address(one) for one in ("alice@orchard.test", "alice.smith@orchard.test")]
        assert old is not None
        assert new is not None
        assert old.targets == new.targets == (AddressTarget(alice, None),)
        assert (old.is_alias, new.is_alias) == (True, False)
        assert [grant.pattern for grant in await reader.send_as(bob)] == ["alice.smith@orchard.test"]
        await store.transact(lambda tx: tx.rename_account(alice, "alice@orchard.test"))
        assert (await reader.account(alice)).name == "alice@orchard.test"

    @on_store
    async def test_a_display_name_changes(self, opened: Opened) -> None:
        alice, _ = await add_person(opened.store)
        await opened.store.transact(lambda tx: tx.set_display_name(alice, "Alice"))
        assert (await opened.store.reader.account(alice)).display_name == "Alice"
