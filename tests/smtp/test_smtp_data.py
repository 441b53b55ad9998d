"""The readers of text and octets against plain definitions, wherever the stream is cut."""

from __future__ import annotations

import asyncio
import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.base.status import Reply
from postier.smtp.inbound.incoming import MAX_HEADER, Incoming
from postier.smtp.wire.data import BareNewline, DotReader, OctetReader
from postier.smtp.wire.events import DataChunk, Ehlo, Violation
from postier.smtp.wire.server import SmtpServer

BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")
STREAMS = st.lists(
    st.sampled_from([b"\r\n", b".", b"a", b"\r", b"\n", b"..", b"\r\n.\r\n", b"xyz"]), max_size=14
).map(b"".join)
MOSTLY_GOOD = st.lists(
    st.sampled_from([b"\r\n", b".", b"a", b"..", b"\r\n.", b"\r\n.x", b"xyz"]), max_size=14
).map(lambda pieces: b"".join(pieces) + b"\r\n.\r\nrest")
WORDS = [
    *(b"EHLO a\r\n", b"MAIL FROM:<>\r\n", b"RCPT TO:<postmaster>\r\n", b"DATA\r\n", b"x\r\n", b".\r\n"),
    *(b"BDAT 3\r\n", b"BDAT 0 LAST\r\n", b"abc", b"\r", b"\n", b"\0", b"\xff", b"AUTH PLAIN\r\n", b"*\r\n"),
    *(b"RSET\r\n", b"QUIT\r\n", b" "),
]


def cuts(stream: bytes, positions: list[int]) -> list[bytes]:
    at = sorted({position % (len(stream) + 1) for position in positions} | {0, len(stream)})
    return [stream[a:b] for a, b in itertools.pairwise(at)]


def by_definition(stream: bytes) -> tuple[bytes, bytes] | None:
    """RFC 5321 4.5.2, line by line; None for a bare CR or LF before the end, or no end."""
    lines: list[bytes] = []
    while True:
        line, crlf, stream = stream.partition(b"\r\n")
        if b"\r" in line or b"\n" in line or not crlf:
            return None
        if line == b".":
            return b"".join(lines), stream
        lines.append((line[1:] if line.startswith(b".") else line) + crlf)


def read(pieces: list[bytes]) -> tuple[bytes, bytes] | None:
    reader, text = DotReader(), b""
    for index, piece in enumerate(pieces):
        try:
            found, rest = reader.feed(piece)
        except BareNewline:
            return None
        text += found
        if rest is not None:
            return text, rest + b"".join(pieces[index + 1 :])
    return None


@settings(max_examples=500)
@given(st.one_of(STREAMS, MOSTLY_GOOD), st.lists(st.integers(0, 100), max_size=6))
def test_text_is_what_the_definition_says(stream: bytes, positions: list[int]):
    assert read(cuts(stream, positions)) == by_definition(stream)


@given(
    st.lists(st.sampled_from([b"\r\n", b"a", b"\r", b"\n", b"."]), max_size=10).map(b"".join),
    st.lists(st.integers(0, 50), max_size=5),
)
def test_octets_are_refused_exactly_for_bare_newlines(stream: bytes, positions: list[int]):
    reader, got = OctetReader(), b""
    reader.begin(len(stream))
    try:
        for piece in cuts(stream + b"rest", positions):
            if not reader.remaining:
                break
            got += reader.feed(piece)[0]
        is_bare = reader.after_cr
    except BareNewline:
        is_bare = True
    assert is_bare == bool(BARE.search(stream))
    if not is_bare:
        assert got == stream


@given(
    st.lists(st.sampled_from([b"\r\n", b"a", b"\r", b"\n", b"\0"]), max_size=12).map(b"".join),
    st.lists(st.integers(0, 50), max_size=5),
)
def test_the_header_of_a_binary_message_is_lines_and_its_body_is_octets(stream: bytes, positions: list[int]):
    """RFC 3030 3, and no smuggling through the header."""
    end = 2 if stream.startswith(b"\r\n") else stream.find(b"\r\n\r\n") + 4
    lines = stream[:end] if end != 3 else stream
    reader, got = OctetReader(binary=True), b""
    reader.begin(len(stream))
    try:
        for piece in cuts(stream + b"rest", positions):
            if not reader.remaining:
                break
            got += reader.feed(piece)[0]
        is_bare = reader.after_cr
    except BareNewline:
        is_bare = True
    assert is_bare == bool(BARE.search(lines))
    if not is_bare:
        assert got == stream


