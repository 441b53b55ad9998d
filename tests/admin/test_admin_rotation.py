"""Keys on their way on the real store, with a clock that stands still and a DNS of maps."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from postier.accounts import domains
from postier.accounts.dkim_keys import DkimKey, KeyState, Seen
from postier.admin.rotation import RotationPlan, keep_signing_keys, look_for, turn_keys
from postier.base.domain import Domain
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.dns.edit import UpdateError
from postier.mailauth.dkim.sign import Signer
from postier.store.api import Store, Tx
from postier.store.sqlite import open_sqlite
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock

ORCHARD = Domain("orchard.test")
KEEP = 7 * 86_400
PLAN = RotationPlan(KEEP)
HOUR = 3600


def on_store(folder: Path, work: Callable[[Store, SettableClock], Awaitable[None]]) -> None:
    async def run() -> None:
        clock, blobs = SettableClock(), LocalBlobs(folder, "t")
        store = await open_sqlite(folder / "s.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="t")
        try:
            await store.transact(lambda tx: domains.add_domain(tx, ORCHARD, clock))
            await work(store, clock)
        finally:
            await store.close()

    asyncio.run(run())


async def keys_of(store: Store) -> tuple[DkimKey, ...]:
    record = await store.reader.domain(ORCHARD.ascii)
    assert record is not None
    return domains.settings_of(record).dkim


async def signers(store: Store) -> set[str]:
    found: tuple[Signer, ...] = await domains.signers_for(store.reader, ORCHARD.ascii)
    return {signer.selector for signer in found}


async def wait_in_queue(store: Store, arrived: int) -> int:
    """An entry that came at `arrived`."""

    async def work(tx: Tx) -> int:
        blob, _ = await tx.add_blob(b"", b"outgoing")
        return await tx.add_queue_entry(
            trace_id="trace",
            account_id=None,
            reverse_path="alice@orchard.test",
            destination="far.test",
            blob_id=blob,
            recipients=[],
            arrived=arrived,
            next_attempt=arrived,
        )

    return await store.transact(work)


def published(*keys: DkimKey) -> ZoneResolver:
    return ZoneResolver({f"{key.selector}._domainkey.orchard.test": [("TXT", key.text)] for key in keys})


def test_a_rotation_from_its_beginning_to_its_end(tmp_path: Path) -> None:
    async def work(store: Store, clock: SettableClock) -> None:
        first = await signers(store)
        await store.transact(lambda tx: domains.rotate_keys(tx, ORCHARD, clock))
        old, new = (await keys_of(store))[:2], (await keys_of(store))[2:]
        for _ in range(3):
            clock.seconds += HOUR
            await turn_keys(store, published(*old), clock, PLAN)
            assert await signers(store) == first
        for expected in (first, {key.selector for key in new}):
            clock.seconds += HOUR
            await turn_keys(store, published(*old, *new), clock, PLAN)
            assert await signers(store) == expected
        clock.seconds += KEEP
        await turn_keys(store, published(*old, *new), clock, PLAN)
        assert [key.state for key in await keys_of(store)][:2] == [KeyState.WITHDRAWN] * 2
        await turn_keys(store, published(*old, *new), clock, PLAN)
        assert len(await keys_of(store)) == 4
        await turn_keys(store, published(*new), clock, PLAN)
        assert await keys_of(store) == tuple(
            key for key in await keys_of(store) if key.state is KeyState.USED
        )
        assert await signers(store) == {key.selector for key in new}

    on_store(tmp_path, work)


def test_a_message_that_waits_keeps_the_retired_keys_published(tmp_path: Path) -> None:
    async def work(store: Store, clock: SettableClock) -> None:
        await store.transact(lambda tx: domains.rotate_keys(tx, ORCHARD, clock))
        keys = await keys_of(store)
        for _ in range(2):
            await turn_keys(store, published(*keys), clock, PLAN)
            clock.seconds += HOUR
        entry = await wait_in_queue(store, int(clock.seconds) - HOUR)
        clock.seconds += 10 * KEEP
        await turn_keys(store, published(*keys), clock, PLAN)
        assert [key.state for key in await keys_of(store)][:2] == [KeyState.RETIRED] * 2
        await store.transact(lambda tx: tx.remove_queue_entry(entry))
        await turn_keys(store, published(*keys), clock, PLAN)
        assert [key.state for key in await keys_of(store)][:2] == [KeyState.WITHDRAWN] * 2

    on_store(tmp_path, work)


@pytest.mark.parametrize(
    ("records", "seen"),
    [
        (["{key}"], Seen.YES),
        (["v=DKIM1; t=y; k=rsa; p={p}"], Seen.YES),
        (["v=DKIM1; k=rsa; p="], Seen.NO),
        (["{other}"], Seen.NO),
        (["{key}", "{other}"], Seen.NO),
        (["nonsense"], Seen.NO),
        ([], Seen.NO),
        (["TIMEOUT"], Seen.UNKNOWN),
    ],
)
def test_what_counts_as_shown(tmp_path: Path, records: list[str], seen: Seen) -> None:
    async def work(store: Store, clock: SettableClock) -> None:
        key, other = await keys_of(store)
        words = {"key": key.text, "other": other.text, "p": key.text.partition("p=")[2]}
        zone = {f"{key.selector}._domainkey.orchard.test": [("TXT", r.format(**words)) for r in records]}
        assert await look_for(ZoneResolver(zone if records else {}), ORCHARD, key) is seen

    on_store(tmp_path, work)


def test_keys_replace_themselves_where_the_dns_can_be_written(tmp_path: Path) -> None:
    async def work(store: Store, clock: SettableClock) -> None:
        zone = {key.selector: key for key in await keys_of(store)}
        first = set(zone)
        calls = []

        async def publish(domain: Domain) -> None:
            calls.append(domain)
            if len(calls) == 1:
                raise UpdateError("not today")
            zone.clear()
            zone.update({key.selector: key for key in await keys_of(store) if key.is_published})

        plan = RotationPlan(KEEP, publish, every=180 * 86_400)
        clock.seconds += 180 * 86_400 - 1
        await turn_keys(store, published(*zone.values()), clock, plan)
        assert (await signers(store), calls) == (first, [])
        hours = 0
        while len(await keys_of(store)) != 2 or await signers(store) == first:
            clock.seconds += HOUR
            hours += 1
            assert hours < 400
            await turn_keys(store, published(*zone.values()), clock, plan)
            assert await signers(store) <= set(zone)
        assert set(zone) == await signers(store)
        assert first.isdisjoint(zone)
        assert len(calls) == 3
        await turn_keys(store, published(*zone.values()), clock, plan)
        assert len(calls) == 3

    on_store(tmp_path, work)


@pytest.mark.parametrize("every", [0, 1])
def test_keys_do_not_replace_themselves_where_nobody_publishes_or_nobody_wants_it(
    tmp_path: Path, every: int
) -> None:
    async def publish(domain: Domain) -> None:
        raise AssertionError(domain)

    async def work(store: Store, clock: SettableClock) -> None:
        clock.seconds += 1000 * 86_400
        await turn_keys(store, ZoneResolver({}), clock, RotationPlan(KEEP, None if every else publish, every))
        assert len(await keys_of(store)) == 2

    on_store(tmp_path, work)


def test_a_domain_that_is_removed_meanwhile_takes_its_keys_along(tmp_path: Path) -> None:
    async def work(store: Store, clock: SettableClock) -> None:
        await store.transact(lambda tx: domains.rotate_keys(tx, ORCHARD, clock))

        async def publish(domain: Domain) -> None:
            await store.transact(lambda tx: tx.remove_domain(domain.ascii))

        await turn_keys(store, ZoneResolver({}), clock, RotationPlan(KEEP, publish))
        assert await store.reader.domains() == []

    on_store(tmp_path, work)


def test_one_worker_of_all_looks_after_the_keys(tmp_path: Path) -> None:
    async def work(store: Store, clock: SettableClock) -> None:
        await store.transact(lambda tx: domains.rotate_keys(tx, ORCHARD, clock))
        asked = {"one": 0, "two": 0}
        looked = asyncio.Event()

        async def keep(owner: str) -> None:
            def resolver() -> ZoneResolver:
                asked[owner] += 1
                if asked[owner] == 3:
                    looked.set()
                return ZoneResolver({})

            await keep_signing_keys(store, resolver, clock, owner, PLAN, pause=0.001)

        tasks = [asyncio.create_task(keep(owner)) for owner in asked]
        await asyncio.wait_for(looked.wait(), 10)
        for task in tasks:
            task.cancel()
        assert sorted(asked.values())[0] == 0

    on_store(tmp_path, work)
