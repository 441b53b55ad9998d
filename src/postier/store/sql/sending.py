"""What our people send, whom they know, and as whom they may write."""

from __future__ import annotations

from collections.abc import Sequence

from postier.store.api import NOTHING_SENT, AccountId, SendAs, Sent
from postier.store.sql.base import Reads, Writes

__all__ = ["SentReader", "SentTx"]

_COLUMNS = "day, recipients, strangers, warned, max_recipients, max_strangers"
_ONE = f"SELECT {_COLUMNS} FROM sending WHERE account_id = ?"  # noqa: S608 - columns of ours
_SET = (
    f"INSERT INTO sending (account_id, {_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - columns of ours
    " ON CONFLICT (account_id) DO UPDATE SET day = excluded.day, recipients = excluded.recipients,"
    " strangers = excluded.strangers, warned = excluded.warned, max_recipients = excluded.max_recipients,"
    " max_strangers = excluded.max_strangers"
)
_KNOW = "INSERT INTO correspondents (account_id, address) VALUES (?, ?) ON CONFLICT DO NOTHING"
_SEND_AS = "SELECT account_id, pattern FROM send_as"
_LET = "INSERT INTO send_as (account_id, pattern) VALUES (?, ?) ON CONFLICT DO NOTHING"
_FORBID = "DELETE FROM send_as WHERE account_id = ? AND pattern = ?"


class SentReader(Reads):
    async def sent(self, account_id: AccountId) -> Sent:
        row = await self._connection.row(_ONE, (account_id,))
        return NOTHING_SENT if row is None else Sent(*row)

    async def send_as(self, account_id: AccountId | None = None) -> list[SendAs]:
        if account_id is None:
            rows = await self._connection.rows(_SEND_AS)
        else:
            rows = await self._connection.rows(_SEND_AS + " WHERE account_id = ?", (account_id,))
        return sorted(SendAs(AccountId(number), pattern) for number, pattern in rows)


class SentTx(SentReader, Writes):
    async def set_sent(self, account_id: AccountId, sent: Sent) -> None:
        await self._connection.execute(_SET, (account_id, *sent))

    async def add_correspondents(self, account_id: AccountId, addresses: Sequence[int]) -> int:
        new = 0
        for address in addresses:
            new += await self._connection.execute(_KNOW, (account_id, address))
        return new

    async def set_send_as(self, account_id: AccountId, pattern: str, allowed: bool) -> bool:
        return await self._connection.execute(_LET if allowed else _FORBID, (account_id, pattern)) > 0
