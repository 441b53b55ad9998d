"""Binding, limits, refusing, draining, and the border around sessions."""

from __future__ import annotations

import asyncio
import errno
import io
import socket
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postier.base import log
from postier.base.networks import Networks
from postier.net.api import Connection
from postier.net.server import BindError, Endpoint, Limits, Listener, Server, bind_sockets
from postier.testing.connection import MemoryConnection

Runner = Callable[[Coroutine[Any, Any, Any]], Any]
LOCAL = Endpoint("test", "127.0.0.1", 0)
MANY = Limits(100, 0)


@pytest.fixture(params=["uvloop", "asyncio"])
def run(request: pytest.FixtureRequest) -> Runner:
    return uvloop.run if request.param == "uvloop" else asyncio.run


@pytest.fixture
def logged() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    log.set_stream(stream)
    yield stream
    log.set_stream(None)


class Silent:
    """A core without events."""

    def receive(self, data: bytes) -> None: ...

    def next_event(self) -> bytes | None:
        return None

    def eof(self) -> None: ...

    def outgoing(self) -> bytes:
        return b""

    def has_buffered_input(self) -> bool:
        return False


class Answering(Silent):
    """Answers by itself whatever comes, as cores answer NOOP."""

    def __init__(self) -> None:
        self._answer = b""

    def receive(self, data: bytes) -> None:
        self._answer += b"ok\n"

    def outgoing(self) -> bytes:
        answer, self._answer = self._answer, b""
        return answer


async def waiting(connection: Connection) -> None:
    connection.write(b"hello\n")
    await connection.event(Silent(), 60)


async def start(listener: Listener, limits: Limits = MANY) -> tuple[Server, int]:
    server = Server([listener], limits)
    return server, next(iter((await server.start()).values()))


def test_a_port_in_use_is_a_clear_error() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BindError) as caught:
            bind_sockets([Endpoint("smtp", "127.0.0.1", port)])
    assert str(caught.value) == f"cannot listen on 127.0.0.1:{port}: address already in use"


def test_a_second_server_does_not_share_our_port() -> None:
    """SO_REUSEPORT would let it in without a word."""
    (bound,) = bind_sockets([LOCAL])
    port = bound[LOCAL].getsockname()[1]
    with pytest.raises(BindError, match="already in use"):
        bind_sockets([Endpoint("test", "127.0.0.1", port)])
    bound[LOCAL].close()


@pytest.mark.parametrize(
    ("endpoint", "message"),
    [
        (Endpoint("t", "192.0.2.1", 0), "cannot listen on 192.0.2.1:0: cannot assign requested address"),
        (Endpoint("t", "127.0.0.1", 99999), "cannot listen on 127.0.0.1:99999: bind(): port must be"),
    ],
)
def test_what_cannot_be_bound(endpoint: Endpoint, message: str) -> None:
    with pytest.raises(BindError) as caught:
        bind_sockets([LOCAL, endpoint])
    assert str(caught.value).startswith(message)


def test_each_worker_has_its_own_socket_on_the_same_port() -> None:
    sets = bind_sockets([LOCAL], workers=3)
    names = {own[LOCAL].getsockname() for own in sets}
    assert len(names) == 1
    assert len({own[LOCAL].fileno() for own in sets}) == 3
    for own in sets:
        own[LOCAL].close()


def test_all_addresses_take_ipv4_as_plain_ipv4(run: Runner) -> None:
    seen: list[str] = []

    async def session(connection: Connection) -> None:
        seen.append(connection.peer[0])

    async def main() -> None:
        server, port = await start(Listener(Endpoint("t", "", 0), session))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b""
        writer.close()
        await server.drain(1)

    run(main())
    assert seen == ["127.0.0.1"]


@pytest.mark.parametrize(
    "limits", [Limits(2, 0), Limits(0, 2), Limits(0, 0, 2)], ids=["in all", "per address", "per network"]
)
def test_the_connection_past_the_limit_is_told_so(run: Runner, limits: Limits) -> None:
    async def main() -> None:
        server, port = await start(Listener(LOCAL, waiting, busy=b"421 busy\r\n"), limits)
        kept = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        for reader, _ in kept:
            assert await reader.readline() == b"hello\n"
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.read() == b"421 busy\r\n"
        writer.close()
        kept[0][1].close()
        while server.connections > 1:
            await asyncio.sleep(0.001)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"hello\n"
        for _, open_writer in [*kept, (reader, writer)]:
            open_writer.close()
        await server.drain(1)
        assert not server._gate._by_key

    run(main())


def test_a_session_that_fails_ends_only_itself(run: Runner, logged: io.StringIO) -> None:
    async def broken(connection: Connection) -> None:
        raise ZeroDivisionError("secret /path")

    async def main() -> None:
        server, port = await start(Listener(LOCAL, broken, fault=b"421 session {session}\r\n"))
        for _ in range(2):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            told = (await reader.read()).split()
            assert told[:2] == [b"421", b"session"]
            assert told[2].decode() in logged.getvalue()  # the log has the rest under this name
            writer.close()
        await server.drain(1)

    run(main())
    assert logged.getvalue().count("session failed") == 2


