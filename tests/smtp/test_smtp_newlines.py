"""`smtp.submission_normalise_newlines`: for the whole dialogue of people who log in, never for strangers."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.smtp.inbound.dialogue import Role
from postier.smtp.wire.newlines import NewlineNormaliser

LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\n"
ENVELOPE = b"MAIL FROM:<bob@b.example>\nRCPT TO:<carol@b.example>\nDATA\n"
MESSAGE = b"From: bob@b.example\nSubject: Scan\r\rOne\n..two\r\nthree\n"


def by_byte(data: bytes) -> bytes:
    """What is meant, said the slow way."""
    out = bytearray()
    for index, octet in enumerate(data):
        if octet == 0x0A:
            if index == 0 or data[index - 1] != 0x0D:
                out += b"\r\n"
        else:
            out += b"\r\n" if octet == 0x0D else bytes((octet,))
    return bytes(out)


@given(st.lists(st.text("\r\n.a", max_size=6).map(str.encode), max_size=8))
def test_any_line_end_becomes_crlf_wherever_it_was_cut(pieces: list[bytes]):
    normaliser = NewlineNormaliser()
    whole = b"".join(pieces)
    found = b"".join(map(normaliser.feed, pieces))
    assert bool(normaliser) == whole.endswith(b"\r")
    assert found == by_byte(whole[:-1] if normaliser else whole)


def say(world, said: list[bytes], role: Role = Role.SUBMISSION, **settings):
    settings = {"normalise_newlines": True, **settings}
    return asyncio.run(world.converse(said, role, tls=True, **settings))


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_a_device_with_bare_line_ends_is_understood(world, size: int):
    text = MESSAGE + b".\n"
    said = [b"EHLO scanner\n", LOGIN, ENVELOPE]
    said += [text[i : i + size] for i in range(0, len(text), size)]
    output, [stored] = say(world, [*said, b"QUIT\r", b"\n"])
    assert "250 2.0.0 accepted" in output
    assert output.endswith("221 2.0.0 Bye\r\n")
    assert stored.data.endswith(b"Subject: Scan\r\n\r\nOne\r\n.two\r\nthree\r\n")


@pytest.mark.parametrize("end", [b"\n.\n", b"\r.\r\n", b"\r\n.\n", b"\n.\r\n"])
def test_every_form_of_the_end_is_the_end(world, end: bytes):
    """What follows is commands to us, so it can't be text to anybody behind us."""
    said = [b"EHLO scanner\n", LOGIN, ENVELOPE, MESSAGE.rstrip(b"\n") + end + b"NOOP\n"]
    output, [stored] = say(world, said)
    assert output.endswith("250 2.0.0 OK\r\n")
    assert stored.data.endswith(b"\r\nthree\r\n")


def test_chunks_are_not_offered_where_octets_may_change(world):
    assert "CHUNKING" not in say(world, [b"EHLO scanner\n"])[0]
    assert "CHUNKING" in say(world, [b"EHLO scanner\r\n"], normalise_newlines=False)[0]
    assert "CHUNKING" in say(world, [b"EHLO scanner\r\n"], Role.MX)[0]


@pytest.mark.parametrize(
    ("role", "settings"), [(Role.MX, {}), (Role.SUBMISSION, {"normalise_newlines": False})]
)
def test_nobody_else_is_spared(world, role: Role, settings):
    output, _ = say(world, [b"EHLO scanner\n"], role, **settings)
    assert output.endswith("554 5.5.2 A CR or LF stands alone: lines end in CRLF\r\n")


def test_a_command_behind_starttls_is_seen_whatever_its_line_end(world):
    said = [b"EHLO scanner\n", b"STARTTLS\n" + LOGIN]
    output, _ = asyncio.run(world.converse(said, Role.SUBMISSION, normalise_newlines=True))
    assert output.endswith("554 5.5.1 Wait for the reply to STARTTLS\r\n")
