"""A segment: the texts of some messages of one mailbox, which lie together by UID, made ready to be searched.

It never changes: messages that come later make segments of their own, and now and then some are made anew as
one, without the messages that are gone.

    fields       for each of FIELD_ZONES one text: the values of each message on a line of its own
    words        for BODY and HEAD every word, and who has it (see words.py)
    partial      UIDs of messages whose text is not all here: of them only the message can say no
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import zstandard

from postier.message.searched import FIELD_ZONES, GAP, MessageText, Zone
from postier.search.words import PackedWords, pack_words

__all__ = [
    "WORD_ZONES",
    "Damaged",
    "PackedSegment",
    "pack_segment",
    "places_with_value",
    "squeeze",
    "unsqueeze",
]

WORD_ZONES = (Zone.BODY, Zone.HEAD)

_compressor = zstandard.ZstdCompressor(level=3, write_checksum=True)
_decompressor = zstandard.ZstdDecompressor()


class Damaged(Exception):
    """Not what was squeezed."""


def squeeze(data: bytes) -> bytes:
    return _compressor.compress(data)


def unsqueeze(data: bytes) -> bytes:
    """Raises Damaged: a checksum goes with the data."""
    try:
        return _decompressor.decompress(data)
    except (zstandard.ZstdError, MemoryError) as error:
        raise Damaged(str(error)) from error


class PackedSegment(NamedTuple):
    """`uids` and `partial` of type "I", ascending. Nothing is compressed yet."""

    uids: array[int]
    partial: array[int]
    fields: tuple[bytes, ...]
    words: dict[Zone, PackedWords]


def pack_segment(texts: Sequence[tuple[int, MessageText]]) -> PackedSegment:
    """Of messages by UID, ascending; at most 65,535."""
    return PackedSegment(
        array("I", (uid for uid, _ in texts)),
        array("I", (uid for uid, text in texts if not text.whole)),
        tuple(
            b"\n".join(text.fields[column].encode() for _, text in texts)
            for column in range(len(FIELD_ZONES))
        ),
        {
            Zone.BODY: pack_words(_words(text.body) for _, text in texts),
            Zone.HEAD: pack_words(_words(text.head) for _, text in texts),
        },
    )


def _words(text: str) -> bytes:
    """What stands on both sides of a gap is not one word."""
    return text.replace(GAP, "\n").encode("utf-8", "replace")


def places_with_value(column: bytes, text: bytes) -> Iterable[int]:
    """The places of the messages that have `text` in one of their values of a field; with an empty text of
    those that have the field."""
    if not text:
        return (place for place, values in enumerate(column.split(b"\n")) if values)
    found: list[int] = []
    if b"\n" in text:
        return found  # no value has one
    place, done = 0, 0
    at = column.find(text)
    while at >= 0:
        place += column.count(b"\n", done, at)
        found.append(place)
        done = column.find(b"\n", at)
        if done < 0:
            break
        at = column.find(text, done)
    return found
