"""What every engine promises of accounts, orders and challenges of ACME; part of StoreContract."""

from __future__ import annotations

from dataclasses import replace

from postier.store.api import AcmeAccount, AcmeChallenge, Renewal
from postier.testing.store_helpers import Opened, OpenStore, on_store

__all__ = ["AcmeContract"]

ACCOUNT = AcmeAccount(
    "https://ca.test/directory",
    "secret-key\n",
    "https://ca.test/acct/1",
    ("mailto:a@b.test",),
    "k-1",
    ("ca.test",),
)
RENEWAL = Renewal(
    "orchard.test",
    directory="https://ca.test/directory",
    order="https://ca.test/order/1",
    names=("autoconfig.orchard.test", "mta-sts.orchard.test"),
    key="secret-key\n",
    next_key="secret-next\n",
    next_since=1_700_000_001,
    certificate="autoconfig.orchard.test",
    tries=(1_700_000_000, 1_700_000_900),
    failures=2,
    wait_until=1_700_003_600,
    told_until=1_700_007_200,
    renew_at=1_710_000_000,
    ask_at=1_700_020_000,
    problem='the authority says: "no"',
    left_out=("autodiscover.orchard.test: it is not in the DNS",),
    refused=("mta-sts.orchard.test",),
)


class AcmeContract:
    @on_store
    async def test_an_acme_account_comes_back_as_it_was_set(self, opened: Opened) -> None:
        store = opened.store
        assert await store.reader.acme_account(ACCOUNT.directory) is None
        for account in (AcmeAccount(ACCOUNT.directory, "k"), ACCOUNT, replace(ACCOUNT, directory="other")):
            await store.transact(lambda tx, one=account: tx.set_acme_account(one))  # type: ignore[misc]
        assert await store.reader.acme_account(ACCOUNT.directory) == ACCOUNT

    @on_store
    async def test_a_renewal_is_set_replaced_and_removed(self, opened: Opened) -> None:
        store = opened.store
        for one in (Renewal("orchard.test"), Renewal("mail.orchard.test"), RENEWAL):
            await store.transact(lambda tx, r=one: tx.set_renewal(r))  # type: ignore[misc]
        assert await store.reader.renewals() == [Renewal("mail.orchard.test"), RENEWAL]
        assert await store.reader.renewal("orchard.test") == RENEWAL
        assert await store.reader.renewal("harbor.test") is None
        assert await store.transact(lambda tx: tx.remove_renewal("orchard.test"))
        assert not await store.transact(lambda tx: tx.remove_renewal("orchard.test"))

    @on_store
    async def test_challenges_stand_beside_each_other_and_go_one_by_one(self, opened: Opened) -> None:
        store = opened.store
        place = "_acme-challenge.orchard.test"
        one, two = AcmeChallenge("dns-01", place, "a", 100), AcmeChallenge("dns-01", place, "b", 100)
        token = AcmeChallenge("http-01", "token", "token.thumb", 100)
        for each in (two, one, token, one._replace(expires=200)):
            await store.transact(lambda tx, c=each: tx.set_acme_challenge(c))  # type: ignore[misc]
        assert await store.reader.acme_challenges("dns-01") == [one._replace(expires=200), two]
        assert await store.reader.acme_proof("http-01", "token") == "token.thumb"
        assert await store.reader.acme_proof("http-01", "TOKEN") == ""
        assert await store.reader.acme_proof("tls-alpn-01", "token") == ""
        await store.transact(lambda tx: tx.remove_acme_challenge(one))
        assert await store.reader.acme_challenges("dns-01") == [two]

    def test_another_process_sees_what_one_wrote_and_after_it_died(self, open_store: OpenStore) -> None:
        _survives(open_store)

    def test_keys_are_not_shown_by_accident(self) -> None:
        assert "secret" not in repr(ACCOUNT)
        assert "secret" not in repr(RENEWAL)


@on_store
async def _write(_: object, opened: Opened) -> None:
    await opened.store.transact(lambda tx: tx.set_renewal(RENEWAL))
    await opened.store.transact(lambda tx: tx.set_acme_account(ACCOUNT))


@on_store
async def _read(_: object, opened: Opened) -> None:
    assert await opened.store.reader.renewal(RENEWAL.subject) == RENEWAL
    assert await opened.store.reader.acme_account(ACCOUNT.directory) == ACCOUNT


def _survives(open_store: OpenStore) -> None:
    _write(None, open_store)
    _read(None, open_store)