@settings(max_examples=300)
@given(
    st.lists(
        st.sampled_from(WORDS),
        max_size=25,
    ).map(b"".join),
    st.integers(1, 7),
)
def test_any_bytes_give_the_same_answers_in_any_packets(stream: bytes, step: int):
    def answers(packets: list[bytes]) -> tuple[bytes, bytes]:
        core, out, text = SmtpServer("mx.example"), b"", b""
        core.offer(["CHUNKING", "AUTH PLAIN"])
        for packet in packets:
            core.receive(packet)
            while (event := core.next_event()) is not None:
                if isinstance(event, Ehlo):
                    core.welcome()
                elif isinstance(event, DataChunk):
                    text += event.data
                elif type(event).__name__ == "Auth":
                    core.challenge("")
                elif not isinstance(event, Violation):
                    core.reply(Reply(250, "2.0.0", type(event).__name__))
            out += core.outgoing()
        return out, text

    whole = answers([stream])
    cut = answers([stream[i : i + step] for i in range(0, len(stream), step)])
    assert cut[0] == whole[0]
    if b"554" not in whole[0]:  # of a text that is refused, more or less may have come through before
        assert cut[1] == whole[1]


class ListSpool:
    def __init__(self) -> None:
        self.data = b""
        self.sealed = False

    async def write(self, chunk: bytes) -> None:
        self.data += chunk

    async def seal(self) -> None:
        self.sealed = True

    def discard(self) -> None:
        self.data = b""


class ListReader:
    def __init__(self) -> None:
        self.data = b""

    def feed(self, chunk: bytes) -> None:
        self.data += chunk


@pytest.mark.parametrize(
    ("message", "header"),
    [
        (b"A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore\r\n", b"A: b\r\nC: d\r\n\r\n"),
        (b"\r\nbody\r\n\r\nmore", b"\r\n"),
        (b"\r\n", b"\r\n"),
        (b"\r\n\r\nbody", b"\r\n"),
        (b"A: b\r\n", b"A: b\r\n"),
        (b"A: b\r\n\r\n", b"A: b\r\n\r\n"),
        (b"", b""),
    ],
)
def test_the_header_section_is_found_wherever_it_is_cut(message: bytes, header: bytes):
    async def take(pieces: list[bytes]) -> tuple[bytes, bytes, bytes, int]:
        spool, reader, seen = ListSpool(), ListReader(), []

        def begin(found: bytes) -> tuple[bytes, ListReader]:
            seen.append(found)
            return b"X: y\r\n" + found, reader

        incoming = Incoming(spool, begin, 1000)
        for piece in pieces:
            await incoming.write(piece)
        analysis = await incoming.finish()
        assert spool.sealed
        assert incoming.header == b"X: y\r\n" + seen[0]
        return b"".join(seen), reader.data, spool.data, analysis.size

    wanted = (header, message[len(header) :], b"X: y\r\n" + message, len(message) + 6)
    for step in (1, 2, 3, 4, 5, 100):
        pieces = [message[i : i + step] for i in range(0, len(message), step)]
        assert asyncio.run(take(pieces)) == wanted


@pytest.mark.parametrize(
    ("size", "limit", "is_fault"),
    [
        (100, 100, False),
        (101, 100, True),
        (100_000, 100, True),
        (MAX_HEADER, 1 << 30, False),
        (MAX_HEADER * 2, 1 << 30, True),
    ],
)
def test_limits_of_size(size: int, limit: int, is_fault: bool):
    async def take() -> tuple[Reply | None, int]:
        spool = ListSpool()
        incoming = Incoming(spool, lambda header: (header, None), limit)
        await incoming.write(b"x" * (size // 2))
        await incoming.write(b"x" * (size - size // 2))
        await incoming.write(b"")
        fault = incoming.fault
        if fault is None:
            await incoming.finish()
        return fault, len(spool.data)

    fault, kept = asyncio.run(take())
    assert (fault is not None) == is_fault
    assert kept == (0 if is_fault else size)
