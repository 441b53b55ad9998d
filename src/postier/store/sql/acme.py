"""Accounts, orders and challenges of ACME."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from postier.store.api import AcmeAccount, AcmeChallenge, Renewal
from postier.store.sql.base import Reads, Writes

__all__ = ["AcmeReader", "AcmeTx"]

_ACCOUNT = "SELECT facts, key FROM acme_accounts WHERE directory = ?"
_SET_ACCOUNT = (
    "INSERT INTO acme_accounts (directory, facts, key) VALUES (?, ?, ?)"
    " ON CONFLICT (directory) DO UPDATE SET facts = excluded.facts, key = excluded.key"
)
_RENEWALS = "SELECT facts, key, next_key FROM renewals"
_SET_RENEWAL = (
    "INSERT INTO renewals (subject, facts, key, next_key) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (subject) DO UPDATE SET facts = excluded.facts, key = excluded.key,"
    " next_key = excluded.next_key"
)
_CHALLENGES = "SELECT kind, place, proof, expires FROM acme_challenges WHERE kind = ? ORDER BY place, proof"
_PROOF = "SELECT proof FROM acme_challenges WHERE kind = ? AND place = ? ORDER BY expires DESC LIMIT 1"
_SET_CHALLENGE = (
    "INSERT INTO acme_challenges (kind, place, proof, expires) VALUES (?, ?, ?, ?)"
    " ON CONFLICT (kind, place, proof) DO UPDATE SET expires = excluded.expires"
)
_REMOVE_CHALLENGE = "DELETE FROM acme_challenges WHERE kind = ? AND place = ? AND proof = ?"


def _facts(value: AcmeAccount | Renewal) -> str:
    return msgspec.json.encode(value).decode()


def _renewal(row: Any) -> Renewal:
    facts, key, next_key = row
    return replace(msgspec.json.decode(facts, type=Renewal), key=key, next_key=next_key)


class AcmeReader(Reads):
    async def acme_account(self, directory: str) -> AcmeAccount | None:
        row = await self._connection.row(_ACCOUNT, (directory,))
        return None if row is None else replace(msgspec.json.decode(row[0], type=AcmeAccount), key=row[1])

    async def renewals(self) -> list[Renewal]:
        return [_renewal(row) for row in await self._connection.rows(_RENEWALS + " ORDER BY subject")]

    async def renewal(self, subject: str) -> Renewal | None:
        row = await self._connection.row(_RENEWALS + " WHERE subject = ?", (subject,))
        return None if row is None else _renewal(row)

    async def acme_challenges(self, kind: str) -> list[AcmeChallenge]:
        return [AcmeChallenge(*row) for row in await self._connection.rows(_CHALLENGES, (kind,))]

    async def acme_proof(self, kind: str, place: str) -> str:
        row = await self._connection.row(_PROOF, (kind, place))
        return "" if row is None else str(row[0])


class AcmeTx(AcmeReader, Writes):
    async def set_acme_account(self, account: AcmeAccount) -> None:
        values = (account.directory, _facts(replace(account, key="")), account.key)
        await self._connection.execute(_SET_ACCOUNT, values)

    async def set_renewal(self, renewal: Renewal) -> None:
        facts = _facts(replace(renewal, key="", next_key=""))
        values = (renewal.subject, facts, renewal.key, renewal.next_key)
        await self._connection.execute(_SET_RENEWAL, values)

    async def remove_renewal(self, subject: str) -> bool:
        return await self._connection.execute("DELETE FROM renewals WHERE subject = ?", (subject,)) > 0

    async def set_acme_challenge(self, challenge: AcmeChallenge) -> None:
        await self._connection.execute(_SET_CHALLENGE, tuple(challenge))

    async def remove_acme_challenge(self, challenge: AcmeChallenge) -> None:
        await self._connection.execute(_REMOVE_CHALLENGE, challenge[:3])
