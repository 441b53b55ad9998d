"""What reports are packed in: gzip, zip, zlib, unpacked within limits, whatever the name or type says.

256 MiB of zeros are 260 KB of gzip: unpacking stops at the limit, it does not find out afterwards.
"""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from postier.reports.limits import Budget, Unreadable

__all__ = ["looks_packed", "unpack"]

_PIECE = 256 * 1024
_GZIP = b"\x1f\x8b"
_ZIP = b"PK\x03\x04"
_ENTRY = b"PK\x01\x02"
_ZIP_ENTRIES = 20
_ZIP_MOST = 1000
_GZIP_MEMBERS = 100


def looks_packed(data: bytes) -> bool:
    return data.startswith((_GZIP, _ZIP)) or _is_zlib(data)


def _is_zlib(data: bytes) -> bool:
    """RFC 1950 2.2: the method, and a check over two octets."""
    return len(data) > 2 and data[0] == 0x78 and not (data[0] << 8 | data[1]) % 31


def unpack(data: bytes, budget: Budget) -> bytes:
    """The octets in at most `layers` layers of packing. Raises Unreadable."""
    limits = budget.limits
    for _ in range(limits.layers):
        if data.startswith(_GZIP):
            data = _inflate(data, 31, budget)
        elif data.startswith(_ZIP):
            data = _from_zip(data, budget)
        elif _is_zlib(data):
            data = _inflate(data, 15, budget)
        else:
            if len(data) > limits.octets:
                raise Unreadable(f"it is longer than {limits.octets} octets")
            return data
    if looks_packed(data):
        raise Unreadable(f"it is packed more than {limits.layers} times")
    return data


def _inflate(data: bytes, window: int, budget: Budget) -> bytes:
    """gzip (RFC 1952) or zlib. Of one that is cut or damaged at its end, what could be read: whether that is
    a report, the reader of reports will see."""
    inflater = zlib.decompressobj(window)
    rest = data
    members = 1

    def more() -> bytes:
        nonlocal rest, inflater, members
        if inflater.eof:
            rest = inflater.unused_data
            if not rest.startswith(_GZIP):  # padding, or members that follow (RFC 1952 2.2)
                return b""
            members += 1
            if members > _GZIP_MEMBERS:  # each costs a copy of all that follows
                raise Unreadable(f"it is gzip of more than {_GZIP_MEMBERS} members")
            inflater = zlib.decompressobj(window)
        piece = inflater.decompress(rest, _PIECE)
        rest = inflater.unconsumed_tail
        return piece

    return _collected(more, len(data), budget, "gzip")


def _from_zip(data: bytes, budget: Budget) -> bytes:
    """The one report in a zip archive: the first member that looks like one, by name, else the first."""
    if data.count(_ENTRY) > _ZIP_MOST:
        raise Unreadable(f"the zip archive has more than {_ZIP_MOST} files")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [one for one in archive.infolist()[:_ZIP_ENTRIES] if not one.is_dir()]
            wanted = [m for m in members if m.filename.lower().endswith((".xml", ".json", ".gz"))] or members
            wanted = [m for m in wanted if not m.filename.startswith("__MACOSX/")] or wanted
            if not wanted:
                raise Unreadable("the zip archive is empty")
            if wanted[0].flag_bits & 1:
                raise Unreadable("the zip archive has a password")
            with archive.open(wanted[0]) as member:
                return _collected(lambda: member.read(_PIECE), len(data), budget, "zip")
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        RuntimeError,
        EOFError,
        ValueError,
        OSError,
        struct.error,
    ) as error:
        raise Unreadable(f"broken zip archive: {error}") from None


def _collected(more: Callable[[], bytes], packed: int, budget: Budget, kind: str) -> bytes:
    limits = budget.limits
    pieces: list[bytes] = []
    size = 0
    while True:
        try:
            piece = more()
        except (zlib.error, zipfile.BadZipFile, EOFError) as error:
            if not size:
                raise Unreadable(f"broken {kind}: {error}") from None
            break
        if not piece:
            break
        size += len(piece)
        if size > limits.octets:
            raise Unreadable(f"it is longer than {limits.octets} octets when unpacked")
        if size > limits.free and size > packed * limits.ratio:
            raise Unreadable(f"it is more than {limits.ratio} times as long unpacked as packed")
        pieces.append(piece)
        budget.check()
    return b"".join(pieces)
