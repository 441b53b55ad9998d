"""How bytes lie in a pack: nothing but zstd frames, so that `zstd -d` reads any pack.

A blob of up to FRAME bytes is one frame. A longer one is frames of FRAME bytes each, then its prefix as a
frame, then a table of where they lie, dressed as a skippable frame (RFC 8878 3.1.2): a range needs only the
frames it touches. Every frame carries a checksum of its content.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from typing import NamedTuple

import zstandard

from postier.blobs.api import BlobUnreadable

__all__ = [
    "FRAME",
    "TABLE_END",
    "Frame",
    "compress",
    "decompress",
    "pack_table",
    "pieces",
    "table_length",
    "unpack_table",
]

FRAME = 256 * 1024

_ENTRY = struct.Struct("<QII")
_SKIPPABLE = struct.Struct("<II")
_SKIPPABLE_MAGIC = 0x184D2A5B
_END = struct.Struct("<II4s")
_END_MAGIC = b"PBT1"
TABLE_END = _END.size
"""How many bytes at the end of a long blob say how long its table is."""

_LETTER = 32 * 1024
_compressor = zstandard.ZstdCompressor(level=1, write_checksum=True, write_content_size=True)
_letter_compressor = zstandard.ZstdCompressor(
    compression_params=zstandard.ZstdCompressionParameters.from_level(
        1, source_size=_LETTER, hash_log=13, write_checksum=1, write_content_size=1
    )
)
"""For the size most mail has: a table that need not be cleared of 128 KB first takes a fifth less time."""

_raw_compressor = zstandard.ZstdCompressor(level=-20, write_checksum=True, write_content_size=True)
"""Leaves nearly everything as it is: reading such a frame is copying it, ten times as fast."""
_POOR = 0.7
"""Past this share of its size compressing a frame is not worth the time of reading it: attachments in base64
come to 0.76."""

_decompressor = zstandard.ZstdDecompressor()


class Frame(NamedTuple):
    """`offset` from the start of the record; `length` stored bytes hold `size` bytes of content."""

    offset: int
    length: int
    size: int


def pieces(content: bytes) -> list[bytes]:
    """`content` cut into pieces of FRAME bytes, the last one shorter."""
    if len(content) <= FRAME:
        return [content] if content else []
    return [content[start : start + FRAME] for start in range(0, len(content), FRAME)]


def compress(content: bytes) -> bytes:
    """One zstd frame. Only on the thread of the event loop: the context is shared.

    What is no letter is read for its bulk, so little gain is given away for speed.
    """
    if len(content) <= _LETTER:
        return _letter_compressor.compress(content)
    stored = _compressor.compress(content)
    return stored if len(stored) < _POOR * len(content) else _raw_compressor.compress(content)


def decompress(stored: bytes, size: int) -> bytes:
    """The content of a frame, which must have `size` bytes. Raises BlobUnreadable."""
    try:
        content = _decompressor.decompress(stored)
    except zstandard.ZstdError as error:
        raise BlobUnreadable(f"damaged frame: {error}") from error
    if len(content) != size:
        raise BlobUnreadable(f"a frame of {len(content)} bytes instead of {size}")
    return content


def pack_table(frames: Sequence[Frame]) -> bytes:
    """The table of a long blob, in reading order."""
    entries = b"".join(_ENTRY.pack(*frame) for frame in frames)
    end = _END.pack(zlib.crc32(entries), len(frames), _END_MAGIC)
    return _SKIPPABLE.pack(_SKIPPABLE_MAGIC, len(entries) + len(end)) + entries + end


def table_length(end: bytes) -> int:
    """How many bytes before the end of the record the entries begin; `end`: its last TABLE_END bytes."""
    _, count, magic = _END.unpack(end)
    if magic != _END_MAGIC:
        raise BlobUnreadable("no table at the end of a long blob")
    return int(count) * _ENTRY.size + _END.size


def unpack_table(entries_and_end: bytes) -> list[Frame]:
    """The frames, in reading order. Raises BlobUnreadable where the table is damaged."""
    entries, end = entries_and_end[: -_END.size], entries_and_end[-_END.size :]
    checksum, _, _ = _END.unpack(end)
    if zlib.crc32(entries) != checksum:
        raise BlobUnreadable("damaged table of a long blob")
    return [Frame(*entry) for entry in _ENTRY.iter_unpack(entries)]
