"""What rests after it was deleted over POP3, and what is set for an account there.

That a message is still where it rests is asked of its facts: who moves it away or expunges it by IMAP has to
tell nobody. UIDs are never used twice, so a row without its message means nothing.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from postier.store.api import (
    NO_MAILBOX,
    AccountId,
    MailboxId,
    Pop3Extremes,
    Pop3Rules,
    RestingMessage,
    RestingTotal,
    SizeColumns,
    Uid,
)
from postier.store.sql.base import Reads
from postier.store.sql.connection import Row
from postier.store.sql.ledger import AccountLine
from postier.store.sql.removal import RemovalTx

__all__ = ["RestingReader", "RestingTx"]

_SIZES = (
    "SELECT uid, size FROM facts WHERE account_id = ? AND mailbox_id = ? AND uid >= ? ORDER BY uid LIMIT ?"
)
_THERE = (
    " FROM pop3_resting r JOIN facts f ON f.account_id = r.account_id AND f.mailbox_id = r.mailbox_id"
    " AND f.uid = r.uid WHERE r.account_id = ?"
)
_COLUMNS = "r.account_id, r.validity, r.origin, r.mailbox_id, r.uid, r.device, r.until"
_RESTING_FOR = "".join(
    (
        "SELECT r.origin AS origin, f.size AS size",
        _THERE,
        " AND r.validity = ? AND r.device NOT IN (?, -1) AND NOT EXISTS (SELECT 1 FROM pop3_deleted d"
        " WHERE d.account_id = r.account_id AND d.validity = r.validity AND d.origin = r.origin"
        " AND d.device = ?) ORDER BY r.origin",
    )
)
_ALL = " ".join(("SELECT", _COLUMNS, _THERE))
_ONE = " ".join((_ALL, "AND r.validity = ? AND r.origin = ?"))
_BY_ORIGIN = " ".join((_ALL, "ORDER BY r.validity, r.origin"))
_TOTAL = " ".join(("SELECT COUNT(*), COALESCE(SUM(f.size), 0)", _THERE, "AND r.mailbox_id <> ?"))
_OVER = " ".join(
    ("SELECT", _COLUMNS, "FROM pop3_resting r WHERE r.until < ? ORDER BY r.until, r.account_id LIMIT ?")
)
_OLDEST = " ".join(
    ("SELECT", _COLUMNS, ", f.size", _THERE, "AND r.mailbox_id <> ? ORDER BY r.until, r.origin LIMIT ?")
)
_NOTE = (
    "INSERT INTO pop3_resting (account_id, validity, origin, mailbox_id, uid, device, until)"
    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_NOTE_DELETED = (
    "INSERT INTO pop3_deleted (account_id, validity, origin, device)"
    " SELECT account_id, validity, origin, ? FROM pop3_resting"
    " WHERE account_id = ? AND validity = ? AND origin = ? AND device <> ? ON CONFLICT DO NOTHING"
)
_FORGET = (
    "DELETE FROM pop3_deleted WHERE account_id = ? AND validity = ? AND origin = ?",
    "DELETE FROM pop3_resting WHERE account_id = ? AND validity = ? AND origin = ?",
)
_RULES = "SELECT rest, expire, login_delay, mailbox_id FROM pop3_rules WHERE account_id = ?"
_SET_RULES = (
    "INSERT INTO pop3_rules (account_id, rest, expire, login_delay, mailbox_id) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (account_id) DO UPDATE SET rest = excluded.rest, expire = excluded.expire,"
    " login_delay = excluded.login_delay, mailbox_id = excluded.mailbox_id"
)
_EXTREMES = (
    "SELECT COALESCE(MIN(NULLIF(expire, 0)), 0), COALESCE(MAX(login_delay), 0), COUNT(expire),"
    " COUNT(login_delay) FROM pop3_rules"
)
_LOGIN = "SELECT at FROM pop3_logins WHERE account_id = ? AND device = ?"
_NOTE_LOGIN = (
    "INSERT INTO pop3_logins (account_id, device, at) VALUES (?, ?, ?)"
    " ON CONFLICT (account_id, device) DO UPDATE SET at = excluded.at"
)
_SOME = 100


def _as_resting(row: Row) -> RestingMessage:
    account, validity, origin, mailbox, uid, device, until = row
    return RestingMessage(
        AccountId(account), validity, Uid(origin), MailboxId(mailbox), Uid(uid), device, until
    )


class RestingReader(Reads):
    async def size_columns(
        self, account_id: AccountId, mailbox_id: MailboxId, first: int, limit: int
    ) -> SizeColumns:
        uids, sizes = await self._connection.columns(
            ("uid", "size"), _SIZES, (account_id, mailbox_id, first, limit)
        )
        return SizeColumns(array("I", uids), array("Q", sizes))

    async def resting_for(self, account_id: AccountId, validity: int, device: int) -> SizeColumns:
        origins, sizes = await self._connection.columns(
            ("origin", "size"), _RESTING_FOR, (account_id, validity, device, device)
        )
        return SizeColumns(array("I", origins), array("Q", sizes))

    async def resting(self, account_id: AccountId, validity: int, origin: int) -> RestingMessage | None:
        row = await self._connection.row(_ONE, (account_id, validity, origin))
        return None if row is None else _as_resting(row)

    async def resting_of(self, account_id: AccountId) -> list[RestingMessage]:
        return list(map(_as_resting, await self._connection.rows(_BY_ORIGIN, (account_id,))))

    async def resting_total(self, account_id: AccountId) -> RestingTotal:
        return await self._resting_besides(account_id, NO_MAILBOX)

    async def _resting_besides(self, account_id: AccountId, mailbox_id: MailboxId) -> RestingTotal:
        row = await self._connection.row(_TOTAL, (account_id, mailbox_id))
        return RestingTotal(*row) if row is not None else RestingTotal(0, 0)

    async def resting_since(self, until: int, limit: int) -> list[RestingMessage]:
        return list(map(_as_resting, await self._connection.rows(_OVER, (until, limit))))

    async def pop3_rules(self, account_id: AccountId) -> Pop3Rules:
        row = await self._connection.row(_RULES, (account_id,))
        if row is None:
            return Pop3Rules()
        rest, expire, login_delay, mailbox_id = row
        return Pop3Rules(None if rest is None else bool(rest), expire, login_delay, MailboxId(mailbox_id))

    async def pop3_readers(self) -> list[AccountId]:
        rows = await self._connection.rows("SELECT DISTINCT account_id FROM pop3_logins")
        return sorted(AccountId(account_id) for (account_id,) in rows)

    async def pop3_extremes(self) -> Pop3Extremes:
        row = await self._connection.row(_EXTREMES)
        expire, login_delay, expires, delays = row if row is not None else (0, 0, 0, 0)
        return Pop3Extremes(expire, login_delay, expires > 0, delays > 0)

    async def pop3_login(self, account_id: AccountId, device: int) -> float:
        row = await self._connection.row(_LOGIN, (account_id, device))
        return 0.0 if row is None else float(row[0])


class RestingTx(RestingReader, RemovalTx):
    async def note_resting(
        self,
        account_id: AccountId,
        validity: int,
        moved: Sequence[tuple[Uid, Uid]],
        mailbox_id: MailboxId,
        device: int,
        until: int,
    ) -> None:
        rows = [(account_id, validity, origin, mailbox_id, uid, device, until) for origin, uid in moved]
        await self._connection.executemany(_NOTE, rows)

    async def note_deleted(
        self, account_id: AccountId, validity: int, origins: Sequence[Uid], device: int
    ) -> None:
        if not origins:
            return
        await self._ledger.modseq(account_id)
        rows = [(device, account_id, validity, origin, device) for origin in origins]
        await self._connection.executemany(_NOTE_DELETED, rows)

    async def forget_resting(self, gone: Sequence[RestingMessage]) -> None:
        keys = [message[:3] for message in gone]
        for statement in _FORGET:
            await self._connection.executemany(statement, keys)

    async def set_pop3_rules(self, account_id: AccountId, rules: Pop3Rules) -> None:
        rest = None if rules.rest is None else int(rules.rest)
        await self._connection.execute(
            _SET_RULES, (account_id, rest, rules.expire, rules.login_delay, rules.mailbox_id)
        )

    async def note_pop3_login(self, account_id: AccountId, device: int, at: float) -> None:
        await self._connection.execute(_NOTE_LOGIN, (account_id, device, at))

    async def _give_way(self, account: AccountLine, octets: int, messages: int, besides: MailboxId) -> None:
        """What rests is expunged, the oldest first, until so much more would not go past the quotas; nothing
        is where all of it would not do. What lies in the mailbox `besides` stays."""
        resting = await self._resting_besides(account.account_id, besides)
        if account.lacks(octets - resting.octets, messages - resting.messages):
            return
        while account.lacks(octets, messages):
            rows = await self._connection.rows(_OLDEST, (account.account_id, besides, _SOME))
            going: list[RestingMessage] = []
            freed = 0
            for *row, size in rows:
                if not account.lacks(octets - freed, messages - len(going)):
                    break
                going.append(_as_resting(tuple(row)))
                freed += size
            await self.expunge_resting(going)

    async def expunge_resting(self, going: Sequence[RestingMessage]) -> None:
        places: dict[tuple[AccountId, MailboxId], list[Uid]] = {}
        for message in going:
            places.setdefault((message.account_id, message.mailbox_id), []).append(message.uid)
        for place, uids in places.items():
            await self.expunge(*place, uids)
        await self.forget_resting(going)
