"""Chapter 8: both administrators ask what became of a message, and are told the same story from two sides."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import Any

from postier.demo.mail import arrival, compose, pop, reply_to_data, submit
from postier.demo.rows import Row
from postier.demo.world import Organisation, World

__all__ = ["trace"]

_TRACE = re.compile(r"(?:accepted |\[trace )([0-9a-z]{16})")
Step = dict[str, Any]


def trace(world: World) -> Iterator[Row]:
    """8: sent, tried, taken, checked, delivered, fetched; and what a refusal leaves on each side."""
    yield from _delivered(world)
    yield from _refused(world)


def _delivered(world: World) -> Iterator[Row]:
    message = compose("dora@harbor.test", ["alice@orchard.test"], "Où en est-on ?", "Et alors ?\n")
    with submit(world.harbor, "dora") as client:
        reply = reply_to_data(client, "dora@harbor.test", ["alice@orchard.test"], message.as_bytes())
    here = _named(reply)
    arrival(world.orchard, "alice", "Message-ID", message["Message-ID"])
    with pop(world.orchard, "alice") as client:
        client.multiline(f"RETR {len(client.multiline('UIDL'))}")
        client.must("QUIT")
    steps = _story(world, world.harbor, here, "delivered")
    yield _row(steps, "accepted", "harbor: `postier trace` knows who sent it", "login", "dora@harbor.test")
    yield _row(steps, "delivered", "and who took it, over which channel", "tls", "TLSv1.3")
    there = _named(str(steps.get("delivered", {}).get("reply", "")))
    yield Row(bool(there), "orchard's answer leads to its own story", f"trace {there}")
    steps = _story(world, world.orchard, there, "read")
    yield _row(steps, "accepted", "orchard: it was checked on arrival", "dmarc", "pass harbor.test")
    yield _row(steps, "delivered", "and lies in a mailbox", "mailbox", "INBOX")
    yield _row(steps, "read", "Alice's POP3 program fetched it", "role", "pop3")
    found = world.postier(world.orchard, "trace", "--message-id", str(message["Message-ID"]))
    assert isinstance(found, list)
    yield Row([each["trace"] for each in found] == [there], "it is found by its Message-ID as well", there)


def _refused(world: World) -> Iterator[Row]:
    message = compose("dora@harbor.test", ["personne@orchard.test"], "Perdu", "Rien.\n")
    with submit(world.harbor, "dora") as client:
        reply = reply_to_data(client, "dora@harbor.test", ["personne@orchard.test"], message.as_bytes())
    steps = _story(world, world.harbor, _named(reply), "bounced")
    said = str(steps.get("bounced", {}).get("reply", ""))
    yield Row("5.1.1" in said, "a refusal names the trace to quote", said)
    steps = _story(world, world.orchard, _named(said), "refused")
    yield _row(steps, "refused", "orchard finds by it whom it refused", "recipient", "personne@orchard.test")


def _story(world: World, organisation: Organisation, trace_id: str, last: str) -> dict[str, Step]:
    """The steps by their kind, once the one called `last` is there; what there is after a while."""
    deadline = time.monotonic() + 30
    while True:
        found = world.postier(organisation, "trace", "--sender", "dora@harbor.test")
        assert isinstance(found, list)
        steps = {
            step["kind"]: step for story in found if story["trace"] == trace_id for step in story["steps"]
        }
        if last in steps or time.monotonic() > deadline:
            return steps
        time.sleep(0.2)


def _row(steps: dict[str, Step], kind: str, what: str, fact: str, value: str) -> Row:
    """The step is there, and its fact begins with `value`."""
    step = steps.get(kind, {})
    found = str(step.get(fact, ""))
    return Row(found.startswith(value), what, f"{found}: {step.get('meaning', 'no such step')}")


def _named(words: str) -> str:
    found = _TRACE.search(words)
    return found[1] if found else ""
