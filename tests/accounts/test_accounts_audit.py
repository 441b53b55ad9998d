"""The audit log: its words, what may be in it, who may read it; and logins, counted and bounded."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from postier.accounts.audit import (
    BY_SERVER,
    FACT_LENGTH,
    Actor,
    AuditKind,
    NotYours,
    Wanted,
    audit_log,
    expire_audit,
    note,
)
from postier.accounts.audit_kinds import _TABLE, FACTS, GROUPS, LANGUAGES, kinds_of, sentence
from postier.accounts.login_journal import ELSEWHERE, NETWORKS, LoginJournal
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import SERVER, Account, AccountKind, AuditEntry, Store, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import SettableClock

DAY = 86400
NOON = 19_700 * DAY + DAY // 2
ROOT = Actor("cli", "root")


def on_store(test: Callable[[Store, SettableClock], Awaitable[None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        async def whole() -> None:
            clock = SettableClock(NOON)
            blobs = LocalBlobs(tmp_path, "test")
            store = await open_sqlite(
                tmp_path / "a.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="test"
            )
            try:
                await test(store, clock)
            finally:
                await store.close()

        asyncio.run(whole())

    run.__name__ = test.__name__
    return run


async def person(store: Store, name: str, *, administrator: bool = False) -> Account:
    async def work(tx: Tx) -> Account:
        account_id = await tx.add_account(name, AccountKind.PERSON, "")
        await tx.set_administrator(account_id, administrator)
        return await tx.account(account_id)

    return await store.transact(work)


async def everything(store: Store) -> list[AuditEntry]:
    return await audit_log(store.reader, None, Wanted(), 1000)


@pytest.mark.parametrize("kind", AuditKind)
def test_every_kind_has_words_in_each_language_with_the_same_facts(kind: AuditKind) -> None:
    texts = _TABLE[kind]
    assert len(texts) == len(LANGUAGES)
    for text in texts:
        assert text.strip() == text
        assert set(re.findall(r"\{(\w+)\}", text)) == FACTS[kind]
    assert re.fullmatch(r"[a-z]+\.[a-z_]+", kind.value)


def test_kinds_are_chosen_by_name_and_by_group() -> None:
    assert kinds_of("login.failed") == ("login.failed",)
    assert set(kinds_of("login")) == {"login.done", "login.failed", "login.blocked"}
    assert kinds_of("log") == kinds_of("") == kinds_of("login.") == ()
    assert {kind for group in GROUPS for kind in kinds_of(group)} == set(AuditKind)


def test_sentences_are_in_the_language_asked_for_and_survive_what_a_later_program_wrote() -> None:
    facts = {"protocol": "imap", "network": "192.0.2.1", "reason": "wrong name or password"}
    assert sentence("en", "login.failed", facts) == (
        "login failed by imap from 192.0.2.1: wrong name or password"
    )
    assert sentence("fr", "login.failed", facts) == (
        "connexion refusée par imap depuis 192.0.2.1 : nom ou mot de passe faux"
    )
    assert sentence("en", "login.done", {"mechanism": "token", "tls": "TLSv1.3"}).endswith(": token, TLSv1.3")
    assert sentence("fr", "planet.moved", {"x": "y"}) == "planet.moved"


@on_store
async def test_only_the_facts_of_the_kind_get_in_and_they_are_bounded(
    store: Store, clock: SettableClock
) -> None:
    alice = await person(store, "alice@orchard.test")
    with pytest.raises(ValueError, match="has the facts"):
        await store.transact(lambda tx: note(tx, ROOT, AuditKind.PASSWORD, alice, password="secret"))
    with pytest.raises(ValueError, match="has the facts"):
        await store.transact(lambda tx: note(tx, ROOT, AuditKind.LANGUAGE, alice))
    long = "x\r\n\x1b[2J\ud800" + "y" * 1000
    await store.transact(lambda tx: note(tx, Actor("imap", long), AuditKind.LANGUAGE, alice, language=long))
    exact = "z" * FACT_LENGTH
    await store.transact(lambda tx: note(tx, ROOT, AuditKind.LANGUAGE, alice, language=exact))
    last, first = await everything(store)
    assert last.facts["language"] == exact
    for text in (first.facts["language"], first.actor.name):
        assert len(text) == FACT_LENGTH
        assert text.isprintable()
        assert text.startswith("x\N{REPLACEMENT CHARACTER}")


@on_store
async def test_who_may_read_what(store: Store, clock: SettableClock) -> None:
    alice = await person(store, "alice@orchard.test")
    boss = await person(store, "boss@orchard.test", administrator=True)
    for concerned in (alice, boss, None):
        await store.transact(lambda tx, one=concerned: note(tx, ROOT, AuditKind.SETTINGS, one, names="x"))
    assert len(await audit_log(store.reader, boss, Wanted(), 10)) == 3
    assert len(await audit_log(store.reader, boss, Wanted("alice@orchard.test"), 10)) == 1
    own = await audit_log(store.reader, alice, Wanted(), 10)
    assert [entry.account_id for entry in own] == [alice.account_id]
    assert await audit_log(store.reader, alice, Wanted("alice@orchard.test"), 10) == own
    with pytest.raises(NotYours):
        await audit_log(store.reader, alice, Wanted("boss@orchard.test"), 10)
    with pytest.raises(NotYours):
        await audit_log(store.reader, alice, Wanted("nobody@orchard.test"), 10)


@on_store
async def test_who_gets_the_address_of_an_account_that_went_does_not_read_its_past(
    store: Store, clock: SettableClock
) -> None:
    before = await person(store, "alice@orchard.test")
    await store.transact(lambda tx: note(tx, ROOT, AuditKind.PASSWORD, before))
    await store.transact(lambda tx: tx.remove_account(before.account_id))
    after = await person(store, "alice@orchard.test")
    assert await audit_log(store.reader, after, Wanted(), 10) == []
    assert await audit_log(store.reader, after, Wanted("alice@orchard.test"), 10) == []
    assert len(await audit_log(store.reader, None, Wanted("alice@orchard.test"), 10)) == 1


@on_store
async def test_what_is_old_is_forgotten(store: Store, clock: SettableClock) -> None:
    await store.transact(lambda tx: note(tx, ROOT, AuditKind.SETTINGS, names="old"))
    clock.seconds += DAY
    await store.transact(lambda tx: note(tx, ROOT, AuditKind.SETTINGS, names="new"))
    assert await expire_audit(store, NOON) == 0
    assert await expire_audit(store, NOON + 1) == 1
    assert [entry.facts["names"] for entry in await everything(store)] == ["new"]


def in_by(journal: LoginJournal, account: Account, peer: str = "192.0.2.1", **more: str) -> None:
    journal.succeeded(
        account, **{"protocol": "imap", "peer": peer, "mechanism": "password", "tls": "TLSv1.3 AES", **more}
    )


@on_store
async def test_logins_that_are_alike_are_one_entry_for_a_day_from_whatever_worker(
    store: Store, clock: SettableClock
) -> None:
    alice = await person(store, "alice@orchard.test")
    workers = LoginJournal(store, clock), LoginJournal(store, clock)
    for _ in range(500):
        for journal in workers:
            in_by(journal, alice)
        clock.seconds += 1
    for journal in workers:
        await journal.write()
    in_by(workers[0], alice, "2001:db8::1")
    in_by(workers[1], alice, "2001:db8:0:0:ffff::2")
    in_by(workers[1], alice, device="phone", mechanism="app-password")
    clock.seconds += DAY
    in_by(workers[0], alice)
    for journal in workers:
        await journal.write()
    seen = await audit_log(store.reader, alice, Wanted(), 100)
    assert sorted((e.facts["network"], e.facts["device"], e.times, e.last - e.at) for e in seen) == [
        ("192.0.2.1", "", 1, 0),
        ("192.0.2.1", "", 1000, 499),
        ("192.0.2.1", "phone", 1, 0),
        ("2001:db8::/64", "", 2, 0),
    ]
    assert {e.actor for e in seen} == {BY_SERVER}
    assert {e.facts["tls"] for e in seen} == {"TLSv1.3"}


@on_store
async def test_an_attack_fills_neither_memory_nor_disk_and_its_counts_are_right(
    store: Store, clock: SettableClock
) -> None:
    alice = await person(store, "alice@orchard.test")
    journal = LoginJournal(store, clock)
    for batch in range(20):
        for number in range(1000):
            peer = f"10.{batch}.{number // 250}.{number % 250}"
            journal.failed(alice, protocol="imap", peer=peer)
            journal.failed(None, protocol="imap", peer=peer)
            clock.seconds += 0.02
        in_by(journal, alice)
        await journal.write()
    seen = await everything(store)
    for account_id in (alice.account_id, SERVER):
        failed = [e for e in seen if e.account_id == account_id and e.kind == AuditKind.LOGIN_FAILED]
        assert len(failed) == NETWORKS + 1
        assert sum(e.times for e in failed) == 20_000
        (rest,) = [e for e in failed if e.facts["network"] == ELSEWHERE]
        assert rest.times == 20_000 - NETWORKS
    (good,) = [e for e in seen if e.kind == AuditKind.LOGIN]
    assert good.times == 20


@on_store
async def test_a_flood_between_two_batches_leaves_room_for_who_is_let_in(
    store: Store, clock: SettableClock
) -> None:
    accounts = [await person(store, f"p{number}@orchard.test") for number in range(3)]
    journal = LoginJournal(store, clock)
    for number in range(5000):
        journal.blocked(accounts[number % 3], protocol="pop3", peer=f"10.0.{number // 250}.{number % 250}")
    in_by(journal, accounts[0])
    await journal.write()
    assert [e.times for e in await everything(store) if e.kind == AuditKind.LOGIN] == [1]
    assert len(await everything(store)) <= 3 * (NETWORKS + 1) + 1


@on_store
async def test_the_store_may_be_away_for_a_while(store: Store, clock: SettableClock) -> None:
    alice = await person(store, "alice@orchard.test")
    journal = LoginJournal(store, clock, pause=0.01)
    running = asyncio.create_task(journal.run())
    in_by(journal, alice)
    while not await everything(store):
        await asyncio.sleep(0.01)
    in_by(journal, alice)
    journal.stop()
    await running
    assert [e.times for e in await everything(store)] == [2]
