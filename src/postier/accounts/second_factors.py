"""What a person proves beside the password: codes by time, passkeys, and codes for when those are lost.

The first that is confirmed turns the second factor on: from then on the password opens the portal only
together with one of them, and mail programs get in with an app password each. So that nobody turns it on by
accident and finds every device locked out, it is refused while more devices were seen lately with the
password than there are app passwords.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from postier.accounts.audit import Actor, AuditKind, note
from postier.accounts.devices import protocols_of
from postier.accounts.passkeys import PasskeyAsked, PasskeyRefused, RelyingParty, credential_of
from postier.accounts.sealing import SealBroken, Sealer
from postier.accounts.totp import matching_step, new_totp_key, shown_key, totp_uri
from postier.base.clock import Clock
from postier.base.log import Log
from postier.store.api import Account, AccountId, Device, SecondFactor, Store, Tx

__all__ = [
    "CODES",
    "MOST_FACTORS",
    "DevicesLeftOut",
    "Enrolment",
    "FactorError",
    "SecondFactors",
    "WrongFactor",
    "reset_factors",
    "verifier_of_recovery_code",
]

MOST_FACTORS = 20
"""Of one account."""
LONGEST_NAME = 100
CODES = 10
CODE_LETTERS = 16
ALPHABET = "bcdfghjkmnpqrstvwxyz"
"""No vowels: no words come out."""
SEEN_SECONDS = 30 * 86_400
"""A device that was not seen for so long counts no more."""

log = Log("factors")


class FactorError(Exception):
    """It can't be done; one sentence for the person."""


class DevicesLeftOut(FactorError):
    """`devices`: what they call themselves; they would be locked out."""

    def __init__(self, devices: Sequence[str]) -> None:
        super().__init__(
            f"make an app password for each of these devices first: {', '.join(devices)}; "
            "or say that there are no devices"
        )
        self.devices = tuple(devices)


class WrongFactor(Exception):
    """The proof is none. `guessable`: it could have been a guess."""

    def __init__(self, *, guessable: bool) -> None:
        super().__init__("wrong second factor")
        self.guessable = guessable


class Enrolment(NamedTuple):
    """For an authenticator app: what is typed, and what its camera reads."""

    factor_id: int
    key: str
    uri: str


