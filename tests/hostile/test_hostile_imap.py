"""IMAP under load, in bulk, and killed in the middle: what was acknowledged holds, for everybody."""

from __future__ import annotations

import asyncio
import os
import random
import re
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import pytest

from postier.testing.stress import stress

pytestmark = pytest.mark.slow

WRITERS = 6
ENOUGH = 150
ADDRESS, NAME, DOMAIN = "127.0.0.1", "mail.orchard.test", "orchard.test"
_APPENDED = re.compile(rb"\[APPENDUID (\d+) (\d+)\]")
_COPIED = re.compile(rb"\[COPYUID \d+ (\d+) (\d+)\]")
_FETCHED = re.compile(rb"\* \d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) BODY\[[^]]*\] \{\d+\}\r\nSubject: (\S+)")


# ------------------------------------------------------------------ many clients


def test_random_commands_on_the_same_mailboxes(own_house: Any) -> None:
    """No BAD, no response that may not come, flags that are whose they are; with TLS, some with COMPRESS."""
    house = own_house()
    password = "hostile-password"

    context = house.tls()
    context.check_hostname = False
    done = asyncio.run(
        stress((ADDRESS, house.port(993)), (f"bob@{DOMAIN}", password), clients=6, commands=150, tls=context)
    )
    assert done == 6 * 150
    assert "Traceback" not in house.log.read_text(), house.log.read_text()[-3000:]
    house.assert_well()


# ------------------------------------------------------------------ more than anybody asks


def test_ten_thousand_commands_at_once(house: Any) -> None:
    """Answered one by one, in order, without being held."""
    with house.bounded(), house.imap() as client:
        client.must("SELECT INBOX")
        client.send(b"".join(b"p%d NOOP\r\n" % number for number in range(10_000)))
        for number in range(10_000):
            assert client.line().startswith(b"p%d OK" % number)
    house.assert_well()


def test_a_search_of_ten_thousand_alternatives(house: Any) -> None:
    keys = b"OR SEEN " * 10_000 + b"ALL"
    with house.bounded(), house.imap() as client:
        client.must("SELECT INBOX")
        for name, size in ((b"a", 1000), (b"b", 8000), (b"c", len(keys))):
            client.send(name + b" SEARCH " + keys[-size:].partition(b" ")[2] + b"\r\n")
            answer = client.line()
            while answer.startswith(b"* SEARCH"):
                answer = client.line()
            assert answer.split()[1] in (b"OK", b"BAD", b"NO", b"BYE"), answer
    house.assert_well()


def test_a_sequence_set_of_thousands_of_ranges(house: Any) -> None:
    with house.bounded(), house.imap() as client:
        client.must("SELECT INBOX")
        numbers = ",".join(f"{number}:{number + 1}" for number in range(1, 3000, 2))
        for command in (
            f"UID FETCH {numbers} FLAGS",
            f"UID SEARCH UID {numbers}",
            f"UID STORE {numbers} +FLAGS x",
        ):
            assert client.command(command)[1].split()[1] in (b"OK", b"BAD", b"NO")
    house.assert_well()


# ------------------------------------------------------------------ killed in the middle


@dataclass
class Ledger:
    """What one writer was told. `flags`: the last set acknowledged, by the name in the subject; `gone`: names
    expunged; `open`: names whose last command got no answer; `uids`: every UID that it was ever told."""

    number: int
    flags: dict[str, frozenset[bytes]] = field(default_factory=dict)
    where: dict[str, tuple[str, int]] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    uids: dict[str, list[int]] = field(default_factory=lambda: {"INBOX": [], "Other": []})
    validity: set[bytes] = field(default_factory=set)
    count: int = 0


def _write(house: Any, ledger: Ledger, enough: threading.Semaphore, stop: threading.Event) -> None:
    dice = random.Random(ledger.number)
    try:
        with house.imap("bob") as client:
            while not stop.is_set():
                _one_change(client, ledger, dice)
                ledger.count += 1
                enough.release()
    except (RuntimeError, EOFError, OSError):
        pass  # the cut


