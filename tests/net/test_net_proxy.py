"""The PROXY protocol: exact headers, whatever else is refused, and the address that counts then."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from postier.base.networks import Networks
from postier.net import proxy
from postier.net.api import Connection
from postier.net.proxy import MAX_V1, MAX_V2, Proxied, ProxyError, missing, parse
from postier.net.server import Endpoint, Limits, Listener, Server

Runner = Callable[[Coroutine[Any, Any, Any]], Any]
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
V4 = bytes([192, 0, 2, 7, 198, 51, 100, 1]) + struct.pack("!HH", 40000, 25)
V6 = bytes.fromhex("20010db8" + "00" * 11 + "07" + "20010db8" + "00" * 11 + "01") + struct.pack("!HH", 9, 25)
MAPPED = bytes.fromhex("00" * 10 + "ffff" + "c0000207") * 2 + struct.pack("!HH", 9, 25)
TLV = b"\x04\0\x03abc"
FOUR = Proxied(("192.0.2.7", 40000), ("198.51.100.1", 25))
SIX = Proxied(("2001:db8::7", 9), ("2001:db8::1", 25))


def v2(command: int, family: int, rest: bytes, length: int | None = None) -> bytes:
    return (
        SIGNATURE
        + bytes([command, family])
        + struct.pack("!H", len(rest) if length is None else length)
        + rest
    )


GOOD = {
    "TCP4": (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", FOUR),
    "TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 9 25\r\n", SIX),
    "mapped": (b"PROXY TCP6 ::ffff:192.0.2.7 ::1 9 25\r\n", Proxied(("192.0.2.7", 9), ("::1", 25))),
    "unknown": (b"PROXY UNKNOWN\r\n", None),
    "unknown with more": (b"PROXY UNKNOWN ffff:f...f:ffff what ever\r\n", None),
    "longest": (b"PROXY UNKNOWN " + b"f" * (MAX_V1 - 16) + b"\r\n", None),
    "v2 TCP4": (v2(0x21, 0x11, V4), FOUR),
    "v2 TCP6": (v2(0x21, 0x21, V6), SIX),
    "v2 mapped": (v2(0x21, 0x21, MAPPED), Proxied(("192.0.2.7", 9), ("192.0.2.7", 25))),
    "v2 with TLVs": (v2(0x21, 0x11, V4 + TLV * 3), FOUR),
    "v2 longest": (v2(0x21, 0x11, V4 + b"\x04" + struct.pack("!H", MAX_V2 - 15) + bytes(MAX_V2 - 15)), FOUR),
    "v2 local": (v2(0x20, 0x00, b""), None),
    "v2 local with addresses": (v2(0x20, 0x11, V4), None),
    "v2 local with whatever": (v2(0x20, 0xFF, b"xyz"), None),
    "v2 unspecified": (v2(0x21, 0x00, TLV), None),
    "v2 Unix": (v2(0x21, 0x31, bytes(216)), None),
}
BAD = {
    "nothing of the kind": b"EHLO a.example\r\n",
    "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03abcdef",
    "lower case": b"proxy TCP4 192.0.2.7 198.51.100.1 40000 25\r\n",
    "one octet past the longest": b"PROXY UNKNOWN " + b"f" * (MAX_V1 - 15) + b"\r\n",
    "far past the longest": b"PROXY UNKNOWN " + b"f" * 100_000 + b"\r\n",
    "bare LF": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\n",
    "two blanks": b"PROXY TCP4  192.0.2.7 198.51.100.1 40000 25\r\n",
    "one address": b"PROXY TCP4 192.0.2.7 40000 25\r\n",
    "a word too many": b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25 x\r\n",
    "the other family": b"PROXY TCP4 2001:db8::7 2001:db8::1 9 25\r\n",
    "octal": b"PROXY TCP4 192.0.2.007 198.51.100.1 40000 25\r\n",
    "a name": b"PROXY TCP4 mx.example 198.51.100.1 40000 25\r\n",
    "a port too high": b"PROXY TCP4 192.0.2.7 198.51.100.1 65536 25\r\n",
    "a port with a zero": b"PROXY TCP4 192.0.2.7 198.51.100.1 040 25\r\n",
    "a port below zero": b"PROXY TCP4 192.0.2.7 198.51.100.1 -1 25\r\n",
    "UDP": b"PROXY UDP4 192.0.2.7 198.51.100.1 40000 25\r\n",
    "v2 version 1": v2(0x11, 0x11, V4),
    "v2 unknown command": v2(0x22, 0x11, V4),
    "v2 datagrams": v2(0x21, 0x12, V4),
    "v2 unknown family": v2(0x21, 0x41, V4),
    "v2 addresses cut": v2(0x21, 0x11, V4[:11]),
    "v2 addresses of the other family": v2(0x21, 0x21, V4),
    "v2 TLV cut": v2(0x21, 0x11, V4 + TLV[:-1]),
    "v2 TLV without length": v2(0x21, 0x11, V4 + b"\x04\0"),
    "v2 one octet past the longest": v2(0x21, 0x11, V4 + bytes(MAX_V2 - 11)),
    "v2 as long as can be": v2(0x21, 0x11, V4 + bytes(60_000)),
}


def read(stream: bytes, step: int = 1_000_000) -> tuple[Proxied | None, bytes]:
    """What a header says and what follows it; `step` octets come at once at most."""
    header = b""
    while wanted := missing(header):
        piece = stream[len(header) : len(header) + min(wanted, step)]
        assert piece, "more was asked for than the header has"
        header += piece
    return parse(header), stream[len(header) :]


@pytest.mark.parametrize("name", GOOD)
def test_headers_are_read_to_their_last_octet_and_no_further(name: str) -> None:
    header, said = GOOD[name]
    for step in (1, 2, 3, 1_000_000):
        for rest in (b"", b"EHLO a.example\r\n", b"\r\n", b"\n", header):
            assert read(header + rest, step) == (said, rest)


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_header_is_refused(name: str) -> None:
    for step in (1, 1_000_000):
        with pytest.raises(ProxyError):
            read(BAD[name], step)


@given(
    st.one_of(st.binary(max_size=40), st.sampled_from([h for h, _ in GOOD.values()])), st.binary(max_size=3)
)
def test_no_octets_break_the_reader(stream: bytes, change: bytes) -> None:
    stream = change + stream[len(change) :] if len(change) % 2 else stream[: -len(change) or None] + change
    header = b""
    try:
        while (wanted := missing(header)) and len(header) < len(stream):
            assert wanted <= MAX_V2
            header += stream[len(header) : len(header) + wanted]
        if not wanted:
            parse(header)
    except ProxyError:
        pass


# ---------------------------------------------------------------------- on listeners


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    return uvloop.run if request.param == "uvloop" else asyncio.run


async def say_who(connection: Connection) -> None:
    connection.write(f"{connection.peer} {connection.local}\n".encode())


async def hear(port: int, *pieces: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def started(proxy_from: str = "127.0.0.0/8", limits: Limits | None = None) -> tuple[Server, int]:
    listener = Listener(Endpoint("t", "127.0.0.1", 0), say_who, busy=b"busy\n")
    server = Server([listener], limits or Limits(100, 0), proxy_from=Networks([proxy_from]))
    return server, next(iter((await server.start()).values()))


def test_the_session_sees_the_client_and_not_the_proxy(run: Runner) -> None:
    async def main() -> None:
        server, port = await started()
        for header, said in (GOOD["TCP4"], GOOD["v2 TCP6"]):
            assert said is not None
            answer = f"{said.peer} {said.local}\n".encode()
            assert await hear(port, header) == answer
            assert await hear(port, *(header[i : i + 1] for i in range(len(header)))) == answer
        assert (await hear(port, GOOD["v2 local"][0])).startswith(b"('127.0.0.1', ")
        await server.drain(1)
        assert server.connections == 0

    run(main())


def test_from_a_proxy_nothing_is_taken_without_its_header(run: Runner) -> None:
    async def main() -> None:
        server, port = await started()
        assert await hear(port, b"EHLO a.example\r\n") == b""
        assert await hear(port, BAD["v2 TLV cut"]) == b""
        await server.drain(1)

    run(main())


def test_nobody_else_is_asked_for_a_header(run: Runner) -> None:
    async def main() -> None:
        server, port = await started("192.0.2.0/24")
        assert (await hear(port)).startswith(b"('127.0.0.1', ")
        await server.drain(1)

    run(main())


def test_a_proxy_that_says_nothing_is_waited_for_so_long(
    run: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proxy, "HEADER_TIMEOUT", 0.05)

    async def main() -> None:
        server, port = await started()
        assert await hear(port, b"PROXY TCP4 192.0.2.7") == b""
        await server.drain(1)

    run(main())


def test_limits_count_the_client_and_not_the_proxy(run: Runner) -> None:
    async def main() -> None:
        waiting = asyncio.Event()

        async def wait(connection: Connection) -> None:
            connection.write(b"in\n")
            await waiting.wait()

        listener = Listener(Endpoint("t", "127.0.0.1", 0), wait, busy=b"busy\n")
        server = Server([listener], Limits(100, 1), proxy_from=Networks(["127.0.0.1"]))
        port = next(iter((await server.start()).values()))
        open_ones = []
        for number, answer in ((1, b"in\n"), (2, b"in\n"), (1, b"busy\n"), (2, b"busy\n")):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"PROXY TCP4 192.0.2.%d 198.51.100.1 40000 25\r\n" % number)
            assert await reader.readline() == answer
            open_ones.append(writer)
        waiting.set()
        for writer in open_ones:
            writer.close()
        await server.drain(1)
        assert server.connections == 0

    run(main())


def test_a_drain_ends_those_who_have_not_said_their_header(run: Runner) -> None:
    async def main() -> None:
        server, port = await started()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        while not server.connections:
            await asyncio.sleep(0)
        await server.drain(0.05)
        assert await reader.read() == b""
        assert server.connections == 0
        writer.close()

    run(main())
