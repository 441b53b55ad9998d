"""Second factors, recovery codes, and who is logged in by the web."""

from __future__ import annotations

from collections.abc import Collection

from postier.store.api import AccountId, NoSuchAccount, SecondFactor, WebSession
from postier.store.sql.base import Reads, Writes
from postier.store.sql.connection import Row

__all__ = ["FactorReader", "FactorTx"]

_FACTORS = (
    "SELECT account_id, factor_id, kind, name, credential, secret, counter, confirmed, created, last_used"
    " FROM second_factors WHERE account_id = ? ORDER BY factor_id"
)
_ADD_FACTOR = (
    "INSERT INTO second_factors (account_id, factor_id, kind, name, credential, secret, counter, confirmed,"
    " created, last_used) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0)"
)
_USE_FACTOR = (
    "UPDATE second_factors SET counter = ?, confirmed = 1, last_used = ?"
    " WHERE account_id = ? AND factor_id = ? AND counter = ?"
)
_SESSION_COLUMNS = (
    "account_id, session_id, verifier, stage, password_version, created, last_seen, peer, agent, challenge,"
    " failures"
)
_SESSIONS = f"SELECT {_SESSION_COLUMNS} FROM web_sessions WHERE"  # noqa: S608 - ours
_ADD_SESSION = f"INSERT INTO web_sessions ({_SESSION_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608
_UPDATE_SESSION = (
    "UPDATE web_sessions SET verifier = ?, stage = ?, password_version = ?, created = ?, last_seen = ?,"
    " peer = ?, agent = ?, challenge = ?, failures = ? WHERE account_id = ? AND session_id = ?"
)


def _as_factor(row: Row) -> SecondFactor:
    account_id, factor_id, kind, name, credential, secret, counter, confirmed, *times = row
    return SecondFactor(
        AccountId(account_id), factor_id, kind, name, credential, secret, counter, bool(confirmed), *times
    )


def _as_session(row: Row) -> WebSession:
    return WebSession(AccountId(row[0]), *row[1:])


class FactorReader(Reads):
    async def second_factors(self, account_id: AccountId) -> list[SecondFactor]:
        return list(map(_as_factor, await self._connection.rows(_FACTORS, (account_id,))))

    async def recovery_codes(self, account_id: AccountId) -> int:
        sql = "SELECT COUNT(*) FROM recovery_codes WHERE account_id = ?"
        row = await self._connection.row(sql, (account_id,))
        return 0 if row is None else int(row[0])

    async def web_session(self, verifier: bytes) -> WebSession | None:
        row = await self._connection.row(_SESSIONS + " verifier = ?", (verifier,))
        return None if row is None else _as_session(row)

    async def web_sessions(self, account_id: AccountId) -> list[WebSession]:
        sql = _SESSIONS + " account_id = ? ORDER BY session_id"
        return list(map(_as_session, await self._connection.rows(sql, (account_id,))))


class FactorTx(FactorReader, Writes):
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
        await self._require_account(account_id)
        number = await self._connection.next_id("second factor")
        values = (account_id, number, kind, name, credential, secret, counter, int(confirmed), self._now)
        await self._connection.execute(_ADD_FACTOR, values)
        return number

    async def use_second_factor(
        self, account_id: AccountId, factor_id: int, before: int, after: int, at: int
    ) -> bool:
        values = (after, at, account_id, factor_id, before)
        return await self._connection.execute(_USE_FACTOR, values) > 0

    async def remove_second_factor(self, account_id: AccountId, factor_id: int) -> bool:
        sql = "DELETE FROM second_factors WHERE account_id = ? AND factor_id = ?"
        return await self._connection.execute(sql, (account_id, factor_id)) > 0

    async def set_recovery_codes(self, account_id: AccountId, verifiers: Collection[bytes]) -> None:
        await self._connection.execute("DELETE FROM recovery_codes WHERE account_id = ?", (account_id,))
        await self._connection.executemany(
            "INSERT INTO recovery_codes (account_id, verifier) VALUES (?, ?)",
            [(account_id, verifier) for verifier in verifiers],
        )

    async def use_recovery_code(self, account_id: AccountId, verifier: bytes) -> bool:
        sql = "DELETE FROM recovery_codes WHERE account_id = ? AND verifier = ?"
        return await self._connection.execute(sql, (account_id, verifier)) > 0

    async def add_web_session(self, session: WebSession) -> int:
        await self._require_account(session.account_id)
        number = await self._connection.next_id("web session")
        await self._connection.execute(_ADD_SESSION, (session.account_id, number, *session[2:]))
        return number

    async def update_web_session(self, session: WebSession) -> None:
        values = (*session[2:], session.account_id, session.session_id)
        await self._connection.execute(_UPDATE_SESSION, values)

    async def remove_web_sessions(self, account_id: AccountId, keep: int = 0, only: int = 0) -> int:
        if only:
            sql = "DELETE FROM web_sessions WHERE account_id = ? AND session_id = ?"
            return await self._connection.execute(sql, (account_id, only))
        sql = "DELETE FROM web_sessions WHERE account_id = ? AND session_id <> ?"
        return await self._connection.execute(sql, (account_id, keep))

    async def forget_web_sessions(self, last_seen: int, created: int) -> int:
        sql = "DELETE FROM web_sessions WHERE last_seen < ? OR created < ?"
        return await self._connection.execute(sql, (last_seen, created))

    async def _require_account(self, account_id: AccountId) -> None:
        if await self._connection.row("SELECT 1 FROM accounts WHERE account_id = ?", (account_id,)) is None:
            raise NoSuchAccount(str(account_id))
