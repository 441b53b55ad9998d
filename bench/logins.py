"""Logins under attack: how long those with the right password wait.

    .venv/bin/python bench/logins.py [--seconds 60] [--right 20] [--wrong 50] [--cold] [--names]

A server of its own on the loopback, with people who have logged in once before (--cold: who have not, so that
each first login is hashed in the middle of the attack). Each second so many of
them log in by IMAP over TLS, each time from a new connection, and so many wrong passwords come from 50 other
addresses (127.0.1.x), at names that exist and names that don't. Shown is how long the right ones waited for
their OK, TLS not counted, and what became of the wrong ones.

`--names`: instead, wrong passwords for names that exist and for names that don't, by turns, each from an
address of its own: the times must not differ.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DOMAIN = "bench.test"
HOST = f"mail.{DOMAIN}"
PEOPLE = 100
ADDRESSES = 50
POSTIER = (sys.executable, "-m", "postier")


def person(number: int) -> str:
    return f"person{number}@{DOMAIN}"


def password(number: int) -> str:
    return f"the right words {number}"


def postier(data: Path, *words: str, stdin: str = "") -> None:
    subprocess.run(
        [*POSTIER, *words, "--data", str(data)], input=stdin, check=True, capture_output=True, text=True
    )


@contextmanager
def serving(data: Path, ports: int) -> Iterator[None]:
    admin = ("--admin", person(0), "--password-stdin", "--bind", "127.0.0.1", "--port-base", str(ports))
    settings = (
        "--set",
        'server.user=""',
        "--set",
        'log.level="error"',
        "--set",
        "login.scram_iterations=4096",
    )
    postier(data, "init", "--domain", DOMAIN, *admin, *settings, "--yes", stdin=password(0))
    people = data / "people.csv"
    people.write_text("".join(f"{person(n)},{password(n)}\n" for n in range(1, PEOPLE)))
    postier(data, "user", "import", str(people))
    with subprocess.Popen(
        [*POSTIER, "serve", "--data", str(data)], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert server.stdout is not None
            assert "ready" in server.stdout.readline()
            yield
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait(60)


class Attempts:
    """Tries logins and notes how they went."""

    def __init__(self, data: Path, ports: int) -> None:
        self.tls = ssl.create_default_context(cafile=data / "tls" / "ca.pem")
        self.port = ports + 993
        self.seconds: list[float] = []
        self.put_off: collections.Counter[str] = collections.Counter()
        self.wrong: collections.Counter[str] = collections.Counter()

    async def log_in(self, name: str, secret: str, source: str) -> tuple[str, float]:
        """The answer's first words, and the seconds from the command to it."""
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", self.port, ssl=self.tls, server_hostname=HOST, local_addr=(source, 0)
        )
        await reader.readline()
        began = time.perf_counter()
        writer.write(f'a LOGIN {name} "{secret}"\r\n'.encode())
        answer = await reader.readline()
        took = time.perf_counter() - began
        writer.close()
        return " ".join(answer.decode().split()[1:3]), took

    async def right(self, number: int) -> None:
        answer, took = await self.log_in(person(number), password(number), f"127.0.2.{number % 50 + 1}")
        if answer.startswith("OK"):
            self.seconds.append(took)
        else:
            self.put_off[answer] += 1

    async def guess(self, number: int) -> None:
        name = person(number % 10) if number % 2 else f"nobody{number % 10}@{DOMAIN}"
        try:
            answer, _ = await self.log_in(name, f"wrong {number}", f"127.0.1.{number % ADDRESSES + 1}")
        except (OSError, ssl.SSLError):
            answer = "connection refused"
        self.wrong[answer] += 1


async def everybody_once(attempts: Attempts) -> None:
    for number in range(PEOPLE):
        await attempts.right(number)
    attempts.seconds.clear()


async def under_attack(attempts: Attempts, seconds: int, right: int, wrong: int) -> None:
    began, running = time.perf_counter(), set[asyncio.Task[None]]()
    rates = ((right, attempts.right, PEOPLE), (wrong, attempts.guess, sys.maxsize))
    done = [0, 0]
    while (now := time.perf_counter() - began) < seconds:
        for which, (rate, attempt, most) in enumerate(rates):
            while done[which] < now * rate:
                running.add(asyncio.create_task(attempt(done[which] % most)))
                done[which] += 1
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)


def report(attempts: Attempts) -> None:
    seconds = sorted(attempts.seconds)
    cuts = {"median": 0.5, "p95": 0.95, "p99": 0.99}
    told = ", ".join(
        f"{name} {seconds[int(len(seconds) * part)] * 1000:.0f} ms" for name, part in cuts.items()
    )
    print(f"right: {len(seconds)} logins, {told}, longest {seconds[-1] * 1000:.0f} ms")
    print(f"right, but told to come later: {sum(attempts.put_off.values())}")
    print("wrong:", ", ".join(f"{count} {answer}" for answer, count in attempts.wrong.most_common()))


async def by_turns(attempts: Attempts, pairs: int) -> dict[str, list[float]]:
    took: dict[str, list[float]] = {"there": [], "nobody": []}
    for number in range(2 * pairs):
        kind = "nobody" if number % 2 else "there"
        name = person(1 + number % 100) if kind == "there" else f"nobody{number % 100}@{DOMAIN}"
        source = f"127.1.{number // 200}.{number % 200 + 1}"
        took[kind].append((await attempts.log_in(name, f"wrong {number}", source))[1])
    return took


def compare(took: dict[str, list[float]]) -> None:
    for kind, seconds in took.items():
        cuts = statistics.quantiles(seconds, n=4)
        print(f"{kind}: quartiles " + ", ".join(f"{cut * 1000:.1f}" for cut in cuts) + " ms")
    there, nobody = took["there"], took["nobody"]
    spread = (statistics.variance(there) / len(there) + statistics.variance(nobody) / len(nobody)) ** 0.5
    difference = statistics.mean(there) - statistics.mean(nobody)
    print(f"difference of the means over its error: {difference / spread:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--right", type=int, default=20)
    parser.add_argument("--wrong", type=int, default=50)
    parser.add_argument("--ports", type=int, default=33000)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--names", action="store_true")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        with serving(data, chosen.ports):
            attempts = Attempts(data, chosen.ports)
            if chosen.names:
                compare(asyncio.run(by_turns(attempts, 100)))
                return
            if not chosen.cold:
                asyncio.run(everybody_once(attempts))
            asyncio.run(under_attack(attempts, chosen.seconds, chosen.right, chosen.wrong))
            report(attempts)


if __name__ == "__main__":
    main()
