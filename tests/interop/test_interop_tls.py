"""TLS as OpenSSL, GnuTLS (curl) and hostile clients see it, on every port of a server with two workers."""

from __future__ import annotations

import contextlib
import imaplib
import json
import os
import random
import shutil
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from postier.net.authority import KeyPair, make_ca, write_key_pair
from postier.testing.certificates import CLIENT, make_certificate
from postier.testing.ports import free_port_base

OPENSSL, CURL = shutil.which("openssl"), shutil.which("curl")
PASSWORD = "tls-password"
CA, PEOPLE = make_ca("test authority"), make_ca("people")
HOST = "mail.orchard.test"
IMPLICIT = {"submissions": 465, "imaps": 993, "pop3s": 995}
CLEAR = {"smtp": 25, "submission": 587, "imap": 143, "pop3": 110}
STARTTLS = {25: "smtp", 587: "smtp", 143: "imap", 110: "pop3"}
needs_openssl = pytest.mark.skipif(OPENSSL is None, reason="no openssl")
needs_curl = pytest.mark.skipif(CURL is None, reason="no curl")


@dataclass(frozen=True, slots=True)
class Running:
    data: Path
    base: int
    process: subprocess.Popen[str]

    def postier(self, *words: str, stdin: str = PASSWORD + "\n") -> str:
        command = [sys.executable, "-m", "postier", *words, "--data", str(self.data)]
        return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout

    def imap(self, name: str = HOST) -> imaplib.IMAP4_SSL:
        context = ssl.create_default_context(cadata=CA.certificate.decode())
        context.check_hostname = False
        client = imaplib.IMAP4_SSL("127.0.0.1", self.base + 993, ssl_context=context, timeout=30)
        assert client.login("alice@orchard.test", PASSWORD)[0] == "OK"
        return client

    def shown(self, name: str, port: int = 993) -> set[str]:
        """The names of the certificate that who asks for `name` gets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection(("127.0.0.1", self.base + port), 30) as bare,
            context.wrap_socket(bare, server_hostname=name) as channel,
        ):
            der = channel.getpeercert(binary_form=True)
        assert der is not None
        extension = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
            x509.SubjectAlternativeName
        )
        return set(extension.value.get_values_for_type(x509.DNSName))

    def openssl(self, port: int, *options: str, says: str = "") -> str:
        """What s_client prints."""
        start = ["-starttls", STARTTLS[port]] if port in STARTTLS else []
        done = subprocess.run(
            [str(OPENSSL), "s_client", "-connect", f"127.0.0.1:{self.base + port}", *start, *options],
            input=says, capture_output=True, text=True, timeout=60, errors="replace",
        )  # fmt: skip
        return done.stdout + done.stderr

    def memory(self) -> int:
        """KiB of the whole tree."""
        listed = subprocess.run(["ps", "-eo", "pid,ppid,rss"], check=True, capture_output=True, text=True)
        rows = [tuple(map(int, line.split())) for line in listed.stdout.splitlines()[1:]]
        return sum(rss for pid, parent, rss in rows if self.process.pid in (pid, parent))


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("tls")
    data = folder / "data"
    with free_port_base("127.0.0.1") as base:
        settings = {
            "dns.servers": [f"127.0.0.1:{base + 53}"],
            "server.workers": 2,
            "connections.per_address": 0,
            "connections.per_minute": 0,
            "tls.client_login": True,
            "tls.client_ca": "tls/people.pem",
        }
        command = [sys.executable, "-m", "postier"]
        words = [word for item in settings.items() for word in ("--set", f"{item[0]}={json.dumps(item[1])}")]
        subprocess.run(
            [*command, "init", "--data", str(data), "--domain", "orchard.test", "--admin",
             "alice@orchard.test", "--password-stdin", "--bind", "127.0.0.1", "--port-base", str(base),
             "--yes", *words],
            input=PASSWORD + "\n", check=True, capture_output=True, text=True,
        )  # fmt: skip
        (data / "tls" / "people.pem").write_bytes(PEOPLE.certificate)
        pair = make_certificate(CA, [HOST])
        write_key_pair(pair, data / "tls" / "cert.pem", data / "tls" / "key.pem")
        process = subprocess.Popen(
            [*command, "serve", "--data", str(data)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "postier ready\n"
        try:
            yield Running(data, base, process)
        finally:
            process.terminate()
            assert process.wait(60) == 0
            process.stdout.close()


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.05)


def write(folder: Path, pair: KeyPair) -> tuple[str, str]:
    (folder / "c.pem").write_bytes(pair.certificate)
    (folder / "c.key").write_bytes(pair.key)
    return str(folder / "c.pem"), str(folder / "c.key")


# ---------------------------------------------------------------------- names


def test_a_certificate_is_imported_and_shown_by_both_workers_and_drops_nobody(
    running: Running, tmp_path: Path
) -> None:
    with running.imap() as client:
        chain, key = write(tmp_path, make_certificate(CA, ["imap.orchard.test", "*.mx.orchard.test"]))
        running.postier("tls", "import", chain, "--key", key)
        wanted = {"imap.orchard.test", "*.mx.orchard.test"}
        until(lambda: all(running.shown("imap.orchard.test") == wanted for _ in range(30)))
        for port in IMPLICIT.values():
            assert running.shown("a.mx.orchard.test", port) == wanted
            assert running.shown("mx.orchard.test", port) == {HOST}
            assert running.shown(HOST, port) == {HOST}
        running.postier("tls", "drop", "imap.orchard.test")
        until(lambda: all(running.shown("imap.orchard.test") == {HOST} for _ in range(30)))
        assert client.noop()[0] == "OK"


def test_200_names_in_a_loop(running: Running) -> None:
    for number in range(40):
        assert running.shown(f"n{number}.example") == {HOST}
    before = running.memory()
    for number in range(200):
        assert running.shown(f"n{number}.example") == {HOST}
    assert running.memory() - before < 4000


# ---------------------------------------------------------------------- RFC 9325


@needs_openssl
@pytest.mark.parametrize("port", [*IMPLICIT.values(), *STARTTLS])
def test_what_is_refused_and_what_is_not(running: Running, port: int) -> None:
    for version in ("-tls1", "-tls1_1"):
        said = running.openssl(port, version, "-cipher", "ALL:@SECLEVEL=0")
        assert "no peer certificate available" in said
    for cipher in (
        "ECDHE-ECDSA-AES128-SHA256",  # CBC
        "ECDHE-ECDSA-AES256-SHA",
        "AES128-GCM-SHA256",  # RSA key exchange
        "DHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-NULL-SHA",
    ):
        said = running.openssl(port, "-tls1_2", "-cipher", f"{cipher}:@SECLEVEL=0")
        assert "no peer certificate available" in said
    good = running.openssl(port, "-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "Compression: NONE" in good
    assert "Secure Renegotiation IS supported" in good
    for group in ("X25519", "P-256", "P-384"):
        assert "TLS_AES_256_GCM_SHA384" in running.openssl(port, "-tls1_3", "-groups", group)


@needs_openssl
def test_renegotiation_is_refused(running: Running) -> None:
    process = subprocess.Popen(
        [str(OPENSSL), "s_client", "-tls1_2", "-connect", f"127.0.0.1:{running.base + 993}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    while not (line := process.stdout.readline()).startswith("* OK"):
        assert line
    process.stdin.write("R\n")
    process.stdin.flush()
    said, _ = process.communicate(timeout=60)
    assert "no renegotiation" in said


@needs_openssl
def test_sessions_are_taken_up_at_their_own_port_by_any_worker_and_nowhere_else(
    running: Running, tmp_path: Path
) -> None:
    for version in ("-tls1_2", "-tls1_3"):
        kept = str(tmp_path / f"session{version}")
        # the greeting comes behind the tickets of TLS 1.3: who reads it has them
        said = running.openssl(993, version, "-sess_out", kept, "-ign_eof", "-crlf", says="a1 LOGOUT\n")
        assert "* BYE" in said
        assert "Max Early Data: 0" in said or version == "-tls1_2"
        for _ in range(6):
            assert "Reused, " in running.openssl(993, version, "-sess_in", kept)
        for port in (465, 995, 143):
            assert "New, " in running.openssl(port, version, "-sess_in", kept)


# ---------------------------------------------------------------------- bad input


@pytest.mark.parametrize("port", [*IMPLICIT.values(), *CLEAR.values(), 80, 443])
def test_anything_on_any_port_ends_and_others_are_served(running: Running, port: int) -> None:
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + random.Random(7).randbytes(505)
    for junk in (
        b"GET / HTTP/1.1\r\nHost: a.example\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a.example\r\nContent-Length: 99999999\r\n\r\n" + b"EHLO x\r\n" * 9,
        hello,
        random.Random(port).randbytes(5000),
        b"\0" * 3000,
        b"A" * 70_000,
    ):
        with socket.create_connection(("127.0.0.1", running.base + port), 30) as client:
            client.settimeout(30)
            with contextlib.suppress(ConnectionError):
                client.sendall(junk)
                client.shutdown(socket.SHUT_WR)
                while client.recv(65536):
                    pass
    with running.imap() as client:
        assert client.noop()[0] == "OK"


def test_stalled_handshakes_cost_little_and_others_are_served(running: Running) -> None:
    """A smaller `bench/tls.py --stall`: whole and half hellos, and nothing at all."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    channel = ssl.create_default_context().wrap_bio(incoming, outgoing, server_hostname=HOST)
    with pytest.raises(ssl.SSLWantReadError):
        channel.do_handshake()
    hello = outgoing.read()
    before = running.memory()
    stalled = []
    for number in range(240):
        client = socket.create_connection(("127.0.0.1", running.base + 993), 30)
        client.sendall(hello[: (0, 1, 100)[number % 3]])
        stalled.append(client)
    with running.imap() as client:
        assert client.noop()[0] == "OK"
    assert running.memory() - before < 240 * 24
    for one in stalled:
        one.close()


