"""Postfix and Exim as the other organisation, in both directions."""

from __future__ import annotations

import re
import shutil
import smtplib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from postier.testing.peers import EximPeer, Ours, Peer, PostfixPeer

EXIM = Path(__file__).parent / ".peers" / "usr" / "sbin" / "exim4"
"""Unpacked there by tools/test-packages: its package can't be installed beside Postfix's."""

PROGRAMS = {PostfixPeer: "postfix", EximPeer: str(EXIM)}
NAMES = ["plain", "dots", "utf8", "long", "blank", "attached"]


@pytest.fixture(scope="module", params=[PostfixPeer, EximPeer], ids=lambda kind: kind.name)
def peer(request: Any, world: Any, need: Callable[[str], None]) -> Iterator[Peer]:
    """The other organisation, up, and reached from orchard.test by a route."""
    program = PROGRAMS[request.param]
    need(program)
    orchard = world.orchard
    ours = Ours(
        orchard.domain,
        orchard.address,
        orchard.port(25),
        world.harbor.data / "tls" / "cert.pem",
        world.harbor.data / "tls" / "key.pem",
    )
    folder = Path(tempfile.mkdtemp(prefix="postier-peer-"))
    folder.chmod(0o755)
    made: Peer = request.param(folder, orchard.port(25), ours, program)
    world.postier(orchard, "route", "add", made.domain, f"{made.address}:{made.port}")
    try:
        made.start()
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


def _submit(who: Any, recipients: list[str], message: bytes, *, mail: Any = (), rcpt: Any = ()) -> None:
    with smtplib.SMTP_SSL(who.host, who.port(465), context=who.organisation.tls(), timeout=30) as client:
        client.login(who.address, who.password)
        assert not client.sendmail(who.address, recipients, message, mail_options=mail, rcpt_options=rcpt)


def _message(author: str, to: str, subject: str, body: str = "hello\r\n") -> bytes:
    head = f"From: {author}\r\nTo: {to}\r\nSubject: {subject}\r\nMessage-ID: <{subject}@x.test>\r\n"
    return f"{head}Date: Mon, 2 Nov 2026 10:00:00 +0100\r\n\r\n{body}".encode()


def _arrived(who: Any, marker: bytes, seconds: float = 40) -> bytes:
    """The message with `marker` in somebody's INBOX, once it is there."""
    deadline = time.monotonic() + seconds
    while True:
        for message in who.messages():
            if marker in message:
                return bytes(message)
        assert time.monotonic() < deadline, f"{marker!r} did not arrive"
        time.sleep(0.2)


def _unfolded(message: bytes) -> str:
    return re.sub(r"\r?\n[ \t]+", " ", message.decode("utf-8", "replace"))


@pytest.mark.parametrize("name", NAMES)
def test_what_we_send_arrives_unchanged_over_tls(
    peer: Peer, person: Any, corpus: dict[str, bytes], name: str
) -> None:
    alice = person()
    marker = f"Subject: {name} to {peer.name}".encode()
    message = re.sub(rb"Subject: [^\r]*", marker, corpus[name])
    message = message.replace(b"zoe@elsewhere.test", alice.address.encode())
    _submit(alice, [f"anna@{peer.domain}"], message, mail=["BODY=8BITMIME"])
    got = peer.arrival("anna", marker)
    assert got.replace(b"\r\n", b"\n").endswith(message.replace(b"\r\n", b"\n"))
    assert re.search(r"with ESMTPS|TLSv?1\.[23]|TLS1\.[23]", _unfolded(got))
    assert f"<{alice.address}>".encode() in got.split(b"Received:")[0]


@pytest.mark.parametrize("name", NAMES)
def test_what_it_sends_arrives_unchanged_over_tls(
    peer: Peer, person: Any, corpus: dict[str, bytes], name: str
) -> None:
    bob = person()
    sender = f"anna@{peer.domain}"
    message = corpus[name].replace(b"zoe@elsewhere.test", sender.encode())
    peer.send(sender, [bob.address], message, mail=["BODY=8BITMIME"])
    got = _arrived(bob, b"Subject: ")
    assert got.endswith(message)
    trace = _unfolded(got)
    assert f"Return-Path: <{sender}>" in trace
    assert re.search(r"with ESMTPS ", trace)
    if isinstance(peer, EximPeer):
        assert " K C=" in peer.log  # CHUNKING was used


def test_fifty_recipients_make_one_transaction(peer: Peer, person: Any) -> None:
    alice = person()
    marker = b"Subject: fifty"
    people = [f"user{number}" for number in range(50)]
    message = _message(alice.address, "all", "fifty")
    _submit(alice, [f"{name}@{peer.domain}" for name in people], message)
    for name in people:
        peer.arrival(name, marker)
    ids = {re.search(rb"(?:ESMTPS id|with esmtps.*?id) (\S+)", peer.arrival(n, marker), re.S) for n in people}
    assert len({found[1] for found in ids if found}) == 1


