"""The demo's Internet: a DNS server and two organisations, each a real server with its own data.

Nothing leaves the machine: `orchard.test` lives on 127.0.0.1, `harbor.test` on 127.0.0.2, a stranger
writes from 127.0.0.66, and all names come from a DNS server of the demo's own. The organisations know of
each other only what the DNS and the mail between them say.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from postier.testing.dns import DnsServer

__all__ = ["PASSWORD", "STRANGER", "DemoError", "Organisation", "World"]

PASSWORD = "demo-password"  # noqa: S105 - said aloud in the README, on the loopback only
STRANGER = "127.0.0.66"
START_SECONDS = 60.0
STOP_SECONDS = 40.0


class DemoError(Exception):
    """The demo can't go on; the message says why in one line."""


@dataclass(frozen=True, slots=True)
class Organisation:
    """`people` are local-parts. Ports are the standard ones plus `port_base`."""

    domain: str
    address: str
    people: tuple[str, ...]
    data: Path
    port_base: int

    @property
    def hostname(self) -> str:
        return f"mail.{self.domain}"

    def port(self, standard: int) -> int:
        return self.port_base + standard

    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts this organisation's own authority and no other."""
        return ssl.create_default_context(cafile=str(self.data / "tls" / "ca.pem"))


@dataclass(slots=True)
class World:
    """Use as a context manager: made and started on entry, stopped on exit."""

    data: Path
    port_base: int
    _servers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _dns: DnsThread | None = None

    @property
    def orchard(self) -> Organisation:
        people = ("alice", "carol")
        return Organisation("orchard.test", "127.0.0.1", people, self.data / "orchard", self.port_base)

    @property
    def harbor(self) -> Organisation:
        people = ("bob", "dora", "erin")
        return Organisation("harbor.test", "127.0.0.2", people, self.data / "harbor", self.port_base)

    @property
    def organisations(self) -> tuple[Organisation, Organisation]:
        return self.orchard, self.harbor

    @property
    def dns_address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port_base + 53

    def __enter__(self) -> World:
        try:
            for organisation in self.organisations:
                if not (organisation.data / "postier.toml").exists():
                    self._make(organisation)
            self._dns = DnsThread(self._zone(), *self.dns_address)
            for organisation in self.organisations:
                self.start(organisation)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for organisation in self.organisations:
            self.stop(organisation)
        if self._dns is not None:
            self._dns.close()
            self._dns = None

    def start(self, organisation: Organisation) -> None:
        """Until it says that it is ready. Raises DemoError with the end of its log."""
        log = organisation.data.with_suffix(".log")
        with log.open("a") as errors:
            server = subprocess.Popen(
                _command("serve", organisation), stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self._servers[organisation.domain] = server
        assert server.stdout is not None
        watchdog = threading.Timer(START_SECONDS, server.kill)
        watchdog.start()
        try:
            for line in server.stdout:
                if line.strip() == "postier ready":
                    return
        finally:
            watchdog.cancel()
        tail = log.read_text().strip().splitlines()[-1:] or ["no word in its log"]
        raise DemoError(f"{organisation.domain} did not start: {tail[0]}")

    def stop(self, organisation: Organisation) -> None:
        """Ask it to finish; does nothing if it does not run."""
        server = self._servers.pop(organisation.domain, None)
        if server is None:
            return
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._kill_all(server.pid)
            server.wait()
        if server.stdout is not None:
            server.stdout.close()

    def kill(self, organisation: Organisation) -> int:
        """SIGKILL for every process of it at once. Returns how many there were."""
        server = self._servers.pop(organisation.domain)
        count = self._kill_all(server.pid)
        server.wait()
        if server.stdout is not None:
            server.stdout.close()
        return count

    def postier(self, organisation: Organisation, *arguments: str) -> object:
        """The JSON that `postier ARGUMENTS --json` prints for this organisation."""
        verb, *rest = arguments
        return json.loads(_run(_command(verb, organisation, *rest, "--json")))

    def _make(self, organisation: Organisation) -> None:
        server, port = self.dns_address
        settings = {
            "dns.servers": f'["{server}:{port}"]',
            "smtp.outbound_port": str(organisation.port(25)),
            "smtp.outbound_source_addresses": f'["{organisation.address}"]',
            "queue.retry_first": '"2s"',
            "reports.dmarc": "true",
            "devices.write_every": '"1s"',
            "login.scram_iterations": "4096",
        }
        first, *others = organisation.people
        _run(
            [
                *_command("init", organisation),
                *("--domain", organisation.domain, "--hostname", organisation.hostname),
                *("--admin", f"{first}@{organisation.domain}", "--password-stdin"),
                *("--port-base", str(organisation.port_base), "--bind", organisation.address, "--yes"),
                *(f"--set={name}={value}" for name, value in settings.items()),
            ],
            PASSWORD,
        )
        for person in others:
            address = f"{person}@{organisation.domain}"
            _run(_command("user", organisation, "add", address, "--password-stdin"), PASSWORD)

    def _zone(self) -> Mapping[str, Sequence[tuple[str, object]]]:
        """What each organisation says it must publish, with a policy that means it, and reverse names."""
        zone: dict[str, list[tuple[str, object]]] = {}
        for organisation in self.organisations:
            for record in _listed(self.postier(organisation, "dns", "records", organisation.domain)):
                zone.setdefault(record["name"], []).append(_zone_entry(record))
            reports = f"mailto:dmarc-reports@{organisation.domain}"
            policy = f"v=DMARC1; p=reject; rua={reports}"
            zone[f"_dmarc.{organisation.domain}"] = [("TXT", policy)]
            zone[_reverse(organisation.address)] = [("PTR", organisation.hostname)]
        zone[_reverse(STRANGER)] = [("PTR", "host66.stranger.test")]
        zone["host66.stranger.test"] = [("A", STRANGER)]
        return zone

    @staticmethod
    def _kill_all(pid: int) -> int:
        pids = [pid, *_children(pid)]
        for number in pids:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass  # it ended by itself in between
        return len(pids)


class DnsThread:
    """A DnsServer on an event loop in a thread of its own."""

    def __init__(self, zone: Mapping[str, Sequence[tuple[str, object]]], host: str, port: int) -> None:
        self._loop = asyncio.new_event_loop()
        self._server = DnsServer(zone)
        self._thread = threading.Thread(target=self._loop.run_forever, name="demo-dns", daemon=True)
        self._thread.start()
        try:
            asyncio.run_coroutine_threadsafe(self._server.start(host, port), self._loop).result(10)
        except OSError as error:
            self._end()
            raise DemoError(f"cannot serve DNS on {host}:{port}: {error.strerror}") from None

    def close(self) -> None:
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)
        self._end()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