# ---------------------------------------------------------------------- certificates of people


def personal(ca: KeyPair = PEOPLE, address: str = "alice@orchard.test", **options: Any) -> KeyPair:
    return make_certificate(ca, others=[x509.RFC822Name(address)], usage=CLIENT, **options)


def curl(running: Running, folder: Path, pair: KeyPair, url: str, *options: str) -> tuple[int, str]:
    chain, key = write(folder, pair)
    done = subprocess.run(
        [str(CURL), "-sS", "--insecure", "--cert", chain, "--key", key, url, *options],
        capture_output=True, text=True, timeout=60, env={**os.environ, "NO_PROXY": "*"},
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


EXTERNAL = ("--user", "alice@orchard.test:", "--login-options", "AUTH=EXTERNAL")
URLS = ("imaps://127.0.0.1:{}/INBOX", "pop3s://127.0.0.1:{}/")


@needs_curl
@pytest.mark.parametrize(("url", "port"), [(URLS[0], 993), (URLS[1], 995)])
def test_a_certificate_logs_its_owner_in(running: Running, tmp_path: Path, url: str, port: int) -> None:
    url = url.format(running.base + port)
    code, said = curl(running, tmp_path, personal(), url, *EXTERNAL)
    assert code == 0, said
    for other in (personal(address="bob@orchard.test"), personal(days=(-9, -1))):
        code, said = curl(running, tmp_path, other, url, *EXTERNAL)
        assert code == 67, said  # the login was refused
        code, said = curl(running, tmp_path, other, url, "--user", f"alice@orchard.test:{PASSWORD}")
        assert code == 0, said
    stranger = personal(make_ca("strangers"))
    options = ("--user", f"alice@orchard.test:{PASSWORD}", "--interface", f"127.0.0.{port % 100 + 100}")
    codes = [curl(running, tmp_path, stranger, url, *options)[0] for _ in range(2)]
    assert codes[1] == 0  # the first fails: OpenSSL takes no certificate of a stranger
