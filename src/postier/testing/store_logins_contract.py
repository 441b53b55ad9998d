"""What every engine promises of app passwords, keys for SCRAM and known places; part of StoreContract."""

from __future__ import annotations

import pytest

from postier.bus.api import SETTINGS_TOPIC
from postier.store.api import AccountId, AppPassword, NoSuchAccount, ScramRow, ScramStored
from postier.testing.store_helpers import Opened, SettableClock, add_person, on_store

__all__ = ["LoginsContract"]

NOW = int(SettableClock().now())


class LoginsContract:
    @on_store
    async def test_app_passwords_are_found_by_their_verifier(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")

        async def add(account_id: AccountId, name: str, verifier: bytes, **options: object) -> int:
            return await store.transact(
                lambda tx: tx.add_app_password(account_id, name, verifier, **options)  # type: ignore[arg-type]
            )

        phone = await add(alice, "phone", b"\0one", protocols=("imap",), networks=("::1/128",), expires=NOW)
        laptop = await add(alice, "laptop", b"\0two")
        assert laptop > phone
        assert [found.name for found in await store.reader.app_passwords(alice)] == ["phone", "laptop"]
        found = await store.reader.app_password_with(alice, b"\0one")
        assert found is not None
        assert found._replace(created=0) == AppPassword(
            alice, phone, "phone", ("imap",), ("::1/128",), 0, NOW, 0, ""
        )
        assert found.created > 0
        assert await store.reader.app_password_with(ben, b"\0one") is None
        assert await store.reader.app_password_with(alice, b"\0three") is None
        assert await store.reader.app_password_ids(alice) == {phone, laptop}

        await store.transact(lambda tx: tx.note_app_password_use(alice, phone, 2**40, "2001:db8::1"))
        found = await store.reader.app_password_with(alice, b"\0one")
        assert found is not None
        assert (found.last_used, found.last_peer) == (2**40, "2001:db8::1")

        assert not await store.transact(lambda tx: tx.remove_app_password(ben, phone))
        assert await store.transact(lambda tx: tx.remove_app_password(alice, phone))
        assert not await store.transact(lambda tx: tx.remove_app_password(alice, phone))
        assert await add(alice, "phone", b"\0one") > laptop, "an id is not used again"

    @on_store
    async def test_nobody_has_an_app_password(self, opened: Opened) -> None:
        with pytest.raises(NoSuchAccount):
            await opened.store.transact(lambda tx: tx.add_app_password(AccountId(999), "x", b"x"))

    @on_store
    async def test_a_new_password_ends_the_keys_of_the_old_one(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        assert await store.reader.scram(alice) is None
        await store.transact(lambda tx: tx.set_password_hash(alice, "first"))
        assert await store.reader.passwords_without_scram() == 1
        await store.transact(lambda tx: tx.set_scram_salt(alice, b"\0salt", 4096))
        own, other = ScramRow(0, 0, b"\0s", b"\0k"), ScramRow(7, 1, b"s7", b"k7")
        await store.transact(lambda tx: tx.set_scram_keys(alice, [own, ScramRow(0, 1, b"x", b"y"), other]))
        await store.transact(lambda tx: tx.set_scram_keys(alice, [own]))
        assert await store.reader.scram(alice) == ScramStored(b"\0salt", 4096, (own, other))
        assert await store.reader.passwords_without_scram() == 0
        before = await store.reader.account(alice)

        assert not await store.transact(lambda tx: tx.replace_password_hash(alice, "other", "again"))
        assert await store.transact(lambda tx: tx.replace_password_hash(alice, "first", "again"))
        again = await store.reader.account(alice)
        assert (again.password_hash, again.password_version) == ("again", before.password_version)
        assert await store.reader.scram(alice) == ScramStored(b"\0salt", 4096, (own, other))

        await store.transact(lambda tx: tx.set_password_hash(alice, "second"))
        assert (await store.reader.account(alice)).password_version > before.password_version
        assert await store.reader.scram(alice) == ScramStored(b"\0salt", 4096, (other,))
        assert await store.reader.passwords_without_scram() == 1
        await store.transact(lambda tx: tx.set_account_enabled(alice, False))
        assert await store.reader.passwords_without_scram() == 0
        await store.transact(lambda tx: tx.set_scram_salt(alice, b"new", 5000))
        assert await store.reader.scram(alice) == ScramStored(b"new", 5000, ())

    @on_store
    async def test_what_an_account_demands(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        account = await store.reader.account(alice)
        assert (account.app_passwords_only, account.second_factor) == (False, False)
        await store.transact(lambda tx: tx.set_app_passwords_only(alice, True))
        assert (await store.reader.account(alice)).app_passwords_only
        await store.transact(lambda tx: tx.set_second_factor(alice, True))
        assert (await store.reader.account(alice)).second_factor

    @on_store
    async def test_places_are_known_until_they_are_forgotten(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        await store.transact(lambda tx: tx.note_known(alice, "192.0.2.1", 5))
        await store.transact(lambda tx: tx.note_known(alice, "192.0.2.1", 2**40))
        await store.transact(lambda tx: tx.note_known(alice, "192.0.2.2", 5))
        assert await store.reader.known_since(alice, "192.0.2.1") == 2**40
        await store.transact(lambda tx: tx.forget_known(6))
        assert await store.reader.known_since(alice, "192.0.2.1") == 2**40
        assert await store.reader.known_since(alice, "192.0.2.2") == 0

    @on_store
    async def test_all_of_it_goes_with_the_account(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        for one in (alice, ben):
            await store.transact(lambda tx, one=one: tx.add_app_password(one, "x", b"x"))  # type: ignore[misc]
            await store.transact(lambda tx, one=one: tx.set_scram_salt(one, b"s", 1))  # type: ignore[misc]
            await store.transact(lambda tx, one=one: tx.note_known(one, "n", 1))  # type: ignore[misc]
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.app_passwords(alice) == []
        assert await store.reader.scram(alice) is None
        assert await store.reader.known_since(alice, "n") == 0
        assert len(await store.reader.app_passwords(ben)) == 1

    @on_store
    async def test_what_ends_a_login_is_told_on_the_bus(self, opened: Opened) -> None:
        store, heard = opened.store, list[int]()
        alice, _ = await add_person(store)
        number = await store.transact(lambda tx: tx.add_app_password(alice, "x", b"x"))
        opened.bus.subscribe(SETTINGS_TOPIC, heard.append)
        await store.transact(lambda tx: tx.remove_app_password(alice, number))
        await store.transact(lambda tx: tx.set_password_hash(alice, "x"))
        await store.transact(lambda tx: tx.set_app_passwords_only(alice, True))
        assert len(heard) == 3
