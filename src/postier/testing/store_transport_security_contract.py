"""What every engine promises of policies about TLS; part of StoreContract."""

from __future__ import annotations

from postier.store.api import FetchedPolicy, Store, TlsContract, TlsResult
from postier.testing.store_helpers import Opened, on_store

__all__ = ["TransportSecurityContract"]


async def keep(store: Store, policy: FetchedPolicy) -> None:
    await store.transact(lambda tx: tx.set_fetched_policy(policy))


async def agree(store: Store, contract: TlsContract) -> None:
    await store.transact(lambda tx: tx.set_tls_contract(contract))


class TransportSecurityContract:
    @on_store
    async def test_a_fetched_policy_comes_back_as_it_was_set_last(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.fetched_policy("b.example") is None
        for policy in (
            FetchedPolicy("b.example", "a1", 100, 2**40, "version: STSv1\r\n"),
            FetchedPolicy("b.example", "a2", 200, 300, ""),
        ):
            await keep(store, policy)
            assert await store.reader.fetched_policy("b.example") == policy

    @on_store
    async def test_fetched_policies_are_forgotten_after_they_expired(self, opened: Opened) -> None:
        store = opened.store
        for number in range(3):
            policy = FetchedPolicy(f"{number}.example", "a", 0, 100 + number, "")
            await keep(store, policy)
        assert await store.transact(lambda tx: tx.forget_fetched_policies(101)) == 1
        assert await store.reader.fetched_policy("0.example") is None
        assert await store.reader.fetched_policy("1.example") is not None

    @on_store
    async def test_contracts_are_set_listed_and_removed(self, opened: Opened) -> None:
        store = opened.store
        first, second = TlsContract("b.example", "mx.b.example", "/ca.pem"), TlsContract("a.example")
        for contract in (TlsContract("b.example"), first, second):
            await agree(store, contract)
        assert await store.reader.tls_contract("b.example") == first
        assert await store.reader.tls_contract("c.example") is None
        assert await store.reader.tls_contracts() == [second, first]
        assert await store.transact(lambda tx: tx.remove_tls_contract("b.example"))
        assert not await store.transact(lambda tx: tx.remove_tls_contract("b.example"))
        assert await store.reader.tls_contracts() == [second]

    @on_store
    async def test_results_are_summed_read_by_day_and_forgotten(self, opened: Opened) -> None:
        store = opened.store
        good = TlsResult(10, "b.example", "sts", "mx.b.example", "192.0.2.1", "", "version: STSv1")
        bad = good._replace(result="certificate-expired", detail="yesterday")
        later = good._replace(day=12)
        await store.transact(lambda tx: tx.add_tls_results({good: 2, bad: 1, later: 1}))
        newer = bad._replace(detail="today", policy="new")
        await store.transact(lambda tx: tx.add_tls_results({good: 3, newer: 1}))
        assert await store.reader.tls_results(10, 11) == [(good, 5), (newer, 2)]
        assert await store.reader.tls_results(11, 12) == [(later, 1)]
        mine = good._replace(day=13, destination="b.example")
        other = mine._replace(destination="a.example")
        await store.transact(lambda tx: tx.add_tls_results({mine: 4, other: 5}))
        assert await store.reader.tls_results(0, 99, "b.example") == [(mine, 4)]
        assert await store.reader.tls_destinations(13) == ["a.example", "b.example"]
        assert await store.transact(lambda tx: tx.forget_tls_results(12)) == 2
        assert await store.reader.tls_results(0, 99) == [(later, 1), (other, 5), (mine, 4)]