def test_many_of_ours_in_one_message_of_its(peer: Peer, person: Any) -> None:
    people = [person() for _ in range(5)]
    sender = f"anna@{peer.domain}"
    peer.send(sender, [who.address for who in people], _message(sender, "all", "several"))
    for who in people:
        _arrived(who, b"Subject: several")
        assert len(who.messages()) == 1


def test_addresses_in_unicode_both_ways(peer: Peer, person: Any) -> None:
    """RFC 6531: SMTPUTF8 is asked for and kept."""
    alice = person()
    options = {"mail": ["SMTPUTF8", "BODY=8BITMIME"]}
    message = _message(alice.address, f"zoë@{peer.domain}", f"utf8-{peer.name}", "Où ?\r\n")
    _submit(alice, [f"zoë@{peer.domain}"], message, **options)
    assert peer.arrival("zoë", f"Subject: utf8-{peer.name}".encode())
    sender = f"zoë@{peer.domain}"
    peer.send(sender, [alice.address], _message(sender, alice.address, "back", "Là.\r\n"), **options)
    got = _arrived(alice, b"Subject: back")
    assert f"Return-Path: <{sender}>".encode() in got
    assert re.search(r"with UTF8SMTPS ", _unfolded(got))


def test_it_reports_the_success_we_asked_for(peer: Peer, person: Any) -> None:
    """RFC 3461: NOTIFY, ENVID and ORCPT reach the other server, and its report comes back."""
    alice = person()
    recipient = f"anna@{peer.domain}"
    _submit(
        alice,
        [recipient],
        _message(alice.address, recipient, f"told-{peer.name}"),
        mail=["RET=HDRS", "ENVID=quote-17"],
        rcpt=["NOTIFY=SUCCESS,FAILURE", f"ORCPT=rfc822;{recipient}"],
    )
    report = _unfolded(_arrived(alice, b"report-type=delivery-status"))
    assert re.search(r"(?im)^Action: (delivered|relayed)", report)
    assert recipient in report
    assert re.search(r"(?im)^Original-Envelope-Id: quote-17", report)


def test_we_report_the_success_it_asked_for(peer: Peer, person: Any) -> None:
    bob = person()
    sender = f"user7@{peer.domain}"
    peer.send(
        sender,
        [bob.address],
        _message(sender, bob.address, "please tell"),
        mail=["RET=HDRS", "ENVID=quote-18"],
        rcpt=["NOTIFY=SUCCESS", f"ORCPT=rfc822;{bob.address}"],
    )
    report = _unfolded(peer.arrival("user7", b"delivery-status"))
    assert re.search(r"(?im)^Action: delivered", report)
    assert re.search(r"(?im)^Original-Envelope-Id: quote-18", report)


def test_a_stranger_to_it_comes_back_with_its_words(peer: Peer, person: Any) -> None:
    alice = person()
    recipient = f"nobody-here@{peer.domain}"
    _submit(alice, [recipient], _message(alice.address, recipient, "anybody"))
    report = _unfolded(_arrived(alice, b"multipart/report"))
    assert re.search(r"(?im)^Action: failed", report)
    assert re.search(r"(?im)^Status: 5\.", report)
    assert recipient in report
    assert peer.address in report


def test_a_stranger_to_us_goes_back_to_its_sender(peer: Peer) -> None:
    sender = f"user8@{peer.domain}"
    peer.send(sender, ["nobody-at-all@orchard.test"], _message(sender, "nobody", "anybody"))
    assert b"5.1.1" in peer.arrival("user8", b"nobody-at-all@orchard.test")


def test_five_megabytes_both_ways(peer: Peer, person: Any) -> None:
    alice = person()
    body = ("0123456789abcdef" * 4 + "\r\n") * 80_000
    there = _message(alice.address, f"user9@{peer.domain}", "large-there", body)
    _submit(alice, [f"user9@{peer.domain}"], there)
    got = peer.arrival("user9", b"Subject: large-there").replace(b"\r\n", b"\n")
    assert got.endswith(there.replace(b"\r\n", b"\n"))
    back = _message(f"user9@{peer.domain}", alice.address, "large-back", body)
    peer.send(f"user9@{peer.domain}", [alice.address], back)
    assert _arrived(alice, b"Subject: large-back").endswith(back)


def test_mail_waits_while_it_is_down_and_arrives_once(peer: Peer, person: Any) -> None:
    alice = person()
    peer.stop()
    message = _message(alice.address, f"user10@{peer.domain}", "patience")
    _submit(alice, [f"user10@{peer.domain}"], message)
    time.sleep(1)  # the first attempt finds nobody
    peer.start()
    peer.arrival("user10", b"Subject: patience", seconds=60)
    assert sum(b"Subject: patience" in message for message in peer.messages("user10")) == 1
