"""From one organisation to the other: sent by programs, carried by both servers, judged on arrival."""

from __future__ import annotations

import imaplib
import re
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from postier.demo.world import PASSWORD
from postier.testing.ports import free_port_base


@pytest.fixture
def arrival(world: Any) -> Callable[[bytes], bytes]:
    """Bob's message at harbor.test with this Subject, once it is there."""

    def wait(subject: bytes) -> bytes:
        harbor = world.harbor
        deadline = time.monotonic() + 30
        with imaplib.IMAP4_SSL(
            harbor.address, harbor.port(993), ssl_context=harbor.tls(), timeout=30
        ) as client:
            client.login("bob@harbor.test", PASSWORD)
            client.select("INBOX", readonly=True)
            while time.monotonic() < deadline:
                found = client.search(None, "SUBJECT", f'"{subject.decode()}"')[1][0].split()
                if found:
                    whole: bytes = client.fetch(found[-1], "(BODY.PEEK[])")[1][0][1]
                    return whole
                time.sleep(0.1)
                client.noop()
        pytest.fail(f"{subject!r} did not arrive")

    return wait


def _submitted(shell: Any, who: Any, message: bytes, recipient: str) -> None:
    file = shell.home / "message.eml"
    file.write_bytes(message)
    shell.run(
        "curl", "-sS", "--max-time", "30", "--cacert", who.ca, "--user", f"{who.address}:{who.password}",
        "--mail-from", who.address, "--mail-rcpt", recipient, "-T", file, f"smtps://{who.host}:{who.port(465)}/",
    )  # fmt: skip


@pytest.mark.parametrize("name", ["plain", "dots", "utf8", "long", "blank", "attached"])
def test_a_message_arrives_signed_judged_and_unchanged(
    need: Any, shell: Any, person: Any, corpus: dict[str, bytes], arrival: Any, name: str
) -> None:
    need("curl")
    alice = person()
    subject = f"between {name}".encode()
    message = corpus[name].replace(b"zoe@elsewhere.test", alice.address.encode())
    start, _, rest = message.partition(b"Subject: ")
    message = start + b"Subject: " + subject + b"\r\n" + rest.partition(b"\r\n")[2]
    _submitted(shell, alice, message, "bob@harbor.test")
    got = arrival(subject)
    assert got.endswith(message)
    unfolded = got.replace(b"\r\n\t", b" ").replace(b"\r\n ", b" ")
    results = unfolded.partition(b"Authentication-Results: mail.harbor.test")[2].partition(b"\r\n")[0]
    for verdict in (b"spf=pass", b"dkim=pass", b"dmarc=pass"):
        assert verdict in results
    assert got.startswith(b"Return-Path: <" + alice.address.encode() + b">\r\n")


def test_mail_for_nobody_comes_back(need: Any, shell: Any, person: Any) -> None:
    """RFC 3464: to the one who sent it, under the null path, with the status and the header."""
    need("curl")
    alice = person()
    text = f"From: {alice.address}\r\nSubject: anybody\r\nMessage-ID: <anybody@x.test>\r\n\r\nhello\r\n"
    _submitted(shell, alice, text.encode(), "nobody@harbor.test")
    deadline = time.monotonic() + 30
    while not (stored := alice.messages()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    (bounce,) = stored
    assert bounce.startswith(b"Return-Path: <>\r\n")
    for part in (
        b"multipart/report",
        b"Final-Recipient: rfc822; nobody@harbor.test",
        b"Action: failed",
        b"Status: 5.1.1",
        b"Auto-Submitted: auto-replied",
        b"Message-ID: <anybody@x.test>",
    ):
        assert part.lower() in bounce.lower(), part


@pytest.mark.slow
def test_the_demo_s_whole_story_holds() -> None:
    """`postier demo --check` on ports of its own."""
    with free_port_base("127.0.0.1", "127.0.0.2") as base:
        command = [sys.executable, "-m", "postier", "demo", "--check", "--port-base", str(base)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr
    assert not re.findall(r"^ *FAIL.*", done.stdout, re.MULTILINE)
