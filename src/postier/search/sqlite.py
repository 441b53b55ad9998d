"""The index of texts in an SQLite file of its own, beside that of the store.

Its writes never take the lock of the store, and a commit waits for no disk: what a power cut takes back is
indexed again. Numbers of segments are never given twice, so a reader that still knows one that is gone finds
nothing rather than somebody else's.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from array import array
from collections import OrderedDict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import msgspec

from postier.message.searched import GAP, MessageText, TextQuery, Zone
from postier.search.api import Answer, IndexUnavailable, Place, Segment
from postier.search.fuzzy import Term
from postier.search.segment import WORD_ZONES, Damaged, places_with_value, unsqueeze
from postier.search.words import Vocabulary, by_block, number_of, pieces_of, places_in
from postier.store.api import Uid

__all__ = ["Part", "SqliteTextIndex", "key_of", "pack_text", "unavailable", "unpack_text"]

_CACHED = 8 * 1024 * 1024
"""Octets of vocabularies kept unpacked."""
_PIECES = 8
"""Of a text with white space the longest pieces are looked for: what has them is looked at anyway."""
_FEW = 16
"""So few messages are sooner looked at than narrowed down."""
_AT_A_STRETCH = 2000

_SEGMENTS = (
    "SELECT s.segment_id, s.first_uid, s.last_uid, s.messages, s.octets, s.gone FROM segments s"
    " JOIN mailboxes m ON m.account_id = s.account_id AND m.mailbox_id = s.mailbox_id"
    " WHERE s.account_id = ? AND s.mailbox_id = ? AND m.uidvalidity = ?"
    " AND s.last_uid >= ? AND s.first_uid <= ? ORDER BY s.first_uid"
)
_DATA = "SELECT data FROM segment_data WHERE id = ?"
_TEXT = (
    "SELECT t.data FROM mailboxes m"
    " JOIN places p ON p.account_id = m.account_id AND p.mailbox_id = m.mailbox_id"
    " JOIN texts t ON t.account_id = p.account_id AND t.blob_id = p.blob_id"
    " WHERE m.account_id = ? AND m.mailbox_id = ? AND m.uidvalidity = ? AND p.uid = ?"
)

_text_encoder = msgspec.msgpack.Encoder()
_text_decoder = msgspec.msgpack.Decoder(tuple[bool, bytes, bytes, bytes, bytes, bytes, bytes, bytes])


class Part:
    """What a row of a segment holds: the number in the middle of its key. Fields have that of their zone."""

    UIDS, PARTIAL, VOCABULARY, STARTS, BLOCKS = 0, 1, 8, 10, 12  # the last three: one more for HEAD


def key_of(segment_id: int, part: int, number: int = 0) -> int:
    """The key of a row of segment_data; all rows of a segment lie together."""
    return segment_id << 24 | part << 18 | number


def pack_text(text: MessageText) -> bytes:
    parts = (*text.fields, text.head, text.body)
    return _text_encoder.encode((text.whole, *(part.encode("utf-8", "replace") for part in parts)))


def unpack_text(data: bytes) -> MessageText:
    whole, *parts = _text_decoder.decode(data)
    *fields, head, body = (part.decode() for part in parts)
    return MessageText(tuple(fields), head, body, whole)


def unavailable(error: sqlite3.Error) -> IndexUnavailable:
    """The index's word for a fault of the database."""
    return IndexUnavailable(f"{getattr(error, 'sqlite_errorname', type(error).__name__)}: {error}")


