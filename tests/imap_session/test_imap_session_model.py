"""Several sessions do anything at all; a model of the mailbox and what each client was told must agree.

A client here knows only what a client knows: it counts EXISTS, EXPUNGE and FETCH as they come, and names
messages by the sequence numbers that follow from them. Whenever its view is complete it must be the mailbox.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

_FETCH = re.compile(rb"\* (\d+) FETCH \((?:UID (\d+) ?)?(?:MODSEQ \(\d+\) ?)?(?:FLAGS \(([^)]*)\))?")
_COUNTED = re.compile(rb"\* (\d+) (EXISTS|EXPUNGE)")
FLAGS = (b"\\Seen", b"\\Flagged", b"\\Deleted", b"$Work")


class Mailbox:
    """What the store must hold: {UID: flags}."""

    def __init__(self) -> None:
        self.messages: dict[int, set[bytes]] = {}
        self.uidnext = 1

    def add(self, flags: set[bytes]) -> None:
        self.messages[self.uidnext] = set(flags)
        self.uidnext += 1


class Observer:
    """One session, and the mailbox as its client sees it: [UID or None] and {UID: flags}."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.uids: list[int | None] = []
        self.flags: dict[int, set[bytes]] = {}
        self.is_idle = False

    def hear(self, answer: bytes, *, expunges: bool) -> None:
        for line in answer.splitlines():
            if counted := _COUNTED.match(line):
                number, what = int(counted[1]), counted[2]
                if what == b"EXISTS":
                    assert number >= len(self.uids), "EXISTS shrinks the mailbox"
                    self.uids += [None] * (number - len(self.uids))
                else:
                    assert expunges, "EXPUNGE where it must not be told"
                    del self.uids[number - 1]
            elif fetched := _FETCH.match(line):
                self._hear_fetch(fetched)

    def _hear_fetch(self, fetched: re.Match[bytes]) -> None:
        place, uid, flags = int(fetched[1]) - 1, fetched[2], fetched[3]
        assert place < len(self.uids), "FETCH of a message that was not announced"
        if uid is not None:
            assert self.uids[place] in (None, int(uid)), "a sequence number changed its message"
            self.uids[place] = int(uid)
        known = self.uids[place]
        if flags is not None and known is not None:
            self.flags[known] = set(flags.split()) - {b"\\Recent"}

    async def give(self, command: bytes, *, expunges: bool) -> bytes:
        """The tagged line."""
        answer = await self.client.attempt(command)
        self.hear(answer, expunges=expunges)
        await self._complete()
        return bytes(answer.splitlines()[-1].split(b" ", 1)[1])

    async def end_idle(self) -> None:
        if self.is_idle:
            self.is_idle = False
            self.hear(await self.client.send(b"DONE\r\n"), expunges=True)
            await self._complete()

    async def _complete(self) -> None:
        """Ask for what is new; its UID is told even if it is gone by now."""
        while None in self.uids:  # the answer itself may bring more
            first = self.uids.index(None) + 1
            self.hear(await self.client.command(b"FETCH %d:* UID" % first), expunges=False)
            self.hear(await self.client.attempt(b"FETCH %d:* FLAGS" % first), expunges=False)


