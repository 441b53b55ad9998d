"""Mail through a server whose processes are killed again and again: each recipient of an acknowledged
message is served exactly once, by a mailbox, the next host, a report, or the queue.

Three ledgers tell: the client's, synced to the disk after each 250 that it reads; the next host's, of each
250 that it says; and the moments of the kills. A message may go out twice only where a process was killed
between the first 250 and the second, which no server can avoid (RFC 1047).
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import re
import signal
import smtplib
import socketserver
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pytest

pytestmark = pytest.mark.slow

SECONDS = 45
KILLS = 8
"""So many at least, however long a start takes."""
PAUSES = (0.5, 4.0)
"""Seconds between two kills."""
SENDERS = 4
LATE = 2.0
"""Seconds: the next host may read the last octets of a client that is dead by then."""
PASSWORD = "hostile-password"
ALIVE, REFUSING = "alive.test", "refusing.test"
TROUBLE = 0.08
"""How often the next host puts off a recipient, and how often it hangs up where a reply is due."""


class NextHost(socketserver.ThreadingTCPServer):
    """Takes what is for ALIVE, refuses what is for REFUSING for good, and is troubled at times."""

    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.rng = random.Random(7)
        self.taken: dict[str, list[float]] = defaultdict(list)
        self.lock = threading.Lock()
        self.calm = False

    def is_troubled(self) -> bool:
        with self.lock:
            return not self.calm and self.rng.random() < TROUBLE

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections are cut all the time here."""


