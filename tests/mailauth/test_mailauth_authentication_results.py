"""The field of RFC 8601: what it says, and that no peer can write in it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.mailauth.authentication_results import forged_ranges, remove_forged, render
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult
from postier.mailauth.headers import split_fields
from postier.mailauth.spf import Spf, SpfResult

SIGNATURE = DkimResult(Dkim.PASS, "a.test", "s1", "@a.test", "rsa-sha256", signature="ab+/cd==")


def unfolded(field: bytes) -> str:
    return re.sub(rb"\r\n[ \t]+", b" ", field).decode().removesuffix("\r\n")


def test_everything() -> None:
    field = render(
        "mx.b.test",
        spf=SpfResult(Spf.PASS, "a.test"),
        dkim=[SIGNATURE],
        dmarc=DmarcResult(Dmarc.PASS, "a.test"),
        mail_from="bounce+1@a.test",
        ip="192.0.2.1",
    )
    assert unfolded(field) == (
        "Authentication-Results: mx.b.test; "
        "spf=pass (client-ip=192.0.2.1) smtp.mailfrom=bounce+1@a.test; "
        'dkim=pass header.d=a.test header.s=s1 header.a=rsa-sha256 header.i=@a.test header.b="ab+/cd=="; '
        "dmarc=pass header.from=a.test"
    )
    assert all(len(line) <= 78 for line in field.split(b"\r\n"))


@pytest.mark.parametrize(
    ("field", "text"),
    [
        (render("mx.test"), "mx.test; none"),
        (render("mx.test", dkim=[]), "mx.test; dkim=none"),
        (render("mx.test", auth_user="ann@b.test"), "mx.test; auth=pass smtp.auth=ann@b.test"),
        (
            render("mx.test", spf=SpfResult(Spf.FAIL, "h.test", "helo"), helo="h.test"),
            "mx.test; spf=fail smtp.helo=h.test",
        ),
        (
            render("mx.test", dkim=[DkimResult(Dkim.FAIL, "a.test", reason="body hash did not verify")]),
            'mx.test; dkim=fail reason="body hash did not verify" header.d=a.test',
        ),
    ],
)
def test_parts(field: bytes, text: str) -> None:
    assert unfolded(field) == f"Authentication-Results: {text}"


@given(st.text(max_size=400), st.text(max_size=400), st.text(max_size=400))
def test_a_peer_can_not_leave_the_value(mail_from: str, domain: str, reason: str) -> None:
    field = render(
        "mx.test",
        spf=SpfResult(Spf.PASS, "a.test", reason=reason),
        dkim=[DkimResult(Dkim.FAIL, domain, domain, mail_from, reason=reason, signature=domain[:8])],
        mail_from=mail_from,
    )
    assert len(split_fields(field)) == 1
    assert field.endswith(b"\r\n")
    assert not re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", field)
    assert all(len(line) < 998 for line in field.split(b"\r\n"))
    outside = re.sub(r'"(?:[^"\\]|\\.)*"', "", unfolded(field))
    assert outside.count("spf=pass") == 1
    assert field.count(b";") == 2


FORGED = [
    b"Authentication-Results: mx.test; dkim=pass\r\n",
    b"authentication-results:mx.TEST.\r\n",
    b"AUTHENTICATION-RESULTS :\r\n\t(hello (x\\)) world) mx.test 1; spf=pass\r\n",
    b'Authentication-Results: "mx.\\test"; spf=pass\r\n',
    b"Authentication-Results: ; spf=pass\r\n",
    b"Authentication-Results: (mx.test\r\n",
    b"Authentication-Results:\r\n",
]


@pytest.mark.parametrize("forged", FORGED)
def test_forged_fields_are_found(forged: bytes) -> None:
    section = b"From: a@a.test\r\n" + forged + b"To: b@b.test\r\n" + forged
    assert remove_forged(section, "mx.test") == b"From: a@a.test\r\nTo: b@b.test\r\n"
    assert len(forged_ranges(section, "Mx.test")) == 2


@pytest.mark.parametrize(
    "field",
    [
        b"Authentication-Results: mx.test.evil; dkim=pass\r\n",
        b"Authentication-Results: other.test (mx.test); dkim=pass\r\n",
        b"X-Authentication-Results: mx.test; dkim=pass\r\n",
        b"Subject: a\r\n Authentication-Results: mx.test\r\n",
    ],
)
def test_others_stay(field: bytes) -> None:
    section = field + b"From: a@a.test\r\n"
    assert remove_forged(section, "mx.test") is section
