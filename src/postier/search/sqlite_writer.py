"""The writing side of the index in SQLite: each change is one transaction."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from postier.message.searched import FIELD_ZONES
from postier.search.api import Indexed, IndexUnavailable, NewPlace, Place, Segment
from postier.search.segment import WORD_ZONES, PackedSegment, pack_segment, squeeze
from postier.search.sqlite import Part, SqliteTextIndex, key_of, pack_text, unavailable, unpack_text
from postier.search.sqlite_file import discard, is_damage, open_file, write_owner
from postier.store.api import AccountId, BlobId, MailboxId, Uid

__all__ = ["SqliteTextIndexWriter"]

_NEW_PLACE = "INSERT OR REPLACE INTO places (account_id, mailbox_id, uid, blob_id) VALUES (?, ?, ?, ?)"
_NEW_TEXT = "INSERT OR REPLACE INTO texts (account_id, blob_id, octets, data) VALUES (?, ?, ?, ?)"
_SAVE = (
    "INSERT INTO mailboxes (account_id, mailbox_id, uidvalidity, modseq, placed, segmented)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, mailbox_id) DO UPDATE"
    " SET modseq = excluded.modseq, placed = excluded.placed"
)
_KNOWN = (
    "SELECT mailbox_id, uidvalidity, modseq, placed, segmented FROM mailboxes"
    " WHERE account_id = ? ORDER BY mailbox_id"
)
_UIDS = (
    "SELECT p.uid FROM mailboxes m"
    " JOIN places p ON p.account_id = m.account_id AND p.mailbox_id = m.mailbox_id"
    " WHERE m.account_id = ? AND m.mailbox_id = ? AND m.uidvalidity = ? ORDER BY p.uid"
)
_WITH_GONE = (
    "SELECT m.account_id, m.mailbox_id, m.uidvalidity,"
    " s.segment_id, s.first_uid, s.last_uid, s.messages, s.octets, s.gone FROM segments s"
    " JOIN mailboxes m ON m.account_id = s.account_id AND m.mailbox_id = s.mailbox_id"
    " WHERE s.gone > 0 ORDER BY s.account_id, s.mailbox_id, s.first_uid"
)
_LOOSE = (
    "SELECT p.uid, t.octets FROM mailboxes m"
    " JOIN places p ON p.account_id = m.account_id AND p.mailbox_id = m.mailbox_id AND p.uid > m.segmented"
    " JOIN texts t ON t.account_id = p.account_id AND t.blob_id = p.blob_id"
    " WHERE m.account_id = ? AND m.mailbox_id = ? AND m.uidvalidity = ? ORDER BY p.uid"
)
_TEXTS = (
    "SELECT p.uid, t.octets, t.data FROM places p"
    " JOIN texts t ON t.account_id = p.account_id AND t.blob_id = p.blob_id"
    " WHERE p.account_id = ? AND p.mailbox_id = ? AND p.uid BETWEEN ? AND ? ORDER BY p.uid"
)
_UNPLACE = "DELETE FROM places WHERE account_id = ? AND mailbox_id = ? AND uid = ? RETURNING blob_id"
_UNPLACE_ALL = "DELETE FROM places WHERE account_id = ? AND mailbox_id = ? RETURNING blob_id"
_DROP_TEXT = (
    "DELETE FROM texts WHERE account_id = ? AND blob_id = ?"
    " AND NOT EXISTS (SELECT 1 FROM places WHERE account_id = ? AND blob_id = ?)"
)
_COUNT_GONE = (
    "UPDATE segments SET gone = gone + 1 WHERE account_id = ? AND mailbox_id = ? AND last_uid >= ?"
    " AND first_uid = (SELECT MAX(first_uid) FROM segments"
    " WHERE account_id = ? AND mailbox_id = ? AND first_uid <= ?)"
)
_NEW_SEGMENT = (
    "INSERT INTO segments (account_id, mailbox_id, first_uid, last_uid, messages, octets, gone)"
    " VALUES (?, ?, ?, ?, ?, ?, 0)"
)
_NEW_DATA = "INSERT INTO segment_data (id, data) VALUES (?, ?)"
_DROP_SEGMENTS = (
    "DELETE FROM segments WHERE account_id = ? AND mailbox_id = ? AND first_uid BETWEEN ? AND ?"
    " RETURNING segment_id"
)
_DROP_DATA = "DELETE FROM segment_data WHERE id >= ? AND id < ?"
_ADVANCE = "UPDATE mailboxes SET segmented = MAX(segmented, ?) WHERE account_id = ? AND mailbox_id = ?"
_DROP_MAILBOX = "DELETE FROM mailboxes WHERE account_id = ? AND mailbox_id = ?"
_EVERYTHING = (
    "DELETE FROM segment_data",
    "DELETE FROM segments",
    "DELETE FROM places",
    "DELETE FROM texts",
    "DELETE FROM mailboxes",
    "DELETE FROM meta",
)


class SqliteTextIndexWriter(SqliteTextIndex):
    """See `search.api.TextIndexWriter`. Makes the file if it is not there."""

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = open_file(self._path)
        return self._database

    def _rows(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return super()._rows(sql, values)
        except IndexUnavailable as error:
            self._discard_damaged(error.__cause__)
            raise

    def _unpacked(self, data: bytes) -> bytes:
        try:
            return super()._unpacked(data)
        except IndexUnavailable as error:
            self._discard_damaged(error.__cause__)
            raise

    def _discard_damaged(self, error: BaseException | None) -> None:
        """A file that turns out to be damaged is not used any more; the next call makes another."""
        if is_damage(error):
            self.close()
            discard(self._path)

    @contextmanager
    def _change(self) -> Iterator[sqlite3.Connection]:
        """One transaction. Raises IndexUnavailable."""
        try:
            database = self._open()
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
            except BaseException:
                database.execute("ROLLBACK")
                raise
            database.execute("COMMIT")
        except sqlite3.Error as error:
            self._discard_damaged(error)
            raise unavailable(error) from error

    # ------------------------------------------------------------------ what is known

    async def accounts(self) -> list[AccountId]:
        return [
            AccountId(account_id)
            for (account_id,) in self._rows("SELECT DISTINCT account_id FROM mailboxes ORDER BY 1", ())
        ]

    async def mailboxes(self, account_id: AccountId) -> list[Indexed]:
        rows = self._rows(_KNOWN, (account_id,))
        return [
            Indexed(Place(account_id, mailbox_id, uidvalidity), modseq, placed, segmented)
            for mailbox_id, uidvalidity, modseq, placed, segmented in rows
        ]

    async def kept_blobs(self, account_id: AccountId, blob_ids: Collection[BlobId]) -> set[BlobId]:
        kept = "SELECT 1 FROM texts WHERE account_id = ? AND blob_id = ?"
        return {blob_id for blob_id in blob_ids if self._rows(kept, (account_id, blob_id))}

    async def uids(self, place: Place) -> list[Uid]:
        return [Uid(uid) for (uid,) in self._rows(_UIDS, place)]

    async def with_gone(self) -> list[tuple[Place, Segment]]:
        return [(Place(*row[:3]), Segment(*row[3:])) for row in self._rows(_WITH_GONE, ())]

    async def loose(self, place: Place) -> list[tuple[Uid, int]]:
        rows = self._rows(_LOOSE, place)
        return [(Uid(uid), octets) for uid, octets in rows]

    # ------------------------------------------------------------------ messages come and go

    async def place(self, indexed: Indexed, messages: Sequence[NewPlace]) -> None:
        account_id, mailbox_id, _ = indexed.place
        with self._change() as database:
            _save(database, indexed)
            for uid, blob_id, text in messages:
                database.execute(_NEW_PLACE, (account_id, mailbox_id, uid, blob_id))
                if text is not None:
                    packed = pack_text(text)
                    database.execute(_NEW_TEXT, (account_id, blob_id, len(packed), squeeze(packed)))

    async def forget(self, indexed: Indexed, uids: Iterable[Uid]) -> None:
        place = indexed.place
        with self._change() as database:
            _save(database, indexed)
            for uid in uids:
                key = (place.account_id, place.mailbox_id, uid)
                blob = database.execute(_UNPLACE, key).fetchone()
                if blob is not None:
                    _drop_text(database, place.account_id, blob[0])
                    database.execute(_COUNT_GONE, (*key, *key))

    async def forget_mailbox(self, account_id: AccountId, mailbox_id: MailboxId) -> None:
        with self._change() as database:
            _forget_mailbox(database, account_id, mailbox_id)

    async def forget_account(self, account_id: AccountId) -> None:
        for indexed in await self.mailboxes(account_id):
            await self.forget_mailbox(account_id, indexed.place.mailbox_id)

    # ------------------------------------------------------------------ segments

    async def make_segment(self, place: Place, first: Uid, last: Uid) -> None:
        key = (place.account_id, place.mailbox_id)
        rows = self._rows(_TEXTS, (*key, first, last))
        packed = pack_segment([(uid, unpack_text(self._unpacked(data))) for uid, _, data in rows])
        octets = sum(size for _, size, _ in rows)
        with self._change() as database:
            _drop_segments(database, *key, first, last)
            if rows:
                made = database.execute(_NEW_SEGMENT, (*key, first, last, len(rows), octets))
                database.executemany(_NEW_DATA, _data_rows(made.lastrowid or 0, packed))
            database.execute(_ADVANCE, (last, *key))

    # ------------------------------------------------------------------ the whole

    async def owner(self) -> str:
        rows = self._rows("SELECT value FROM meta WHERE key = 'owner'", ())
        return str(rows[0][0]) if rows else ""

    async def reset(self, owner: str) -> None:
        with self._change() as database:
            for statement in _EVERYTHING:
                database.execute(statement)
            write_owner(database, owner)


def _save(database: sqlite3.Connection, indexed: Indexed) -> None:
    """How far segments go is `make_segment`'s business."""
    place, modseq, placed, segmented = indexed
    database.execute(_SAVE, (*place, modseq, placed, segmented))


