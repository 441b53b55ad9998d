"""RFC 6858: what programs get that know only ASCII."""

from __future__ import annotations

import email
from email.header import decode_header, make_header
from email.message import Message

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.message.downgrade import HEADER_HELD, Downgrading, downgraded

PIECES = ["Subject: é", "A: b", "\r\n", "To: é@a.example", " ö", "x", "\r\n\r\n"]


def lines(*fields: str) -> bytes:
    return "".join(f"{field}\r\n" for field in fields).encode()


def _decoded(message: Message) -> dict[str, str]:
    return {name: str(make_header(decode_header(value))) for name, value in message.items()}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("Subject: plain", "Subject: plain"),
        ("Subject: été", "Subject: =?utf-8?q?=C3=A9t=C3=A9?="),
        ("From: Zoë <zoe@a.example>", "From: =?utf-8?q?Zo=C3=AB?= <zoe@a.example>"),
        ("From: zoe@bücher.example", "From: zoe@xn--bcher-kva.example"),
        (
            "From: Fred <fréd@a.example>",
            'From: "Fred" <invalid@internationalized-address.invalid>',
        ),
        (
            "To: fréd@a.example, bob@a.example",
            "To: =?utf-8?q?fr=C3=A9d=40a=2Eexample?= <invalid@internationalized-address.invalid>,"
            " bob@a.example",
        ),
        ("Cc: Amis: é@a.example, b@a.example;", None),
        ('Content-Type: image/png; name="smørgås.png"', "Content-Type: image/png"),
        (
            'Content-Type: multipart/mixed; name="ø;"; boundary="a;b"',
            'Content-Type: multipart/mixed; boundary="a;b"',
        ),
        ("X-Wörter: oui", ""),
        ("X-Note: où", ""),
        ("Message-ID: <é@a.example>", ""),
    ],
)
def test_fields(field: str, expected: str | None) -> None:
    made = downgraded(lines(field) + b"\r\n")
    assert made.isascii()
    assert made.endswith(b"\r\n")
    if expected is not None:
        flat = made.decode().replace("\r\n ", " ")
        read, wanted = (email.message_from_string(text + "\r\n") for text in (flat, expected))
        assert _decoded(read) == _decoded(wanted)


def test_what_is_ascii_or_no_utf8_stays_as_it_is() -> None:
    old = b"Subject: caf\xe9\r\nX-A:  b \r\nFrom:\r\n\tx@a.example\r\n\r\n"
    assert downgraded(old) == old
    both = lines("Subject: é") + old
    assert downgraded(both).endswith(old)


def test_the_body_is_not_touched() -> None:
    message = lines("Subject: é", "To: a@a.example") + "\r\nOù est le café ?\r\n".encode()
    made = Downgrading()
    out = made.feed(message) + made.finish()
    head, _, body = out.partition(b"\r\n\r\n")
    assert head.isascii()
    assert body == "Où est le café ?\r\n".encode()


@given(
    st.lists(st.sampled_from(PIECES), max_size=9),
    st.lists(st.integers(1, 7), min_size=1, max_size=9),
)
def test_chunks_may_be_cut_anywhere(pieces: list[str], cuts: list[int]) -> None:
    message = "\r\n".join(pieces).encode()
    whole, parted = Downgrading(), Downgrading()
    expected = whole.feed(message) + whole.finish()
    found, start, turn = b"", 0, 0
    while start < len(message):
        size = cuts[turn % len(cuts)]
        found += parted.feed(message[start : start + size])
        start, turn = start + size, turn + 1
    assert found + parted.finish() == expected


def test_an_endless_header_section_is_not_held() -> None:
    made = Downgrading()
    line = "X: é\r\n".encode() * 10_000
    fed = b"".join(made.feed(line) for _ in range(20))
    assert len(fed) > HEADER_HELD
    assert fed + made.finish() == line * 20


def test_broken_fields_cost_linear_time() -> None:
    for field in ('To: é"' + '\\"' * 50_000, "To: é" + "(" * 50_000, 'Content-Type: é;"' + '";"' * 50_000):
        assert downgraded(lines(field) + b"\r\n").isascii()
