"""The first process: binds the ports, gives up its privileges, and keeps the workers alive.

It does nothing with mail and holds no state, so there is nothing in it to break. Each worker is a fork
that has its own listening sockets (SO_REUSEPORT); since the supervisor holds them too, connections that
arrive while a worker is being replaced wait in the kernel instead of being refused.

Signals: TERM and INT drain and stop with exit code 0; HUP is passed on (reload). A worker whose supervisor
dies (even by SIGKILL) notices at once, drains and ends: the pipe `lifeline` closes.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from postier.base.log import Log

__all__ = ["Supervisor", "WorkerChannel", "notify_systemd"]

log = Log("supervisor")

STOP_SECONDS = 30.0
RESTART_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)
STEADY_SECONDS = 60.0
"""A worker that lived this long starts the pauses anew."""


@dataclass(frozen=True, slots=True)
class WorkerChannel:
    """What a worker has of its supervisor. `lifeline` becomes readable when the supervisor is gone."""

    number: int
    lifeline: int
    ready: int

    def tell_ready(self) -> None:
        os.write(self.ready, b"r")


@dataclass(slots=True)
class _Worker:
    number: int
    pid: int
    started: float
    ready_pipe: int
    ready: bool = False


class Supervisor:
    """Runs `count` workers. `run_worker(channel)` runs in the child, returns its exit code, and never returns
    to the supervisor's code."""

    def __init__(
        self, count: int, run_worker: Callable[[WorkerChannel], int], on_ready: Callable[[], None]
    ) -> None:
        self._count = count
        self._run_worker = run_worker
        self._on_ready = on_ready
        self._workers: dict[int, _Worker] = {}
        self._deaths = [0] * count
        self._restart_at: dict[int, float] = {}
        self._stopping = False
        self._announced = False
        self._lifeline, self._lifeline_held = os.pipe()
        self._wake_read, self._wake_write = os.pipe()

    def run(self) -> int:
        """Until a signal says stop. Returns the exit code: 1 if a worker never became ready."""
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for known in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
            signal.signal(known, lambda *_: None)
        gc.freeze()
        for number in range(self._count):
            self._start(number)
        while self._workers or self._restart_at:
            self._wait()
            failed = self._bury()
            if failed and not self._announced:
                self._stop()
                return 1
            self._restart()
        return 0

    def _wait(self) -> None:
        watched = [self._wake_read, *(w.ready_pipe for w in self._workers.values() if not w.ready)]
        timeout = None
        if self._restart_at:
            timeout = max(0.0, min(self._restart_at.values()) - time.monotonic())
        readable, _, _ = select.select(watched, [], [], timeout)
        for worker in self._workers.values():
            if worker.ready_pipe in readable and os.read(worker.ready_pipe, 1):
                worker.ready = True
        if self._wake_read in readable:
            for code in os.read(self._wake_read, 4096):
                self._handle(signal.Signals(code))
        everyone = len(self._workers) == self._count and all(w.ready for w in self._workers.values())
        if everyone and not self._announced and not self._stopping:
            self._announced = True
            self._on_ready()

    def _handle(self, number: signal.Signals) -> None:
        if number in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif number == signal.SIGHUP:
            log.info("reload")
            self._signal_workers(signal.SIGHUP)

    def _start(self, number: int) -> None:
        ready_read, ready_write = os.pipe()
        pid = os.fork()
        if pid == 0:
            self._become_worker(number, ready_read, ready_write)
        os.close(ready_write)
        self._workers[pid] = _Worker(number, pid, time.monotonic(), ready_read)

    def _become_worker(self, number: int, ready_read: int, ready_write: int) -> None:
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for known in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
                signal.signal(known, signal.SIG_DFL)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)  # one that comes before the worker listens is no end
            for descriptor in (ready_read, self._lifeline_held, self._wake_read, self._wake_write):
                os.close(descriptor)
            for sibling in self._workers.values():
                os.close(sibling.ready_pipe)
            code = self._run_worker(WorkerChannel(number, self._lifeline, ready_write))
        except BaseException as error:  # the border of the process: nothing may return into the parent's code
            log.error("worker failed", exception=error, worker=number)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _bury(self) -> bool:
        """Take note of workers that ended; True if one ended without having been asked to."""
        failed = False
        while self._workers:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            worker = self._workers.pop(pid, None)
            if worker is None:
                continue
            os.close(worker.ready_pipe)
            if self._stopping:
                continue
            failed = True
            self._plan_restart(worker, os.waitstatus_to_exitcode(status))
        return failed

    def _plan_restart(self, worker: _Worker, code: int) -> None:
        now = time.monotonic()
        deaths = 0 if now - worker.started > STEADY_SECONDS else self._deaths[worker.number]
        pause = RESTART_PAUSES[min(deaths, len(RESTART_PAUSES) - 1)]
        self._deaths[worker.number] = deaths + 1
        self._restart_at[worker.number] = now + pause
        log.error("worker ended", worker=worker.number, pid=worker.pid, code=code, restart_in=pause)

    def _restart(self) -> None:
        now = time.monotonic()
        for number in [n for n, when in self._restart_at.items() if when <= now]:
            del self._restart_at[number]
            self._start(number)

    def _stop(self) -> None:
        if self._stopping:
            return
        self._stopping = True
        self._restart_at.clear()
        notify_systemd("STOPPING=1")
        self._signal_workers(signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while self._workers and time.monotonic() < deadline:
            self._pause(0.2)
            self._bury()
        if self._workers:
            log.warning("workers did not stop in time", pids=list(self._workers))
            self._signal_workers(signal.SIGKILL)
            while self._workers:
                self._pause(0.05)
                self._bury()

    def _pause(self, seconds: float) -> None:
        """Until a signal comes, at most so long."""
        readable, _, _ = select.select([self._wake_read], [], [], seconds)
        if readable:
            os.read(self._wake_read, 4096)

    def _signal_workers(self, number: signal.Signals) -> None:
        for pid in self._workers:
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                pass  # it has just ended; _bury will see it


def notify_systemd(state: str) -> None:
    """sd_notify(3): tell the service manager, where one listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
        try:
            channel.sendto(state.encode(), address)
        except OSError as error:
            log.warning("could not notify the service manager", error=error)