class SqliteTextIndex:
    """See `search.api.TextIndex`. Opens the file when it is first asked, and again where another took its
    place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._vocabularies: OrderedDict[tuple[int, Zone], Vocabulary] = OrderedDict()
        self._cached = 0

    def _rows(self, sql: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        try:
            return self._open().execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise unavailable(error) from error

    def _open(self) -> sqlite3.Connection:
        try:
            inode = os.stat(self._path).st_ino
        except OSError as error:
            raise IndexUnavailable(f"{self._path.name}: {error.strerror}") from error
        if self._database is None or inode != self._inode:
            self.close()
            self._database, self._inode = _connect(self._path), inode
        return self._database

    def close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        self._vocabularies.clear()
        self._cached = 0

    # ------------------------------------------------------------------ asking

    async def segments(self, place: Place, first: Uid, last: Uid) -> list[Segment]:
        return [Segment(*row) for row in self._rows(_SEGMENTS, (*place, first, last))]

    async def texts(self, place: Place, uids: Sequence[int]) -> dict[int, MessageText]:
        found: dict[int, MessageText] = {}
        for uid in uids:
            for (data,) in self._rows(_TEXT, (*place, uid)):
                found[uid] = unpack_text(self._unpacked(data))
        return found

    async def ask(self, segment: Segment, query: TextQuery) -> Answer | None:
        uids = self._numbers(segment, Part.UIDS)
        partial = self._numbers(segment, Part.PARTIAL)
        if uids is None or partial is None:
            return None
        found: set[int] = set()
        unsure: set[int] = set()
        for zone in query.zones:
            if zone not in WORD_ZONES:
                column = self._data(segment, zone)
                found.update(places_with_value(column, query.text.encode()) if column is not None else ())
                continue
            sure, places = await self._in_words(segment, zone, query, len(uids))
            (found if sure else unsure).update(places)
        in_doubt = {uids[place] for place in unsure - found}
        sure_uids = array("I", sorted(uids[place] for place in found))
        in_doubt.update(set(partial).difference(sure_uids))
        return Answer(sure_uids, array("I", sorted(in_doubt)))

    async def alike(self, segment: Segment, zone: Zone, term: Term) -> dict[int, float] | None:
        uids = self._numbers(segment, Part.UIDS)
        if uids is None:
            return None
        if zone in WORD_ZONES:
            places = await self._words_alike(segment, zone, term)
        else:
            column = self._data(segment, zone) or b""
            places = {
                place: max(map(term.likeness, values.decode().replace(GAP, " ").split()), default=0.0)
                for place, values in enumerate(column.split(b"\n"))
                if values
            }
        return {uids[place]: likeness for place, likeness in places.items() if likeness}

    async def _words_alike(self, segment: Segment, zone: Zone, term: Term) -> dict[int, float]:
        """{place: likeness} by the words of the segment."""
        likeness: dict[int, float] = {}
        seen = 0
        for probe in term.probes:
            for number, word in self._vocabulary(segment, zone).having(probe.encode()):
                if number not in likeness and (found := term.likeness(word.decode())):
                    likeness[number] = found
                seen += 1
                if seen % _AT_A_STRETCH == 0:
                    await asyncio.sleep(0)
        found_at: dict[int, float] = {}
        for block, ordinals in by_block(sorted(likeness)).items():
            data = self._data(segment, Part.BLOCKS + zone, block) or b"\0\0"
            for ordinal, places in zip(ordinals, places_in(data, ordinals), strict=True):
                value = likeness[number_of(block, ordinal)]
                for place in places:
                    if value > found_at.get(place, 0.0):
                        found_at[place] = value
        return found_at

    async def _in_words(
        self, segment: Segment, zone: Zone, query: TextQuery, messages: int
    ) -> tuple[bool, Collection[int]]:
        """The places of the messages whose words fit, and whether that is enough to be sure."""
        text = query.text.encode()
        pieces = pieces_of(text)
        if query.field:
            pieces.append(b"\n" + query.field.encode() + b":\n")
        elif not pieces:
            return not text, range(messages)
        elif pieces == [text]:
            return True, await self._having(segment, zone, text)
        found: set[int] | None = None
        for piece in sorted(pieces, key=len, reverse=True)[:_PIECES]:
            places = await self._having(segment, zone, piece)
            found = places if found is None else found & places
            if len(found) <= _FEW:
                break
        return False, found or ()

    async def _having(self, segment: Segment, zone: Zone, piece: bytes) -> set[int]:
        """The places of messages with a word that `piece` is part of."""
        vocabulary = self._vocabulary(segment, zone)
        numbers: list[int] = []
        for number, _ in vocabulary.having(piece):
            numbers.append(number)
            if len(numbers) % _AT_A_STRETCH == 0:
                await asyncio.sleep(0)
        found: set[int] = set()
        for block, ordinals in by_block(numbers).items():
            data = self._data(segment, Part.BLOCKS + zone, block)
            found.update(*places_in(data, ordinals) if data is not None else ())
        return found

    def _vocabulary(self, segment: Segment, zone: Zone) -> Vocabulary:
        key = (segment.segment_id, zone)
        known = self._vocabularies.get(key)
        if known is not None:
            self._vocabularies.move_to_end(key)
            return known
        words = self._data(segment, Part.VOCABULARY + zone)
        starts = self._data(segment, Part.STARTS + zone)
        made = Vocabulary(words or b"\n", starts or b"")
        self._vocabularies[key] = made
        self._cached += len(made.words)
        while self._cached > _CACHED and len(self._vocabularies) > 1:
            self._cached -= len(self._vocabularies.popitem(last=False)[1].words)
        return made

    def _numbers(self, segment: Segment, part: int) -> array[int] | None:
        data = self._data(segment, part)
        return None if data is None else array("I", data)

    def _data(self, segment: Segment, part: int, number: int = 0) -> bytes | None:
        for (data,) in self._rows(_DATA, (key_of(segment.segment_id, part, number),)):
            return self._unpacked(data)
        return None

    def _unpacked(self, data: bytes) -> bytes:
        """A column as it was. Raises IndexUnavailable."""
        try:
            return unsqueeze(data)
        except Damaged as error:
            raise IndexUnavailable(f"{self._path.name} is damaged: {error}") from error


def _connect(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
    database.execute("PRAGMA query_only = ON")
    database.execute("PRAGMA cache_size = -4096")
    return database
