"""SCRAM against the stored keys: who gets in, and by which password."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from postier.accounts.app_passwords import add_app_password, revoke_app_password, spellings_of
from postier.accounts.backoff import PAIR
from postier.accounts.exchange import run_exchange
from postier.accounts.login import (
    AppPasswordDemanded,
    Door,
    Entry,
    InvalidCredentials,
    ScramRules,
    TooManyFailures,
)
from postier.accounts.new_password import choose_password, make_scram_keys
from postier.accounts.precis import saslprep
from postier.base.address import Address
from postier.sasl.api import Channel, SaslError
from postier.sasl.client import choose
from postier.testing.login_world import ALICE, PEER, World, in_world

ADDRESS = Address.parse(ALICE)
DOOR = Door("imap", PEER, "s", channel=Channel(confidential=True))


async def enter(world: World, password: str, name: str = ALICE) -> Entry:
    """By our own client, which also checks the server."""
    client = choose(["SCRAM-SHA-256"], name, password)
    assert client is not None

    async def ask(challenge: bytes) -> bytes:
        return client.answer(challenge)

    entry = await run_exchange(world.login, DOOR, "SCRAM-SHA-256", client.first, ask)
    client.finish()
    return entry


def test_the_keys_are_made_when_plain_has_proved_the_password(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        with pytest.raises(InvalidCredentials):
            await enter(world, "right")
        await world.enter()
        await world.login.settle()
        assert (await enter(world, "right")).mechanism == "password"
        with pytest.raises(InvalidCredentials):
            await enter(world, "wrong")

    in_world(tmp_path, work)


def test_one_salt_for_all_passwords_of_an_account(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        number, phone = await add_app_password(world.store, ADDRESS, "phone", iterations=4096)
        other, laptop = await add_app_password(world.store, ADDRESS, "laptop", iterations=9999)
        for typed in spellings_of(phone):
            assert (await enter(world, typed)).app_password == number
        assert (await enter(world, laptop)).app_password == other
        assert (await enter(world, "right")).app_password == 0
        await revoke_app_password(world.store, ADDRESS, "phone")
        with pytest.raises(InvalidCredentials):
            await enter(world, phone)
        await choose_password(world.store, ADDRESS, "another password", iterations=4096)
        with pytest.raises(InvalidCredentials):
            await enter(world, "right")
        await enter(world, "another password")
        assert (await enter(world, laptop)).app_password == other

    in_world(tmp_path, work)


def test_limits_of_an_app_password_hold(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(
            world.store, ADDRESS, "scanner", protocols=("submission",), iterations=4096
        )
        with pytest.raises(InvalidCredentials):
            await enter(world, shown)

    in_world(tmp_path, work)


def test_nobody_is_told_from_somebody(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        salts = {}
        for name in ("nobody@b.example", "other@b.example", ALICE):
            first = await world.login.scram_salt(name, DOOR)
            again = await world.make_login(rules=ScramRules("on", 4096)).scram_salt(name.upper(), DOOR)
            assert (first.salt, first.iterations) == (again.salt, again.iterations), "also after a restart"
            assert first.nonce != again.nonce
            assert (len(first.salt), first.iterations) == (16, 4096)
            salts[name] = first.salt
        assert len(set(salts.values())) == 3
        with pytest.raises(InvalidCredentials):
            await enter(world, "right", "nobody@b.example")

    in_world(tmp_path, work)


def test_guesses_count_as_everywhere(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        _, shown = await add_app_password(world.store, ADDRESS, "phone", iterations=4096)
        for number in range(PAIR.free):
            with pytest.raises(InvalidCredentials):
                await enter(world, f"wrong {number}")
        for password in ("right", "wrong"):
            with pytest.raises(TooManyFailures):
                await enter(world, password)
        await enter(world, shown)

    in_world(tmp_path, work)


def test_guesses_all_at_once_are_not_ahead_of_their_count(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        guesses = [enter(world, f"wrong {number}") for number in range(3 * PAIR.free)]
        ends = await asyncio.gather(*guesses, return_exceptions=True)
        kinds = Counter(map(type, ends))
        assert kinds == {InvalidCredentials: PAIR.free, TooManyFailures: 2 * PAIR.free}

    in_world(tmp_path, work)


def test_the_password_alone_is_not_enough_here_either(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        await world.change(lambda tx: tx.set_second_factor(world.alice, True))
        with pytest.raises(AppPasswordDemanded):
            await enter(world, "right")
        with pytest.raises(InvalidCredentials):
            await enter(world, "wrong")

    in_world(tmp_path, work)


def test_a_disabled_account_is_nobodys(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        await world.change(lambda tx: tx.set_account_enabled(world.alice, False))
        with pytest.raises(InvalidCredentials):
            await enter(world, "right")

    in_world(tmp_path, work)


def test_it_is_offered_once_every_password_has_its_keys(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        await world.login.refresh()
        assert "SCRAM-SHA-256" not in world.login.mechanisms(DOOR)
        await make_scram_keys(world.store, ADDRESS, "right", 4096)
        await world.login.refresh()
        assert world.login.mechanisms(DOOR) == ("SCRAM-SHA-256", "PLAIN", "LOGIN")
        off = world.make_login(rules=ScramRules("off"))
        await off.refresh()
        assert off.mechanisms(DOOR) == ("PLAIN", "LOGIN")

    in_world(tmp_path, work, rules=ScramRules("auto", 4096))


def test_clients_that_prepare_the_password_and_those_that_do_not(tmp_path: Path) -> None:
    """RFC 5802 2.2 says SASLprep, RFC 8265 says OpaqueString: either proof is right."""
    password = "\ufb01ne\u00a0password"

    async def work(world: World) -> None:
        await choose_password(world.store, ADDRESS, password, iterations=4096)
        await enter(world, "\ufb01ne password")
        assert saslprep(password) == "fine password"
        await enter(world, "fine password")
        await world.enter(password)

    in_world(tmp_path, work)


def test_an_exchange_for_another_is_refused(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        async def ask(challenge: bytes) -> bytes:
            raise AssertionError

        with pytest.raises(SaslError):
            await run_exchange(world.login, DOOR, "SCRAM-SHA-256", b"y,,x", ask)

    in_world(tmp_path, work)


def test_an_old_hash_is_made_anew_and_a_change_meanwhile_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postier.accounts.login.needs_rehash", lambda stored: True)

    async def work(world: World) -> None:
        before = await world.account()
        await world.enter()
        await world.login.settle()
        after = await world.account()
        assert after.password_hash != before.password_hash
        assert after.password_version == before.password_version
        await world.enter()

    in_world(tmp_path, work)
