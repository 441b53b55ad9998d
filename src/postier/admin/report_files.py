"""Files that hold reports (single ones, folders of them, mailboxes in mbox form, the standard input), and
taking in what they hold."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from postier.base.clock import Clock
from postier.reports.intake import Arrival, Taken, read_arrival, take_reports
from postier.store.api import Store

__all__ = ["Intake", "report_files", "report_stream"]

_BATCH_ROWS = 20_000
_BATCH_FILES = 50

_LONGEST = 32 * 1024 * 1024
"""Octets of one file or mail that are read; what is longer is cut, and unreadable."""
_MBOX = b"From "


def report_files(paths: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    """(name, content) of each file, folders with all that is below them, and of each mail of an mbox.

    Raises OSError.
    """
    for text in paths:
        if text == "-":
            yield "standard input", sys.stdin.buffer.read(_LONGEST)
            continue
        path = Path(text)
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and not file.name.startswith("."):
                    yield from _file(file)
        else:
            yield from _file(path)


def _file(path: Path) -> Iterator[tuple[str, bytes]]:
    with path.open("rb") as stream:
        yield from report_stream(str(path), stream)


def report_stream(name: str, stream: BinaryIO) -> Iterator[tuple[str, bytes]]:
    """(name, content): of the whole, or of each mail of an mbox."""
    start = stream.read(len(_MBOX))
    if start != _MBOX:
        yield name, start + stream.read(_LONGEST)
        return
    for number, mail in enumerate(_mails(stream), 1):
        yield f"{name} mail {number}", mail


def _mails(stream: BinaryIO) -> Iterator[bytes]:
    """Each begins behind an empty line with "From " (RFC 4155); lines of it that do are quoted by ">"."""
    lines: list[bytes] = []
    size = 0
    blank = False
    next(stream, b"")  # the rest of the first "From " line
    for line in stream:
        if blank and line.startswith(_MBOX):
            yield b"".join(lines)
            lines, size = [], 0
            continue
        blank = not line.strip()
        size += len(line)
        if size <= _LONGEST:
            lines.append(line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(_MBOX) else line)
    yield b"".join(lines)


class Intake:
    """Reads reports and stores them some at a time."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._batch: list[Arrival] = []
        self._rows = 0
        self.taken = Taken()
        self.unreadable: list[Arrival] = []

    async def add(self, name: str, content: bytes) -> bool:
        """True once it and all before it are stored. Raises StoreError."""
        arrival = await asyncio.to_thread(read_arrival, name, content)
        self._batch.append(arrival)
        self._rows += arrival.rows
        if arrival.reason:
            self.unreadable.append(arrival._replace(content=b""))
        if self._rows < _BATCH_ROWS and len(self._batch) < _BATCH_FILES:
            return False
        await self.flush()
        return True

    async def flush(self) -> None:
        if self._batch:
            self.taken = self.taken.plus(await take_reports(self._store, self._clock, self._batch))
            self._batch, self._rows = [], 0
