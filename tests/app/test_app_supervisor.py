"""The supervisor with workers that do nothing but wait, in a process of its own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postier.supervisor import notify_systemd

PROGRAM = """
import os, select, signal, sys
from postier.supervisor import Supervisor

def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())  # a line in one piece, beside other processes

def work(channel):
    os.kill(os.getpid(), signal.SIGHUP)  # a reload while the worker starts
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, lambda *_: say("hup", channel.number))
    say("worker", channel.number, os.getpid())
    {before_ready}
    channel.tell_ready()
    while True:
        try:
            readable, _, _ = select.select([channel.lifeline], [], [], 60)
        except InterruptedError:
            continue
        if readable:
            say("orphan", channel.number)
            return 0

sys.exit(Supervisor(2, work, lambda: say("ready")).run())
"""


class Running:
    """A supervisor's process and what it has printed so far."""

    def __init__(self, before_ready: str = "") -> None:
        program = textwrap.dedent(PROGRAM).format(before_ready=before_ready or "pass")
        self.process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self.lines: list[str] = []

    def until(self, done: Callable[[list[str]], bool]) -> list[str]:
        """Read lines until `done` says so; EOF ends it, too."""
        assert self.process.stdout is not None
        while not done(self.lines):
            line = self.process.stdout.readline()
            if not line:
                break
            self.lines.append(line.strip())
        return self.lines

    def workers(self) -> dict[int, int]:
        """The newest pid of each worker's number."""
        return {int(w[1]): int(w[2]) for w in map(str.split, self.lines) if w[0] == "worker"}

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def running() -> Iterator[Running]:
    one = Running()
    try:
        one.until(lambda lines: "ready" in lines)
        assert len(one.workers()) == 2, one.lines
        yield one
    finally:
        one.end()


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid: int) -> None:
    deadline = time.monotonic() + 10
    while is_alive(pid):
        assert time.monotonic() < deadline, f"{pid} lives on"
        time.sleep(0.01)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_asked_to_stop_it_takes_the_workers_along(running: Running, number: signal.Signals) -> None:
    running.process.send_signal(number)
    assert running.process.wait(10) == 0
    for pid in running.workers().values():
        wait_until_gone(pid)


def test_a_worker_that_dies_is_replaced(running: Running) -> None:
    victim = running.workers()[1]
    os.kill(victim, signal.SIGKILL)
    running.until(lambda lines: len([line for line in lines if line.startswith("worker 1")]) == 2)
    assert running.workers()[1] != victim
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(10) == 0


def test_a_reload_reaches_every_worker(running: Running) -> None:
    running.process.send_signal(signal.SIGHUP)
    lines = running.until(lambda lines: {"hup 0", "hup 1"} <= set(lines))
    assert {"hup 0", "hup 1"} <= set(lines)


def test_workers_notice_that_the_supervisor_was_killed(running: Running) -> None:
    running.process.kill()
    running.process.wait(10)
    running.until(lambda lines: {"orphan 0", "orphan 1"} <= set(lines))
    for pid in running.workers().values():
        wait_until_gone(pid)


def test_a_worker_that_cannot_start_ends_everything() -> None:
    one = Running(before_ready="1 / 0")
    try:
        assert one.process.wait(10) == 1
        assert "ready" not in one.until(lambda _: False)
    finally:
        one.end()


@pytest.mark.parametrize("abstract", [False, True])
def test_the_service_manager_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool) -> None:
    name = f"@postier-test-{os.getpid()}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind("\0" + name[1:] if abstract else name)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        notify_systemd("READY=1")
        assert manager.recv(100) == b"READY=1"


def test_no_service_manager_is_fine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    notify_systemd("READY=1")
