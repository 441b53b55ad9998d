"""What one IMAP command costs as mailboxes grow: the same commands at 1,000 to 1,000,000 messages.

    .venv/bin/python bench/scale.py --sizes 1000,10000,100000,1000000 --svg docs/scale.svg

For each size it makes a server of its own in a temporary folder, fills INBOX of one account with so many
messages through the store, and times the commands three times over: in that INBOX, in a small mailbox beside
it, and in a small INBOX of another account. It prints Markdown tables of medians in milliseconds, with the
client's share, and draws the first of them.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import math
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from postier.accounts.delivery import new_message
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.message.analysis import Analyser
from postier.store.api import BlobId, Flag, NewMessage, Store, Tx
from postier.store.sqlite import open_sqlite

HOST, DOMAIN, PASSWORD = "127.0.0.1", "bench.test", "benchpass1"
SMALL, UNSEEN, PIECE = 100, 50, 1000
PLACES = ("itself", "a small mailbox beside it", "a small mailbox of another account")
Times = dict[str, float]
Work = Callable[[], Awaitable[object]]


def letter(number: int) -> bytes:
    return (
        b"From: Ann Example <ann%d@b.example>\r\nTo: user0@bench.test\r\nSubject: Topic %d of many\r\n"
        b"Date: Wed, 25 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%d@b.example>\r\n\r\nHello %d.\r\n"
        % (number % 97, number % 1009, number, number)
    )


class Client:
    """One connection that waits for each answer."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    @classmethod
    async def log_in(cls, port: int, user: int, *first: bytes) -> Client:
        client = cls(*await asyncio.open_connection(HOST, port, limit=1 << 24))
        await client.reader.readline()
        for command in (b"LOGIN user%d@%s %s" % (user, DOMAIN.encode(), PASSWORD.encode()), *first):
            await client.command(command)
        return client

    async def command(self, text: bytes) -> bytes:
        self.writer.write(b"a " + text + b"\r\n")
        lines = []
        while not (line := await self.reader.readline()).startswith(b"a "):
            if not line:
                raise RuntimeError("the server closed")
            lines.append(line)
        if not line.startswith(b"a OK"):
            raise RuntimeError(f"{text[:60]!r}: {line!r}")
        return b"".join((*lines, line))