class Run:
    """Applies steps to the sessions and to the model."""

    def __init__(self, world: Any, observers: list[Observer]) -> None:
        self.world = world
        self.observers = observers
        self.mailbox = Mailbox()

    async def step(self, who: int, what: str, pick: list[int], flag: bytes) -> None:
        observer = self.observers[who % len(self.observers)]
        if what != "idle":
            await observer.end_idle()
        await getattr(self, what)(observer, pick, flag)

    def _picked(self, observer: Observer, pick: list[int]) -> list[int]:
        """Sequence numbers of the client's view."""
        return sorted({number % len(observer.uids) + 1 for number in pick}) if observer.uids else []

    async def deliver(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        await self.world.deliver(self.world.plain)
        self.mailbox.add(set())

    async def append(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        await observer.give(b"APPEND INBOX (%b) {2+}\r\nhi" % flag, expunges=True)
        self.mailbox.add({flag})

    async def store(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        numbers = self._picked(observer, pick)
        if not numbers:
            return
        uids = [observer.uids[number - 1] for number in numbers]
        sign = (b"+", b"-", b"")[pick[0] % 3]
        silent = b".SILENT" if pick[0] % 2 else b""
        where = b",".join(b"%d" % number for number in numbers)
        said = await observer.give(b"STORE %b %bFLAGS%b (%b)" % (where, sign, silent, flag), expunges=False)
        there = [uid for uid in uids if uid in self.mailbox.messages]
        assert said.startswith(b"OK" if len(there) == len(uids) else b"NO [EXPUNGEISSUED]"), said
        for uid in there:
            assert uid is not None
            flags = self.mailbox.messages[uid]
            changed = {b"+": flags | {flag}, b"-": flags - {flag}, b"": {flag}}[sign]
            self.mailbox.messages[uid] = changed
            if silent:
                observer.flags[uid] = changed  # RFC 3501 6.4.6: the client assumes so

    async def read(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        numbers = self._picked(observer, pick)
        for number in numbers[:1]:
            uid = observer.uids[number - 1]
            await observer.give(b"FETCH %d (UID BODY[TEXT])" % number, expunges=False)
            if uid in self.mailbox.messages:
                self.mailbox.messages[uid].add(b"\\Seen")

    async def expunge(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        before = {uid for uid in observer.uids if uid is not None}
        await observer.give(b"EXPUNGE", expunges=True)
        for uid in before:
            if b"\\Deleted" in self.mailbox.messages.get(uid, ()):
                del self.mailbox.messages[uid]

    async def move_away(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        uids = [observer.uids[number - 1] for number in self._picked(observer, pick[:1])]
        for uid in uids:
            await observer.give(b"UID MOVE %d Trash" % uid, expunges=True)
            self.mailbox.messages.pop(uid or 0, None)

    async def copy_here(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        numbers = self._picked(observer, pick)
        if not numbers:
            return
        uids = [observer.uids[number - 1] for number in numbers]
        where = b",".join(b"%d" % number for number in numbers)
        said = await observer.give(b"COPY %b INBOX" % where, expunges=True)
        flags = [self.mailbox.messages[uid] for uid in uids if uid in self.mailbox.messages]
        if len(flags) < len(uids):
            assert said.startswith(b"NO [EXPUNGEISSUED]"), said
            return
        assert said.startswith(b"OK [COPYUID"), said
        for copied in flags:
            self.mailbox.add(copied)

    async def search(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        await observer.give(b"SEARCH NOT DELETED UID 1:*", expunges=False)

    async def idle(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        if not observer.is_idle:
            observer.hear(await observer.client.send(b"i IDLE\r\n"), expunges=True)
            observer.is_idle = True

    async def check(self, observer: Observer, pick: list[int], flag: bytes) -> None:
        """After NOOP the client's view is the mailbox, with what it was told of flags before."""
        await observer.give(b"NOOP", expunges=True)
        assert observer.uids == list(self.mailbox.messages)
        told = {uid: observer.flags[uid] for uid in self.mailbox.messages}
        assert told == self.mailbox.messages
        await observer.give(b"FETCH 1:* (UID FLAGS)", expunges=False)
        assert {uid: observer.flags[uid] for uid in self.mailbox.messages} == self.mailbox.messages


OPERATIONS = (
    *("deliver", "append", "store", "store", "read", "expunge", "move_away"),
    *("copy_here", "search", "idle", "check"),
)
STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(OPERATIONS),
        st.lists(st.integers(0, 7), min_size=1, max_size=3),
        st.sampled_from(FLAGS),
    ),
    min_size=20,
    max_size=60,
)


async def run_steps(world: Any, steps: list[tuple[int, str, list[int], bytes]], enabled: bytes) -> None:
    observers = [Observer(await world.client(enabled, b"SELECT INBOX")) for _ in range(3)]
    run = Run(world, observers)
    for _ in range(3):
        await run.deliver(observers[0], [], b"")
    for step in steps:
        await run.step(*step)
    for who in range(3):
        await run.step(who, "check", [0], b"")


def check_model(in_world: Any, examples: int, enabled: bytes) -> None:
    @settings(
        max_examples=examples,
        deadline=None,
        derandomize=examples < 50,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking stores takes minutes
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(STEPS)
    def agree(steps: list[tuple[int, str, list[int], bytes]]) -> None:
        in_world(lambda world: run_steps(world, steps, enabled))

    agree()


@pytest.mark.parametrize(("enabled", "small"), [(b"NOOP", 1000), (b"ENABLE CONDSTORE", 0)])
def test_sessions_agree_with_the_model(in_world: Any, monkeypatch: Any, enabled: bytes, small: int) -> None:
    monkeypatch.setattr("postier.imap.session.selected.SMALL", small)  # 0: IDLE forgets the UIDs
    check_model(in_world, 8, enabled)


@pytest.mark.slow
def test_sessions_agree_with_the_model_at_length(in_world: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("postier.imap.session.selected.SMALL", 3)
    check_model(in_world, 300, b"NOOP")