class _Session(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        host = cast(NextHost, self.server)
        accepted: list[str] = []
        self.wfile.write(b"220 next.test\r\n")
        for line in cast(BinaryIO, self.rfile):
            verb = line[:4].upper()
            answer = b"250 2.0.0 ok\r\n"
            if verb == b"EHLO":
                answer = b"250-next.test\r\n250-ENHANCEDSTATUSCODES\r\n250 PIPELINING\r\n"
            elif verb == b"MAIL":
                accepted = []
            elif verb == b"RCPT":
                path = line.partition(b"<")[2].partition(b">")[0].decode()
                if path.endswith(REFUSING):
                    answer = b"550 5.1.1 no such user\r\n"
                elif host.is_troubled():
                    answer = b"451 4.3.0 later\r\n"
                else:
                    accepted.append(path)
            elif verb == b"DATA" and not accepted:
                answer = b"554 5.5.1 no valid recipients\r\n"
            elif verb == b"DATA":
                self.wfile.write(b"354 go\r\n")
                while self.rfile.readline() not in (b".\r\n", b""):
                    pass
                if host.is_troubled():
                    return
                with host.lock:
                    for path in accepted:
                        host.taken[path].append(time.time())
            elif verb == b"QUIT":
                return
            self.wfile.write(answer)


class Client:
    """Senders, and the ledger of what they read 250 to. A number is never sent twice."""

    def __init__(self, house: Any, file: Path) -> None:
        self.house = house
        self.file = file
        self.numbers: Iterator[int] = iter(range(1_000_000))
        self.lock = threading.Lock()
        self.stop = threading.Event()
        self.descriptor = os.open(file, os.O_CREAT | os.O_WRONLY | os.O_APPEND)

    def send(self) -> None:
        while not self.stop.is_set():
            with contextlib.suppress(smtplib.SMTPException, OSError):
                self._session()
            time.sleep(0.05)

    def _session(self) -> None:
        with smtplib.SMTP_SSL(
            "127.0.0.1", self.house.port(465), "client.test", timeout=30, context=self.house.tls()
        ) as smtp:
            smtp.login("alice@orchard.test", PASSWORD)
            while not self.stop.is_set():
                with self.lock:
                    number = next(self.numbers)
                smtp.sendmail("alice@orchard.test", _recipients(number), _message(number))
                with self.lock:
                    os.write(self.descriptor, b"%d\n" % number)
                    os.fsync(self.descriptor)
                time.sleep(0.05)

    def acknowledged(self) -> set[int]:
        return set(map(int, self.file.read_text().split()))


def _recipients(number: int) -> list[str]:
    every = [f"m{number}@{ALIVE}", "bob@orchard.test", f"m{number}@{REFUSING}"]
    return every[: 1 + number % 3] if number % 2 else every[number % 3 :]


def _message(number: int) -> bytes:
    return (
        f"From: alice@orchard.test\r\nTo: several@orchard.test\r\nSubject: {number}\r\n"
        f"Message-ID: <ledger{number}@x.test>\r\n\r\nledger\r\n"
    ).encode()


def _kill(house: Any, rng: random.Random) -> float:
    """One worker, or all processes; the moment at which it was done."""
    _, *workers = house.pids()
    if rng.random() < 0.5 and workers:
        with contextlib.suppress(ProcessLookupError):
            os.kill(rng.choice(workers), signal.SIGKILL)
        return time.time()
    house.kill()
    moment = time.time()
    house.start()
    return moment


def _found(house: Any, person: str, item: str, pattern: bytes) -> Counter[str]:
    with house.imap(person) as client:
        client.must("EXAMINE INBOX")
        if not house.count(person):
            return Counter()
        data = b"".join(client.must(f"FETCH 1:* {item}"))
    return Counter(found.decode() for found in re.findall(pattern, data))


def _queue(house: Any, limit: int) -> list[dict[str, Any]]:
    listed = house.run("queue", "list", "--json", "--limit", str(limit))
    assert listed.returncode == 0, listed.stderr
    return cast("list[dict[str, Any]]", json.loads(listed.stdout))


@pytest.fixture
def next_host() -> Iterator[NextHost]:
    with NextHost() as host:
        thread = threading.Thread(target=host.serve_forever, daemon=True)
        thread.start()
        yield host
        host.shutdown()


def test_each_recipient_is_served_exactly_once(
    own_house: Any, next_host: NextHost, until: Any, tmp_path: Path
) -> None:
    house = own_house(
        queue__retry_first='"1s"',
        queue__retry_max='"2s"',
        smtp__daily_recipients="0",
        smtp__daily_new_recipients="0",
    )
    for domain in (ALIVE, REFUSING):
        done = house.run("route", "add", domain, f"127.0.0.1:{next_host.server_address[1]}")
        assert done.returncode == 0, done.stderr
    client, rng, kills = Client(house, tmp_path / "ledger"), random.Random(3), []
    senders = [threading.Thread(target=client.send) for _ in range(SENDERS)]
    for sender in senders:
        sender.start()
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline or len(kills) < KILLS:
        time.sleep(rng.uniform(*PAUSES))
        kills.append(_kill(house, rng))
    client.stop.set()
    for sender in senders:
        sender.join(60)
    next_host.calm = True
    until(lambda: not _queue(house, 1), 90)

    acknowledged = client.acknowledged()
    assert len(acknowledged) >= 100
    expected = {path for number in acknowledged for path in _recipients(number)}
    reports = _found(house, "alice", "BODY.PEEK[]", rb"Final-Recipient: rfc822; (\S+)\r\n")
    assert {path for path in expected if path.endswith(REFUSING)} <= reports.keys()
    assert set(reports.values()) <= {1}, "each failure is told once"
    copies = _found(house, "bob", "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]", rb"<ledger(\d+)@")
    assert {n for n in acknowledged if "bob@orchard.test" in _recipients(n)} <= set(map(int, copies))
    assert set(copies.values()) <= {1}, "each copy is there once"
    assert {path for path in expected if path.endswith(ALIVE)} <= next_host.taken.keys()
    assert not reports.keys() & next_host.taken.keys(), "nobody is told of a failure that was none"
    for path, moments in next_host.taken.items():
        for before, after in itertools.pairwise(moments):
            assert any(before - LATE <= kill <= after for kill in kills), f"{path} twice without a kill"
    house.assert_well()
