"""Files that hold reports: single ones, folders of them, mailboxes in mbox form, the standard input."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

__all__ = ["report_files"]

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
        start = stream.read(len(_MBOX))
        if start != _MBOX:
            yield str(path), start + stream.read(_LONGEST)
            return
        for number, mail in enumerate(_mails(stream), 1):
            yield f"{path} mail {number}", mail


def _mails(stream: Iterator[bytes]) -> Iterator[bytes]:
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
