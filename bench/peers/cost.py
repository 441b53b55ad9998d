"""What a group of processes has used: CPU and memory, read from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

__all__ = ["cpu_seconds", "processes", "resident"]

_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat behind the name; [] if it has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def processes(roots: Iterable[int]) -> list[int]:
    """The roots and all that descend from them."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(int(name))):
            children.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    todo = list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def cpu_seconds(roots: Iterable[int]) -> float:
    """User and system time of all of them so far, with that of children that have ended."""
    return sum(sum(map(int, fields[11:15])) for pid in processes(roots) if (fields := _stat(pid))) / _TICK


def resident(pids: Iterable[int]) -> int:
    """Octets of memory that are theirs alone (anonymous pages, not files)."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += int(text.partition("\nRssAnon:")[2].split()[0]) * 1024 if "\nRssAnon:" in text else 0
    return total