def test_draining_says_goodbye_to_those_who_wait(run: Runner) -> None:
    async def main() -> None:
        server, port = await start(Listener(LOCAL, waiting, goodbye=b"bye\n"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"hello\n"
        await server.drain(5)
        assert await reader.read() == b"bye\n"
        writer.close()
        with pytest.raises(OSError):
            await asyncio.open_connection("127.0.0.1", port)

    run(main())


def test_draining_says_goodbye_to_those_who_never_pause(run: Runner) -> None:
    """Whose commands need no session, such as NOOP, are told as well, once time is up."""

    async def answering(connection: Connection) -> None:
        await connection.event(Answering(), 60)

    async def main() -> None:
        server, port = await start(Listener(LOCAL, answering, goodbye=b"bye\n"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"NOOP\n")
        assert await reader.readline() == b"ok\n"
        await server.drain(0.05)  # sooner than a peer counts as silent
        assert await reader.read() == b"bye\n"
        assert server.connections == 0
        writer.close()

    run(main())


def test_draining_lets_a_busy_session_finish(run: Runner) -> None:
    async def busy(connection: Connection) -> None:
        connection.write(b"hello\n")
        await asyncio.sleep(0.05)
        connection.write(b"done\n")

    async def main() -> None:
        server, port = await start(Listener(LOCAL, busy, goodbye=b"bye\n"))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"hello\n"
        await server.drain(5)
        assert await reader.read() == b"done\n"
        writer.close()

    run(main())


def test_draining_lets_a_message_in_transit_arrive() -> None:
    """Who is in the middle of sending is not cut off; who then pauses is dismissed."""

    async def main() -> None:
        connection = MemoryConnection(goodbye=b"bye\n")
        connection.start(waiting)
        await connection.elapse(50)
        connection.feed(b"a part")
        await connection.quiet()
        connection.retire()
        await connection.elapse(0.9)
        connection.feed(b"another part")
        await connection.elapse(0.9)
        assert connection.output() == b"hello\n"
        await connection.elapse(0.2)
        assert connection.output() == b"bye\n"
        assert connection.closed

    asyncio.run(main())


def test_draining_aborts_who_does_not_finish(run: Runner) -> None:
    ended: list[str] = []

    async def deaf(connection: Connection) -> None:
        connection.write(b"hello\n")
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("deaf")

    async def main() -> None:
        server, port = await start(Listener(LOCAL, deaf))
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await reader.readline() == b"hello\n"
        await server.drain(0.05)
        assert server.connections == 0
        writer.close()

    run(main())
    assert ended == ["deaf"]


def test_without_descriptors_a_listener_for_proxies_pauses_and_goes_on(
    run: Runner, logged: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("postier.net.server.PAUSE_WITHOUT_DESCRIPTORS", 0.001)
    calls: list[str] = []

    class Exhausted(socket.socket):
        def accept(self) -> Any:
            calls.append("accept")
            raise OSError(errno.EMFILE, "Too many open files") if len(calls) < 3 else BlockingIOError

    async def main() -> None:
        bound = Exhausted()
        bound.bind(("127.0.0.1", 0))
        bound.listen()
        server = Server([Listener(LOCAL, waiting)], proxy_from=Networks(["127.0.0.2"]))
        await server.start({LOCAL: bound})
        with socket.create_connection(bound.getsockname()):
            while len(calls) < 3:
                await asyncio.sleep(0.001)
        await server.drain(1)

    run(main())
    assert logged.getvalue().count("cannot accept") == 2


def test_a_listener_with_implicit_tls_needs_a_certificate() -> None:
    with pytest.raises(ValueError, match="without a certificate"):
        Listener(LOCAL, waiting, implicit_tls=True)


def test_a_unix_socket_serves_all_workers_and_has_no_address(run: Runner, tmp_path: Path) -> None:
    path = tmp_path / "socket"
    endpoint = Endpoint("lmtp", "", 0, str(path))

    async def session(connection: Connection) -> None:
        connection.write(repr(connection.peer).encode())

    async def main() -> None:
        sets = bind_sockets([endpoint], workers=2)
        assert path.stat().st_mode & 0o777 == 0o660
        servers = [Server([Listener(endpoint, session)], Limits(100, 1, 0, 1)) for _ in sets]
        for server, own in zip(servers, sets, strict=True):
            assert await server.start(own) == {endpoint: 0}
        for _ in range(10):  # neither the limit of an address nor that of a minute is for those without one
            reader, writer = await asyncio.open_unix_connection(str(path))
            assert await reader.read() == b"('', 0)"
            writer.close()
        for server in servers:
            await server.drain(1)

    run(main())


def test_a_unix_socket_that_nobody_serves_is_taken_over_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    endpoint = Endpoint("lmtp", "", 0, str(path))
    (first,) = bind_sockets([endpoint])
    with pytest.raises(BindError, match=rf"cannot listen on {path}: address already in use"):
        bind_sockets([endpoint])
    first[endpoint].close()
    (second,) = bind_sockets([endpoint])
    second[endpoint].close()
    path.unlink()
    path.write_text("precious")
    with pytest.raises(BindError, match="a file that is no socket is there"):
        bind_sockets([endpoint])
    assert path.read_text() == "precious"