class Place:
    """A mailbox whose commands are timed."""

    def __init__(self, port: int, user: int, mailbox: bytes, rounds: int) -> None:
        self.port, self.user, self.mailbox, self.rounds = port, user, mailbox, rounds

    async def measure(self) -> Times:
        client = await Client.log_in(self.port, self.user, b"SELECT " + self.mailbox)
        self.client = client
        found = {
            "SELECT": await self._time(lambda: client.command(b"SELECT " + self.mailbox)),
            "STATUS": await self._time(lambda: client.command(b"STATUS Drafts (MESSAGES UNSEEN UIDNEXT)")),
            "LIST": await self._time(lambda: client.command(b'LIST "" *')),
            "FETCH of the 100 newest": await self._time(self._fetch),
            "STORE one": await self._time(
                lambda: client.command(b"STORE 7 +FLAGS (\\Flagged)"), self._unflag
            ),
            "APPEND one": await self._time(self._append),
            "EXPUNGE one": await self._time(self._expunge),
            "SEARCH UNSEEN": await self._time(lambda: client.command(b"SEARCH UNSEEN")),
            "SEARCH SUBJECT, no index": await self._time(
                lambda: client.command(b'SEARCH SUBJECT "Topic 7 of"')
            ),
            "resync of 50 changes": await self._resync(),
            "news in IDLE": await self._idle(),
        }
        client.writer.close()
        return found

    async def _time(self, work: Work, before: Work | None = None) -> float:
        """Median in milliseconds; the first time does not count."""
        taken = []
        for _ in range(self.rounds + 1):
            if before is not None:
                await before()
            began = time.perf_counter()
            await work()
            taken.append(1e3 * (time.perf_counter() - began))
        return statistics.median(taken[1:])

    async def _flag(self) -> None:
        await self.client.command(b"STORE 7 +FLAGS (\\Flagged)")

    async def _unflag(self) -> None:
        await self.client.command(b"STORE 7 -FLAGS (\\Flagged)")

    async def _fetch(self) -> None:
        found = re.search(rb"\* (\d+) EXISTS", await self.client.command(b"EXAMINE " + self.mailbox))
        assert found is not None
        await self.client.command(b"SELECT " + self.mailbox)
        first = max(1, int(found[1]) - 99)
        await self.client.command(b"FETCH %d:* (UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE)" % first)

    async def _append(self) -> None:
        text = letter(0)
        await self.client.command(b"APPEND %b (\\Seen) {%d+}\r\n%b" % (self.mailbox, len(text), text))

    async def _expunge(self) -> None:
        await self.client.command(b"STORE * +FLAGS.SILENT (\\Deleted)")
        await self.client.command(b"EXPUNGE")

    async def _resync(self) -> float:
        text = await self.client.command(b"SELECT " + self.mailbox)
        numbers = [re.search(rb"%b (\d+)" % name, text) for name in (b"UIDVALIDITY", b"HIGHESTMODSEQ")]
        validity, modseq = (found[1] for found in numbers if found is not None)
        for number in range(1, 51):
            await self.client.command(b"STORE %d +FLAGS.SILENT (\\Answered)" % number)
        again = await Client.log_in(self.port, self.user, b"ENABLE QRESYNC")
        select = b"SELECT %b (QRESYNC (%b %b))" % (self.mailbox, validity, modseq)
        return await self._time(lambda: again.command(select))

    async def _idle(self) -> float:
        """From the OK of an APPEND to EXISTS on a connection that waits; 0 where EXISTS came first."""
        waiting = await Client.log_in(self.port, self.user, b"SELECT " + self.mailbox)
        waiting.writer.write(b"i IDLE\r\n")
        await waiting.reader.readline()

        async def news() -> float:
            while b"EXISTS" not in await waiting.reader.readline():
                continue
            return time.perf_counter()

        taken = []
        for _ in range(self.rounds):
            told = asyncio.create_task(news())
            await self._append()
            done = time.perf_counter()
            taken.append(1e3 * max(0.0, await told - done))
        return statistics.median(taken)


# ---------------------------------------------------------------------- a server of a size


async def fill(data: Path, size: int) -> None:
    blobs = LocalBlobs(data, "bench")
    store = await open_sqlite(
        data / "postier.db", blobs=blobs, bus=MemoryBus(), clock=SystemClock(), owner="bench"
    )
    try:
        await fill_mailbox(store, "user0", "INBOX", size)
        await fill_mailbox(store, "user0", "Small", SMALL)
        await fill_mailbox(store, "user1", "INBOX", SMALL)
    finally:
        await store.close()
        blobs.close()


async def fill_mailbox(store: Store, user: str, name: str, size: int) -> None:
    account = await store.reader.account_named(f"{user}@{DOMAIN}")
    assert account is not None
    mailbox = await store.reader.mailbox_named(account.account_id, name)
    if mailbox is None:
        mailbox = await store.transact(lambda tx: tx.create_mailbox(account.account_id, name))
    where = account.account_id, mailbox.mailbox_id
    for start in range(0, size, PIECE):

        async def work(tx: Tx, first: int = start) -> None:
            numbers = range(first, min(first + PIECE, size))
            await tx.append(*where, [await _stored(tx, number, size) for number in numbers])

        await store.transact(work)


async def _stored(tx: Tx, number: int, size: int) -> NewMessage:
    text = letter(number)
    analyser = Analyser()
    analyser.feed(text)
    blob_id: BlobId
    blob_id, _ = await tx.add_blob(b"", text)
    flags = 0 if number >= size - UNSEEN else Flag.SEEN
    return new_message(
        analyser.finish(), blob_id, prefix=b"", internal_date=1_795_000_000 + number, flags=flags
    )


