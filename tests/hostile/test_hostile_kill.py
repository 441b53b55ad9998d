"""Processes that die at any moment: what was acknowledged is there, exactly once."""

from __future__ import annotations

import itertools
import os
import re
import signal
import smtplib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

pytestmark = pytest.mark.slow

CONNECTIONS = 8
ENOUGH = 80
MOST = 5000
_NUMBERS = re.compile(rb"Message-ID: <ledger(\d+)@", re.IGNORECASE)


@dataclass(slots=True)
class Ledger:
    """What the server took responsibility for; `stop` ends the senders."""

    acknowledged: set[int] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=lambda: iter(range(MOST)))
    enough: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    def note(self, number: int) -> None:
        self.acknowledged.add(number)
        if len(self.acknowledged) >= ENOUGH:
            self.enough.set()


def _message(number: int) -> bytes:
    head = f"From: zoe@elsewhere.test\r\nSubject: {number}\r\nMessage-ID: <ledger{number}@x.test>\r\n\r\n"
    return head.encode() + b"x" * 60 + b"\r\n"


def _by_smtp(house: Any, ledger: Ledger) -> None:
    try:
        with house.smtp() as client:
            for number in ledger.numbers:
                refused = client.sendmail("zoe@elsewhere.test", ["bob@orchard.test"], _message(number))
                assert refused == {}
                ledger.note(number)
                if ledger.stop.is_set():
                    return
    except (smtplib.SMTPException, OSError):
        pass  # the cut: whatever had no 250 is not in the ledger


def _by_imap(house: Any, ledger: Ledger) -> None:
    try:
        with house.imap("bob") as client:
            for number in ledger.numbers:
                client.must("APPEND INBOX", _message(number))
                ledger.note(number)
                if ledger.stop.is_set():
                    return
    except (RuntimeError, EOFError, OSError):
        pass  # the cut: whatever had no OK is not in the ledger


def _load(house: Any, send: Callable[[Any, Ledger], None], strike: Callable[[], object]) -> Ledger:
    """Senders at work, and `strike` in the middle."""
    ledger = Ledger()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        senders = [pool.submit(send, house, ledger) for _ in range(CONNECTIONS)]
        assert ledger.enough.wait(60)
        strike()
        ledger.stop.set()
        for sender in senders:
            sender.result(60)
    return ledger


def _assert_exactly_once(house: Any, ledger: Ledger) -> None:
    with house.imap("bob") as client:
        client.must("EXAMINE INBOX")
        listed = b"".join(client.must("FETCH 1:* BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"))
        bodies = client.must("FETCH 1:* BODY.PEEK[TEXT]")
    counts = Counter(map(int, _NUMBERS.findall(listed)))
    assert ledger.acknowledged <= counts.keys()
    assert set(counts.values()) == {1}
    assert sum(b"x" * 60 + b"\r\n" in body for body in bodies) == len(counts)


@pytest.mark.parametrize("send", [_by_smtp, _by_imap])
def test_every_process_killed_at_once(own_house: Any, send: Any) -> None:
    house = own_house()
    ledger = _load(house, send, house.kill)
    house.start()
    _assert_exactly_once(house, ledger)
    house.assert_well()


def test_a_killed_worker_is_replaced(own_house: Any, until: Any) -> None:
    house = own_house()
    _, *workers = house.pids()
    ledger = _load(house, _by_smtp, lambda: os.kill(workers[0], signal.SIGKILL))
    until(lambda: len(house.pids()) == 1 + len(workers) and workers[0] not in house.pids())
    _assert_exactly_once(house, ledger)
    house.assert_well()


def test_a_stop_in_the_middle_loses_nothing(own_house: Any) -> None:
    house = own_house()
    codes: list[int] = []
    ledger = _load(house, _by_smtp, lambda: codes.append(house.stop()))
    assert codes == [0]
    house.start()
    _assert_exactly_once(house, ledger)


def test_busy_senders_hear_421_between_two_messages(own_house: Any) -> None:
    """RFC 5321 3.8: a client that never pauses is not cut off, and does not hold the server up."""
    house = own_house()
    ends: list[BaseException] = []
    busy = threading.Event()

    def send() -> None:
        try:
            with house.smtp() as client:
                for number in itertools.count():
                    client.sendmail("zoe@elsewhere.test", ["bob@orchard.test"], _message(number))
                    busy.set()
        except smtplib.SMTPException as error:
            ends.append(error)

    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    assert busy.wait(30)
    assert house.stop() == 0
    for sender in senders:
        sender.join(30)
    codes = [error.smtp_code for error in ends if isinstance(error, smtplib.SMTPResponseException)]
    assert codes == [421] * CONNECTIONS, ends


def test_busy_readers_are_told_when_the_server_stops(own_house: Any) -> None:
    """IMAP and POP3 clients that never pause hear it behind an answer, and do not hold the server up."""
    house = own_house()
    last: dict[str, bytes] = {}
    busy = threading.Barrier(3)

    def read(name: str, client: Any, ask: bytes) -> None:
        with client:
            lines = [b""]
            for number in itertools.count():
                try:
                    client.send(ask)
                    lines.append(client.line())
                except OSError:  # asked after it had ended
                    lines.append(b"")
                if number == 10:
                    busy.wait(30)
                if not lines[-1]:
                    break
            last[name] = lines[-2]

    readers = [
        threading.Thread(target=read, args=("imap", house.imap("alice"), b"x NOOP\r\n")),
        threading.Thread(target=read, args=("pop3", house.pop("alice"), b"STAT\r\n")),
    ]
    for reader in readers:
        reader.start()
    busy.wait(30)
    assert house.stop() == 0
    for reader in readers:
        reader.join(30)
    assert last["imap"] == b"* BYE [UNAVAILABLE] Server closing\r\n"
    assert last["pop3"].startswith(b"+OK")


def test_a_killed_supervisor_takes_its_workers_along(own_house: Any, until: Any) -> None:
    house = own_house()
    first, *workers = house.pids()
    os.kill(first, signal.SIGKILL)

    def gone() -> bool:
        return not any(os.path.exists(f"/proc/{pid}") for pid in workers)

    until(gone)
    house._ended()
    house.start()
    house.assert_well()


def test_uids_are_never_given_twice(own_house: Any) -> None:
    """RFC 9051 2.3.1.1: also not after the highest was expunged and every process killed."""
    house = own_house()
    seen: list[bytes] = []
    validity = set()
    for number in itertools.count():
        with house.imap("bob") as client:
            answer = client.command("APPEND INBOX", _message(number))[1]
            found = re.search(rb"\[APPENDUID (\d+) (\d+)\]", answer)
            assert found is not None, answer
            validity.add(found.group(1))
            seen.append(found.group(2))
            client.must("SELECT INBOX")
            client.must("STORE * +FLAGS.SILENT (\\Deleted)")
            client.must("EXPUNGE")
        if number == 2:
            break
        house.kill()
        house.start()
    assert len(validity) == 1
    assert list(map(int, seen)) == sorted({int(uid) for uid in seen})
