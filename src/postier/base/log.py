"""One line for each thing that happened: an event name and its facts.

    log = Log("smtp")
    log.info("accepted", session=id, sender=address, size=1234)
    -> 2026-11-03T10:00:00.123Z info smtp accepted session=... sender=... size=1234

Values that hold spaces, quotes or controls are written as JSON strings, so a peer cannot forge a line.
Lines go to the standard error stream; whoever runs us keeps them. A state that lasts, such as a full disk,
is a `fault`: one line a second, however many it hits.
"""

from __future__ import annotations

import json
import re
import sys
import time
import traceback
from dataclasses import dataclass
from typing import TextIO

__all__ = ["LEVELS", "Log", "set_level", "set_stream"]

LEVELS = ("debug", "info", "warning", "error")
_PLAIN = re.compile(r"[!#-<>-\[\]-~]+")
_level = 1
_stream: TextIO | None = None

FAULT_SECONDS = 1.0
_MOST_FAULTS = 100
_faults: dict[tuple[str, str, str], _Fault] = {}


def set_level(name: str) -> None:
    """Lines below `name` (one of LEVELS) are not written, in this whole process."""
    global _level
    _level = LEVELS.index(name)


def set_stream(stream: TextIO | None) -> None:
    """Where lines go; None means the standard error stream of the moment. What was left out is forgotten."""
    global _stream
    _stream = stream
    _faults.clear()


@dataclass(slots=True)
class _Fault:
    """When it was last said, and how many were left out since."""

    said: float
    left_out: int = 0


class Log:
    """The log of one part of the program."""

    __slots__ = ("part",)

    def __init__(self, part: str) -> None:
        self.part = part

    def debug(self, event: str, **facts: object) -> None:
        if _level <= 0:
            self._write("debug", event, facts)

    def info(self, event: str, **facts: object) -> None:
        if _level <= 1:
            self._write("info", event, facts)

    def warning(self, event: str, **facts: object) -> None:
        if _level <= 2:
            self._write("warning", event, facts)

    def error(self, event: str, *, exception: BaseException | None = None, **facts: object) -> None:
        """`exception` adds its whole traceback, on the same line."""
        if exception is not None:
            facts["exception"] = "".join(traceback.format_exception(exception))
        self._write("error", event, facts)

    def fault(self, event: str, *, why: object, **facts: object) -> None:
        """An error whose cause is known and hits many at once: at most one line a second for the same `why`.

        The next line says how many were left out, as `more`.
        """
        now = time.monotonic()
        key = (self.part, event, str(why))
        known = _faults.get(key)
        if known is not None and now - known.said < FAULT_SECONDS:
            known.left_out += 1
            return
        if known is not None and known.left_out:
            facts["more"] = known.left_out
        if len(_faults) >= _MOST_FAULTS:
            _faults.clear()
        _faults[key] = _Fault(now)
        self._write("error", event, {"why": why, **facts})

    def _write(self, level: str, event: str, facts: dict[str, object]) -> None:
        seconds = time.time()
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        line = [f"{stamp}.{int(seconds * 1000) % 1000:03d}Z {level} {self.part} {event}"]
        for name, value in facts.items():
            text = str(value)
            line.append(f" {name}={text if _PLAIN.fullmatch(text) else json.dumps(text)}")
        line.append("\n")
        stream = _stream or sys.stderr
        try:
            stream.write("".join(line))
            stream.flush()
        except OSError:
            pass  # the log's disk is full, or its reader gone: mail goes on, and there is nobody to tell
