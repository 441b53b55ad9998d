"""Which message is which story: our own Received, on top, and nobody else's."""

from __future__ import annotations

import pytest

from postier.base.ids import new_id
from postier.smtp.inbound.received import received, return_path
from postier.story.traced import trace_of

TRACE = "0abcdefghjkmnpqr"
HERE = "mail.orchard.test"


def field(trace_id: str = TRACE, hostname: str = HERE, recipient: str = "") -> bytes:
    return received(
        helo="a.example",
        ip="192.0.2.1",
        hostname=hostname,
        protocol="ESMTP",
        tls=None,
        trace_id=trace_id,
        forward_path=recipient,
        when=0.0,
    )


@pytest.mark.parametrize("recipient", ["", "bob@b.example"])
@pytest.mark.parametrize("above", [b"", return_path("a@a.example"), return_path("") + b"X: y\r\n\tz\r\n"])
def test_what_we_wrote_is_found(recipient: str, above: bytes) -> None:
    trace_id = new_id()
    assert trace_of(above + field(trace_id, recipient=recipient) + b"Subject: x\r\n\r\n", HERE) == trace_id


def test_what_others_wrote_is_not() -> None:
    theirs = field(hostname="mx.else.example")
    assert trace_of(theirs, HERE) == ""
    assert trace_of(theirs + field(), HERE) == ""
    assert trace_of(b"Subject: x\r\n\r\nReceived: y\r\n", HERE) == ""
    assert trace_of(b"", HERE) == ""
    assert trace_of(field() + theirs, HERE) == TRACE
    assert trace_of(field(trace_id="not-an-id"), HERE) == ""
    assert trace_of(b"X: " + b"x" * 20_000 + b"\r\n" + field(), HERE) == ""
