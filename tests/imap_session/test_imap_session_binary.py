"""BINARY of parts of every size: what comes in pieces is what would come at once, and its size was told."""

from __future__ import annotations

import asyncio
import base64
import gc
import random
import re
import tracemalloc
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.blobs.api import BlobRef
from postier.blobs.local import LocalBlobs
from postier.imap.session.binary import Decoding, PartMemory, Stream
from postier.imap.session.sections import LARGE, PIECE


def _stream(data: bytes, size: int) -> Stream:
    async def stream(offset: int) -> AsyncIterator[bytes]:
        for start in range(offset, len(data), size):
            yield data[start : start + size]

    return stream


async def _in_pieces(decoding: Decoding, data: bytes, size: int, partial: tuple[int, int] | None) -> Any:
    stream, memory = _stream(data, size), PartMemory()
    measure = await decoding.measure(stream, partial, memory)
    first, length = partial or (0, measure.size)
    last, mends = min(first + length, measure.size), measure.mends_lines
    found = decoding.pieces(stream, min(first, last), last, mends_lines=mends, memory=memory)
    return measure, b"".join([piece async for piece in found])


contents = st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"a", b"\0", b"=", b"\xff", b" "])).map(b"".join)


@given(
    contents,
    st.sampled_from(["", "base64", "quoted-printable"]),
    st.booleans(),
    st.integers(1, 9),
    st.one_of(st.none(), st.tuples(st.integers(0, 20), st.integers(1, 20))),
)
def test_pieces_are_what_the_whole_is(
    content: bytes, encoding: str, is_text: bool, size: int, partial: tuple[int, int] | None
) -> None:
    data = base64.encodebytes(content) if encoding == "base64" else content
    decoding = Decoding(0, len(data), encoding, is_text)
    whole = decoding.whole(data)
    first, length = partial or (0, len(whole))
    measure, octets = asyncio.run(_in_pieces(decoding, data, size, partial))
    assert measure.size == len(whole)
    assert octets == whole[first : first + length]
    assert measure.has_nul == (b"\0" in octets)


@given(
    contents,
    st.sampled_from(["", "base64", "quoted-printable"]),
    st.booleans(),
    st.integers(1, 9),
    st.lists(st.tuples(st.integers(0, 20), st.integers(1, 20)), max_size=5),
)
def test_pieces_in_any_order_are_those_of_the_whole(
    content: bytes, encoding: str, is_text: bool, size: int, partials: list[tuple[int, int]]
) -> None:
    data = base64.encodebytes(content) if encoding == "base64" else content
    decoding = Decoding(0, len(data), encoding, is_text)
    whole, memory, stream = decoding.whole(data), PartMemory(), _stream(data, size)

    async def piece(first: int, length: int) -> bytes:
        mends = (await decoding.measure(stream, None, memory)).mends_lines
        found = decoding.pieces(stream, first, first + length, mends_lines=mends, memory=memory)
        return b"".join([piece async for piece in found])

    for first, length in partials:
        assert asyncio.run(piece(first, length)) == whole[first : first + length]