class SecondFactors:
    """`sealer`: of keys for TOTP. `party`: who we are to passkeys."""

    def __init__(self, store: Store, clock: Clock, sealer: Sealer, party: RelyingParty) -> None:
        self._store = store
        self._clock = clock
        self._sealer = sealer
        self._party = party

    # ------------------------------------------------------------------ enrolling

    async def begin_totp(self, account: Account, name: str) -> Enrolment:
        """It counts once it is confirmed; one that was begun before and was not is forgotten.

        Raises FactorError.
        """
        key, name = new_totp_key(), _name(name)

        async def work(tx: Tx) -> int:
            for factor in await tx.second_factors(account.account_id):
                if not factor.confirmed:
                    await tx.remove_second_factor(account.account_id, factor.factor_id)
            await _require_room(tx, account.account_id)
            sealed = self._sealer.seal(key, _place(account.account_id))
            return await tx.add_second_factor(
                account.account_id, "totp", name, secret=sealed, confirmed=False
            )

        number = await self._store.transact(work)
        return Enrolment(number, shown_key(key), totp_uri(key, self._party.name, account.name))

    async def confirm_totp(
        self,
        account: Account,
        factor_id: int,
        code: str,
        *,
        no_devices: bool = False,
        session: int = 0,
        by: Actor,
    ) -> list[str]:
        """Recovery codes, which are shown now and never again, where this turned the second factor on: then
        the account's sessions by the web end, but for `session`.

        Raises FactorError, WrongFactor.
        """

        async def work(tx: Tx) -> list[str]:
            factors = await tx.second_factors(account.account_id)
            factor = next((one for one in factors if one.factor_id == factor_id and one.kind == "totp"), None)
            if factor is None or factor.confirmed:
                raise FactorError("there is nothing of this number to confirm")
            if not await self._use_code(tx, factor, code):
                raise WrongFactor(guessable=True)
            await note(tx, by, AuditKind.FACTOR_ADDED, account, what="TOTP", device=factor.name)
            return await self._turn_on(tx, account, no_devices, session, by)

        return await self._store.transact(work)

    async def begin_passkey(self, account: Account) -> PasskeyAsked:
        factors = await self._store.reader.second_factors(account.account_id)
        known = [factor.credential for factor in factors if factor.kind == "passkey"]
        return self._party.ask_for_new(_handle(account.account_id), account.name, account.display_name, known)

    async def add_passkey(
        self,
        account: Account,
        name: str,
        answer: Mapping[str, Any],
        challenge: bytes,
        *,
        no_devices: bool = False,
        session: int = 0,
        by: Actor,
    ) -> list[str]:
        """As `confirm_totp`. Raises FactorError, WrongFactor."""
        name = _name(name)
        try:
            new = self._party.take_new(answer, challenge)
        except PasskeyRefused as refused:
            log.warning("passkey refused", account=account.name, why=refused)
            raise WrongFactor(guessable=False) from None

        async def work(tx: Tx) -> list[str]:
            await _require_room(tx, account.account_id)
            known = await tx.second_factors(account.account_id)
            if any(factor.credential == new.credential for factor in known):
                raise FactorError("this passkey is enrolled already")
            await tx.add_second_factor(
                account.account_id,
                "passkey",
                name,
                credential=new.credential,
                secret=new.public_key,
                counter=new.signatures,
                confirmed=True,
            )
            await note(tx, by, AuditKind.FACTOR_ADDED, account, what="passkey", device=name)
            return await self._turn_on(tx, account, no_devices, session, by)

        return await self._store.transact(work)

    async def _turn_on(
        self, tx: Tx, account: Account, no_devices: bool, session: int, by: Actor
    ) -> list[str]:
        """Raises DevicesLeftOut."""
        if (await tx.account(account.account_id)).second_factor:
            return []
        if not no_devices:
            left_out = await self._left_out(tx, account.account_id)
            if left_out:
                raise DevicesLeftOut(left_out)
        await tx.set_second_factor(account.account_id, True)
        await tx.remove_web_sessions(account.account_id, keep=session)
        return await _new_codes(tx, account, by)

    async def _left_out(self, tx: Tx, account_id: AccountId) -> list[str]:
        """Devices that use the password alone, where there are more of them than app passwords."""
        since = int(self._clock.now()) - SEEN_SECONDS
        seen = [d for d in await tx.devices(account_id) if not d.app_password and d.last_seen >= since]
        names = list(dict.fromkeys(filter(None, map(_device_name, seen))))
        return names if len(names) > len(await tx.app_password_ids(account_id)) else []

    # ------------------------------------------------------------------ what there is, and its end

    async def factors(self, account: Account) -> list[SecondFactor]:
        """Those that are confirmed."""
        found = await self._store.reader.second_factors(account.account_id)
        return [factor for factor in found if factor.confirmed]

    async def remove(self, account: Account, factor_id: int, *, by: Actor) -> None:
        """With the last one the second factor is off. Raises FactorError."""

        async def work(tx: Tx) -> None:
            factors = await tx.second_factors(account.account_id)
            factor = next((one for one in factors if one.factor_id == factor_id), None)
            if factor is None:
                raise FactorError("there is no second factor of this number")
            await _take_away(tx, account, factor, by)
            if not any(one.confirmed for one in factors if one is not factor):
                await _turn_off(tx, account)

        await self._store.transact(work)

    async def renew_codes(self, account: Account, *, by: Actor) -> list[str]:
        """New recovery codes in place of the old. Raises FactorError."""

        async def work(tx: Tx) -> list[str]:
            if not (await tx.account(account.account_id)).second_factor:
                raise FactorError("recovery codes are for who has a second factor")
            return await _new_codes(tx, account, by)

        return await self._store.transact(work)

    # ------------------------------------------------------------------ proving

    async def ask_for_passkey(self, account: Account) -> PasskeyAsked | None:
        """None where the account has none."""
        known = [one.credential for one in await self.factors(account) if one.kind == "passkey"]
        return self._party.ask_for_proof(known) if known else None

    async def prove_code(self, account: Account, code: str) -> None:
        """Raises WrongFactor."""

        async def work(tx: Tx) -> bool:
            for factor in await tx.second_factors(account.account_id):
                if factor.kind == "totp" and factor.confirmed and await self._use_code(tx, factor, code):
                    return True
            return False

        if not await self._store.transact(work):
            raise WrongFactor(guessable=True)

    async def prove_recovery_code(self, account: Account, code: str) -> None:
        """Raises WrongFactor."""
        verifier = verifier_of_recovery_code(code)
        if not await self._store.transact(lambda tx: tx.use_recovery_code(account.account_id, verifier)):
            raise WrongFactor(guessable=False)

    async def prove_passkey(self, account: Account, answer: Mapping[str, Any], challenge: bytes) -> None:
        """Raises WrongFactor."""
        credential = credential_of(answer)
        factor = next(
            (
                one
                for one in await self.factors(account)
                if one.kind == "passkey" and one.credential == credential
            ),
            None,
        )
        if factor is None or not challenge:
            raise WrongFactor(guessable=False)
        try:
            count = self._party.take_proof(answer, challenge, factor.secret, factor.counter)
        except PasskeyRefused as refused:
            log.warning("passkey refused", account=account.name, why=refused)
            raise WrongFactor(guessable=False) from None
        now = int(self._clock.now())
        if not await self._store.transact(
            lambda tx: tx.use_second_factor(account.account_id, factor.factor_id, factor.counter, count, now)
        ):
            raise WrongFactor(guessable=False)

    async def _use_code(self, tx: Tx, factor: SecondFactor, code: str) -> bool:
        now = self._clock.now()
        try:
            key = self._sealer.open(factor.secret, _place(factor.account_id))
        except SealBroken:
            log.fault("key of a TOTP cannot be read", account=str(factor.account_id), why="sealed otherwise")
            return False
        step = matching_step(key, code, now, factor.counter)
        return step is not None and await tx.use_second_factor(
            factor.account_id, factor.factor_id, factor.counter, step, int(now)
        )


