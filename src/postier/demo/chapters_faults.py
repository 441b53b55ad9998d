"""Chapters 7 and 11: a partner who is away, an address that does not exist, and a power cut."""

from __future__ import annotations

import itertools
import re
import smtplib
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from postier.demo.mail import arrival, compose, imap, reply_to_data, submit
from postier.demo.rows import Row
from postier.demo.world import DemoError, World

__all__ = ["survive", "wait_in_queue"]

MESSAGES = 500
CONNECTIONS = 20
KILL_AFTER = 150
_MESSAGE_ID = re.compile(rb"Message-ID: (<ledger[^>]+>)", re.IGNORECASE)


def wait_in_queue(world: World) -> Iterator[Row]:
    """7: mail for a server that is away waits with its reason; mail for nobody comes back."""
    world.stop(world.harbor)
    message = compose("alice@orchard.test", ["bob@harbor.test"], "Patience", "Rien ne presse.\n")
    with submit(world.orchard, "alice") as client:
        reply = reply_to_data(client, "alice@orchard.test", ["bob@harbor.test"], message.as_bytes())
    yield Row(reply.startswith("250"), "harbor is away; Alice sends", reply)
    reason = _queued_reason(world)
    yield Row(bool(reason), "the message waits, and says why", reason)
    world.start(world.harbor)
    arrival(world.harbor, "bob", "Message-ID", message["Message-ID"], seconds=60)
    yield Row(True, "harbor returns; it arrives without help", str(message["Message-ID"]))
    lost = compose("alice@orchard.test", ["nobody@harbor.test"], "Y a-t-il quelqu'un ?", "Hé ho.\n")
    with submit(world.orchard, "alice") as client:
        reply_to_data(client, "alice@orchard.test", ["nobody@harbor.test"], lost.as_bytes())
    bounce = arrival(world.orchard, "alice", "Subject", "Not delivered", seconds=60)
    report = b"multipart/report" in bounce and b"message/delivery-status" in bounce
    yield Row(report and b"5.1.1" in bounce, "mail for nobody comes back (RFC 3464)", _sentence(bounce))


def _queued_reason(world: World) -> str:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        listed = world.postier(world.orchard, "queue", "list")
        assert isinstance(listed, list)
        for entry in listed:
            if entry["reason"] and entry["destination"] == "harbor.test":
                return str(entry["reason"])
        time.sleep(0.2)
    return ""


def _sentence(bounce: bytes) -> str:
    """The first lines that a person reads."""
    text = bounce.partition(b"\r\n\r\n")[2].partition(b"\r\n\r\n")[2]
    return " ".join(text[:300].decode("utf-8", "replace").split())[:120]


@dataclass(slots=True)
class _Ledger:
    """What the server took responsibility for."""

    acknowledged: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)
    enough: threading.Event = field(default_factory=threading.Event)

    def note(self, message_id: str) -> None:
        with self.lock:
            self.acknowledged.add(message_id)
            if len(self.acknowledged) >= KILL_AFTER:
                self.enough.set()


def survive(world: World) -> Iterator[Row]:
    """11: 500 messages on 20 connections, and every process of the server killed in the middle."""
    ledger = _Ledger()
    numbers = itertools.count()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        running = [pool.submit(_send_until_cut, world, ledger, numbers) for _ in range(CONNECTIONS)]
        if not ledger.enough.wait(60):
            raise DemoError("the messages did not get through at all")
        killed = world.kill(world.harbor)
        for sender in running:
            sender.result(60)
    yield Row(
        killed > 1, "SIGKILL for every process in the middle", f"{killed} processes, {MESSAGES} messages"
    )
    world.start(world.harbor)
    counts = _ledger_counts(world)
    missing = ledger.acknowledged - counts.keys()
    double = [message_id for message_id, count in counts.items() if count > 1]
    yield Row(
        not missing and not double,
        "each acknowledged message is there exactly once",
        f"{len(ledger.acknowledged)} acknowledged, {len(missing)} missing, {len(double)} twice",
    )


def _send_until_cut(world: World, ledger: _Ledger, numbers: Iterator[int]) -> None:
    try:
        with smtplib.SMTP(world.harbor.address, world.harbor.port(25), "mail.orchard.test", 30) as client:
            client.ehlo()
            while (number := next(numbers)) < MESSAGES:
                message = compose(
                    "alice@orchard.test", ["bob@harbor.test"], f"{number} of {MESSAGES}", "x" * 5000
                )
                message.replace_header("Message-ID", f"<ledger{number}@orchard.test>")
                data = message.as_bytes()
                reply = reply_to_data(client, "alice@orchard.test", ["bob@harbor.test"], data)
                if reply.startswith("250"):
                    ledger.note(f"<ledger{number}@orchard.test>")
    except (smtplib.SMTPException, OSError):
        pass  # the cut: whatever had no 250 is not in the ledger


def _ledger_counts(world: World) -> Counter[str]:
    with imap(world.harbor, "bob") as client:
        client.must("SELECT INBOX")
        listed = b"".join(client.must("FETCH 1:* BODY.PEEK[HEADER.FIELDS (MESSAGE-ID)]"))
    return Counter(found.decode() for found in _MESSAGE_ID.findall(listed))
