"""The Internet around a benchmark: its names and its other servers, each a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

__all__ = ["Names", "Sinks", "Zone", "stoppable"]

Zone = dict[str, dict[str, list[str]]]
_HERE = Path(__file__).parent


def stoppable() -> None:
    """Let SIGTERM end the benchmark as Control-C does: with all that it started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


class _Helper:
    def __init__(self, script: str, *words: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(_HERE / script), *map(str, words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self._answer() != "ready":
            raise RuntimeError(f"{script} did not start")

    def _answer(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def _ask(self, question: str) -> str:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


class Names(_Helper):
    """A DNS server at `address`, port 53."""

    def __init__(self, folder: Path, zone: Zone, address: str = "127.0.0.54") -> None:
        self.address = address
        file = folder / "zone.json"
        file.write_text(json.dumps(zone))
        super().__init__("names.py", address, 53, file)


class Sinks(_Helper):
    """Servers that take everything, and dead ones (see sink.py)."""

    def __init__(self, port: int, living: int, holes: int = 0) -> None:
        self.port = port
        super().__init__("sink.py", port, living, holes)

    def count(self) -> tuple[int, float, float]:
        """Messages, and the monotonic seconds of the first and the last."""
        messages, first, last = self._ask("count").split()
        return int(messages), float(first), float(last)

    def have(self, messages: int) -> bool:
        return self.count()[0] >= messages

    def zero(self) -> None:
        self._ask("zero")