async def reset_factors(store: Store, account: Account, *, by: Actor) -> int:
    """For who has lost them all: none is left, nobody is logged in by the web. Returns how many it were."""

    async def work(tx: Tx) -> int:
        factors = await tx.second_factors(account.account_id)
        for factor in factors:
            await _take_away(tx, account, factor, by)
        await _turn_off(tx, account)
        await tx.remove_web_sessions(account.account_id)
        return len(factors)

    return await store.transact(work)


async def _take_away(tx: Tx, account: Account, factor: SecondFactor, by: Actor) -> None:
    await tx.remove_second_factor(account.account_id, factor.factor_id)
    if factor.confirmed:
        what = "TOTP" if factor.kind == "totp" else factor.kind
        await note(tx, by, AuditKind.FACTOR_REMOVED, account, what=what, device=factor.name)


async def _turn_off(tx: Tx, account: Account) -> None:
    await tx.set_second_factor(account.account_id, False)
    await tx.set_recovery_codes(account.account_id, ())


async def _require_room(tx: Tx, account_id: AccountId) -> None:
    if len(await tx.second_factors(account_id)) >= MOST_FACTORS:
        raise FactorError(f"there are {MOST_FACTORS} second factors already; remove one first")


async def _new_codes(tx: Tx, account: Account, by: Actor) -> list[str]:
    codes = [_new_code() for _ in range(CODES)]
    await tx.set_recovery_codes(account.account_id, [verifier_of_recovery_code(code) for code in codes])
    await note(tx, by, AuditKind.RECOVERY_CODES, account)
    return codes


def _new_code() -> str:
    """69 bits: nobody guesses that, so a plain hash is a safe verifier."""
    letters = "".join(secrets.choice(ALPHABET) for _ in range(CODE_LETTERS))
    return "-".join(letters[start : start + 4] for start in range(0, CODE_LETTERS, 4))


def verifier_of_recovery_code(code: str) -> bytes:
    """However it was typed."""
    letters = "".join(code[:100].replace("-", " ").split()).casefold()
    return hashlib.sha256(b"postier recovery code " + letters.encode()).digest()


def _name(text: str) -> str:
    """Raises FactorError."""
    name = " ".join(text.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise FactorError(f"give it a name of 1 to {LONGEST_NAME} characters")
    return name


def _device_name(device: Device) -> str:
    """ "" for what only sends: its other half is counted already."""
    said = " ".join(filter(None, (device.name, device.os)))
    only_sends = protocols_of(device.protocols) == ["submission"]
    return said or ("" if only_sends else f"a device at {device.peer}")


def _place(account_id: AccountId) -> str:
    return f"totp of account {account_id}"


def _handle(account_id: AccountId) -> bytes:
    """Says nothing of the person, and is the same for all of the account's passkeys."""
    return hashlib.sha256(f"postier passkeys of {account_id}".encode()).digest()
