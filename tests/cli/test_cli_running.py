"""The command beside a running server: what it changes holds at once, in every process."""

from __future__ import annotations

import imaplib
import ipaddress
import json
import signal
import smtplib
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.testing.ports import free_port_base

pytestmark = pytest.mark.slow

PASSWORD = "first-password"


@dataclass(frozen=True, slots=True)
class Running:
    """A server of orchard.test with alice, in processes of its own."""

    data: Path
    port_base: int
    process: subprocess.Popen[str]

    def postier(self, *words: str, stdin: str = PASSWORD + "\n") -> str:
        """What the command prints; it must succeed."""
        done = subprocess.run(
            _command(*words, data=self.data), input=stdin, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        return done.stdout

    def listed(self, *words: str) -> Any:
        return json.loads(self.postier(*words, "--json"))

    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.data / "tls" / "ca.pem"))

    def can_log_in(self, address: str, password: str) -> bool:
        """On two connections, which two workers may serve."""
        return {self._logged_in(address, password) for _ in range(2)} == {True}

    def _logged_in(self, address: str, password: str) -> bool:
        with imaplib.IMAP4_SSL(
            "127.0.0.1", self.port_base + 993, ssl_context=self.tls(), timeout=30
        ) as client:
            try:
                client.login(address, password)
            except imaplib.IMAP4.error as error:
                if "AUTHENTICATIONFAILED" in str(error):
                    return False
                raise
            return True

    def submit(self, *recipients: str) -> None:
        port = self.port_base + 465
        with smtplib.SMTP_SSL("127.0.0.1", port, context=self.tls(), timeout=30) as client:
            client.login("alice@orchard.test", PASSWORD)
            text = "From: alice@orchard.test\r\nSubject: waits\r\n\r\nwaits\r\n"
            assert client.sendmail("alice@orchard.test", recipients, text) == {}


