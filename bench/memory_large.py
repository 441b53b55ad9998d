"""Large messages at once: how much memory they take.

    .venv/bin/python bench/memory_large.py [--messages 20] [--megabytes 50]

Some clients send one large message each at the same moment, by port 25 to people here, then by submission to
another domain, whose mail server takes everything. Every 20 ms the memory of all processes of the server is
added up: the pages that are theirs alone, without those of files. Shown is by how much the most of it, from
the first octet until all was delivered, is more than just before, for each message.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from peers import cost
from peers.around import Sinks, stoppable
from peers.load import Letter, Login, letter, send
from peers.ours import DOMAIN, PASSWORD, Ours

PORTS = 28000
SINK_PORT = 28900
PEOPLE = 100
PATIENCE = 120.0
MIB = 1 << 20


class Scene(NamedTuple):
    """`wait`: until all that was accepted has arrived."""

    title: str
    port: int
    login: Login | None
    recipient: str
    wait: Callable[[int], None]


class Watch:
    """The memory of some processes, looked at all the time."""

    def __init__(self, roots: list[int]) -> None:
        self._roots = roots
        self._ended = threading.Event()
        self.before = self.most = self._now()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _now(self) -> int:
        return cost.resident(cost.processes(self._roots))

    def _look(self) -> None:
        while not self._ended.wait(0.02):
            self.most = max(self.most, self._now())

    def end(self) -> int:
        """By how many octets it grew at most."""
        self._ended.set()
        self._thread.join()
        return self.most - self.before


def arrived(sinks: Sinks, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while not sinks.have(count):
        if time.monotonic() > deadline:
            raise RuntimeError("not everything was handed on")
        time.sleep(0.05)


def large(number: int, scene: Scene, octets: int) -> Letter:
    """One whose body is a letter's, over and over: to make 50 MB word by word takes a minute."""
    sender = f"user{number}@{DOMAIN}" if scene.login is None else scene.login.user
    one = letter(number, sender, scene.recipient.format(number))
    header, _, body = one.content.partition(b"\r\n\r\n")
    body *= octets // len(body)
    return one._replace(content=header + b"\r\n\r\n" + body)


def measured(ours: Ours, scene: Scene, count: int, octets: int) -> None:
    send(scene.port, [large(n, scene, 100_000) for n in range(count)], each=1, login=scene.login)
    scene.wait(count)  # warms up
    letters = [large(n, scene, octets) for n in range(count)]
    watch = Watch(ours.roots)
    try:
        sent = send(scene.port, letters, connections=count, each=1, login=scene.login)
        scene.wait(2 * count)
    finally:
        grown = watch.end()
    each = grown / count / MIB
    seconds = sent.ended - sent.began
    cells = f"{watch.before / MIB:.0f} | {watch.most / MIB:.0f} | {each:.2f} | {seconds:.1f}"
    print(f"| {scene.title} | {cells} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--messages", type=int, default=20)
    parser.add_argument("--megabytes", type=int, default=50)
    options = parser.parse_args()
    stoppable()
    octets = options.megabytes * 1_000_000
    with tempfile.TemporaryDirectory(prefix="postier-bench-", dir="/var/tmp") as name:
        sinks = Sinks(SINK_PORT, 1)
        ours = Ours(Path(name), PORTS, people=PEOPLE)
        ours.run("route", "add", "else.test", f"127.1.0.1:{SINK_PORT}")
        login = Login(f"user1@{DOMAIN}", PASSWORD)
        scenes = (
            Scene("received", ours.base + 25, None, "user{}@" + DOMAIN, lambda count: None),
            Scene("submitted", ours.base + 587, login, "you{}@else.test", partial(arrived, sinks)),
        )
        print(f"| {options.messages} of {options.megabytes} MB | MiB before | at most | each | seconds |")
        print("| --- | ---: | ---: | ---: | ---: |")
        try:
            ours.start()
            for scene in scenes:
                measured(ours, scene, options.messages, octets)
        finally:
            ours.stop()
            sinks.stop()


if __name__ == "__main__":
    main()
