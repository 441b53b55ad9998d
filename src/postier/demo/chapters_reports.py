"""Chapter 9: what harbor saw of mail in orchard's name comes back as a report, and tells who sends it."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from typing import Any

from postier.demo.mail import compose, reply_to_data, submit
from postier.demo.rows import Row
from postier.demo.world import World

__all__ = ["report"]

RUA = "dmarc-reports@orchard.test"
Facts = dict[str, Any]


def report(world: World) -> Iterator[Row]:
    """9: counted at harbor, mailed to orchard's rua address, read there, and turned into sources."""
    document, destinations = _counted(world)
    yield Row(destinations == [RUA], "harbor would report to whom orchard names", " ".join(destinations))
    message = compose("dora@harbor.test", [RUA], "Report Domain: orchard.test", "The day so far.\n")
    message.add_attachment(
        gzip.compress(document.encode()),
        maintype="application",
        subtype="gzip",
        filename="harbor.test!orchard.test!1!2.xml.gz",
    )
    with submit(world.harbor, "dora") as client:
        reply = reply_to_data(client, "dora@harbor.test", [RUA], message.as_bytes())
    yield Row(reply.startswith("250"), "the report goes by mail", reply)
    found = _sources(world)
    ours: Facts = next((one for one in found.get("sources", ()) if one["state"] == "ours"), {})
    passed = ours.get("messages", 0) == ours.get("passed", -1)
    seen = f"{ours.get('name')}: {ours.get('messages')} messages, {ours.get('passed')} pass"
    yield Row(passed, "orchard: `dmarc sources` knows its own server", seen)
    yield Row("next" in found, "and what to do about the policy", str(found.get("next")))


def _counted(world: World) -> tuple[str, list[str]]:
    """(document, destinations) of the report about this day; the real one leaves tomorrow."""
    today = time.strftime("%Y-%m-%d", time.gmtime())
    previews = world.postier(world.harbor, "reports", "preview", "orchard.test", "--day", today)
    assert isinstance(previews, list)
    one: Facts = next((one for one in previews if one["kind"] == "dmarc"), {})
    documents = [each["document"] for each in one.get("reports", ())]
    return (documents or [""])[0], list(one.get("destinations", ()))


def _sources(world: World) -> Facts:
    """Once there are any; what there is after a while."""
    deadline = time.monotonic() + 40
    while True:
        found = world.postier(world.orchard, "dmarc", "sources", "orchard.test")
        assert isinstance(found, dict)
        if found["sources"] or time.monotonic() > deadline:
            return found
        time.sleep(0.5)
