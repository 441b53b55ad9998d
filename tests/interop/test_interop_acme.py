"""Certificates from acme2certifier, an ACME server that none of us wrote, for a server that runs."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postier.base.clock import SystemClock
from postier.dns.client import DnsClient
from postier.net.authority import KeyPair, issue_certificate, make_ca
from postier.testing.bind import Bind
from postier.testing.ports import free_port_base

HERE = Path(__file__).parent
PYTHON = HERE / ".acme-server" / "bin" / "python"
ZONE = """$TTL 300
@ IN SOA ns.orchard.test. hostmaster.orchard.test. 1 3600 600 86400 1
@ IN NS ns.orchard.test.
ns IN A 127.0.0.1
mail IN A 127.0.0.1
autoconfig IN CNAME mail
mta-sts IN CNAME mail
autodiscover IN A 127.0.0.77
"""
CONFIGURATION = """
[DEFAULT]
debug: True
[CAhandler]
handler_module: acme2certifier.cahandlers.openssl_ca_handler
issuing_ca_key: {folder}/ca-key.pem
issuing_ca_cert: {folder}/ca.pem
issuing_ca_crl: {folder}/crl.pem
ca_cert_chain_list: ["{folder}/ca.pem"]
cert_validity_days: {days}
cert_save_path: {folder}/certs
[DBhandler]
handler_module: acme2certifier.dbhandlers.wsgi_handler
dbfile: {folder}/acme.db
[Challenge]
dns_server_list: ["127.0.0.1"]
[Directory]
tos_url: https://authority.test/terms
caaidentities: ["authority.test"]
[Order]
identifier_limit: 20
"""
EXTERNAL_ACCOUNT = """
[EABhandler]
eab_handler_module: acme2certifier.eabhandlers.json_handler
key_file: {folder}/accounts.json
"""
KID, KEY = "kid-1", "cG9zdGllci1wb3N0aWVyLXBvc3RpZXItcG9zdGllci1wb3N0aWVy"


@dataclass
class Authority:
    """`trust`: the file with whom to believe for its HTTPS; `ca`: for what it issues."""

    directory: str
    trust: Path
    ca: Path
    log: Path


@dataclass
class Server:
    """A Postier server of orchard.test that asks BIND and is known to it."""

    data: Path
    base: int
    process: subprocess.Popen[bytes] | None = None
    settings: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, ends: int = 0) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "postier", *words, "--data", str(self.data)]
        done = subprocess.run(command, capture_output=True, text=True, input="pass-word-1\n", timeout=120)
        assert done.returncode == ends, (words, done.returncode, done.stdout, done.stderr)
        assert "Traceback" not in done.stderr
        return done

    def orders(self) -> dict[str, dict[str, Any]]:
        return {one["subject"]: one for one in json.loads(self.run("tls", "orders", "--json").stdout)}

    def start(self) -> None:
        command = [sys.executable, "-m", "postier", "serve", "--data", str(self.data)]
        with (self.data.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"postier ready\n"

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            self.process.communicate(timeout=40)
            self.process = None

    def shown(self, port: int, ca: Path, name: str = "mail.orchard.test") -> x509.Certificate:
        """What a client sees that believes `ca` alone. Raises ssl.SSLError."""
        context = ssl.create_default_context(cafile=str(ca))
        with (
            socket.create_connection(("127.0.0.1", self.base + port), 10) as plain,
            context.wrap_socket(plain, server_hostname=name) as tls,
        ):
            return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True) or b"")

    def waits_until_shown(
        self, port: int, ca: Path, *, since: int = 0, name: str = "mail.orchard.test"
    ) -> int:
        """Until the one with another number than `since` is shown; its number."""
        for _ in range(100):
            with contextlib.suppress(ssl.SSLError, OSError):
                number = self.shown(port, ca, name).serial_number
                if number != since:
                    return number
            time.sleep(0.2)
        raise AssertionError((self.data.parent / "server.log").read_text()[-4000:])


@pytest.fixture
def bind(tmp_path: Path, start_bind: Callable[..., Bind]) -> Bind:
    return start_bind(tmp_path / "bind", {"orchard.test": ZONE})


@pytest.fixture
def base() -> Iterator[int]:
    with free_port_base("127.0.0.1") as found:
        yield found


@pytest.fixture
def start_authority(
    tmp_path: Path, bind: Bind, base: int, need: Callable[[str], None]
) -> Iterator[Callable[..., Authority]]:
    need(str(PYTHON))
    processes: list[subprocess.Popen[bytes]] = []

    def start(*, days: int = 30, more: str = "", ports: dict[int, int] | None = None) -> Authority:
        folder = tmp_path / f"authority{len(processes)}"
        (folder / "certs").mkdir(parents=True)
        issuing, trust = make_ca("An authority"), make_ca("Whom its HTTPS relies on")
        for name, pair in (("ca", issuing), ("trust", trust)):
            _write(folder, name, pair)
        own = issue_certificate(trust, ["localhost"])
        (folder / "tls.pem").write_bytes(own.certificate + own.key)
        (folder / "accounts.json").write_text(json.dumps({KID: KEY}))
        text = (CONFIGURATION + more).format(folder=folder, days=days)
        (folder / "acme_srv.cfg").write_text(text)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        knocked = ports or {80: base + 80, 443: base + 443}
        options = json.dumps({"port": port, "ports": knocked, "dns": bind.port})
        log = folder / "log"
        command = [str(PYTHON), str(HERE / "acme_authority.py"), str(folder), options]
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        with log.open("wb") as errors:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", log.read_text()[-3000:]
        return Authority(f"https://localhost:{port}/directory", folder / "trust.pem", folder / "ca.pem", log)

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def _write(folder: Path, name: str, pair: KeyPair) -> None:
    (folder / f"{name}.pem").write_bytes(pair.certificate)
    (folder / f"{name}-key.pem").write_bytes(pair.key)


@pytest.fixture
def make_server(tmp_path: Path, bind: Bind, base: int) -> Iterator[Callable[..., Server]]:
    made: list[Server] = []

    def make(authority: Authority, challenge: str, **more: str) -> Server:
        server = Server(tmp_path / "data", base)
        settings = {
            "dns.servers": f'["127.0.0.1:{bind.port}"]',
            "dns_update.server": f'"127.0.0.1:{bind.port}"',
            "dns_update.key_file": json.dumps(str(bind.key)),
            "acme.challenge": json.dumps(challenge),
            "acme.authorities": json.dumps(str(authority.trust)),
            "server.workers": "2",
            **{name.replace("__", "."): value for name, value in more.items()},
        }
        sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
        server.run("init", "--domain", "orchard.test", "--admin", "a@orchard.test", "--password-stdin",
            "--bind", "127.0.0.1", "--port-base", str(base), "--yes", *sets)  # fmt: skip
        made.append(server)
        return server

    yield make
    for server in made:
        server.stop()


CHALLENGES = ["http-01", "tls-alpn-01", "dns-01"]


@pytest.mark.parametrize("challenge", CHALLENGES)
def test_a_certificate_is_got_and_shown_without_a_restart(
    challenge: str,
    start_authority: Callable[..., Authority],
    make_server: Callable[..., Server],
    bind: Bind,
    base: int,
) -> None:
    authority = start_authority()
    server = make_server(authority, challenge)
    server.start()
    said = server.run(
        "tls", "request", "--directory", authority.directory, "--agree-terms", "--contact", "a@orchard.test"
    ).stdout
    assert re.search(
        "^mail.orchard.test (has a new certificate|is good) until", said
    )  # or the server was faster
    for port in (993, 465):
        server.waits_until_shown(port, authority.ca)
    server.waits_until_shown(443, authority.ca, name="autoconfig.orchard.test")
    orders = server.orders()
    assert orders["mail.orchard.test"]["problem"] == ""
    if challenge != "dns-01":
        assert orders["orchard.test"]["left_out"] == [
            "autodiscover.orchard.test: it leads to 127.0.0.77, which is not this server",
            "ua-auto-config.orchard.test: it is not in the DNS",
        ]
    assert "is good until" in server.run("tls", "renew").stdout
    before = server.shown(993, authority.ca)
    assert "has a new certificate" in server.run("tls", "renew", "mail.orchard.test", "--now").stdout
    server.waits_until_shown(993, authority.ca, since=before.serial_number)
    assert server.shown(993, authority.ca).public_key() == before.public_key()
    assert published(bind, base) == [digest(before)]  # TLSA follows the key
    announced = json.loads(server.run("tls", "rollover", "--json").stdout)["tlsa"].removeprefix("3 1 1 ")
    assert sorted(published(bind, base)) == sorted([digest(before), announced])
    records = server.run("dns", "records", "orchard.test").stdout
    assert announced in records
    assert '0 issue "authority.test; accounturi=https://localhost:' in records
    assert f"validationmethods={challenge}" in records
    assert "CAA" not in server.run("dns", "push", "orchard.test", "--dry-run").stdout
    assert '"state": "ok"' in server.run("dns", "check", "orchard.test", "--json", ends=1).stdout


def digest(certificate: x509.Certificate) -> str:
    spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


def published(bind: Bind, base: int) -> list[str]:
    async def ask() -> list[str]:
        client = DnsClient([("127.0.0.1", bind.port)], clock=SystemClock())
        return [one.data.hex() for one in (await client.tlsa(f"_{25 + base}._tcp.mail.orchard.test")).records]

    return asyncio.run(ask())


def request(server: Server, authority: Authority, ends: int = 0) -> str:
    words = ("--directory", authority.directory, "--agree-terms", "--contact", "a@orchard.test")
    done = server.run("tls", "request", *words, ends=ends)
    return done.stdout + done.stderr


def test_an_external_account_is_asked_for_and_used(
    start_authority: Callable[..., Authority], make_server: Callable[..., Server], tmp_path: Path
) -> None:
    authority = start_authority(more=EXTERNAL_ACCOUNT)
    server = make_server(authority, "dns-01")
    said = request(server, authority, ends=1)
    assert "acme.eab_kid and acme.eab_key_file" in said
    settings = server.data / "postier.toml"
    text = settings.read_text().replace('# eab_kid = ""', f'eab_kid = "{KID}"')
    settings.write_text(text.replace('# eab_key_file = ""', 'eab_key_file = "eab.key"'))
    (server.data / "eab.key").write_text("not base64url at all\n")
    assert "holds no key in base64url" in server.run("tls", "renew", "--now", ends=1).stderr
    (server.data / "eab.key").write_text(KEY[:-4] + "wrng\n")
    assert "the authority says" in server.run("tls", "renew", "--now", ends=1).stderr
    (server.data / "eab.key").write_text(KEY + "\n")
    assert "has a new certificate" in server.run("tls", "renew", "--now").stdout


def test_a_port_that_is_closed_is_told_and_the_old_certificate_stays(
    start_authority: Callable[..., Authority], make_server: Callable[..., Server], base: int
) -> None:
    closed = start_authority(ports={80: base + 81, 443: base + 444})
    server = make_server(closed, "http-01")
    server.start()
    own = server.shown(993, server.data / "tls" / "ca.pem")
    said = request(server, closed, ends=1)
    assert "mail.orchard.test: " in said
    assert "port 80" in said
    assert server.shown(993, server.data / "tls" / "ca.pem") == own
    (problem,) = {one["problem"] for one in server.orders().values() if "mail" in one["subject"]}
    assert "port 80" in problem
    assert "waits" in server.run("tls", "renew", ends=1).stdout  # not asked again before its time


def test_a_caa_record_that_forbids_it_is_named(
    start_authority: Callable[..., Authority], make_server: Callable[..., Server], bind: Bind
) -> None:
    authority = start_authority()
    server = make_server(authority, "dns-01")
    update(bind, 'update add orchard.test 60 CAA 0 issue "elsewhere.test"')
    said = request(server, authority, ends=1)
    assert 'the CAA record of orchard.test forbids it: issue "elsewhere.test"' in said
    assert 'orchard.test CAA 0 issue "authority.test; accounturi=https://localhost' in said
    update(bind, "update delete orchard.test CAA")
    update(bind, 'update add orchard.test 60 CAA 0 issue "authority.test; validationmethods=dns-01"')
    assert "has a new certificate" in server.run("tls", "renew", "--now").stdout


def update(bind: Bind, line: str) -> None:
    program = shutil.which("nsupdate") or "nsupdate"
    text = f"server 127.0.0.1 {bind.port}\nzone orchard.test\n{line}\nsend\n"
    subprocess.run([program, "-k", str(bind.key)], input=text.encode(), check=True, timeout=20)


def test_the_server_renews_by_itself_when_the_authority_suggests_it(
    start_authority: Callable[..., Authority], make_server: Callable[..., Server]
) -> None:
    """RFC 9773: the window that it tells has begun already."""
    authority = start_authority(days=6, more="[Renewalinfo]\nrenewal_force: True\n")
    server = make_server(authority, "http-01")
    server.start()
    request(server, authority)
    before = server.waits_until_shown(993, authority.ca)
    server.stop()
    server.start()
    server.waits_until_shown(993, authority.ca, since=before)


def test_commands_that_are_killed_leave_nothing_that_the_next_cannot_end(
    start_authority: Callable[..., Authority], make_server: Callable[..., Server]
) -> None:
    authority = start_authority()
    server = make_server(authority, "http-01")
    server.start()
    request(server, authority)
    before = server.waits_until_shown(993, authority.ca)
    command = [sys.executable, "-m", "postier", "tls", "renew", "mail.orchard.test", "--now"]
    for seconds in (0.0, 0.2, 0.5, 1.0, 2.0):  # after the order was begun, which takes some three
        victim = subprocess.Popen([*command, "--data", str(server.data)], stderr=subprocess.PIPE)
        assert victim.stderr is not None
        while (line := victim.stderr.readline()) and b"order begun" not in line:
            pass
        time.sleep(seconds)
        victim.kill()
        victim.communicate()
        assert server.waits_until_shown(993, authority.ca)  # whatever is shown is whole
    assert "has a new certificate" in server.run("tls", "renew", "mail.orchard.test", "--now").stdout
    server.waits_until_shown(993, authority.ca, since=before)
    found = server.orders()["mail.orchard.test"]
    assert (found["under_way"], found["order"], found["problem"]) == (False, "", "")
    assert 2 <= len(found["tries"]) <= 7
