"""Passwords for one device each."""

from __future__ import annotations

from pathlib import Path

import pytest

from postier.accounts.app_passwords import (
    ALPHABET,
    LETTERS,
    MOST,
    add_app_password,
    as_app_password,
    new_app_password,
    revoke_app_password,
    spellings_of,
)
from postier.accounts.backoff import NAME, PAIR
from postier.accounts.backoff import PEER as WHOLE_PEER
from postier.accounts.login import (
    AppPasswordDemanded,
    Door,
    InvalidCredentials,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.accounts.people import PeopleError
from postier.base.address import Address
from postier.sasl.api import Credentials
from postier.testing.login_world import ALICE, ELSEWHERE, PEER, World, in_world

ADDRESS = Address.parse(ALICE)


def test_what_is_made_is_known_however_it_is_typed() -> None:
    shown = new_app_password()
    assert shown != new_app_password()
    letters = shown.replace("-", "")
    assert len(letters) == LETTERS
    assert set(letters) <= set(ALPHABET)
    for typed in (*spellings_of(shown), shown.upper(), f" {shown} "):
        assert as_app_password(typed) == letters
    for other in ("", "right", letters[1:], letters + "b", "a" * LETTERS, "b" * 100_000, "\ud800" * LETTERS):
        assert as_app_password(other) == ""


def test_it_opens_mail_and_nothing_else(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        number, shown = await add_app_password(world.store, ADDRESS, "Anna's phone")
        for protocol in ("imap", "pop3", "submission"):
            entry = await world.enter(shown, protocol=protocol)
            assert (entry.app_password, entry.mechanism) == (number, "app-password")
        for protocol in ("api", "portal"):
            with pytest.raises(InvalidCredentials):
                await world.enter(shown, protocol=protocol)
        assert (await world.enter()).app_password == 0

    in_world(tmp_path, work)


def test_it_is_limited_to_protocols_networks_and_a_last_day(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        now = int(world.clock.now())
        _, shown = await add_app_password(
            world.store,
            ADDRESS,
            "scanner",
            protocols=("submission", "api"),
            networks=("192.0.2.0/24", "2001:db8::/32"),
            expires=now + 10,
        )
        for peer in (PEER, "2001:db8::7"):
            for protocol in ("submission", "api"):
                await world.enter(shown, peer=peer, protocol=protocol)
        for peer, protocol in ((PEER, "imap"), (ELSEWHERE, "submission"), ("", "submission")):
            with pytest.raises(InvalidCredentials):
                await world.enter(shown, peer=peer, protocol=protocol)
        world.clock.time = now + 9
        await world.enter(shown, protocol="submission")
        world.clock.time = now + 10
        with pytest.raises(InvalidCredentials):
            await world.enter(shown, protocol="submission")

    in_world(tmp_path, work)


def test_one_is_revoked_and_the_others_stay(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        _, phone = await add_app_password(world.store, ADDRESS, "phone")
        _, laptop = await add_app_password(world.store, ADDRESS, "laptop")
        with pytest.raises(PeopleError, match="no app password 'watch'"):
            await revoke_app_password(world.store, ADDRESS, "watch")
        assert (await revoke_app_password(world.store, ADDRESS, "phone")).name == "phone"
        with pytest.raises(InvalidCredentials):
            await world.enter(phone)
        await world.enter(laptop)
        await add_app_password(world.store, ADDRESS, "laptop")
        with pytest.raises(PeopleError, match="several"):
            await revoke_app_password(world.store, ADDRESS, "laptop")

    in_world(tmp_path, work)


def test_another_account_cannot_use_it(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")
        for name in ("nobody@b.example", ""):
            with pytest.raises(InvalidCredentials):
                await world.enter(shown, name=name)

    in_world(tmp_path, work)


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\x1bb"])
def test_a_device_needs_a_name(tmp_path: Path, name: str) -> None:
    async def work(world: World) -> None:
        with pytest.raises(PeopleError):
            await add_app_password(world.store, ADDRESS, name)
        with pytest.raises(PeopleError):
            await add_app_password(world.store, ADDRESS, "phone", protocols=("telnet",))
        with pytest.raises(PeopleError):
            await add_app_password(world.store, Address.parse("x@b.example"), "phone")

    in_world(tmp_path, work)


def test_an_account_has_so_many_and_no_more(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        for number in range(MOST):
            await add_app_password(world.store, ADDRESS, f"device {number}")
        with pytest.raises(PeopleError, match="revoke one"):
            await add_app_password(world.store, ADDRESS, "one more")

    in_world(tmp_path, work)


def test_its_use_is_noted_now_and_then(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")

        async def used() -> tuple[int, str]:
            (found,) = await world.store.reader.app_passwords(world.alice)
            return found.last_used, found.last_peer

        assert await used() == (0, "")
        await world.enter(shown)
        first = int(world.clock.now())
        assert await used() == (first, PEER)
        world.clock.time += 60
        await world.enter(shown)
        assert await used() == (first, PEER)
        await world.enter(shown, peer=ELSEWHERE)
        assert await used() == (first + 60, ELSEWHERE)
        world.clock.time += 3601
        await world.enter(shown, peer=ELSEWHERE)
        assert await used() == (first + 60 + 3601, ELSEWHERE)

    in_world(tmp_path, work)


@pytest.mark.parametrize("what", ["set_app_passwords_only", "set_second_factor"])
def test_where_they_are_demanded_the_password_opens_the_portal_only(tmp_path: Path, what: str) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")
        await world.change(lambda tx: getattr(tx, what)(world.alice, True))
        for protocol in ("imap", "pop3", "submission", "api"):
            with pytest.raises(AppPasswordDemanded):
                await world.enter(protocol=protocol)
        with pytest.raises(InvalidCredentials):
            await world.enter("wrong")
        await world.enter(shown)
        await world.enter(protocol="portal")
        await world.change(lambda tx: getattr(tx, what)(world.alice, False))
        await world.enter()

    in_world(tmp_path, work)


def test_an_attack_does_not_hold_it_up(tmp_path: Path) -> None:
    """Nobody guesses one, so neither scope of the back-off is asked."""

    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")
        for _ in range(PAIR.free):
            await world.guess()
        for number in range(NAME.free - PAIR.free):
            await world.guess(peer=f"203.0.113.{number}")
        for number in range(WHOLE_PEER.free - PAIR.free):
            await world.guess(name=f"{number}@b.example")
        with pytest.raises(TooManyFailures):
            await world.enter()
        await world.enter(shown)

    in_world(tmp_path, work)


def test_who_acts_for_another_is_refused_before(tmp_path: Path) -> None:
    async def work(world: World) -> None:
        _, shown = await add_app_password(world.store, ADDRESS, "phone")
        for password in (shown, "right", "wrong"):
            proof = Credentials("ben@b.example", ALICE, password)
            with pytest.raises(MayNotActForOthers):
                await world.login.authenticate(proof, Door("imap", PEER, "s"))
        proof = Credentials(ALICE.upper(), ALICE, shown)
        await world.login.authenticate(proof, Door("imap", PEER, "s"))

    in_world(tmp_path, work)
