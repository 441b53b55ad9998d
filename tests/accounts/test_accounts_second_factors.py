"""Second factors: codes by time against the RFC and oathtool, passkeys with an authenticator in software."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from base64 import b32encode
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from postier.accounts.audit import Actor
from postier.accounts.passkeys import RelyingParty
from postier.accounts.sealing import KEY_OCTETS, SealBroken, Sealer, sealing_key
from postier.accounts.second_factors import (
    CODES,
    MOST_FACTORS,
    DevicesLeftOut,
    FactorError,
    SecondFactors,
    WrongFactor,
    reset_factors,
)
from postier.accounts.totp import PERIOD, matching_step, new_totp_key, shown_key, totp_uri
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.store.api import Account, AccountKind, DeviceNote, KeepDevices, Store
from postier.store.sqlite import open_sqlite
from postier.testing.authenticator import Authenticator
from postier.testing.store_helpers import SettableClock

RFC_KEY = b"12345678901234567890"
ORIGIN = "https://mail.a.example"
PARTY = RelyingParty("mail.a.example", ORIGIN, "A")
ME = Actor("portal", "anna@a.example")
NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
def test_the_vectors_of_the_standard(now: int, code: str) -> None:
    """RFC 6238 appendix B, of whose eight digits apps show the last six."""
    assert matching_step(RFC_KEY, code, now, 0) == now // PERIOD
    assert matching_step(RFC_KEY, f" {code[:3]} {code[3:]}", now, 0) == now // PERIOD


def test_a_code_is_good_one_step_early_or_late_and_once() -> None:
    step = 59 // PERIOD
    for now in (29, 59, 89):
        assert matching_step(RFC_KEY, "287082", now, 0) == step
    for now in (119, 60 + 2 * PERIOD):
        assert matching_step(RFC_KEY, "287082", now, 0) is None
    assert matching_step(RFC_KEY, "287082", 59, step) is None
    assert matching_step(RFC_KEY, "287082", 59, step - 1) == step


@pytest.mark.parametrize("code", ["", "28708", "2870822", "28708x", "٢٨٧٠٨٢", "2" * 10_000, "-87082"])
def test_what_is_no_code(code: str) -> None:
    assert matching_step(RFC_KEY, code, 59, 0) is None


def test_oathtool_agrees() -> None:
    if shutil.which("oathtool") is None:
        if os.environ.get("POSTIER_NO_SKIP"):
            pytest.fail("oathtool is not installed")
        pytest.skip("oathtool is not installed")
    for now in (NOW, NOW + 12_345_678):
        key = new_totp_key()
        command = ["oathtool", "--totp", "-b", "-N", f"@{now}", shown_key(key)]
        code = subprocess.run(command, capture_output=True, check=True, text=True).stdout.strip()
        assert matching_step(key, code, now, 0) == now // PERIOD


def test_what_an_app_reads() -> None:
    uri = urlsplit(totp_uri(RFC_KEY, "Obst & Söhne", "anna@a.example"))
    assert (uri.scheme, uri.netloc) == ("otpauth", "totp")
    assert uri.path == "/Obst%20%26%20S%C3%B6hne:anna@a.example"
    assert parse_qs(uri.query) == {
        "secret": [b32encode(RFC_KEY).decode()],
        "issuer": ["Obst & Söhne"],
        "algorithm": ["SHA1"],
        "digits": ["6"],
        "period": ["30"],
    }


def test_what_is_sealed_opens_in_its_place_only(tmp_path: Path) -> None:
    file = tmp_path / "factors.key"
    key = sealing_key(file)
    assert (len(key), sealing_key(file), file.stat().st_mode & 0o777) == (KEY_OCTETS, key, 0o600)
    assert list(tmp_path.iterdir()) == [file]
    sealed = Sealer(key).seal(b"secret", "here")
    assert b"secret" not in sealed
    assert Sealer(key).open(sealed, "here") == b"secret"
    for broken, place in ((sealed, "there"), (sealed[:-1], "here"), (b"", "here"), (b"x" * 50, "here")):
        with pytest.raises(SealBroken):
            Sealer(key).open(broken, place)
    with pytest.raises(SealBroken):
        Sealer(bytes(KEY_OCTETS)).open(sealed, "here")
    file.write_bytes(b"short")
    with pytest.raises(ValueError, match="32 octets"):
        sealing_key(file)


class Room:
    """An account, its factors, and a clock."""

    def __init__(self, store: Store, clock: SettableClock) -> None:
        self.store, self.clock = store, clock
        self.factors = SecondFactors(store, clock, Sealer(bytes(KEY_OCTETS)), PARTY)

    async def account(self) -> Account:
        found = await self.store.reader.account_named("anna@a.example")
        assert found is not None
        return found

    def code(self, key: str, later: int = 0) -> str:
        from base64 import b32decode

        from cryptography.hazmat.primitives.hashes import SHA1
        from cryptography.hazmat.primitives.twofactor.totp import TOTP

        octets = b32decode(key + "=" * (-len(key) % 8))
        return TOTP(octets, 6, SHA1(), PERIOD).generate(int(self.clock.now()) + later).decode()

    async def with_totp(self) -> tuple[str, list[str]]:
        """Its key, and the recovery codes."""
        account = await self.account()
        begun = await self.factors.begin_totp(account, "phone")
        codes = await self.factors.confirm_totp(
            account, begun.factor_id, self.code(begun.key), no_devices=True, by=ME
        )
        return begun.key, codes

    async def seen(self, name: str, app_password: int = 0, *, ago: int = 0, protocols: int = 1) -> None:
        account, at = await self.account(), int(self.clock.now()) - ago
        noted = DeviceNote(
            account.account_id,
            name or "net",
            app_password,
            protocols,
            name,
            "",
            "",
            "",
            "",
            "192.0.2.9",
            at,
            at,
        )
        await self.store.transact(
            lambda tx: tx.note_devices([noted], int(self.clock.now()), KeepDevices(100, 100, 0))
        )


def in_room(tmp_path: Path, work: Callable[[Room], Awaitable[None]]) -> None:
    async def whole() -> None:
        clock = SettableClock()
        blobs, bus = LocalBlobs(tmp_path, "t"), MemoryBus()
        store = await open_sqlite(tmp_path / "p.db", blobs=blobs, bus=bus, clock=clock, owner="t")
        try:
            await store.transact(lambda tx: tx.add_account("anna@a.example", AccountKind.PERSON, "x"))
            await work(Room(store, clock))
        finally:
            await store.close()

    asyncio.run(whole())


def test_a_totp_counts_once_it_is_confirmed(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        account = await room.account()
        begun = await room.factors.begin_totp(account, " my  phone ")
        assert await room.factors.factors(account) == []
        with pytest.raises(WrongFactor):
            await room.factors.prove_code(account, room.code(begun.key))
        wrong = "000000" if room.code(begun.key) != "000000" else "111111"
        with pytest.raises(WrongFactor):
            await room.factors.confirm_totp(account, begun.factor_id, wrong, no_devices=True, by=ME)
        assert not (await room.account()).second_factor
        codes = await room.factors.confirm_totp(
            account, begun.factor_id, room.code(begun.key), no_devices=True, by=ME
        )
        assert len(set(codes)) == CODES
        account = await room.account()
        assert account.second_factor
        (factor,) = await room.factors.factors(account)
        assert (factor.kind, factor.name) == ("totp", "my phone")
        assert begun.key.encode() not in factor.secret
        with pytest.raises(WrongFactor):  # the code that confirmed it
            await room.factors.prove_code(account, room.code(begun.key))
        room.clock.seconds += PERIOD
        await room.factors.prove_code(account, room.code(begun.key))
        with pytest.raises(WrongFactor):
            await room.factors.prove_code(account, room.code(begun.key))
        with pytest.raises(FactorError, match="nothing of this number"):
            await room.factors.confirm_totp(account, begun.factor_id, "123456", by=ME)

    in_room(tmp_path, work)


def test_two_who_use_one_code_at_once_are_not_both_in(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        key, _ = await room.with_totp()
        room.clock.seconds += PERIOD
        account, code = await room.account(), room.code(key)
        tries = [room.factors.prove_code(account, code) for _ in range(5)]
        results = await asyncio.gather(*tries, return_exceptions=True)
        assert sum(result is None for result in results) == 1

    in_room(tmp_path, work)


def test_a_recovery_code_is_good_once_however_it_is_typed(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        _, codes = await room.with_totp()
        account = await room.account()
        await room.factors.prove_recovery_code(account, codes[0].upper().replace("-", " "))
        for wrong in (codes[0], "", "x", "bcdf-ghjk-mnpq-rstv", "y" * 10_000):
            with pytest.raises(WrongFactor):
                await room.factors.prove_recovery_code(account, wrong)
        fresh = await room.factors.renew_codes(account, by=ME)
        assert not set(fresh) & set(codes)
        with pytest.raises(WrongFactor):
            await room.factors.prove_recovery_code(account, codes[1])
        await room.factors.prove_recovery_code(account, fresh[0])
        assert await room.store.reader.recovery_codes(account.account_id) == CODES - 1

    in_room(tmp_path, work)


async def enrolled(room: Room, key: Authenticator) -> list[str]:
    account = await room.account()
    asked = await room.factors.begin_passkey(account)
    answer = key.make(asked.options)
    return await room.factors.add_passkey(account, "key", answer, asked.challenge, no_devices=True, by=ME)


async def proved(room: Room, key: Authenticator, **changes: Any) -> None:
    account = await room.account()
    asked = await room.factors.ask_for_passkey(account)
    assert asked is not None
    await room.factors.prove_passkey(
        account, key.sign({**asked.options, **changes}), changes.get("signed", asked.challenge)
    )


def test_a_passkey_opens_the_door(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        key = Authenticator(ORIGIN)
        assert len(await enrolled(room, key)) == CODES
        await proved(room, key)
        await proved(room, key)
        (factor,) = await room.factors.factors(await room.account())
        assert (factor.kind, factor.counter) == ("passkey", 2)
        assert await enrolled(room, Authenticator(ORIGIN)) == []
        with pytest.raises(FactorError, match="enrolled already"):
            await enrolled(room, key)

    in_room(tmp_path, work)


def test_passkeys_that_are_not_ours(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        for wrong in (Authenticator("https://evil.example"), Authenticator(ORIGIN, verifies=False)):
            with pytest.raises(WrongFactor):
                await enrolled(room, wrong)
        key = Authenticator(ORIGIN, count=5)
        await enrolled(room, key)
        stranger = Authenticator(ORIGIN)
        with pytest.raises(WrongFactor):
            await proved(room, stranger)
        stranger.id = key.id
        with pytest.raises(WrongFactor):
            await proved(room, stranger)
        with pytest.raises(WrongFactor):
            await proved(room, key, rpId="evil.example")
        with pytest.raises(WrongFactor):
            await proved(room, key, signed=b"another challenge")
        with pytest.raises(WrongFactor):
            await proved(room, key, signed=b"")
        key.origin = "https://evil.example"
        with pytest.raises(WrongFactor):
            await proved(room, key)
        key.origin = ORIGIN
        await proved(room, key)
        key.count -= 2  # a copy of it lags behind
        with pytest.raises(WrongFactor):
            await proved(room, key)
        account = await room.account()
        for junk in ({}, {"rawId": 3}, {"rawId": "%"}, {"rawId": "AA", "response": []}):
            with pytest.raises(WrongFactor):
                await room.factors.prove_passkey(account, junk, b"c")
            with pytest.raises(WrongFactor):
                await room.factors.add_passkey(account, "x", junk, b"c", by=ME)

    in_room(tmp_path, work)


def test_it_is_not_turned_on_while_devices_would_be_locked_out(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        account = await room.account()
        await room.seen("Thunderbird")
        await room.seen("iPhone Mail")
        await room.seen("", protocols=0b100)  # what an iPhone sends by: no device of its own
        await room.seen("Old", ago=40 * 86_400)
        begun = await room.factors.begin_totp(account, "phone")

        async def confirm(*, no_devices: bool = False) -> list[str]:
            return await room.factors.confirm_totp(
                account, begun.factor_id, room.code(begun.key), no_devices=no_devices, by=ME
            )

        with pytest.raises(DevicesLeftOut, match="Thunderbird") as caught:
            await confirm()
        assert set(caught.value.devices) == {"Thunderbird", "iPhone Mail"}
        assert not (await room.account()).second_factor
        await room.store.transact(lambda tx: tx.add_app_password(account.account_id, "a", b"1"))
        with pytest.raises(DevicesLeftOut):
            await confirm()
        await room.store.transact(lambda tx: tx.add_app_password(account.account_id, "b", b"2"))
        assert len(await confirm()) == CODES
        assert (await room.account()).second_factor

    in_room(tmp_path, work)


def test_with_the_last_one_it_is_off(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        await room.with_totp()
        await enrolled(room, Authenticator(ORIGIN))
        account = await room.account()
        first, second = await room.factors.factors(account)
        await room.factors.remove(account, first.factor_id, by=ME)
        assert (await room.account()).second_factor
        with pytest.raises(FactorError):
            await room.factors.remove(account, first.factor_id, by=ME)
        await room.factors.remove(account, second.factor_id, by=ME)
        account = await room.account()
        assert not account.second_factor
        assert await room.store.reader.recovery_codes(account.account_id) == 0
        with pytest.raises(FactorError):
            await room.factors.renew_codes(account, by=ME)

    in_room(tmp_path, work)


def test_who_has_lost_everything_is_let_in_again_by_an_administrator(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        await room.with_totp()
        assert await reset_factors(room.store, await room.account(), by=Actor("cli", "root")) == 1
        account = await room.account()
        assert not account.second_factor
        kinds = [one.kind for one in await room.store.reader.audit_entries(10, account_id=account.account_id)]
        assert kinds == ["factor.removed", "factor.recovery_codes", "factor.added"]

    in_room(tmp_path, work)


def test_there_is_an_end_to_factors_and_names(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        account = await room.account()
        for name in ("", "  ", "x" * 101, "a\nb\x00"):
            with pytest.raises(FactorError):
                await room.factors.begin_totp(account, name)
        for _ in range(30):
            await room.factors.begin_totp(account, "phone")  # what was begun before is forgotten
        assert len(await room.store.reader.second_factors(account.account_id)) == 1
        for _ in range(MOST_FACTORS - 1):
            await enrolled(room, Authenticator(ORIGIN))
        with pytest.raises(FactorError, match="20 second factors"):
            await enrolled(room, Authenticator(ORIGIN))

    in_room(tmp_path, work)


def test_another_sealing_key_lets_nobody_in_and_nothing_break(tmp_path: Path) -> None:
    async def work(room: Room) -> None:
        key, codes = await room.with_totp()
        room.clock.seconds += PERIOD
        room.factors = SecondFactors(room.store, room.clock, Sealer(b"\1" * KEY_OCTETS), PARTY)
        account = await room.account()
        with pytest.raises(WrongFactor):
            await room.factors.prove_code(account, room.code(key))
        await room.factors.prove_recovery_code(account, codes[0])

    in_room(tmp_path, work)