def test_pieces_in_order_cost_what_the_whole_does(
    in_world: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(3).randbytes(8 * LARGE)
    read = 0
    original = LocalBlobs.stream

    async def counting(blobs: LocalBlobs, ref: BlobRef, start: int = 0, end: int | None = None) -> Any:
        nonlocal read
        async for chunk in original(blobs, ref, start, end):
            read += len(chunk)
            yield chunk

    async def test(world: Any) -> None:
        encoded = base64.encodebytes(content)
        await world.deliver(_message(b"image/png", b"base64", encoded))
        client = await world.client(b"SELECT INBOX")
        monkeypatch.setattr(LocalBlobs, "stream", counting)
        step = LARGE // 2
        for start in range(0, len(content) + step, step):
            answer = await client.command(b"FETCH 1 BINARY.PEEK[1]<%d.%d>" % (start, step))
            assert _literal(answer)[1] == content[start : start + step]
        assert read < 4 * len(encoded)

    in_world(test)


def test_text_with_nul_keeps_its_lines() -> None:
    assert Decoding(0, 0, "", True).whole(b"a\nb\r\n") == b"a\r\nb\r\n"
    assert Decoding(0, 0, "", True).whole(b"a\n\0b\r\n") == b"a\n\0b\r\n"
    assert Decoding(0, 0, "", False).whole(b"a\nb\r\n") == b"a\nb\r\n"


def _message(kind: bytes, encoding: bytes, body: bytes) -> bytes:
    header = b"Subject: s\r\nContent-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n"
    return header % (kind, encoding) + body


def _literal(answer: bytes) -> tuple[bytes, bytes]:
    """(what announces it, the octets) of the first literal of `answer`."""
    found = re.search(rb"(~?)\{(\d+)\}\r\n", answer)
    assert found is not None, answer[:200]
    return found[1], answer[found.end() : found.end() + int(found[2])]


@pytest.mark.parametrize("with_nul", [False, True])
def test_large_parts_stream(in_world: Callable[..., None], with_nul: bool) -> None:
    content = random.Random(7).randbytes(2 * PIECE).replace(b"\0", b"x") + (b"\0" if with_nul else b"y")

    async def test(world: Any) -> None:
        await world.deliver(_message(b"image/png", b"base64", base64.encodebytes(content)))
        client = await world.client(b"SELECT INBOX")
        size = await client.command(b"FETCH 1 BINARY.SIZE[1]")
        assert size == b"* 1 FETCH (BINARY.SIZE[1] %d)\r\n" % len(content)
        answer = await client.command(b"FETCH 1 BINARY.PEEK[1]")
        assert _literal(answer) == (b"~" if with_nul else b"", content)
        assert answer.endswith(content + b")\r\n")
        start = len(content) - PIECE - 9  # the rest is streamed as well
        answer = await client.command(b"FETCH 1 BINARY.PEEK[1]<%d.%d>" % (start, 2 * PIECE))
        assert b"BINARY[1]<%d>" % start in answer
        assert _literal(answer) == (b"~" if with_nul else b"", content[start:])
        answer = await client.command(b"FETCH 1 BINARY.PEEK[1]<%d.%d>" % (LARGE, PIECE + 1))
        assert _literal(answer) == (b"", content[LARGE : LARGE + PIECE + 1])

    in_world(test)


def test_a_large_part_is_never_held(in_world: Callable[..., None]) -> None:
    content = b"0123456789" * 1_000_000

    async def test(world: Any) -> None:
        await world.deliver(_message(b"image/png", b"base64", base64.encodebytes(content)))
        client = await world.client(b"SELECT INBOX")
        gc.collect()
        tracemalloc.start()
        answer = await client.command(b"FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1]<9000000.10>)")
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert answer == (
            b"* 1 FETCH (BINARY.SIZE[1] %d BINARY[1]<9000000> {10}\r\n0123456789)\r\n" % len(content)
        )
        assert peak < 5_000_000

    in_world(test)


def test_large_text_gets_its_line_ends(in_world: Callable[..., None]) -> None:
    async def test(world: Any) -> None:
        lines = b"".join(b"line %d\n" % number for number in range(60_000))
        await world.deliver(_message(b"text/plain", b"8bit", lines))
        client = await world.client(b"SELECT INBOX")
        expected = lines.replace(b"\n", b"\r\n")
        size = await client.command(b"FETCH 1 BINARY.SIZE[1]")
        assert size == b"* 1 FETCH (BINARY.SIZE[1] %d)\r\n" % len(expected)
        assert _literal(await client.command(b"FETCH 1 BINARY.PEEK[1]")) == (b"", expected)
        answer = await client.command(b"FETCH 1 BINARY.PEEK[1]<300000.30>")
        assert _literal(answer) == (b"", expected[300000:300030])

    in_world(test)


def test_a_message_of_unknown_encoding_hides_no_other(in_world: Callable[..., None]) -> None:
    async def test(world: Any) -> None:
        for number in range(150):  # more than a batch
            encoding = b"x-odd" if number == 3 else b"base64"
            await world.deliver(_message(b"text/plain", encoding, b"aGVsbG8="))
        client = await world.client(b"SELECT INBOX")
        answer = await client.attempt(b"FETCH 1:* (BINARY.PEEK[1])")
        assert answer.count(b"{5}\r\nhello)\r\n") == 149
        assert b"* 4 FETCH" not in answer
        assert b" NO [UNKNOWN-CTE] " in answer

    in_world(test)
