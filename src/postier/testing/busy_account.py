"""An account with a tree of mailboxes, and somebody who changes it while a program keeps it in step.

plant(client, "a")                       # five mailboxes, two hundred messages
with Meddler(connect, "a", seed=1):
    ...                                  # the program runs
snapshot(client)                         # what is there now, to compare with the program's side
"""

from __future__ import annotations

import hashlib
import random
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from postier.demo.clients import ImapClient

__all__ = ["MAILBOXES", "PLANTED", "Meddler", "Snapshot", "digest", "plant", "snapshot", "system_flags"]

MAILBOXES = ("INBOX", "Projets", "Projets/&AOk-t&AOk- 2026", "&U9dP4Q-/a &- b/deep", "Archive")
"""With "été 2026", "受信" and "a & b" in modified UTF-7 (RFC 3501 5.1.3)."""

EACH = 42
PLANTED = EACH * len(MAILBOXES)
AWAY = ("Away/one", "Away/two")
FLAGS = ("", "\\Seen", "\\Seen \\Answered", "\\Flagged", "\\Draft", "\\Seen $Work", "$Work Fun")
LEAST, MOST = 60, 200
"""Steps of a Meddler, however soon or late the program ends."""

Snapshot = dict[str, "Counter[tuple[str, frozenset[str]]]"]
"""For each mailbox how often a message with this digest and these flags is in it."""

_NAME = re.compile(rb'\* LIST \(([^)]*)\) "/" (?:"([^"]*)"|(\S+))')
_FETCHED = re.compile(rb"\* \d+ FETCH \(UID \d+ FLAGS \(([^)]*)\) BODY\[\] \{(\d+)\}\r\n")


def message(name: str) -> bytes:
    """One that no other is like."""
    head = f"From: {name}@elsewhere.test\r\nTo: you@orchard.test\r\nMessage-ID: <{name}@elsewhere.test>\r\n"
    date = "Date: Mon, 2 Nov 2026 10:00:00 +0100\r\n"
    subject = f"Subject: =?UTF-8?Q?=C3=A9t=C3=A9?= {name}\r\n"
    return f"{head}{date}{subject}\r\nOù est {name} ?\r\n.\r\n\r\n".encode()


def digest(octets: bytes) -> str:
    """Of a message with its lines ended either way, and without what mbsync puts into it."""
    lines = octets.replace(b"\r\n", b"\n").split(b"\n")
    kept = b"\n".join(line for line in lines if not line.startswith(b"X-TUID: "))
    return hashlib.sha256(kept).hexdigest()[:16]


def system_flags(flags: Iterable[str]) -> frozenset[str]:
    return frozenset(flag for flag in flags if flag.startswith("\\"))


def plant(client: ImapClient, letter: str) -> None:
    for name in (*MAILBOXES[1:-1], *AWAY[:1]):
        client.must(f'CREATE "{name}"')
        client.must(f'SUBSCRIBE "{name}"')
    for box, name in enumerate(MAILBOXES):
        for number in range(EACH):
            flags = FLAGS[number % len(FLAGS)]
            client.must(f'APPEND "{name}" ({flags})', message(f"{letter}-{box}-{number}"))


def snapshot(client: ImapClient, *, keywords: bool = True) -> Snapshot:
    """Every mailbox but those that a Meddler renames. Without `keywords` only the system flags are told."""
    found: Snapshot = {}
    for line in client.must('LIST "" *'):
        listed = _NAME.match(line)
        assert listed is not None, line
        name = (listed[2] or listed[3]).decode()
        if b"\\Noselect" in listed[1] or name.startswith("Away"):
            continue
        client.must(f'EXAMINE "{name}"')
        held = found[name] = Counter()
        for answer in client.must("UID FETCH 1:* (FLAGS BODY.PEEK[])"):
            _count(answer, held, keywords)
    return found


def _count(answer: bytes, held: Counter[tuple[str, frozenset[str]]], keywords: bool) -> None:
    fetched = _FETCHED.match(answer)
    if fetched is None:
        return
    flags = frozenset(fetched[1].decode().split()) - {"\\Recent"}
    octets = answer[fetched.end() : fetched.end() + int(fetched[2])]
    held[digest(octets), flags if keywords else system_flags(flags)] += 1


class Meddler:
    """Appends, flags, moves, expunges and renames until the block ends; what goes wrong is raised there."""

    def __init__(self, connect: Callable[[], ImapClient], letter: str, seed: int) -> None:
        self._connect = connect
        self._letter = letter
        self._dice = random.Random(seed)
        self._over = threading.Event()
        self._error: BaseException | None = None
        self._away = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.steps = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            with self._connect() as client:
                while self.steps < LEAST or (self.steps < MOST and not self._over.is_set()):
                    self._step(client)
                    self.steps += 1
        except BaseException as error:
            self._error = error

    def _step(self, client: ImapClient) -> None:
        dice = self._dice
        if self.steps % 20 == 19:
            client.must(f'RENAME "{AWAY[self._away]}" "{AWAY[1 - self._away]}"')
            self._away = 1 - self._away
            return
        name, other = dice.sample(MAILBOXES, 2)
        if dice.random() < 0.3:
            flags = dice.choice(FLAGS)
            client.must(f'APPEND "{name}" ({flags})', message(f"{self._letter}-new-{self.steps}"))
            return
        client.must(f'SELECT "{name}"')
        uids = client.must("UID SEARCH ALL")[0].split()[2:]
        if not uids:
            return
        uid = dice.choice(uids).decode()
        self._change(client, uid, other)

    def _change(self, client: ImapClient, uid: str, other: str) -> None:
        match self._dice.randrange(5):
            case 0:
                client.must(f"UID STORE {uid} +FLAGS (\\Flagged \\Seen)")
            case 1:
                client.must(f"UID STORE {uid} -FLAGS.SILENT (\\Flagged $Work)")
            case 2:
                client.must(f"UID STORE {uid} +FLAGS ($Work)")
            case 3:
                client.must(f'UID MOVE {uid} "{other}"')
            case _:
                client.must(f"UID STORE {uid} +FLAGS (\\Deleted)")
                client.must(f"UID EXPUNGE {uid}")
