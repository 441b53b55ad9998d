"""Logins that end with their ground."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postier.accounts.app_passwords import add_app_password, revoke_app_password
from postier.accounts.login import Door
from postier.accounts.password import hash_password
from postier.base.address import Address
from postier.sasl.api import Credentials
from postier.testing.connection import MemoryConnection
from postier.testing.login_world import ALICE, PEER, World, in_world

ADDRESS = Address.parse(ALICE)


class Line(MemoryConnection):
    """A connection of which only its end matters."""

    def __init__(self) -> None:
        super().__init__()
        self.goodbyes: list[bytes | None] = []

    def retire(self, goodbye: bytes | None = None) -> None:
        self.goodbyes.append(goodbye)


async def enter(world: World, password: str, protocol: str = "imap") -> Line:
    line = Line()
    door = Door(protocol, PEER, "s", connection=line)  # type: ignore[arg-type]
    await world.login.authenticate(Credentials("", ALICE, password), door)
    return line


async def ended(world: World, *lines: Line) -> list[bool]:
    await world.login.presence.check()
    return [bool(line.goodbyes) for line in lines]


def test_a_new_password_ends_what_the_old_one_opened(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")
        own, phone = await enter(world, "right"), await enter(world, shown)
        assert await ended(world, own, phone) == [False, False]
        await world.change(lambda tx: tx.set_password_hash(world.alice, hash_password("new")))
        assert await ended(world, own, phone) == [True, False]
        assert own.goodbyes[0] is not None
        assert own.goodbyes[0].startswith(b"* BYE ")
        again = await enter(world, "new")
        assert await ended(world, again) == [False]

    in_world(tmp_path, work)


def test_the_same_password_hashed_anew_ends_nothing(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        own = await enter(world, "right")
        old = (await world.account()).password_hash
        await world.change(lambda tx: tx.replace_password_hash(world.alice, old, hash_password("right")))
        assert await ended(world, own) == [False]

    in_world(tmp_path, work)


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_an_account_that_is_gone_takes_all_its_logins_with_it(tmp_path: Path, how: str) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")
        own, phone = await enter(world, "right", "pop3"), await enter(world, shown, "submission")
        if how == "disabled":
            await world.change(lambda tx: tx.set_account_enabled(world.alice, False))
        else:
            await world.change(lambda tx: tx.remove_account(world.alice))
        assert await ended(world, own, phone) == [True, True]
        assert own.goodbyes == [b""]
        assert phone.goodbyes[0] is not None
        assert phone.goodbyes[0].startswith(b"421 4.7.0 ")

    in_world(tmp_path, work)


def test_an_app_password_that_is_revoked_or_over_ends_its_own(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        now = int(world.clock.now())
        _, one = await add_app_password(world.store, ADDRESS, "phone")
        _, two = await add_app_password(world.store, ADDRESS, "guest", expires=now + 60)
        _, three = await add_app_password(world.store, ADDRESS, "laptop")
        phone, guest, laptop = [await enter(world, shown) for shown in (one, two, three)]
        await revoke_app_password(world.store, ADDRESS, "phone")
        assert await ended(world, phone, guest, laptop) == [True, False, False]
        world.clock.time += 60
        assert await ended(world, phone, guest, laptop) == [True, True, False]

    in_world(tmp_path, work)


def test_demanding_app_passwords_ends_what_the_password_opened(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        own = await enter(world, "right")
        await world.change(lambda tx: tx.set_app_passwords_only(world.alice, True))
        assert await ended(world, own) == [True]

    in_world(tmp_path, work)


def test_who_has_left_is_not_ended(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        own = await enter(world, "right")
        world.login.presence.leave(own)  # type: ignore[arg-type]
        await world.change(lambda tx: tx.set_account_enabled(world.alice, False))
        assert await ended(world, own) == [False]

    in_world(tmp_path, work)


def test_a_connection_that_is_over_is_forgotten(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        own = await enter(world, "right")
        own.abort()
        await world.change(lambda tx: tx.set_account_enabled(world.alice, False))
        assert await ended(world, own) == [False]

    in_world(tmp_path, work)


def test_the_bus_tells_when_to_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("postier.accounts.presence.SETTLE", 0.0)

    async def work(world: World) -> None:
        own = await enter(world, "right")
        watching = asyncio.create_task(world.login.run(world.bus))
        await asyncio.sleep(0)
        await world.change(lambda tx: tx.set_account_enabled(world.alice, False))
        async with asyncio.timeout(20):
            while not own.goodbyes:
                await asyncio.sleep(0.001)
        watching.cancel()

    in_world(tmp_path, work)