def _drop_text(database: sqlite3.Connection, account_id: int, blob_id: int) -> None:
    """Unless a message has it."""
    database.execute(_DROP_TEXT, (account_id, blob_id, account_id, blob_id))


def _forget_mailbox(database: sqlite3.Connection, account_id: int, mailbox_id: int) -> None:
    key = (account_id, mailbox_id)
    _drop_segments(database, *key, 0, 2**32)
    for (blob_id,) in database.execute(_UNPLACE_ALL, key).fetchall():
        _drop_text(database, account_id, blob_id)
    database.execute(_DROP_MAILBOX, key)


def _drop_segments(
    database: sqlite3.Connection, account_id: int, mailbox_id: int, first: int, last: int
) -> None:
    dropped = database.execute(_DROP_SEGMENTS, (account_id, mailbox_id, first, last)).fetchall()
    for (segment_id,) in dropped:
        database.execute(_DROP_DATA, (key_of(segment_id, 0), key_of(segment_id + 1, 0)))


def _data_rows(segment_id: int, packed: PackedSegment) -> Iterator[tuple[int, bytes]]:
    """In the order of their keys."""
    yield key_of(segment_id, Part.UIDS), squeeze(packed.uids.tobytes())
    yield key_of(segment_id, Part.PARTIAL), squeeze(packed.partial.tobytes())
    for zone, column in zip(FIELD_ZONES, packed.fields, strict=True):
        yield key_of(segment_id, zone), squeeze(column)
    for zone in WORD_ZONES:
        yield key_of(segment_id, Part.VOCABULARY + zone), squeeze(packed.words[zone].vocabulary)
    for zone in WORD_ZONES:
        yield key_of(segment_id, Part.STARTS + zone), squeeze(packed.words[zone].starts)
    for zone in WORD_ZONES:
        for number, block in enumerate(packed.words[zone].blocks):
            yield key_of(segment_id, Part.BLOCKS + zone, number), squeeze(block)
