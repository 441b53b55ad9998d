"""Logging in: right, wrong, and too often wrong."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from postier.accounts.login import (
    FORGET_AFTER,
    SCOPES,
    Door,
    InvalidCredentials,
    Login,
    TooManyFailures,
    failure_delay,
    refusal,
)
from postier.accounts.password import PasswordVerifier, ProofTable, hash_password
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.sasl.api import Credentials
from postier.store.api import Account, AccountKind, LoginFailures, Store, Tx
from postier.store.sqlite import open_sqlite

PEER = "192.0.2.7"
PAIR, WHOLE_PEER, NAME = SCOPES
_numbers = itertools.count()


class Clock:
    def __init__(self) -> None:
        self.time = 1_000_000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


async def attempt(login: Login, name: str, password: str, peer: str, protocol: str) -> Account:
    entry = await login.authenticate(Credentials("", name, password), Door(protocol, peer, "s"))
    return entry.account


def with_login(tmp_path: Path, work: Callable[[Store, Login, Clock], Awaitable[None]]) -> None:
    async def whole() -> None:
        clock = Clock()
        store = await open_sqlite(
            tmp_path / "postier.db",
            blobs=LocalBlobs(tmp_path, "test"),
            bus=MemoryBus(),
            clock=SystemClock(),
            owner="test",
        )
        verifier = PasswordVerifier(ProofTable(), threads=1)
        try:

            async def make(tx: Tx) -> None:
                await tx.add_account("a@b.example", AccountKind.PERSON, hash_password("right"))
                await tx.add_account("shared@b.example", AccountKind.SHARED, "")

            await store.transact(make)
            await work(store, Login(store, clock, verifier), clock)
        finally:
            verifier.close()
            await store.close()

    asyncio.run(whole())


def test_the_right_password_in_any_case_of_the_name(tmp_path: Path) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        for _ in range(2):  # proved, then remembered
            account = await attempt(login, "A@B.example", "right", PEER, "imap")
            assert account.name == "a@b.example"

    with_login(tmp_path, work)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("a@b.example", "wrong"),
        ("a@b.example", ""),
        ("a@b.example", "x" * 100_000),
        ("a@b.example", "\ud800"),
        ("nobody@b.example", "right"),
        ("shared@b.example", ""),
        ("x" * 100_000, "right"),
        ("", ""),
    ],
)
def test_everything_else_is_the_same_refusal(tmp_path: Path, name: str, password: str) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        with pytest.raises(InvalidCredentials) as refused:
            await attempt(login, name, password, PEER, "imap")
        assert refused.value.delay > 0

    with_login(tmp_path, work)


def test_a_changed_password_ends_the_memory_of_the_old_one(tmp_path: Path) -> None:
    async def work(store: Store, login: Login, clock: Clock) -> None:
        account = await attempt(login, "a@b.example", "right", PEER, "imap")

        async def change(tx: Tx) -> None:
            await tx.set_password_hash(account.account_id, hash_password("new"))

        await store.transact(change)
        with pytest.raises(InvalidCredentials):
            await attempt(login, "a@b.example", "right", PEER, "imap")

    with_login(tmp_path, work)


async def guess(login: Login, name: str = "a@b.example", peer: str = PEER) -> float:
    """A wrong password that was not tried before; the seconds its answer is held back."""
    with pytest.raises(InvalidCredentials) as refused:
        await attempt(login, name, f"wrong {next(_numbers)}", peer, "imap")
    return refused.value.delay


def test_a_guesser_is_slowed_then_refused_then_forgotten(tmp_path: Path) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        delays = [await guess(login) for _ in range(PAIR.free)]
        assert delays == sorted(delays)
        assert delays[0] < 1 < delays[-1]
        with pytest.raises(TooManyFailures):  # the right password comes too late
            await attempt(login, "a@b.example", "right", PEER, "pop3")
        await attempt(login, "a@b.example", "right", "192.0.2.8", "imap")
        clock.time += FORGET_AFTER + 1
        await attempt(login, "a@b.example", "right", PEER, "imap")
        assert await guess(login) == failure_delay(1)

    with_login(tmp_path, work)


def test_one_device_with_an_old_password_locks_out_no_colleague(tmp_path: Path) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        for _ in range(PAIR.free):
            await guess(login, "colleague@b.example")
        await attempt(login, "a@b.example", "right", PEER, "imap")

    with_login(tmp_path, work)


def test_the_right_password_forgives_those_mistyped_before(tmp_path: Path) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        for _ in range(3):
            for _ in range(PAIR.free - 1):
                await guess(login)
            await attempt(login, "a@b.example", "right", PEER, "imap")

    with_login(tmp_path, work)


def test_many_names_from_one_address_end_at_the_second_limit(tmp_path: Path) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        for number in range(WHOLE_PEER.free):
            await guess(login, f"{number}@b.example")
        with pytest.raises(TooManyFailures):
            await attempt(login, "new@b.example", "x", PEER, "imap")
        await attempt(login, "a@b.example", "right", "192.0.2.8", "imap")

    with_login(tmp_path, work)


def test_an_ipv6_guesser_is_known_by_the_network(tmp_path: Path) -> None:
    async def work(_: Store, login: Login, clock: Clock) -> None:
        for number in range(PAIR.free):
            await guess(login, "a", f"2001:db8:1:2::{number}")
        with pytest.raises(TooManyFailures):
            await attempt(login, "a", "b", "2001:db8:1:2:ffff::1", "imap")
        await guess(login, "a", "2001:db8:1:3::1")

    with_login(tmp_path, work)


def test_the_arithmetic_at_its_limits() -> None:
    assert refusal(None, PAIR, 0) == 0
    assert refusal(LoginFailures(9, 100), PAIR, 100) == 0
    assert refusal(LoginFailures(10, 100), PAIR, 100) == 60
    assert refusal(LoginFailures(10, 100), PAIR, 160) == 0
    assert refusal(LoginFailures(10_000, 100), PAIR, 100) == 3600
    assert refusal(LoginFailures(10_000, 100), NAME, 100) == 40
    assert failure_delay(10_000) == 8
    assert failure_delay(-90) == 0


def test_passwords_that_are_not_taken() -> None:
    for password in ("", "x" * 1025):
        with pytest.raises(ValueError, match="password"):
            hash_password(password)
    assert hash_password("x" * 1024) != hash_password("x" * 1024)


def test_a_proof_holds_for_its_hash_and_password_alone() -> None:
    table = ProofTable()
    proof = table.proof("hash", b"password")
    assert proof not in table
    table.add(proof)
    assert proof in table
    for other in (table.proof("hash", b"other"), table.proof("new hash", b"password"), table.proof("", b"")):
        assert other not in table
    assert proof not in ProofTable()


def test_a_proof_of_one_worker_is_known_to_the_others() -> None:
    table = ProofTable()
    proof = table.proof("hash", b"password")
    child = os.fork()
    if child == 0:
        table.add(proof)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert proof in table


def test_the_same_keys_typed_on_two_systems(tmp_path: Path) -> None:
    async def whole() -> None:
        verifier = PasswordVerifier(ProofTable(), threads=1)
        assert await verifier.verify(hash_password("\u00e9t\u00e9"), "e\u0301te\u0301")
        verifier.close()

    asyncio.run(whole())


def test_many_connections_at_once_cost_one_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    hashed = []

    def slow_hash(password_hash: str, octets: bytes) -> bool:
        hashed.append(octets)
        return octets == b"right"

    monkeypatch.setattr("postier.accounts.password._matches", slow_hash)

    async def whole() -> None:
        verifier = PasswordVerifier(ProofTable(), threads=1)
        answers = await asyncio.gather(*(verifier.verify("hash", "right") for _ in range(20)))
        assert all(answers)
        assert not await verifier.verify("hash", "wrong")
        assert not await verifier.verify("hash", "wrong")
        verifier.close()

    asyncio.run(whole())
    assert hashed == [b"right", b"wrong", b"wrong"]
