"""What every engine promises of second factors and of sessions by the web; part of StoreContract."""

from __future__ import annotations

import pytest

from postier.store.api import AccountId, NoSuchAccount, WebSession
from postier.testing.store_helpers import Opened, add_person, on_store

__all__ = ["FactorsContract"]


def session(account_id: AccountId, verifier: bytes, at: int = 100) -> WebSession:
    return WebSession(account_id, 0, verifier, 0, 3, at, at, "192.0.2.1", "Mozilla", b"\0c")


class FactorsContract:
    @on_store
    async def test_a_factor_counts_on_for_whoever_is_first(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)

        async def add(kind: str, secret: bytes, confirmed: bool) -> int:
            return await store.transact(
                lambda tx: tx.add_second_factor(
                    alice, kind, "mine", credential=b"\0id", secret=secret, counter=7, confirmed=confirmed
                )
            )

        first, second = await add("totp", b"\0s", False), await add("passkey", b"key", True)
        one, two = await store.reader.second_factors(alice)
        assert (one.factor_id, one.kind, one.name, one.credential, one.secret) == (
            first, "totp", "mine", b"\0id", b"\0s"
        )  # fmt: skip
        assert (one.counter, one.confirmed, one.last_used, two.confirmed) == (7, False, 0, True)
        assert one.created > 0

        async def use(number: int, before: int, after: int) -> bool:
            return await store.transact(lambda tx: tx.use_second_factor(alice, number, before, after, 55))

        assert await use(first, 7, 2**40)
        assert not await use(first, 7, 2**40)
        one, two = await store.reader.second_factors(alice)
        assert (one.counter, one.confirmed, one.last_used) == (2**40, True, 55)
        assert await store.transact(lambda tx: tx.remove_second_factor(alice, first))
        assert not await store.transact(lambda tx: tx.remove_second_factor(alice, first))
        assert await add("totp", b"x", True) > second
        with pytest.raises(NoSuchAccount):
            await store.transact(
                lambda tx: tx.add_second_factor(AccountId(99), "totp", "x", secret=b"", confirmed=True)
            )

    @on_store
    async def test_a_recovery_code_is_good_once(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")
        await store.transact(lambda tx: tx.set_recovery_codes(alice, [b"old"]))
        await store.transact(lambda tx: tx.set_recovery_codes(alice, [b"\0one", b"two"]))
        assert await store.reader.recovery_codes(alice) == 2
        assert not await store.transact(lambda tx: tx.use_recovery_code(ben, b"two"))
        assert not await store.transact(lambda tx: tx.use_recovery_code(alice, b"old"))
        assert await store.transact(lambda tx: tx.use_recovery_code(alice, b"\0one"))
        assert not await store.transact(lambda tx: tx.use_recovery_code(alice, b"\0one"))
        assert await store.reader.recovery_codes(alice) == 1

    @on_store
    async def test_sessions_are_found_by_their_verifier_and_end(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        ben, _ = await add_person(store, "ben@a.test")

        async def add(one: WebSession) -> int:
            return await store.transact(lambda tx: tx.add_web_session(one))

        first = await add(session(alice, b"\0one"))
        second = await add(session(alice, b"two", 200))
        third = await add(session(ben, b"three", 300))
        found = await store.reader.web_session(b"\0one")
        assert found == session(alice, b"\0one")._replace(session_id=first)
        assert await store.reader.web_session(b"four") is None
        changed = found._replace(verifier=b"new", stage=1, last_seen=400, challenge=b"", failures=2)
        await store.transact(lambda tx: tx.update_web_session(changed))
        assert await store.reader.web_session(b"\0one") is None
        assert await store.reader.web_sessions(alice) == [
            changed,
            session(alice, b"two", 200)._replace(session_id=second),
        ]
        assert await store.transact(lambda tx: tx.forget_web_sessions(300, 0)) == 1
        assert await store.transact(lambda tx: tx.forget_web_sessions(0, 200)) == 1
        assert await store.reader.web_sessions(alice) == []
        again = await add(session(ben, b"four"))
        assert await store.transact(lambda tx: tx.remove_web_sessions(alice, only=third)) == 0
        assert await store.transact(lambda tx: tx.remove_web_sessions(ben, keep=again)) == 1
        assert await store.transact(lambda tx: tx.remove_web_sessions(ben, only=again)) == 1
        with pytest.raises(NoSuchAccount):
            await add(session(AccountId(99), b"x"))

    @on_store
    async def test_nothing_of_it_outlives_its_account(self, opened: Opened) -> None:
        store = opened.store
        alice, _ = await add_person(store)
        await store.transact(lambda tx: tx.add_second_factor(alice, "totp", "x", secret=b"", confirmed=True))
        await store.transact(lambda tx: tx.set_recovery_codes(alice, [b"one"]))
        await store.transact(lambda tx: tx.add_web_session(session(alice, b"one")))
        await store.transact(lambda tx: tx.remove_account(alice))
        assert await store.reader.second_factors(alice) == []
        assert await store.reader.recovery_codes(alice) == 0
        assert await store.reader.web_session(b"one") is None
