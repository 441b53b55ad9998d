"""COMPRESS=DEFLATE: one stream to the client, bounded growth from it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.imap.wire import deflate
from postier.imap.wire.deflate import Deflate


def client_stream(*writes: bytes, finish: bool = False) -> list[bytes]:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    out = [compressor.compress(data) + compressor.flush(zlib.Z_SYNC_FLUSH) for data in writes]
    return [*out, compressor.flush()] if finish else out


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300)))
def test_many_writes_are_one_stream(writes: list[bytes]) -> None:
    """Each write is readable at once, by a client that keeps one inflater."""
    filter, client = Deflate(), zlib.decompressobj(-15)
    for data in writes:
        assert client.decompress(filter.encode(data)) == data
    assert not client.eof


@settings(deadline=None)
@given(st.lists(st.binary(max_size=300)), st.integers(1, 50))
def test_input_may_be_cut_anywhere(writes: list[bytes], step: int) -> None:
    filter = Deflate()
    stream = b"".join(client_stream(*writes))
    pieces = [filter.decode(stream[i : i + step]) for i in range(0, len(stream), step)]
    assert b"".join(pieces) == b"".join(writes)


def test_nothing_of_one_response_shortens_another() -> None:
    """The size of a response says nothing about the one before it (a compression side channel)."""
    filter = Deflate()
    secret = bytes(range(33, 97))
    first = filter.encode(secret)
    assert filter.encode(secret) == first


def test_long_responses_shrink() -> None:
    lines = b"".join(b"* %d FETCH (UID %d FLAGS (\\Seen))\r\n" % (n, n + 7) for n in range(1000))
    assert len(Deflate().encode(lines)) < len(lines) / 4


def test_growth() -> None:
    (fits,) = client_stream(b"\0" * (deflate.MAX_GROWTH - 1))
    assert len(Deflate().decode(fits)) == deflate.MAX_GROWTH - 1
    for size in (deflate.MAX_GROWTH, 8 * deflate.MAX_GROWTH):
        (bomb,) = client_stream(b"\0" * size)
        with pytest.raises(ValueError, match="bound"):
            Deflate().decode(bomb)


@pytest.mark.parametrize("data", [b"a NOOP\r\n", b"\xff" * 100, zlib.compress(b"with a header")])
def test_what_is_no_stream(data: bytes) -> None:
    with pytest.raises(ValueError, match="DEFLATE"):
        Deflate().decode(data)


def test_the_end_of_the_stream_is_the_end() -> None:
    *data, end = client_stream(b"a LOGOUT\r\n", finish=True)
    filter = Deflate()
    assert filter.decode(b"".join(data)) == b"a LOGOUT\r\n"
    assert filter.decode(end) == b""
    assert filter.decode(b"x") == b""
    assert filter.rest() == b"x"
    at_once = Deflate()
    assert at_once.decode(b"".join((*data, end, b"xy"))) == b"a LOGOUT\r\n"
    assert at_once.rest() == b"xy"


def test_what_comes_behind_the_end_is_bounded() -> None:
    (stream, end) = client_stream(b"a LOGOUT\r\n", finish=True)
    filter = Deflate()
    filter.decode(stream + end + b"x" * deflate.MAX_REST)
    with pytest.raises(ValueError, match="behind the end"):
        filter.decode(b"x")


def test_the_client_sees_the_end_of_our_stream() -> None:
    filter, client = Deflate(), zlib.decompressobj(-15)
    assert client.decompress(filter.encode(b"last words") + filter.end() + b"plain") == b"last words"
    assert client.eof
    assert client.unused_data == b"plain"