def _command(*words: str, data: Path) -> list[str]:
    return [sys.executable, "-m", "postier", *words, "--data", str(data)]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    data = tmp_path_factory.mktemp("running") / "data"
    with free_port_base("127.0.0.1") as base:
        subprocess.run(
            [*_command("init", data=data), "--domain", "orchard.test", "--admin", "alice@orchard.test",
             "--password-stdin", "--bind", "127.0.0.1", "--port-base", str(base), "--yes",
             "--set", f'dns.servers=["127.0.0.1:{base + 53}"]', "--set", "server.workers=2"],
            input=PASSWORD + "\n", check=True, capture_output=True, text=True,
        )  # fmt: skip
        process = subprocess.Popen(
            _command("serve", data=data), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "postier ready\n"
        try:
            yield Running(data, base, process)
        finally:
            process.terminate()
            assert process.wait(60) == 0
            assert process.stdout.read() == ""
            process.stdout.close()


def _until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def test_people_come_change_and_go_at_once(running: Running) -> None:
    bob = "bob@orchard.test"
    running.postier("user", "add", bob, "--password-stdin")
    assert running.can_log_in(bob, PASSWORD)
    running.postier("user", "passwd", bob, "--password-stdin", stdin="second-password\n")
    assert running.can_log_in(bob, "second-password")
    assert not running._logged_in(bob, PASSWORD)
    running.postier("user", "remove", bob, "--yes")
    assert not running._logged_in(bob, "second-password")


def test_domains_and_aliases_hold_at_once(running: Running) -> None:
    running.postier("domain", "add", "second.test")
    running.postier("alias", "add", "sales@second.test", "alice@orchard.test")
    with smtplib.SMTP("127.0.0.1", running.port_base + 25, "mail.elsewhere.test", timeout=30) as client:
        client.ehlo()
        client.mail("zoe@elsewhere.test")
        assert client.rcpt("sales@second.test")[0] == 250
        assert client.rcpt("nobody@second.test")[0] == 550
        running.postier("alias", "remove", "sales@second.test")
        assert client.rcpt("sales@second.test")[0] == 550


def test_the_queue_is_seen_held_released_and_emptied(running: Running) -> None:
    running.postier("route", "add", "far.test", f"127.0.0.1:{running.port_base + 1}")
    running.submit("x@far.test", "y@far.test")

    def reason() -> Any:
        return [entry for entry in running.listed("queue", "list") if entry["reason"]]

    _until(reason)
    (entry,) = running.listed("queue", "list")
    assert entry["sender"] == "alice@orchard.test"
    assert entry["destination"] == "far.test"
    assert {recipient["address"] for recipient in entry["recipients"]} == {"x@far.test", "y@far.test"}
    assert "refused" in entry["reason"]
    number = str(entry["entry"])
    assert running.listed("queue", "list", "--destination", "other.test") == []
    assert "x@far.test" in running.postier("queue", "show", number)
    running.postier("queue", "hold", number)
    assert running.listed("queue", "show", number)["state"] == "held"
    assert "held" in running.postier("queue", "list")
    running.postier("queue", "release", number)
    attempts = entry["attempts"]
    _until(lambda: running.listed("queue", "show", number)["attempts"] > attempts)
    assert "Subject: " in running.postier("queue", "show", number)
    assert "4.4.1: " in running.postier("queue", "show", number)
    assert running.listed("queue", "hold", "--destination", "far.test", "--yes")["entries"] == [int(number)]
    assert running.listed("queue", "list", "--state", "held")
    assert running.listed("queue", "release", "--all", "--yes")["entries"] == [int(number)]
    assert running.listed("queue", "route", "far.test", f"127.0.0.1:{running.port_base + 2}")["moved"] <= 1
    running.postier("queue", "drop", number)
    assert running.listed("queue", "list") == []


def test_doctor_finds_every_port_answering(running: Running) -> None:
    findings = running.listed("doctor", "--no-dns")
    ports = [finding for finding in findings if " on 127.0.0.1:" in finding["subject"]]
    assert len(ports) >= 7
    assert {finding["state"] for finding in ports} == {"ok"}


def test_health_and_metrics(running: Running) -> None:
    for path, expected in (("live", b'"live"'), ("ready", b'"ready"')):
        with urllib.request.urlopen(f"http://127.0.0.1:{running.port_base + 80}/health/{path}") as answer:
            assert answer.status == 200
            assert expected in answer.read()
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port_base + 80}/metrics") as answer:
        assert b"# TYPE " in answer.read()


def test_the_api_answers_administrators_over_https(running: Running) -> None:
    def ask() -> Any:
        request = urllib.request.Request(
            f"https://127.0.0.1:{running.port_base + 443}/api/v1/dmarc/summary?days=7",
            headers={
                "Authorization": "Basic " + b64encode(f"alice@orchard.test:{PASSWORD}".encode()).decode()
            },
        )
        with urllib.request.urlopen(request, context=running.tls()) as answer:
            return json.load(answer)

    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask()
    running.postier("user", "admin", "alice@orchard.test")
    assert ask() == running.listed("dmarc", "summary", "--days", "7")
    running.postier("user", "admin", "alice@orchard.test", "--off")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask()


def test_hup_takes_the_new_certificate(running: Running) -> None:
    tls = running.data / "tls"
    authority = make_ca("another authority")
    write_key_pair(authority, tls / "ca.pem", tls / "ca-key.pem")
    leaf = issue_certificate(authority, ["mail.orchard.test"], [ipaddress.ip_address("127.0.0.1")])
    before = ssl.get_server_certificate(("127.0.0.1", running.port_base + 993))
    write_key_pair(leaf, tls / "cert.pem", tls / "key.pem")
    running.process.send_signal(signal.SIGHUP)

    def taken() -> bool:
        return before not in {
            ssl.get_server_certificate(("127.0.0.1", running.port_base + 993)) for _ in range(6)
        }

    _until(taken)
    assert running.can_log_in("alice@orchard.test", PASSWORD)
