"""A real server of its own, for peers that mean no good.

Its name server knows nobody, so nothing that a test says about strangers leaves the machine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from postier.demo.clients import ImapClient, PopClient, Wire
from postier.demo.world import DnsThread
from postier.testing.ports import free_port_base

ADDRESS = "127.0.0.1"
ATTACKER = "127.0.0.66"
DOMAIN = "orchard.test"
PASSWORD = "hostile-password"
START_SECONDS = 60.0
MEGABYTE = 1_000_000
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real servers, floods and kills: not for the quick set."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("slow")


@dataclass(slots=True)
class House:
    """One server: `alice` and `bob`, everything as in production. Use as a context manager."""

    data: Path
    port_base: int
    logs: Path
    settings: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[str] | None = None
    _dns: DnsThread | None = None

    def __enter__(self) -> House:
        self._dns = DnsThread({}, ADDRESS, self.port_base + 53)
        self.make()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        if self._dns is not None:
            self._dns.close()

    # ------------------------------------------------------------------ the processes

    def command(self, verb: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "postier", verb, *words, "--data", str(self.data)]

    def run(self, verb: str, *words: str, stdin: str = PASSWORD + "\n") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(verb, *words), input=stdin, capture_output=True, text=True, timeout=60
        )

    def make(self) -> None:
        settings = {"dns.servers": f'["{ADDRESS}:{self.port_base + 53}"]', "server.workers": "2"}
        done = self.run(
            "init", "--domain", DOMAIN, "--admin", f"alice@{DOMAIN}", "--password-stdin", "--bind", ADDRESS,
            "--port-base", str(self.port_base), "--yes",
            *(f"--set={name}={value}" for name, value in (settings | self.settings).items()),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        done = self.run("user", "add", f"bob@{DOMAIN}", "--password-stdin")
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        with self.log.open("a") as errors:
            self._process = subprocess.Popen(
                self.command("serve"), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        assert self._process.stdout is not None
        watchdog = threading.Timer(START_SECONDS, self._process.kill)
        watchdog.start()
        line = self._process.stdout.readline()
        watchdog.cancel()
        assert line == "postier ready\n", self.log.read_text()[-2000:]

    def stop(self) -> int:
        """SIGTERM; returns the exit code, 0 if it was not running."""
        if self._process is None:
            return 0
        self._process.send_signal(signal.SIGTERM)
        return self._ended()

    def kill(self) -> int:
        """SIGKILL for every process of it at once; returns how many."""
        pids = self.pids()
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._ended()
        return len(pids)

    def _ended(self) -> int:
        assert self._process is not None
        assert self._process.stdout is not None
        code = self._process.wait(60)
        self._process.stdout.close()
        self._process = None
        return code

    def pids(self) -> list[int]:
        """The supervisor and its workers."""
        assert self._process is not None
        first = self._process.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        return [first, *map(int, children)]

    @property
    def log(self) -> Path:
        return self.logs / f"{self.port_base}.log"

    def memory(self) -> int:
        """Octets that the processes hold for themselves (no files, nothing shared with files)."""
        total = 0
        for pid in self.pids():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                status = Path(f"/proc/{pid}/status").read_text()
                total += int(status.partition("RssAnon:")[2].split()[0]) * 1024
        return total

    @contextlib.contextmanager
    def bounded(self, megabytes: int = 60) -> Iterator[None]:
        """Within the block the processes may never hold so much more than before; they must not change."""
        before, pids = self.memory(), self.pids()
        highest, over = before, threading.Event()

        def watch() -> None:
            nonlocal highest
            while not over.wait(0.05):
                highest = max(highest, self.memory())

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            over.set()
            watcher.join()
        grown = (max(highest, self.memory()) - before) // MEGABYTE
        assert grown <= megabytes, f"grew by {grown} MB"
        assert self.pids() == pids, "a worker ended"

    # ------------------------------------------------------------------ its doors

    def port(self, standard: int) -> int:
        return self.port_base + standard

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.data / "tls" / "ca.pem"))

    def wire(self, port: int, *, greeted: bool = True) -> Wire:
        """An attacker's connection, over TLS where the port wants it; its greeting is read."""
        tls = self.tls() if port in (465, 993, 995) else None
        wire = Wire((ADDRESS, self.port(port)), tls, f"mail.{DOMAIN}", ATTACKER)
        if greeted:
            assert wire.line()
        return wire

    def socket(self, port: int) -> socket.socket:
        """An attacker's bare connection."""
        return socket.create_connection((ADDRESS, self.port(port)), 30, source_address=(ATTACKER, 0))

    def imap(self, person: str = "alice") -> ImapClient:
        """Logged in."""
        return ImapClient(
            (ADDRESS, self.port(993)), self.tls(), f"mail.{DOMAIN}", f"{person}@{DOMAIN}", PASSWORD
        )

    def pop(self, person: str = "alice") -> PopClient:
        """Logged in."""
        return PopClient(
            (ADDRESS, self.port(995)), self.tls(), f"mail.{DOMAIN}", f"{person}@{DOMAIN}", PASSWORD
        )

    def smtp(self) -> smtplib.SMTP:
        """A stranger's session at port 25."""
        return smtplib.SMTP(ADDRESS, self.port(25), "mail.elsewhere.test", 60)

    def count(self, person: str, mailbox: str = "INBOX") -> int:
        with self.imap(person) as client:
            status = b"".join(client.must(f"STATUS {mailbox} (MESSAGES)"))
        return int(status.rpartition(b"MESSAGES ")[2].partition(b")")[0])

    def assert_well(self) -> None:
        """Others are served: a message comes in by SMTP and is read by IMAP and POP3."""
        before = self.count("bob")
        with self.smtp() as client:
            text = "From: zoe@elsewhere.test\r\nSubject: well\r\n\r\nwell\r\n"
            assert client.sendmail("zoe@elsewhere.test", [f"bob@{DOMAIN}"], text) == {}
        assert self.count("bob") == before + 1
        with self.pop("bob") as client:
            assert client.must("STAT").split()[1] == str(before + 1)
        assert "Traceback" not in self.log.read_text(), self.log.read_text()[-3000:]


def _until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.02)


@pytest.fixture(scope="session")
def until() -> Callable[..., None]:
    """Waits for a condition; fails when it does not come true."""
    return _until


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server that all tests of a module attack."""
    with (
        free_port_base(ADDRESS) as base,
        House(tmp_path_factory.mktemp("house") / "data", base, tmp_path_factory.mktemp("log")) as made,
    ):
        yield made


@pytest.fixture
def own_house(tmp_path: Path) -> Iterator[Callable[..., House]]:
    """Makes a server for one test; `data` and `logs` may name other places for both."""
    with contextlib.ExitStack() as stack:

        def make(data: Path | None = None, logs: Path | None = None, **settings: str) -> House:
            base = stack.enter_context(free_port_base(ADDRESS))
            named = {name.replace("__", "."): value for name, value in settings.items()}
            return stack.enter_context(House(data or tmp_path / "data", base, logs or tmp_path, named))

        yield make