def _command(verb: str, organisation: Organisation, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "postier", verb, *arguments, "--data", str(organisation.data)]


def _run(command: Sequence[str], line: str = "") -> str:
    done = subprocess.run(command, input=line + "\n", capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        why = done.stderr.strip().splitlines()[-1:] or ["no word why"]
        raise DemoError(f"postier {command[3]} failed: {why[0]}")
    return done.stdout


def _listed(value: object) -> list[dict[str, str]]:
    assert isinstance(value, list)
    return value


def _zone_entry(record: Mapping[str, str]) -> tuple[str, object]:
    value: object = record["value"]
    if record["type"] == "MX":
        preference, exchange = record["value"].split()
        value = (int(preference), exchange)
    return record["type"], value


def _reverse(address: str) -> str:
    return ".".join(reversed(address.split("."))) + ".in-addr.arpa"


def _children(pid: int) -> list[int]:
    """All processes below `pid`, at this moment."""
    found: list[int] = []
    todo = [pid]
    while todo:
        parent = todo.pop()
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
        except OSError:
            continue
        found.extend(map(int, children))
        todo.extend(map(int, children))
    return found


def wait_for(what: str, seconds: float, probe: object) -> None:
    """Call `probe` every 50 ms until it is true. Raises DemoError after `seconds`."""
    assert callable(probe)
    deadline = time.monotonic() + seconds
    while not probe():
        if time.monotonic() > deadline:
            raise DemoError(f"{what}: not within {seconds:.0f} s")
        time.sleep(0.05)