def _one_change(client: Any, ledger: Ledger, dice: random.Random) -> None:
    """One command; what is written before it is unsure until its answer has come."""
    if not ledger.where or dice.random() < 0.4:
        name = f"{ledger.number}-{ledger.count}"
        ledger.open.add(name)
        tagged = client.command("APPEND INBOX", f"Subject: {name}\r\n\r\nx\r\n".encode())[1]
        told = _APPENDED.search(tagged)
        assert told is not None, tagged
        ledger.validity.add(told[1])
        _note(ledger, name, "INBOX", int(told[2]), frozenset())
        return
    name = dice.choice(sorted(ledger.where))
    box, uid = ledger.where[name]
    client.must(f"SELECT {box}")
    ledger.open.add(name)
    kind = dice.randrange(4)
    if kind < 2:
        flag = dice.choice((b"\\Seen", b"\\Flagged", b"$Work"))
        client.must(f"UID STORE {uid} +FLAGS ({flag.decode()})")
        _note(ledger, name, box, uid, ledger.flags[name] | {flag})
    elif kind == 2:
        other = "Other" if box == "INBOX" else "INBOX"
        told = _COPIED.search(b"".join(client.must(f"UID MOVE {uid} {other}")))
        assert told is not None
        _note(ledger, name, other, int(told[2]), ledger.flags[name])
    else:
        client.must(f"UID STORE {uid} +FLAGS.SILENT (\\Deleted)")
        client.must(f"UID EXPUNGE {uid}")
        del ledger.where[name]
        ledger.gone.add(name)
        ledger.open.discard(name)


def _note(ledger: Ledger, name: str, box: str, uid: int, flags: frozenset[bytes]) -> None:
    ledger.where[name] = (box, uid)
    ledger.flags[name] = flags
    ledger.open.discard(name)
    ledger.uids[box].append(uid)


def _found(house: Any) -> dict[str, list[tuple[str, int, frozenset[bytes]]]]:
    """Where each name is now."""
    found: dict[str, list[tuple[str, int, frozenset[bytes]]]] = {}
    with house.imap("bob") as client:
        for box in ("INBOX", "Other"):
            client.must(f"EXAMINE {box}")
            for answer in client.must("UID FETCH 1:* (FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])"):
                if (told := _FETCHED.match(answer)) is not None:
                    flags = frozenset(told[2].split()) - {b"\\Recent"}
                    found.setdefault(told[3].decode(), []).append((box, int(told[1]), flags))
    return found


def _assert_as_told(house: Any, ledgers: list[Ledger]) -> None:
    found = _found(house)
    for ledger in ledgers:
        for name in ledger.gone - ledger.open:
            assert name not in found, f"{name} was expunged"
        for name, (box, uid) in ledger.where.items():
            if name not in ledger.open:
                assert found.get(name) == [(box, uid, ledger.flags[name])], name
        for name in ledger.open & found.keys():
            assert len(found[name]) == 1, f"{name} doubled"
    for box in ("INBOX", "Other"):
        told = [uid for ledger in ledgers for uid in ledger.uids[box]]
        moved_back = {uid for uid in told if told.count(uid) > 1}
        owners = [{name for name, (where, uid) in ledger.where.items() if where == box} for ledger in ledgers]
        assert sum(map(len, owners)) <= sum(map(len, [ledger.where for ledger in ledgers]))
        assert not moved_back or all(_same_owner(ledgers, box, uid) for uid in moved_back)


def _same_owner(ledgers: list[Ledger], box: str, uid: int) -> bool:
    """A UID is noted again with each change of its message, never by two writers."""
    return sum(uid in ledger.uids[box] for ledger in ledgers) == 1


@pytest.mark.parametrize("whole", [False, True], ids=["a worker", "every process"])
def test_acknowledged_changes_survive_a_kill(own_house: Any, until: Any, whole: bool) -> None:
    """APPEND, STORE, MOVE and EXPUNGE at once from several connections: nothing that was acknowledged is lost
    or doubled, no UID comes again, UIDVALIDITY is kept."""
    house = own_house()
    with house.imap("bob") as client:
        client.must("CREATE Other")
    validity: set[bytes] = set()
    highest = 0
    for _ in range(2):
        ledgers = [Ledger(highest * 100 + number) for number in range(1, WRITERS + 1)]
        enough, stop = threading.Semaphore(0), threading.Event()
        with ThreadPoolExecutor(WRITERS) as pool:
            writers = [pool.submit(_write, house, ledger, enough, stop) for ledger in ledgers]
            for _ in range(ENOUGH):
                assert enough.acquire(timeout=60)
            if whole:
                house.kill()
            else:
                _, *workers = house.pids()
                os.kill(workers[0], signal.SIGKILL)
            stop.set()
            for writer in writers:
                writer.result(60)
        if whole:
            house.start()
        else:
            until(
                lambda before=workers: len(house.pids()) == 1 + len(before) and before[0] not in house.pids()
            )
        _assert_as_told(house, ledgers)
        validity |= {value for ledger in ledgers for value in ledger.validity}
        new = [uid for ledger in ledgers for uid in ledger.uids["INBOX"]]
        assert min(new) > highest, "a UID came again"
        highest = max(new)
    assert len(validity) == 1
    house.assert_well()
