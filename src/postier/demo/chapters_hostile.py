"""Chapter 5: a stranger who forges, relays, guesses, listens and smuggles."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from postier.demo.clients import Wire
from postier.demo.mail import compose, imap, reply_to_data
from postier.demo.rows import Row
from postier.demo.world import PASSWORD, STRANGER, Organisation, World

__all__ = ["repel"]

GUESSES = 10


def repel(world: World) -> Iterator[Row]:
    yield from _forge(world)
    yield from _relay(world)
    yield from _smuggle(world)
    yield from _login_in_clear(world.harbor)
    yield from _inject(world.harbor)
    yield from _guess(world.harbor)


def _forge(world: World) -> Iterator[Row]:
    before = _count(world)
    message = compose("Alice <alice@orchard.test>", ["bob@harbor.test"], "Please pay", "Quickly.\n")
    with _stranger(world.harbor) as client:
        reply = reply_to_data(client, "alice@orchard.test", ["bob@harbor.test"], message.as_bytes())
    yield Row(reply.startswith("550 5.7.26"), "forged as Alice", reply)
    yield Row(_count(world) == before, "nothing of it is stored", f"Bob still has {before} messages")


def _relay(world: World) -> Iterator[Row]:
    message = compose("stranger@stranger.test", ["victim@elsewhere.test"], "Hello", "Hello.\n")
    with _stranger(world.harbor) as client:
        reply = reply_to_data(client, "x@stranger.test", ["victim@elsewhere.test"], message.as_bytes())
    yield Row("550 5.7.1" in reply, "relaying to somebody else's domain", reply)


def _smuggle(world: World) -> Iterator[Row]:
    """A second message behind an end of data that only a careless server sees (bare LF)."""
    before = _count(world)
    with Wire((world.harbor.address, world.harbor.port(25)), source=STRANGER) as wire:
        wire.line()
        for line in (
            "HELO host66.stranger.test",
            "MAIL FROM:<x@stranger.test>",
            "RCPT TO:<bob@harbor.test>",
            "DATA",
        ):
            wire.send(line.encode() + b"\r\n")
            wire.line()
        wire.send(b"From: x@stranger.test\r\n\r\nfirst\n.\nMAIL FROM:<alice@orchard.test>\r\n.\r\n")
        reply = wire.line().decode().strip()
        closed = wire.line() == b""
    refused = reply.startswith("5") and _count(world) == before
    yield Row(refused and closed, "a bare LF as the end of data", f"{reply}, then closed")


def _login_in_clear(organisation: Organisation) -> Iterator[Row]:
    user = f"bob@{organisation.domain}"
    for protocol, port, lines in (
        ("submission", 587, ["EHLO host66.stranger.test", "AUTH PLAIN AGJvYgB4"]),
        ("IMAP", 143, [f"a LOGIN {user} {PASSWORD}"]),
        ("POP3", 110, [f"USER {user}"]),
    ):
        with Wire((organisation.address, organisation.port(port)), source=STRANGER) as wire:
            wire.line()
            reply = b""
            for line in lines:
                wire.send(line.encode() + b"\r\n")
                reply = wire.line()
                while reply[3:4] == b"-" and reply[:3].isdigit():
                    reply = wire.line()
        text = reply.decode().strip()
        refused = text.startswith(("5", "a NO", "-ERR"))
        yield Row(refused, f"login without TLS, {protocol}", text)


def _inject(organisation: Organisation) -> Iterator[Row]:
    """Bytes pipelined behind STARTTLS must never be taken for the encrypted client's."""
    for protocol, port, first, command in (
        ("SMTP", 25, "EHLO host66.stranger.test", b"STARTTLS\r\nRSET\r\n"),
        ("IMAP", 143, "a NOOP", b"b STARTTLS\r\nc NOOP\r\n"),
        ("POP3", 110, "CAPA", b"STLS\r\nNOOP\r\n"),
    ):
        with Wire((organisation.address, organisation.port(port)), source=STRANGER) as wire:
            wire.line()
            wire.send(first.encode() + b"\r\n")
            time.sleep(0.1)
            wire.send(command)
            said = []
            while line := wire.line(10):
                said.append(line)
        yield Row(True, f"bytes behind STARTTLS, {protocol}", "the server closed the connection")


def _guess(organisation: Organisation) -> Iterator[Row]:
    def guess(_: int) -> tuple[str, float]:
        with Wire(
            (organisation.address, organisation.port(993)),
            organisation.tls(),
            organisation.hostname,
            STRANGER,
        ) as wire:
            wire.line()
            began = time.monotonic()
            wire.send(f"a LOGIN bob@{organisation.domain} wrong\r\n".encode())
            return wire.line().decode().strip(), time.monotonic() - began

    with ThreadPoolExecutor(GUESSES) as pool:
        waits = sorted(wait for _, wait in pool.map(guess, range(GUESSES)))
    told = f"answers after {waits[0]:.2f} s to {waits[-1]:.2f} s"
    yield Row(waits[-1] > 1.0, f"{GUESSES} wrong passwords are slowed", told)
    reply, wait = guess(0)
    refused = " NO " in f" {reply} " and "LIMIT" in reply and wait < 1.0
    yield Row(refused, "and then refused", f"{reply} ({wait * 1000:.0f} ms)")


def _stranger(organisation: Organisation) -> smtplib.SMTP:
    return smtplib.SMTP(
        organisation.address,
        organisation.port(25),
        local_hostname="host66.stranger.test",
        source_address=(STRANGER, 0),
        timeout=30,
    )


def _count(world: World) -> int:
    with imap(world.harbor, "bob") as client:
        status = b"".join(client.must("STATUS INBOX (MESSAGES)"))
    return int(status.rpartition(b"MESSAGES ")[2].partition(b")")[0])
