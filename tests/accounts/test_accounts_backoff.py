"""What guesses cost, and whom they cost nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postier.accounts.backoff import KNOWN_SECONDS, NAME, PAIR, network_of
from postier.accounts.login import InvalidCredentials, TooManyFailures
from postier.accounts.password import hash_password
from postier.testing.login_world import ALICE, ELSEWHERE, PEER, World, in_world


def test_many_networks_that_guess_one_name_are_slowed(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        for number in range(NAME.free):
            await world.guess(peer=f"203.0.113.{number}")
        with pytest.raises(TooManyFailures) as refused:
            await world.enter(peer="203.0.113.200")
        assert 0 < refused.value.wait <= NAME.longest
        world.clock.time += NAME.longest + 1
        await world.enter(peer="203.0.113.200")  # who travels gets in between

    in_world(tmp_path, work)


def test_the_same_holds_for_a_name_that_nobody_has(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        for number in range(NAME.free):
            await world.guess(name="nobody@b.example", peer=f"203.0.113.{number}")
        with pytest.raises(TooManyFailures):
            await world.enter(name="nobody@b.example", peer="203.0.113.200")

    in_world(tmp_path, work)


def test_an_attack_never_locks_out_a_network_that_is_known(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.enter()
        for number in range(NAME.free):
            await world.guess(peer=f"203.0.113.{number}")
        await world.enter()
        with pytest.raises(TooManyFailures):
            await world.enter(peer=ELSEWHERE)
        world.clock.time += KNOWN_SECONDS + 1
        for number in range(NAME.free):
            await world.guess(peer=f"203.0.113.{number}")
        with pytest.raises(TooManyFailures):
            await world.enter()

    in_world(tmp_path, work)


def test_a_slip_at_home_is_no_part_of_an_attack(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.enter()
        await world.guess()
        found = await world.store.reader.login_failures([f"name:{ALICE}", f"pair:{PEER} {ALICE}"])
        assert list(found) == [f"pair:{PEER} {ALICE}"]

    in_world(tmp_path, work)


def test_a_device_with_an_old_password_locks_nobody_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[bytes] = []

    async def work(world: World) -> None:
        await world.enter()
        monkeypatch.setattr(
            "postier.accounts.password._matches", lambda stored, octets: hashed.append(octets)
        )
        for _ in range(5 * PAIR.free):
            with pytest.raises(InvalidCredentials):
                await world.enter("old")
        assert hashed == [b"old"]
        await world.enter()

    in_world(tmp_path, work)


def test_what_was_refused_is_looked_at_again_once_the_password_is_set(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        for _ in range(2):
            with pytest.raises(InvalidCredentials):
                await world.enter("new")
        await world.change(lambda tx: tx.set_password_hash(world.alice, hash_password("new")))
        await world.enter("new")

    in_world(tmp_path, work)


def test_guesses_at_the_same_time_are_not_ahead_of_it(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        tries = [world.enter(f"guess {number}") for number in range(100)]
        found = await asyncio.gather(*tries, return_exceptions=True)
        judged = [one for one in found if isinstance(one, InvalidCredentials)]
        assert len(judged) <= PAIR.free
        assert len(judged) + sum(isinstance(one, TooManyFailures) for one in found) == 100

    in_world(tmp_path, work)


def test_many_connections_of_one_program_are_no_guesses(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        entries = await asyncio.gather(*(world.enter() for _ in range(50)))
        assert all(entry.account.name == ALICE for entry in entries)

    in_world(tmp_path, work)


def test_names_that_nobody_has_are_told_apart_by_nothing(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        for name in ("nobody@b.example", ALICE):
            delays = [await world.guess(name=name, peer=ELSEWHERE) for _ in range(PAIR.free)]
            assert delays[:3] == [0.25, 0.5, 1.0]

    in_world(tmp_path, work)


@pytest.mark.parametrize(
    "name", ["alice\0@b.example", "alice@b.example\n", "x" * 321, "\ud800", "alice\u2028"]
)
def test_names_that_are_none(tmp_path: Path, name: str) -> None:
    async def work(world: World) -> None:
        with pytest.raises(InvalidCredentials):
            await world.enter(name=name)

    in_world(tmp_path, work)


@pytest.mark.parametrize("name", ["ALICE@B.EXAMPLE", "\uff41lice@b.example"])
def test_names_in_other_letters(tmp_path: Path, name: str) -> None:
    """RFC 8265 3.3: capitals and full width."""

    async def work(world: World) -> None:
        assert (await world.enter(name=name)).account.name == ALICE

    in_world(tmp_path, work)


def test_networks() -> None:
    assert network_of("192.0.2.7") == "192.0.2.7"
    assert network_of("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert network_of("") == "local"


def test_where_only_the_loopback_is_served_nothing_is_counted(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        for _ in range(2 * PAIR.free):
            assert await world.guess() == 0.0
        await world.enter()

    in_world(tmp_path, work, limited=False)
