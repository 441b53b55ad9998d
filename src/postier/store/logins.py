"""What the store keeps of logging in: app passwords, keys for SCRAM, and from where; part of store.api."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from postier.store.values import AccountId

__all__ = ["AppPassword", "LoginReader", "LoginTx", "ScramRow", "ScramStored"]


class AppPassword(NamedTuple):
    """A password for one device. `protocols`: as Door has them, () for any. `networks`: as `Networks` reads
    them, () for any. `created`, `expires`, `last_used`: seconds since 1970, 0 for never."""

    account_id: AccountId
    app_password_id: int
    name: str
    protocols: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    created: int = 0
    expires: int = 0
    last_used: int = 0
    last_peer: str = ""


class ScramRow(NamedTuple):
    """The keys of one password in one `form` of writing it. `app_password_id`: 0 for the account's own."""

    app_password_id: int
    form: int
    stored_key: bytes
    server_key: bytes


class ScramStored(NamedTuple):
    """Of one account: the salt and the iterations of all its keys."""

    salt: bytes
    iterations: int
    keys: tuple[ScramRow, ...]


class LoginReader(Protocol):
    async def app_passwords(self, account_id: AccountId) -> list[AppPassword]:
        """By id, the oldest first."""
        ...

    async def app_password_with(self, account_id: AccountId, verifier: bytes) -> AppPassword | None: ...

    async def app_password_ids(self, account_id: AccountId) -> frozenset[int]: ...

    async def scram(self, account_id: AccountId) -> ScramStored | None:
        """None where the account has no salt yet."""
        ...

    async def passwords_without_scram(self) -> int:
        """How many enabled accounts have a password and no keys for SCRAM."""
        ...

    async def known_since(self, account_id: AccountId, network: str) -> int:
        """When somebody last logged in from there, 0 for never."""
        ...


class LoginTx(LoginReader, Protocol):
    async def replace_password_hash(self, account_id: AccountId, old: str, new: str) -> bool:
        """The same password hashed anew. False, and nothing is changed, where `old` is no longer it."""
        ...

    async def set_app_passwords_only(self, account_id: AccountId, demanded: bool) -> None: ...

    async def set_second_factor(self, account_id: AccountId, demanded: bool) -> None: ...

    async def add_app_password(
        self,
        account_id: AccountId,
        name: str,
        verifier: bytes,
        *,
        protocols: Sequence[str] = (),
        networks: Sequence[str] = (),
        expires: int = 0,
    ) -> int:
        """Its id; ids are not used again. Raises NoSuchAccount."""
        ...

    async def remove_app_password(self, account_id: AccountId, app_password_id: int) -> bool:
        """With its keys. False if there was none."""
        ...

    async def note_app_password_use(
        self, account_id: AccountId, app_password_id: int, at: int, peer: str
    ) -> None: ...

    async def set_scram_salt(self, account_id: AccountId, salt: bytes, iterations: int) -> None:
        """All keys made with another salt are forgotten."""
        ...

    async def set_scram_keys(self, account_id: AccountId, rows: Sequence[ScramRow]) -> None:
        """In place of those of the same passwords."""
        ...

    async def note_known(self, account_id: AccountId, network: str, at: int) -> None: ...

    async def forget_known(self, before: int) -> None:
        """From all accounts."""
        ...
