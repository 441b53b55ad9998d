"""The device ledger: sums are added and maxima raised in the statements, so that workers never undo each
other's."""

from __future__ import annotations

from collections.abc import Sequence

from postier.store.api import (
    AccountId,
    Device,
    DeviceCounts,
    DeviceDay,
    DeviceNote,
    KeepDevices,
    MailboxId,
    SyncPoint,
)
from postier.store.sql.base import Reads, Writes

__all__ = ["DeviceReader", "DeviceTx"]

_COUNTS = DeviceCounts._fields
_KNOWN = Device._fields[2:-2]
_NOTED = ", ".join((*Device._fields[:-2], *_COUNTS))
_COLUMNS = ", ".join((*Device._fields[:-1], *_COUNTS))
_TEXTS = ("name", "version", "vendor", "os", "tls", "peer", "last_trace")


def _sums(table: str) -> str:
    return ", ".join(f"{name} = {table}.{name} + excluded.{name}" for name in _COUNTS)


def _highest(table: str, name: str) -> str:
    new, old = f"excluded.{name}", f"{table}.{name}"
    return f"{name} = CASE WHEN {new} > {old} THEN {new} ELSE {old} END"


def _marks(names: Sequence[object]) -> str:
    return ", ".join("?" * len(names))


_ALL = " ".join(("SELECT", _COLUMNS, "FROM devices WHERE account_id = ? ORDER BY last_seen DESC, device_id"))
_NEXT = "(SELECT coalesce(max(device_id), 0) + 1 FROM devices WHERE account_id = ?)"
_NOTE = "".join(
    (
        "INSERT INTO devices (",
        _NOTED,
        f") VALUES (?, {_NEXT}, {_marks((*_KNOWN, *_COUNTS))}) ON CONFLICT (account_id, identity)",
        " DO UPDATE SET protocols = devices.protocols | excluded.protocols, ",
        ", ".join(
            f"{name} = CASE WHEN excluded.{name} <> '' THEN excluded.{name} ELSE devices.{name} END"
            for name in _TEXTS
        ),
        ", first_seen = CASE WHEN excluded.first_seen < devices.first_seen THEN excluded.first_seen"
        " ELSE devices.first_seen END",
        ", last_seen = CASE WHEN excluded.last_seen > devices.last_seen OR devices.last_seen > ?"
        " THEN excluded.last_seen ELSE devices.last_seen END",
        f", {_highest('devices', 'last_sent')}, {_sums('devices')}",
    )
)
_CALL = (
    "UPDATE devices SET label = coalesce((SELECT name FROM app_passwords WHERE account_id = ?"
    " AND app_password_id = ?), label) WHERE account_id = ? AND device_id = ?"
)
_NUMBER = "SELECT device_id FROM devices WHERE account_id = ? AND identity = ?"
_DAYS = ", ".join(("device_id", "day", *_COUNTS))
_DAY = (
    f"INSERT INTO device_days (account_id, {_DAYS}) VALUES (?, ?, ?, {_marks(_COUNTS)})"  # noqa: S608 - ours
    f" ON CONFLICT (account_id, device_id, day) DO UPDATE SET {_sums('device_days')}"
)
_OF_DAYS = f"SELECT {_DAYS} FROM device_days WHERE account_id = ? ORDER BY device_id, day"  # noqa: S608 - ours
_OLD_DAYS = "DELETE FROM device_days WHERE account_id = ? AND device_id = ? AND day < ?"
_DELETING = "SELECT DISTINCT account_id FROM device_days WHERE day >= ? AND deleted > 0"
_POINT = "uidvalidity, told_modseq, told_uid, listed_low, listed_high, fetched_high, at"
_ONE_POINT = (
    f"SELECT {_POINT} FROM device_points"  # noqa: S608 - columns of ours
    " WHERE account_id = ? AND device_id = ? AND owner_id = ? AND mailbox_id = ?"
)
_POINTS = (
    f"SELECT owner_id, mailbox_id, {_POINT} FROM device_points"  # noqa: S608 - columns of ours
    " WHERE account_id = ? AND device_id = ? ORDER BY owner_id, mailbox_id"
)
_SET_POINT = (
    f"INSERT INTO device_points (account_id, device_id, owner_id, mailbox_id, {_POINT})"  # noqa: S608 - ours
    f" VALUES ({_marks(range(11))}) ON CONFLICT (account_id, device_id, owner_id, mailbox_id) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _POINT.split(", "))
)
_OLDEST_POINTS = (
    "DELETE FROM device_points WHERE account_id = ? AND device_id = ? AND (owner_id, mailbox_id) IN ("
    "SELECT owner_id, mailbox_id FROM device_points WHERE account_id = ? AND device_id = ?"
    " ORDER BY at DESC, mailbox_id DESC LIMIT ? OFFSET ?)"
)
_BY_WORTH = (
    "SELECT device_id FROM devices WHERE account_id = ?"
    " ORDER BY CASE WHEN app_password > 0 THEN 0 ELSE 1 END, last_seen DESC, device_id DESC"
)
_NO_LIMIT = 2**62
_OF_DEVICE = ("device_points", "device_days", "devices")


