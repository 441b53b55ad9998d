"""nodemailer: how most programs in JavaScript send mail."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

SEND = Path(__file__).parent / "node" / "send.mjs"
MODULES = SEND.parent / "node_modules" / "nodemailer"


@pytest.fixture
def send(need: Callable[[str], None], shell: Any) -> Callable[..., list[dict[str, Any]]]:
    """What became of each message."""
    need("node")
    need("npm")
    if not MODULES.exists():
        pytest.skip("npm could not install nodemailer")

    def run(who: Any, *messages: dict[str, Any], port: int = 465, **options: Any) -> list[dict[str, Any]]:
        server = f"{who.host} {who.port(port)} {who.organisation.hostname} {who.ca} {who.address}"
        job = json.dumps({"options": options, "messages": messages})
        answers: list[dict[str, Any]] = json.loads(shell.run("node", SEND, server, who.password, job).stdout)
        return answers

    return run


def _subjects(who: Any, count: int) -> Sequence[bytes]:
    """Of what is in the INBOX, once there are `count` messages."""
    deadline = time.monotonic() + 30
    while len(messages := who.messages()) < count:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return sorted(found[1] for m in messages if (found := re.search(rb"(?m)^Subject: ([^\r]*)", m)))


@pytest.mark.parametrize("port", [465, 587])
def test_a_message_with_text_html_and_a_file(send: Any, person: Any, port: int) -> None:
    alice, carol = person(), person()
    message = {
        "from": f"Zoé <{alice.address}>",
        "to": carol.address,
        "bcc": alice.address,
        "subject": "Été",
        "text": "Bonjour\n.\n..\n",
        "html": "<p>Bonjour</p>",
        "attachments": [{"filename": "récolte.txt", "content": "pommes\n" * 5000}],
    }
    (answer,) = send(alice, message, port=port)
    assert sorted(answer["accepted"]) == sorted([alice.address, carol.address])
    assert re.match(r"250 2\.0\.0 ", answer["response"])
    for who in (alice, carol):
        (stored,) = who.messages()
        assert b"Bcc" not in stored
        assert b"multipart/mixed" in stored


def test_a_pool_of_connections_carries_each_message_once(send: Any, person: Any) -> None:
    alice, carol = person(), person()
    messages = [
        {"from": alice.address, "to": carol.address, "subject": f"n{number:02}", "text": "x"}
        for number in range(40)
    ]
    answers = send(alice, *messages, pool=True, maxConnections=3, maxMessages=5)
    assert [answer["accepted"] for answer in answers] == [[carol.address]] * 40
    assert _subjects(carol, 40) == [f"n{number:02}".encode() for number in range(40)]


def test_addresses_in_unicode(send: Any, person: Any) -> None:
    """RFC 6531: nodemailer asks for SMTPUTF8 where an address needs it."""
    alice = person()
    (answer,) = send(alice, {"from": alice.address, "to": "zoë@harbor.test", "subject": "x", "text": "x"})
    assert answer["accepted"] == ["zoë@harbor.test"]


def test_the_success_of_a_delivery_is_reported(send: Any, person: Any) -> None:
    """RFC 3461: RET, ENVID, NOTIFY and ORCPT."""
    alice, carol = person(), person()
    notification = {"id": "quote-19", "return": "headers", "notify": ["success"], "recipient": alice.address}
    message = {"from": alice.address, "to": carol.address, "subject": "x", "text": "x", "dsn": notification}
    (answer,) = send(alice, message)
    assert answer["accepted"] == [carol.address]
    _subjects(alice, 1)
    report = alice.messages()[0].decode()
    assert re.search(r"(?im)^Action: delivered", report)
    assert "quote-19" in report


def test_a_sender_who_is_somebody_else_is_told_which_address_to_use(send: Any, person: Any) -> None:
    alice, carol = person(), person()
    (answer,) = send(alice, {"from": carol.address, "to": alice.address, "subject": "x", "text": "x"})
    assert answer["code"] == 550
    assert alice.address in answer["response"]
