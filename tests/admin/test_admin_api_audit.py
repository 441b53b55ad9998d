"""GET /api/v1/audit: pages, choices, and who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.audit import Actor, AuditKind, note
from postier.admin.api_audit import PAGES, AuditRoutes, own_page
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.http.api import Call
from postier.http.parameters import read_parameters
from postier.http.problem import Problem
from postier.store.api import Account, AccountKind, Store, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.store_helpers import SettableClock

ROOT = Actor("cli", "root")


def on_store(test: Callable[[Store], Awaitable[None]]) -> Callable[[Path], None]:
    def run(tmp_path: Path) -> None:
        async def whole() -> None:
            clock, blobs = SettableClock(), LocalBlobs(tmp_path, "test")
            store = await open_sqlite(tmp_path / "a.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="x")
            try:
                await test(store)
            finally:
                await store.close()

        asyncio.run(whole())

    run.__name__ = test.__name__
    return run


async def people(store: Store) -> tuple[Account, Account]:
    """An administrator, and somebody else; each has entries."""

    async def work(tx: Tx) -> tuple[Account, Account]:
        found = []
        for name in ("boss", "alice"):
            account_id = await tx.add_account(f"{name}@orchard.test", AccountKind.PERSON, "")
            await tx.set_administrator(account_id, name == "boss")
            found.append(await tx.account(account_id))
            for language in ("en", "fr", "en"):
                await note(tx, ROOT, AuditKind.LANGUAGE, found[-1], language=language)
        await note(tx, ROOT, AuditKind.SETTINGS, names="dns.timeout")
        return found[0], found[1]

    return await store.transact(work)


async def ask(store: Store, asker: Account, **query: str) -> Any:
    (route,) = AuditRoutes(store.reader).table()
    values = read_parameters(route.parameters, {}, list(query.items()))
    return await route.answer(Call(asker, values))


@on_store
async def test_pages_follow_each_other_to_the_end(store: Store) -> None:
    boss, _ = await people(store)
    whole = await ask(store, boss)
    assert (len(whole["entries"]), whole["next"]) == (7, None)
    pages, place = [], ""
    while place is not None:
        page = await ask(store, boss, limit="2", **({"before": place} if place else {}))
        pages += page["entries"]
        place = page["next"]
    assert pages == whole["entries"]


@on_store
async def test_entries_are_chosen_and_told_in_the_language_asked_for(store: Store) -> None:
    boss, _ = await people(store)
    (entry,) = (await ask(store, boss, kind="server", lang="fr"))["entries"]
    assert entry == {
        "at": "2023-11-14T22:13:20Z",
        "last": "2023-11-14T22:13:20Z",
        "times": 1,
        "account": None,
        "kind": "server.settings",
        "via": "cli",
        "by": "root",
        "facts": {"names": "dns.timeout"},
        "text": "réglages changés : dns.timeout",
    }
    assert (
        len((await ask(store, boss, account="Alice@orchard.test", kind="account.language"))["entries"]) == 3
    )
    assert (await ask(store, boss, since="2023-11-14T22:13:21Z"))["entries"] == []
    assert len((await ask(store, boss, since="2023-11-14T22:13:20"))["entries"]) == 7


@on_store
async def test_who_is_no_administrator_gets_the_own_entries(store: Store) -> None:
    _, alice = await people(store)
    assert {entry["account"] for entry in (await ask(store, alice))["entries"]} == {alice.name}
    with pytest.raises(Problem) as caught:
        await ask(store, alice, account="boss@orchard.test")
    assert caught.value.status == 403


@on_store
async def test_people_page_through_their_own_and_administrators_too(store: Store) -> None:
    for account in await people(store):
        seen, place = [], ""
        while place is not None:
            query = {"limit": "2", **({"before": place} if place else {})}
            page: Any = await own_page(
                store.reader, Call(account, read_parameters(PAGES, {}, [*query.items()]))
            )
            seen += page["entries"]
            place = page["next"]
        assert [entry["account"] for entry in seen] == [account.name] * 3


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "1001"),
        ("before", "x"),
        ("before", "1-2-3"),
        ("before", "9" * 40 + "-1"),
        ("since", "yesterday"),
        ("since", "+1000000-01-01"),
        ("account", "no address"),
        ("kind", "planet"),
        ("lang", "de"),
        ("what", "x"),
    ],
)
def test_wrong_parameters_are_told(name: str, value: str) -> None:
    (route,) = AuditRoutes(None).table()  # type: ignore[arg-type]
    with pytest.raises(Problem) as caught:
        read_parameters(route.parameters, {}, [(name, value)])
    assert caught.value.status == 400