def serve(folder: Path, size: int) -> tuple[subprocess.Popen[str], int]:
    """A running server, and the port of its IMAP."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        base = 20000 + probe.getsockname()[1] % 5000
    postier, data = [sys.executable, "-m", "postier"], folder / "data"
    init = [*postier, "init", "--data", str(data), "--domain", DOMAIN, "--trust-loopback", "--yes"]
    subprocess.run([*init, "--port-base", str(base)], check=True, stdout=subprocess.DEVNULL)
    people = folder / "people.csv"
    with people.open("w", newline="") as file:
        csv.writer(file).writerows([(f"user{number}@{DOMAIN}", PASSWORD) for number in range(2)])
    more = [*postier, "user", "import", str(people), "--data", str(data)]
    subprocess.run(more, check=True, stdout=subprocess.DEVNULL)
    asyncio.run(fill(data, size))
    process = subprocess.Popen(
        [*postier, "serve", "--data", str(data)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    while process.stdout.readline().strip() != "postier ready":
        if process.poll() is not None:
            raise RuntimeError("the server did not start")
    return process, base + 143


async def measure(port: int, rounds: int) -> list[Times]:
    places = [Place(port, *where, rounds) for where in ((0, b"INBOX"), (0, b"Small"), (1, b"INBOX"))]
    return [await place.measure() for place in places]


# ---------------------------------------------------------------------- what comes out


def tables(found: dict[int, list[Times]]) -> str:
    lines = []
    for place, name in enumerate(PLACES):
        lines += [f"| ms, in {name} | " + " | ".join(f"{size:,}" for size in found) + " |"]
        lines += ["| --- |" + " ---: |" * len(found)]
        for command in next(iter(found.values()))[place]:
            figures = (f"{results[place][command]:.2f}" for results in found.values())
            lines.append(f"| {command} | " + " | ".join(figures) + " |")
        lines.append("")
    return "\n".join(lines)


def plot(found: dict[int, list[Times]]) -> str:
    """Both axes logarithmic, as an SVG: time of each command in the mailbox itself over its size."""
    sizes, commands = list(found), list(next(iter(found.values()))[0])
    width, height, left, top = 560, 340, 60, 20

    def across(place: int) -> float:
        return left + width * place / max(1, len(sizes) - 1)

    def down(milliseconds: float) -> float:
        decades = -1, 4  # 0.1 ms to 10 s
        share = (max(-1.0, math.log10(max(milliseconds, 1e-9))) - decades[0]) / (decades[1] - decades[0])
        return top + height * (1 - share)

    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-14 0 874 420" font-family="sans-serif"',
        ' font-size="12">',
    ]
    parts.append('<rect x="-14" width="874" height="420" fill="white"/>')
    for power in range(-1, 5):
        y = down(10.0**power)
        parts.append(f'<line x1="{left}" x2="{left + width}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} ms</text>')
    for place, size in enumerate(sizes):
        parts.append(
            f'<text x="{across(place):.1f}" y="{top + height + 20}" text-anchor="middle">{size:,}</text>'
        )
    for number, command in enumerate(commands):
        colour = f"hsl({number * 360 // len(commands)},65%,42%)"
        points = " ".join(
            f"{across(place):.1f},{down(found[size][0][command]):.1f}" for place, size in enumerate(sizes)
        )
        parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
        y = top + 14 + number * 20
        parts.append(f'<rect x="{left + width + 20}" y="{y - 9}" width="12" height="4" fill="{colour}"/>')
        parts.append(f'<text x="{left + width + 38}" y="{y - 2}">{command}</text>')
    parts.append(
        f'<text x="{left + width / 2}" y="{top + height + 42}" text-anchor="middle">messages</text></svg>'
    )
    return "\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--svg", type=Path)
    parser.add_argument(
        "--folder", type=Path, help="where the stores lie meanwhile; default: a temporary one"
    )
    options = parser.parse_args()
    found: dict[int, list[Times]] = {}
    for size in map(int, options.sizes.split(",")):
        with tempfile.TemporaryDirectory(prefix="postier-scale-", dir=options.folder) as folder:
            process, port = serve(Path(folder), size)
            try:
                found[size] = asyncio.run(measure(port, options.rounds))
            finally:
                process.terminate()
                process.wait(60)
        print(f"{size:,} messages: done", file=sys.stderr)
    print(tables(found))
    if options.svg is not None:
        options.svg.write_text(plot(found))


if __name__ == "__main__":
    main()
