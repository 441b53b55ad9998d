"""A quick benchmark: what this machine does with Postier, in half a minute, alone on the loopback.

    make bench

It starts a server of its own in a temporary folder, drives it with plain sockets, and prints what it
measured with the server's CPU time. The figures are for comparing two states of the program on one quiet
machine; docs/performance.md has the comparison with other servers.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

HOST, DOMAIN, PASSWORD = "127.0.0.1", "bench.test", "benchpass1"
USERS = 20
TICK = os.sysconf("SC_CLK_TCK")
BODY = b"".join(
    b"Line %04d of a letter that says nothing much, but says it at length.\r\n" % n for n in range(130)
)


class Client:
    """A line protocol over one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, port: int) -> Client:
        client = cls(*await asyncio.open_connection(HOST, port, limit=1 << 20))
        await client.reader.readline()
        return client

    async def smtp(self, data: bytes) -> bytes:
        self.writer.write(data)
        while True:
            line = await self.reader.readline()
            if line[3:4] != b"-":
                if line[:1] not in b"23":
                    raise RuntimeError(line.decode())
                return line

    async def imap(self, command: bytes) -> int:
        """Octets of the answer."""
        self.writer.write(b"a " + command + b"\r\n")
        seen, tail = 0, b""
        while True:
            data = await self.reader.read(1 << 18)
            if not data:
                raise RuntimeError("the server closed")
            seen += len(data)
            tail = (tail + data)[-400:]
            found = re.search(rb"(?:^|\n)a (OK|NO|BAD)[^\r\n]*\r\n\Z", tail)
            if found:
                if found.group(1) != b"OK":
                    raise RuntimeError(found.group().decode())
                return seen

    def close(self) -> None:
        self.writer.close()


class Server:
    """A server of our own, with its CPU time and memory."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            self.base = 20000 + probe.getsockname()[1] % 5000
        postier = [sys.executable, "-m", "postier"]
        data = ["--data", str(folder / "data")]
        subprocess.run(
            [
                *postier,
                "init",
                *data,
                "--domain",
                DOMAIN,
                "--trust-loopback",
                "--port-base",
                str(self.base),
                "--yes",
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        people = folder / "people.csv"
        people.write_text("".join(f"user{n}@{DOMAIN},{PASSWORD}\n" for n in range(USERS)))
        subprocess.run(
            [*postier, "user", "import", str(people), *data], check=True, stdout=subprocess.DEVNULL
        )
        self.process = subprocess.Popen(
            [*postier, "serve", *data], stdout=subprocess.PIPE, stderr=(folder / "log").open("w"), text=True
        )
        assert self.process.stdout is not None
        if self.process.stdout.readline().strip() != "postier ready":
            raise RuntimeError((folder / "log").read_text())

    def pids(self) -> list[int]:
        parent = self.process.pid
        return [parent, *map(int, Path(f"/proc/{parent}/task/{parent}/children").read_text().split())]

    def cpu(self) -> float:
        """Seconds of all processes so far."""
        fields = (Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in self.pids())
        return sum(int(f[11]) + int(f[12]) for f in fields) / TICK

    def memory(self) -> int:
        """Octets, shared pages counted once."""
        texts = (Path(f"/proc/{pid}/smaps_rollup").read_text() for pid in self.pids())
        return sum(int(text.partition("\nPss:")[2].split()[0]) * 1024 for text in texts)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(40)


async def deliver(server: Server, connections: int, each: int) -> int:
    async def one(number: int) -> None:
        client = await Client.connect(server.base + 25)
        await client.smtp(b"EHLO bench.example\r\n")
        for count in range(each):
            head = b"From: a@b.example\r\nSubject: %d\r\nMessage-ID: <%d.%d@b.example>\r\n\r\n" % (
                count,
                number,
                count,
            )
            to = b"RCPT TO:<user%d@%s>\r\n" % ((number + count) % USERS, DOMAIN.encode())
            for line in (b"MAIL FROM:<a@b.example>\r\n", to, b"DATA\r\n", head + BODY + b".\r\n"):
                await client.smtp(line)
        client.close()

    await asyncio.gather(*(one(number) for number in range(connections)))
    return connections * each


async def log_in(server: Server, number: int = 0) -> Client:
    client = await Client.connect(server.base + 143)
    await client.imap(b"LOGIN user%d@%s %s" % (number, DOMAIN.encode(), PASSWORD.encode()))
    return client


async def sessions(server: Server, count: int) -> int:
    async def some() -> None:
        for number in range(count // 20):
            client = await log_in(server, number % USERS)
            await client.imap(b"SELECT INBOX")
            client.close()

    await asyncio.gather(*(some() for _ in range(20)))
    return count


async def fill(server: Server, count: int) -> int:
    client = await log_in(server)
    await client.imap(b"CREATE big")
    head = b"From: a@b.example\r\nTo: c@d.example\r\nSubject: %d\r\nMessage-ID: <%d@b.example>\r\n\r\nHi\r\n"
    for start in range(0, count, 500):
        letters = (head % (n, n) for n in range(start, start + 500))
        await client.imap(b"APPEND big" + b"".join(b" {%d+}\r\n%b" % (len(one), one) for one in letters))
    client.close()
    return count


async def listing(server: Server, items: bytes) -> int:
    client = await log_in(server)
    await client.imap(b"SELECT big")
    await client.imap(b"FETCH 1:* " + items)
    client.close()
    return 10_000


async def idle(server: Server, count: int) -> float:
    """Octets for each waiting connection."""
    before = server.memory()
    clients = [await log_in(server, number % USERS) for number in range(count)]
    for client in clients:
        await client.imap(b"SELECT INBOX")
        client.writer.write(b"b IDLE\r\n")
        await client.reader.readline()
    await asyncio.sleep(1)
    used = (server.memory() - before) / count
    for client in clients:
        client.close()
    return used


def measure(name: str, server: Server, work: Callable[[], Awaitable[int]]) -> None:
    cpu, began = server.cpu(), time.perf_counter()
    count = asyncio.run(_await(work))
    wall, used = time.perf_counter() - began, server.cpu() - cpu
    print(f"{name:<52} {count / wall:>10,.0f}/s {used / count * 1e6:>10,.0f} us CPU each")


async def _await(work: Callable[[], Awaitable[int]]) -> int:
    return await work()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=100, help="for each of 20 connections")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="postier-bench-") as folder:
        server = Server(Path(folder))
        try:
            measure(
                "10 KB by SMTP, 20 connections, durable",
                server,
                lambda: deliver(server, 20, options.messages),
            )
            measure(
                "10 KB by SMTP, one connection, durable", server, lambda: deliver(server, 1, options.messages)
            )
            asyncio.run(_await(lambda: sessions(server, 20 * USERS)))  # every password was proved once
            measure("log in, SELECT, close, 20 at once", server, lambda: sessions(server, 1000))
            measure("APPEND of small messages, 500 a command", server, lambda: fill(server, 10_000))
            everything = b"(UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE)"
            measure(
                "FETCH of 10,000 with ENVELOPE and BODYSTRUCTURE", server, lambda: listing(server, everything)
            )
            measure("FETCH of 10,000 (UID FLAGS)", server, lambda: listing(server, b"(UID FLAGS)"))
            waiting = asyncio.run(idle(server, 500))
            print(f"{'memory of an idle IMAP connection':<52} {waiting / 1000:>10,.1f} KB")
            print(f"{'memory of the whole server':<52} {server.memory() / 1e6:>10,.0f} MB")
        finally:
            server.stop()


if __name__ == "__main__":
    main()