class DeviceReader(Reads):
    async def devices(self, account_id: AccountId) -> list[Device]:
        rows = await self._connection.rows(_ALL, (account_id,))
        cut = len(Device._fields) - 1
        return [Device._make((*row[:cut], DeviceCounts(*row[cut:]))) for row in rows]

    async def device_days(self, account_id: AccountId) -> list[DeviceDay]:
        rows = await self._connection.rows(_OF_DAYS, (account_id,))
        return [DeviceDay(number, day, DeviceCounts(*counts)) for number, day, *counts in rows]

    async def device_points(self, account_id: AccountId, device_id: int) -> list[SyncPoint]:
        rows = await self._connection.rows(_POINTS, (account_id, device_id))
        return [SyncPoint(AccountId(owner), MailboxId(box), *point) for owner, box, *point in rows]

    async def accounts_deleting(self, first_day: int) -> list[AccountId]:
        return sorted(AccountId(row[0]) for row in await self._connection.rows(_DELETING, (first_day,)))


class DeviceTx(DeviceReader, Writes):
    async def note_devices(self, notes: Sequence[DeviceNote], now: int, keep: KeepDevices) -> None:
        there: dict[AccountId, bool] = {}
        for note in notes:
            account_id = note.account_id
            if account_id not in there:
                await self._connection.breathe()
                there[account_id] = await self._has_account(account_id)
            if there[account_id]:
                await self._note(note, now, keep)
        for account_id, is_there in there.items():
            if is_there:
                await self._forget_beyond(account_id, keep.devices)

    async def _has_account(self, account_id: AccountId) -> bool:
        sql = "SELECT 1 FROM accounts WHERE account_id = ?"
        return await self._connection.row(sql, (account_id,)) is not None

    async def _note(self, note: DeviceNote, now: int, keep: KeepDevices) -> None:
        total = DeviceCounts()
        for counts in note.days.values():
            total = total.plus(counts)
        known = [getattr(note, name) for name in _KNOWN]
        key = (note.account_id, note.account_id)
        await self._connection.execute(_NOTE, (*key, *known, *total, now))
        row = await self._connection.row(_NUMBER, (note.account_id, note.identity))
        assert row is not None, "a device that was just noted"
        number = int(row[0])
        if note.app_password:
            named = (note.account_id, note.app_password, note.account_id, number)
            await self._connection.execute(_CALL, named)
        days = [(note.account_id, number, day, *counts) for day, counts in note.days.items()]
        await self._connection.executemany(_DAY, days)
        await self._connection.execute(_OLD_DAYS, (note.account_id, number, keep.first_day))
        for point in note.points:
            await self._join_point(note.account_id, number, point)
        if note.points:
            device = (note.account_id, number)
            await self._connection.execute(_OLDEST_POINTS, (*device, *device, _NO_LIMIT, keep.points))

    async def _join_point(self, account_id: AccountId, number: int, point: SyncPoint) -> None:
        key = (account_id, number, point.owner, point.mailbox_id)
        row = await self._connection.row(_ONE_POINT, key)
        if row is not None:
            point = SyncPoint(point.owner, point.mailbox_id, *row).joined(point)
        await self._connection.execute(_SET_POINT, (account_id, number, *point))

    async def _forget_beyond(self, account_id: AccountId, most: int) -> None:
        numbers = await self._connection.rows(_BY_WORTH, (account_id,))
        for (number,) in numbers[most:]:
            await self.forget_device(account_id, number)

    async def forget_device(self, account_id: AccountId, device_id: int) -> bool:
        found = 0
        for table in _OF_DEVICE:
            sql = f"DELETE FROM {table} WHERE account_id = ? AND device_id = ?"  # noqa: S608 - tables of ours
            found = await self._connection.execute(sql, (account_id, device_id))
        return found > 0
