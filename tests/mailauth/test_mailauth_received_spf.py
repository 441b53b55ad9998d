"""Received-SPF (RFC 7208 9.1), whatever a peer says of itself."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from postier.mailauth.received_spf import received_spf
from postier.mailauth.spf import Spf, SpfResult


def test_the_field() -> None:
    spf = SpfResult(Spf.PASS, "a.test", mechanism="ip4:192.0.2.0/24")
    field = received_spf(spf, receiver="mx.test", ip="192.0.2.1", helo="h.a.test", mail_from="x@a.test")
    assert field == (
        b"Received-SPF: pass\r\n\treceiver=mx.test; identity=mailfrom;\r\n"
        b'\tenvelope-from="x@a.test";\r\n\thelo=h.a.test;\r\n\tclient-ip=192.0.2.1;\r\n'
        b'\tmechanism="ip4:192.0.2.0/24"\r\n'
    )


def test_the_null_path() -> None:
    spf = SpfResult(Spf.NONE, identity="helo", reason="no domain to check")
    field = received_spf(spf, receiver="mx.test", ip="2001:db8::1", helo="h", mail_from="")
    assert b"identity=helo" in field
    assert b"envelope-from" not in field
    assert b'client-ip="2001:db8::1"' in field


@given(st.text(max_size=300), st.text(max_size=300))
def test_nothing_ends_it(helo: str, mail_from: str) -> None:
    spf = SpfResult(Spf.FAIL, helo, mechanism=mail_from, reason=helo)
    field = received_spf(spf, receiver="mx.test", ip="192.0.2.1", helo=helo, mail_from=mail_from)
    assert field.endswith(b"\r\n")
    assert not re.search(rb"[\r\n]", field[:-2].replace(b"\r\n\t", b""))
    assert all(len(line) < 998 for line in field.split(b"\r\n"))
