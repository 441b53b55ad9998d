"""Programs that ask for mail over POP3 all the time: what that costs a server.

    python bench/pop3_polling.py NAME=HOST,PORT,USERS,PASSWORD,PIDFILE[+PIDFILE...] ...

USERS holds a %d (user%d@example.org). Each of `--sessions` programs logs in, asks STAT and UIDL, says QUIT,
every `--every` seconds; then so many sessions stay open at once and say nothing. Told are the time of a poll,
the server's CPU while it is polled, and the memory of an open session. Standard library only, Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import time
from dataclasses import dataclass
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Target:
    name: str
    host: str
    port: int
    users: str
    password: str
    roots: tuple[Path, ...]

    @classmethod
    def parse(cls, text: str) -> Target:
        name, _, rest = text.partition("=")
        host, port, users, password, pids = rest.split(",")
        return cls(name, host, int(port), users, password, tuple(map(Path, pids.split("+"))))

    def processes(self) -> set[int]:
        """Those of the server: what the pid files name, and their descendants."""
        found = {int(pid) for root in self.roots for pid in root.read_text().split()}
        parents = {int(pid): _stat(pid)[1] for pid in os.listdir("/proc") if pid.isdigit() and _stat(pid)}
        while more := {pid for pid, parent in parents.items() if int(parent) in found} - found:
            found |= more
        return found

    def cpu(self) -> float:
        """Seconds so far, of children that have ended as well."""
        stats = [_stat(str(pid)) for pid in self.processes()]
        return sum(sum(map(int, stat[11:15])) for stat in stats if stat) / TICK

    def memory(self) -> float:
        """MB, each shared page counted once."""
        total = 0
        for pid in self.processes():
            try:
                lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            except OSError:
                continue
            total += sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        return total / 1024


def _stat(pid: str) -> list[str]:
    """The fields of /proc/PID/stat from the state on; [] where it has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    except OSError:
        return []


async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, *, many: bool) -> None:
    writer.write(line.encode() + b"\r\n")
    answer = await reader.readline()
    if not answer.startswith(b"+OK"):
        raise RuntimeError(f"{line.split()[0]}: {answer!r}")
    while many and await reader.readline() != b".\r\n":
        pass


async def log_in(target: Target, number: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    source = (f"127.0.{number // 200}.{number % 200 + 2}", 0) if target.host.startswith("127.") else None
    reader, writer = await asyncio.open_connection(target.host, target.port, local_addr=source)
    await reader.readline()
    await say(reader, writer, "USER " + target.users % number, many=False)
    await say(reader, writer, "PASS " + target.password, many=False)
    return reader, writer


async def poll(target: Target, number: int) -> float:
    began = time.perf_counter()
    reader, writer = await log_in(target, number)
    await say(reader, writer, "STAT", many=False)
    await say(reader, writer, "UIDL", many=True)
    await say(reader, writer, "QUIT", many=False)
    writer.close()
    return time.perf_counter() - began


async def keep_polling(target: Target, number: int, every: float, until: float) -> list[float]:
    took: list[float] = []
    await asyncio.sleep(random.Random(number).uniform(0, every))
    while time.monotonic() < until:
        due = time.monotonic() + every
        took.append(await poll(target, number))
        await asyncio.sleep(max(0.0, due - time.monotonic()))
    return took


async def measure(target: Target, sessions: int, users: int, every: float, seconds: float) -> None:
    for number in range(users):
        await poll(target, number)  # hashes and caches are warm, as they are on any day
    cpu, began = target.cpu(), time.monotonic()
    until = began + seconds
    rounds = await asyncio.gather(
        *(keep_polling(target, number % users, every, until) for number in range(sessions))
    )
    spent, wall = target.cpu() - cpu, time.monotonic() - began
    took = sorted(one for each in rounds for one in each)
    before = target.memory()
    open_ones = [await log_in(target, number % users) for number in range(sessions)]
    each = (target.memory() - before) * 1024 / sessions
    for _, writer in open_ones:
        writer.close()
    print(
        f"{target.name}: {len(took) / wall:.0f} polls/s, {1e3 * took[len(took) // 2]:.1f} ms median,"
        f" {1e3 * took[int(len(took) * 0.99)]:.1f} ms p99, CPU {spent / wall:.1%} of a core"
        f" ({1e3 * spent / len(took):.2f} ms a poll), {each:.0f} KB an open session"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("targets", nargs="+", type=Target.parse)
    parser.add_argument("--sessions", type=int, default=1000)
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--every", type=float, default=10.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    for target in options.targets:
        asyncio.run(measure(target, options.sessions, options.users, options.every, options.seconds))


if __name__ == "__main__":
    main()
