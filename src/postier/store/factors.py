"""What the store keeps of second factors and of sessions by the web; part of store.api."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple, Protocol

from postier.store.values import AccountId

__all__ = ["FactorReader", "FactorTx", "SecondFactor", "WebSession"]


class SecondFactor(NamedTuple):
    """`kind`: "totp" or "passkey". `credential`: the passkey's id, b"" for TOTP. `secret`: the sealed key of
    a TOTP, or the public key of a passkey. `counter`: the last step that was used, or the passkey's count of
    signatures. Times: seconds since 1970, 0 for never."""

    account_id: AccountId
    factor_id: int
    kind: str
    name: str
    credential: bytes
    secret: bytes
    counter: int
    confirmed: bool
    created: int
    last_used: int


class WebSession(NamedTuple):
    """`stage`: 0 while the second factor is awaited, 1 once somebody is in. `challenge`: what a passkey has
    to sign now, b"" for nothing. `failures`: codes that were wrong."""

    account_id: AccountId
    session_id: int
    verifier: bytes
    stage: int
    password_version: int
    created: int
    last_seen: int
    peer: str
    agent: str
    challenge: bytes = b""
    failures: int = 0


class FactorReader(Protocol):
    async def second_factors(self, account_id: AccountId) -> list[SecondFactor]:
        """By id, the oldest first."""
        ...

    async def recovery_codes(self, account_id: AccountId) -> int:
        """How many are left."""
        ...

    async def web_session(self, verifier: bytes) -> WebSession | None: ...

    async def web_sessions(self, account_id: AccountId) -> list[WebSession]:
        """By id, the oldest first."""
        ...


class FactorTx(FactorReader, Protocol):
    async def add_second_factor(
        self,
        account_id: AccountId,
        kind: str,
        name: str,
        *,
        credential: bytes = b"",
        secret: bytes,
        counter: int = 0,
        confirmed: bool,
    ) -> int:
        """Its id; ids are not used again. Raises NoSuchAccount."""
        ...

    async def use_second_factor(
        self, account_id: AccountId, factor_id: int, before: int, after: int, at: int
    ) -> bool:
        """It was used, and confirmed by that: its counter goes from `before` to `after`. False, and nothing
        is changed, where somebody else was faster."""
        ...

    async def remove_second_factor(self, account_id: AccountId, factor_id: int) -> bool:
        """False if there was none."""
        ...

    async def set_recovery_codes(self, account_id: AccountId, verifiers: Collection[bytes]) -> None:
        """In place of all that were there."""
        ...

    async def use_recovery_code(self, account_id: AccountId, verifier: bytes) -> bool:
        """It is gone by that. False if there was none."""
        ...

    async def add_web_session(self, session: WebSession) -> int:
        """Its id; the one of the value counts for nothing. Raises NoSuchAccount."""
        ...

    async def update_web_session(self, session: WebSession) -> None:
        """All of it but account and id. Nothing where it is gone."""
        ...

    async def remove_web_sessions(self, account_id: AccountId, keep: int = 0, only: int = 0) -> int:
        """All but `keep`, or only this one. Returns how many there were."""
        ...

    async def forget_web_sessions(self, last_seen: int, created: int) -> int:
        """Of all accounts: those last seen, or begun, earlier than that. Returns how many."""
        ...
