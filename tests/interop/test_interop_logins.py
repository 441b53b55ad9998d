"""Logging in without showing the password, with app passwords, and being logged out: GNU SASL (gsasl), Cyrus
SASL (mbsync) and curl."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from postier.config.settings import SETTINGS

LINES = {"--imap": 143, "--smtp": 587}


def postier(who: Any, *words: str, stdin: str = "") -> str:
    command = [sys.executable, "-m", "postier", *words, "--data", str(who.organisation.data)]
    return subprocess.run(command, input=stdin, check=True, capture_output=True, text=True).stdout


def make_app_password(who: Any, name: str, *options: str) -> str:
    made = postier(who, "app-password", "add", who.address, "--name", name, *options, "--json")
    return str(json.loads(made)["password"])


@pytest.fixture
def gsasl(shell: Any, need: Callable[[str], None]) -> Callable[..., str]:
    need("gsasl")

    def run(who: Any, mechanism: str, *options: str, password: str = "", ends: tuple[int, ...] = (0,)) -> str:
        door = "--smtp" if "--smtp" in options else "--imap"
        done = shell.run(
            "gsasl", "-m", mechanism, door, f"--connect={who.host}:{who.port(LINES[door])}",
            f"--authentication-id={who.address}", "--authorization-id=",
            f"--password={password or who.password}",
            f"--x509-ca-file={who.ca}", f"--hostname={who.organisation.hostname}",
            *(option for option in options if option != door),
            ends=ends,
        )  # fmt: skip
        return str(done.stdout.decode() + done.stderr.decode())

    return run


@pytest.mark.parametrize("door", ["--imap", "--smtp"])
@pytest.mark.parametrize(("version", "bound"), [("1.3", "tls-exporter"), ("1.2", "tls-unique")])
def test_a_proof_is_bound_to_its_connection(
    gsasl: Any, person: Any, door: str, version: str, bound: str
) -> None:
    """RFC 9266 with TLS 1.3, RFC 5929 with TLS 1.2, by GnuTLS."""
    priority = f"--priority=NORMAL:-VERS-ALL:+VERS-TLS{version}"
    said = gsasl(person(), "SCRAM-SHA-256-PLUS", door, "--no-client-first", priority)
    assert "Client authentication finished (server trusted)" in said


def test_a_proof_that_is_not_bound(gsasl: Any, person: Any) -> None:
    said = gsasl(person(), "SCRAM-SHA-256", "--no-cb")
    assert "Client authentication finished (server trusted)" in said


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256-PLUS", "PLAIN", "LOGIN"])
def test_an_app_password_by_each_mechanism(gsasl: Any, person: Any, mechanism: str) -> None:
    who = person()
    shown = make_app_password(who, "gsasl")
    assert "authentication finished" in gsasl(who, mechanism, password=shown)
    postier(who, "app-password", "revoke", who.address, "gsasl")
    assert "authentication finished" not in gsasl(who, mechanism, password=shown, ends=(0, 1))


def test_cyrus_sasl_takes_our_iterations(shell: Any, need: Callable[[str], None], person: Any) -> None:
    need("mbsync")
    (default,) = (one.default for one in SETTINGS if one.name == "login.scram_iterations")
    assert default <= 0x10000, "beyond that it refuses"
    who = person()
    who.put(b"Subject: x\r\n\r\nbody\r\n")
    (shell.home / "mail").mkdir()
    config = shell.write(
        "mbsyncrc",
        f"IMAPAccount us\nHost {who.host}\nPort {who.port(993)}\nUser {who.address}\n"
        f'Pass "{who.password}"\nSSLType IMAPS\nSystemCertificates no\nAuthMechs SCRAM-SHA-256\n'
        f"CertificateFile {who.certificate}\nTimeout 30\n\nIMAPStore far\nAccount us\n\n"
        f"MaildirStore near\nPath {shell.home}/mail/\nInbox {shell.home}/mail/INBOX\n\n"
        "Channel all\nFar :far:\nNear :near:\nCreate Near\nSyncState *\n",
    )
    shell.run("mbsync", "-c", config, "-a")
    assert len(list((shell.home / "mail" / "INBOX" / "new").iterdir())) == 1


def test_where_they_are_demanded_people_read_why(
    shell: Any, need: Callable[[str], None], person: Any
) -> None:
    need("curl")
    who = person()
    shown = make_app_password(who, "curl", "--protocols", "imap")
    postier(who, "user", "app-passwords", who.address, "demanded")

    def curl(password: str, *words: str, ends: tuple[int, ...]) -> str:
        name = who.organisation.hostname
        places = [f"{name}:{who.port(port)}:{who.host}" for port in (993, 465, 995)]
        resolved = [word for place in places for word in ("--resolve", place)]
        done = shell.run(
            "curl", "-sv", "--cacert", who.ca, "--user", f"{who.address}:{password}",
            *resolved, *words,
            ends=ends,
        )  # fmt: skip
        return str(done.stderr.decode())

    name = who.organisation.hostname
    imap, smtp = f"imaps://{name}:{who.port(993)}", f"smtps://{name}:{who.port(465)}"
    pop3 = f"pop3s://{name}:{who.port(995)}"
    plain = ("--login-options", "AUTH=PLAIN")
    curl(shown, imap, *plain, ends=(0,))
    told = "This account needs an app password for this program"
    assert told in curl(who.password, imap, *plain, ends=(67,))
    assert told in curl(who.password, pop3, *plain, ends=(67,))
    sending = ("--mail-from", who.address, "--mail-rcpt", who.address, "--upload-file", "/dev/null")
    assert f"534 5.7.9 {told}" in curl(who.password, smtp, *sending, *plain, ends=(67,))
    assert "535 5.7.8" in curl(shown, smtp, *sending, *plain, ends=(67,))


def test_who_is_disabled_is_logged_out(person: Any) -> None:
    who = person()
    client = who.imap()
    client.select("INBOX")
    postier(who, "user", "disable", who.address)
    client.sock.settimeout(60)
    assert client.readline().startswith(b"* BYE ")
    client.shutdown()
    postier(who, "user", "enable", who.address)
    with who.imap():
        pass
