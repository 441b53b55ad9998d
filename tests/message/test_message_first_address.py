"""The first address of a field, out of a ready ENVELOPE."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.base.cursor import Cursor
from postier.message.envelope import render_envelope
from postier.message.first_address import (
    _first_behind_literals,
    display_text,
    first_address,
    mailbox_text,
)
from postier.message.headers import HeaderFields

FIELDS = ("from", "sender", "reply-to", "to", "cc", "bcc")


def envelope(header: bytes) -> bytes:
    return render_envelope(HeaderFields(header.replace(b"\n", b"\r\n")))


@pytest.mark.parametrize(
    ("header", "mailbox", "display"),
    [
        (b"", "", ""),
        (b"To: a@b.example\n", "", ""),
        (b"From: Alice <al@a.example>, Bob <bob@b.example>\n", "al", "Alice"),
        (b"From: al@a.example\n", "al", "al@a.example"),
        (b'From: "" <al@a.example>\n', "al", "al@a.example"),
        (b'From: "Smith \\"Joe\\", Jr." <"j\\\\s"@a.example>\n', "j\\s", 'Smith "Joe", Jr.'),
        (b"From: =?utf-8?q?Gr=C3=BC=C3=9Fe?= =?utf-8?q?_dich?= <g@a.example>\n", "g", "Grüße dich"),
        ("From: Grün <grün@a.example>\n".encode(), "grün", "Grün"),
        ("From: a\nSubject: ä {3}\n".encode(), "a", "a@"),
        (b"From: Friends: a@a.example, b@b.example;\n", "Friends", "Friends"),
        (b"From: undisclosed-recipients:;\n", "undisclosed-recipients", "undisclosed-recipients"),
        (b'Subject: x\ty ("((NIL\nFrom: al@a.example\nDate: ((\n', "al", "al@a.example"),
    ],
)
def test_from(header: bytes, mailbox: str, display: str) -> None:
    made = envelope(header)
    assert mailbox_text(made, "from") == mailbox
    assert display_text(made, "from") == display


@pytest.mark.parametrize("subject", [b"plain", "ä".encode()])
def test_each_field(subject: bytes) -> None:
    header = b"Subject: " + subject + b"\n"
    header += b"".join(b"%b: n%d <m%d@h>, z@z\n" % (f.encode(), i, i) for i, f in enumerate(FIELDS))
    for position, field in enumerate(FIELDS):
        assert first_address(envelope(header), field) == (
            b"n%d" % position,
            b"m%d" % position,
            b"h",
        )
    header = header.replace(b"n3", "ñ3".encode())
    assert display_text(envelope(header), "to") == "ñ3"
    assert display_text(envelope(header), "cc") == "n4"
    assert mailbox_text(envelope(header), "bcc") == "m5"


def test_a_long_name_is_read_as_well() -> None:
    name = b"n" * 5000
    assert display_text(envelope(b"From: " + name + b" <a@b>\n"), "from") == name.decode()


@given(
    st.lists(st.sampled_from([b"From", b"To", b"Cc", b"Subject", b"Date", b"Sender", b"Reply-To"])),
    st.lists(st.binary(max_size=30)),
)
def test_any_header(names: list[bytes], values: list[bytes]) -> None:
    made = render_envelope(
        HeaderFields(b"".join(b"%b: %b\r\n" % pair for pair in zip(names, values, strict=False)))
    )
    for field in FIELDS:
        address = first_address(made, field)
        assert address == _first_behind_literals(Cursor(made), FIELDS.index(field))
        assert (address.mailbox is not None) >= bool(mailbox_text(made, field))
        assert (address.mailbox is not None) >= bool(display_text(made, field))
