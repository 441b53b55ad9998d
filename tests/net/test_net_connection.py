"""The driver over real sockets on the loopback, on both event loops."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
import uvloop

from postier.net.api import Connection, ConnectionLost, IdleTimeout, Wake
from postier.net.connection import FEED_LIMIT, READ_LIMIT, StreamConnection, plain_address
from postier.net.server import Endpoint, Listener, Server
from postier.testing.connection import MemoryConnection

Runner = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    return uvloop.run if request.param == "uvloop" else asyncio.run


class Lines:
    """A core whose events are lines and whose reply is `say`."""

    def __init__(self) -> None:
        self.buffer = b""
        self.out: list[bytes] = []
        self.ended = False

    def receive(self, data: bytes) -> None:
        self.buffer += data

    def next_event(self) -> bytes | None:
        line, newline, rest = self.buffer.partition(b"\n")
        if not newline:
            return None
        self.buffer = rest
        return line

    def eof(self) -> None:
        self.ended = True

    def say(self, data: bytes) -> None:
        self.out.append(data)

    def outgoing(self) -> bytes:
        data, self.out = b"".join(self.out), []
        return data

    def has_buffered_input(self) -> bool:
        return bool(self.buffer)


async def with_server(
    session: Callable[[Any], Awaitable[None]],
    client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    **options: Any,
) -> None:
    failures: list[AssertionError] = []

    async def watched(connection: Any) -> None:
        try:
            await session(connection)
        except AssertionError as error:  # the server's border would only log it
            failures.append(error)

    server = Server([Listener(Endpoint("test", "127.0.0.1", 0), watched)], **options)
    ports = await server.start()
    reader, writer = await asyncio.open_connection("127.0.0.1", next(iter(ports.values())))
    try:
        await client(reader, writer)
    finally:
        writer.close()
        await server.drain(1)
        assert not failures, failures


def test_pipelined_lines_are_answered_in_one_write(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        core = Lines()
        while (line := await connection.event(core, 5)) is not None:
            assert isinstance(line, bytes)
            core.say(line.upper() + b"\n")
        assert core.ended
        assert connection.bytes_in == 8
        core.say(b"bye\n")
        await connection.flush(core)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"one\ntwo\n")
        writer.write_eof()
        assert await reader.read() == b"ONE\nTWO\nbye\n"

    run(with_server(session, client))


def test_wake_and_idle_timeout(run: Runner) -> None:
    seen: list[object] = []

    async def session(connection: StreamConnection) -> None:
        core = Lines()
        connection.wake()
        seen.append(await connection.event(core, 5))
        asyncio.get_running_loop().call_soon(connection.wake)
        seen.append(await connection.event(core, 5))
        try:
            await connection.event(core, 0.01)
        except IdleTimeout:
            connection.write(b"idle\n")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"idle\n"

    run(with_server(session, client))
    assert [type(item) for item in seen] == [Wake, Wake]


def test_octets_one_by_one_do_not_put_the_timeout_off(run: Runner) -> None:
    """Slow loris: a line that never ends holds a connection no longer than silence does."""

    ended = asyncio.Event()

    async def session(connection: StreamConnection) -> None:
        with pytest.raises(IdleTimeout):
            await connection.event(Lines(), 0.1)
        ended.set()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(400):
            if ended.is_set():
                return
            writer.write(b"x")
            await asyncio.sleep(0.01)
        raise AssertionError("still waited for the end of the line")

    run(with_server(session, client))


def test_a_later_shorter_timeout_rings_in_time(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        core = Lines()
        assert await connection.event(core, 600) == b"x"
        with pytest.raises(IdleTimeout):
            await connection.event(core, 0.01)
        connection.write(b"done\n")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"x\n")
        assert await reader.read() == b"done\n"

    run(with_server(session, client))


def test_a_waiting_session_bounds_what_is_read_before_its_turn(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        waiting = asyncio.create_task(connection.event(Lines(), 5))
        await asyncio.sleep(0)
        transport = connection.transport
        assert transport is not None
        connection.data_received(b"x" * READ_LIMIT)  # as uvloop does, up to 32 times in one turn
        assert transport.is_reading()
        connection.data_received(b"x\n")
        assert not transport.is_reading()
        assert await waiting == b"x" * (READ_LIMIT + 1)
        assert transport.is_reading()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""

    run(with_server(session, client))


def test_a_busy_session_bounds_what_is_read(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        core = Lines()
        assert await connection.event(core, 5) == b"go"
        connection.write(b"ready\n")  # all that came so far was taken: what follows is counted from here
        transport = connection.transport
        assert transport is not None
        async with asyncio.timeout(20):
            while transport.is_reading():
                await asyncio.sleep(0)
        assert READ_LIMIT < connection.bytes_in <= 2 * READ_LIMIT + 3
        assert len(await connection.event(core, 5)) == 4_000_000  # type: ignore[arg-type]
        connection.write(b"ok\n")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"go\n")
        assert await reader.readline() == b"ready\n"
        writer.write(b"x" * 4_000_000 + b"\n")
        assert await reader.read() == b"ok\n"

    run(with_server(session, client))


def test_a_peer_that_reads_nothing_is_dropped(run: Runner) -> None:
    lost: list[ConnectionLost] = []

    async def session(connection: StreamConnection) -> None:
        connection.write(b"x" * 50_000_000)
        try:
            await connection.drain()
        except ConnectionLost as error:
            lost.append(error)
            raise

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not lost:
            await asyncio.sleep(0.01)

    run(with_server(session, client, write_timeout=0.05))
    assert "took nothing" in str(lost[0])


def test_a_peer_that_reads_slowly_is_kept(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        for _ in range(20):
            connection.write(b"x" * 1_000_000)
            await connection.drain()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = 0
        while data := await reader.read(1_000_000):
            got += len(data)
        assert got == 20_000_000

    run(with_server(session, client))


def test_close_sends_everything_to_a_slow_peer(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        connection.write(b"x" * 20_000_000)
        connection.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        got = 0
        while data := await reader.read(1_000_000):
            got += len(data)
            await asyncio.sleep(0.001)
        assert got == 20_000_000

    run(with_server(session, client))


def test_close_gives_up_on_a_peer_that_reads_nothing(run: Runner) -> None:
    made: list[StreamConnection] = []

    async def session(connection: StreamConnection) -> None:
        made.append(connection)
        connection.write(b"x" * 20_000_000)
        connection.close()

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not made or made[0]._lost is None:
            await asyncio.sleep(0.01)

    run(with_server(session, client, write_timeout=0.05))
    assert "took nothing" in str(made[0]._lost)


def test_a_reset_is_a_lost_connection_after_its_input(run: Runner) -> None:
    seen: list[object] = []

    async def session(connection: StreamConnection) -> None:
        core = Lines()
        try:
            while (line := await connection.event(core, 5)) is not None:
                seen.append(line)
                await asyncio.sleep(0.02)
        except ConnectionLost:
            seen.append("lost")
            raise

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a\nb\n")
        await asyncio.sleep(0.01)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        writer.transport.abort()
        while len(seen) < 3:
            await asyncio.sleep(0.01)

    run(with_server(session, client))
    assert seen == [b"a", b"b", "lost"]


def test_close_delivers_the_reply_although_input_is_unread(run: Runner) -> None:
    async def session(connection: StreamConnection) -> None:
        core = Lines()
        await connection.event(core, 5)
        await asyncio.sleep(0.02)  # let input pile up
        connection.write(b"too much\n")
        connection.close()
        assert await connection.event(core, 5) is None

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"go\n" + b"x" * 1_000_000)
        assert await reader.read() == b"too much\n"

    run(with_server(session, client))


def test_a_filter_sees_input_that_already_waits(run: Runner) -> None:
    class Rot:
        def decode(self, data: bytes) -> bytes:
            if b"!" in data:
                raise ValueError("not a stream")
            return bytes(byte ^ 1 for byte in data)

        encode = decode

    async def session(connection: StreamConnection) -> None:
        core = Lines()
        assert await connection.event(core, 5) == b"go"
        await asyncio.sleep(0.02)
        connection.install_filter(Rot())
        assert await connection.event(core, 5) == b"bcd"
        connection.write(b"bcd\n")
        with pytest.raises(ConnectionLost, match="not a stream"):
            await connection.event(core, 5)

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"go\n")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"cbe\x0b")
        assert await reader.readexactly(4) == b"cbe\x0b"
        writer.write(b"!")
        assert await reader.read() == b""

    run(with_server(session, client))


def test_a_filter_sees_what_is_left_of_a_piece(run: Runner) -> None:
    class Rot:
        def decode(self, data: bytes) -> bytes:
            return bytes(byte ^ 1 for byte in data)

        encode = decode

    async def session(connection: StreamConnection) -> None:
        core = Lines()
        connection.data_received(b"x" * (FEED_LIMIT - 1) + b"\n" + b"cbe\x0b")
        assert await connection.event(core, 5) == b"x" * (FEED_LIMIT - 1)
        connection.install_filter(Rot())  # type: ignore[arg-type]
        assert await connection.event(core, 5) == b"bcd"

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b""

    run(with_server(session, client))


def test_replies_are_not_delayed(run: Runner) -> None:
    """TCP_NODELAY is on."""

    async def session(connection: StreamConnection) -> None:
        assert connection.transport is not None
        sock = connection.transport.get_extra_info("socket")
        connection.write(b"%d\n" % sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert await reader.read() == b"1\n"

    run(with_server(session, client))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (("192.0.2.1", 25), ("192.0.2.1", 25)),
        (("::ffff:192.0.2.1", 25, 0, 0), ("192.0.2.1", 25)),
        (("2001:db8::1", 25, 0, 0), ("2001:db8::1", 25)),
        (("fe80::1%eth0", 25, 0, 2), ("fe80::1", 25)),
        ("", ("", 0)),
        (None, ("", 0)),
    ],
)
def test_plain_address(name: object, expected: tuple[str, int]) -> None:
    assert plain_address(name) == expected


def test_what_the_core_has_to_say_is_sent_between_the_pieces_of_a_flood(run: Runner) -> None:
    lines = 4 * FEED_LIMIT
    waiting: list[int] = []

    class Watched(Lines):
        def receive(self, data: bytes) -> None:
            assert len(data) <= FEED_LIMIT
            waiting.append(len(self.out))
            super().receive(data)

    async def session(connection: Any) -> None:
        core = Watched()
        while await connection.event(core, 10) is not None:
            core.say(b"said\n")

    async def client(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"a\n" * (lines // 2))
        writer.write_eof()
        assert len(await reader.read()) == 5 * (lines // 2)

    run(with_server(session, client))
    assert max(waiting) == 0  # nothing was left unsent when the next piece came


@pytest.mark.parametrize(("octets", "seconds"), [(1, 150), (40_000, 1500)])
def test_who_takes_the_last_words_octet_by_octet_is_left(octets: int, seconds: int) -> None:
    """Closed connections count for no limit, so they must not be held open for days by slow reading."""

    async def session(connection: Connection) -> None:
        connection.write(b"x" * 60_000)

    async def main() -> None:
        connection = MemoryConnection()
        connection.stall()
        connection.start(session)
        await connection.quiet()
        waited = 0
        while not connection.wire.aborted and connection.wire.backlog:
            del connection.wire.backlog[:octets]
            connection.loop.advance(50)
            waited += 50
            assert waited <= seconds
        assert connection.wire.aborted == (octets == 1)

    asyncio.run(main())
