"""App passwords, keys for SCRAM, and from where people log in."""

from __future__ import annotations

from collections.abc import Sequence

from postier.store.api import AccountId, AppPassword, NoSuchAccount, ScramRow, ScramStored
from postier.store.sql.base import Reads
from postier.store.sql.connection import Row
from postier.store.sql.directory import DirectoryTx

__all__ = ["LoginReader", "LoginTx"]

_APP_PASSWORDS = (
    "SELECT account_id, app_password_id, name, protocols, networks, created, expires, last_used, last_peer"
    " FROM app_passwords WHERE account_id = ?"
)
_ADD = (
    "INSERT INTO app_passwords (account_id, app_password_id, name, verifier, protocols, networks, created,"
    " expires, last_used, last_peer) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, '')"
)
_USED = "UPDATE app_passwords SET last_used = ?, last_peer = ? WHERE account_id = ? AND app_password_id = ?"
_WITHOUT_SCRAM = (
    "SELECT COUNT(*) FROM accounts a WHERE a.password_hash <> '' AND a.enabled = 1 AND NOT EXISTS"
    " (SELECT 1 FROM scram_keys k WHERE k.account_id = a.account_id AND k.app_password_id = 0)"
)
_SALT = (
    "INSERT INTO scram_salts (account_id, salt, iterations) VALUES (?, ?, ?)"
    " ON CONFLICT (account_id) DO UPDATE SET salt = excluded.salt, iterations = excluded.iterations"
)
_KNOWN = (
    "INSERT INTO known_places (account_id, network, last) VALUES (?, ?, ?)"
    " ON CONFLICT (account_id, network) DO UPDATE SET last = excluded.last"
)


def _as_app_password(row: Row) -> AppPassword:
    account_id, number, name, protocols, networks, *times = row
    return AppPassword(
        AccountId(account_id), number, name, tuple(protocols.split()), tuple(networks.split()), *times
    )


class LoginReader(Reads):
    async def app_passwords(self, account_id: AccountId) -> list[AppPassword]:
        rows = await self._connection.rows(_APP_PASSWORDS + " ORDER BY app_password_id", (account_id,))
        return list(map(_as_app_password, rows))

    async def app_password_with(self, account_id: AccountId, verifier: bytes) -> AppPassword | None:
        row = await self._connection.row(_APP_PASSWORDS + " AND verifier = ?", (account_id, verifier))
        return None if row is None else _as_app_password(row)

    async def app_password_ids(self, account_id: AccountId) -> frozenset[int]:
        sql = "SELECT app_password_id FROM app_passwords WHERE account_id = ?"
        return frozenset(await self._connection.integers(sql, (account_id,)))

    async def scram(self, account_id: AccountId) -> ScramStored | None:
        salt = await self._connection.row(
            "SELECT salt, iterations FROM scram_salts WHERE account_id = ?", (account_id,)
        )
        if salt is None:
            return None
        rows = await self._connection.rows(
            "SELECT app_password_id, form, stored_key, server_key FROM scram_keys WHERE account_id = ?"
            " ORDER BY app_password_id, form",
            (account_id,),
        )
        return ScramStored(salt[0], salt[1], tuple(ScramRow(*row) for row in rows))

    async def passwords_without_scram(self) -> int:
        row = await self._connection.row(_WITHOUT_SCRAM)
        return 0 if row is None else int(row[0])

    async def known_since(self, account_id: AccountId, network: str) -> int:
        row = await self._connection.row(
            "SELECT last FROM known_places WHERE account_id = ? AND network = ?", (account_id, network)
        )
        return 0 if row is None else int(row[0])


class LoginTx(LoginReader, DirectoryTx):
    async def replace_password_hash(self, account_id: AccountId, old: str, new: str) -> bool:
        sql = "UPDATE accounts SET password_hash = ? WHERE account_id = ? AND password_hash = ?"
        return await self._connection.execute(sql, (new, account_id, old)) > 0

    async def set_app_passwords_only(self, account_id: AccountId, demanded: bool) -> None:
        sql = "UPDATE accounts SET app_passwords_only = ? WHERE account_id = ?"
        await self._update_account(account_id, sql, int(demanded))

    async def set_second_factor(self, account_id: AccountId, demanded: bool) -> None:
        sql = "UPDATE accounts SET second_factor = ? WHERE account_id = ?"
        await self._update_account(account_id, sql, int(demanded))

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
        if await self._connection.row("SELECT 1 FROM accounts WHERE account_id = ?", (account_id,)) is None:
            raise NoSuchAccount(str(account_id))
        number = await self._connection.next_id("app password")
        where = (" ".join(protocols), " ".join(networks))
        await self._connection.execute(_ADD, (account_id, number, name, verifier, *where, self._now, expires))
        return number

    async def remove_app_password(self, account_id: AccountId, app_password_id: int) -> bool:
        key = (account_id, app_password_id)
        for table in ("scram_keys", "app_passwords"):
            sql = f"DELETE FROM {table} WHERE account_id = ? AND app_password_id = ?"  # noqa: S608 - ours
            removed = await self._connection.execute(sql, key) > 0
        if removed:
            await self._settings_changed()
        return removed

    async def note_app_password_use(
        self, account_id: AccountId, app_password_id: int, at: int, peer: str
    ) -> None:
        await self._connection.execute(_USED, (at, peer, account_id, app_password_id))

    async def set_scram_salt(self, account_id: AccountId, salt: bytes, iterations: int) -> None:
        await self._connection.execute("DELETE FROM scram_keys WHERE account_id = ?", (account_id,))
        await self._connection.execute(_SALT, (account_id, salt, iterations))

    async def set_scram_keys(self, account_id: AccountId, rows: Sequence[ScramRow]) -> None:
        for number in {row.app_password_id for row in rows}:
            await self._connection.execute(
                "DELETE FROM scram_keys WHERE account_id = ? AND app_password_id = ?", (account_id, number)
            )
        await self._connection.executemany(
            "INSERT INTO scram_keys (account_id, app_password_id, form, stored_key, server_key)"
            " VALUES (?, ?, ?, ?, ?)",
            [(account_id, *row) for row in rows],
        )
        await self._settings_changed()

    async def note_known(self, account_id: AccountId, network: str, at: int) -> None:
        await self._connection.execute(_KNOWN, (account_id, network, at))

    async def forget_known(self, before: int) -> None:
        await self._connection.execute("DELETE FROM known_places WHERE last < ?", (before,))
