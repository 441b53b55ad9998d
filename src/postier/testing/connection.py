"""A connection in memory: the real driver on a transport that is a byte array and a clock that stands.

    connection = MemoryConnection()
    connection.start(session)
    connection.feed(b"NOOP\\r\\n")
    await connection.quiet()                 # the session waits for input again, or has ended
    assert connection.output() == b"+OK\\r\\n"
    await connection.elapse(600)             # time-outs ring now, and only now
    await connection.finish()                # end of input; raises what the session raised

Nothing sleeps. TLS is pretended: after the go-ahead the session waits in `start_tls` until the test
calls `handshake()`.
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable
from typing import Any, cast

from postier.net.api import ConnectionLost, IdleTimeout, Session, TlsInfo
from postier.net.client_hello import NO_HELLO, ClientHello
from postier.net.connection import StreamConnection

__all__ = ["PRETENDED_TLS", "MemoryConnection"]

PRETENDED_TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", 256)
PATIENCE = 20.0
"""Real seconds after which a session that neither answers nor waits fails its test."""


class _PretendedChannel:
    def version(self) -> str:
        return PRETENDED_TLS.version

    def cipher(self) -> tuple[str, str, int]:
        return PRETENDED_TLS.cipher, PRETENDED_TLS.version, PRETENDED_TLS.bits


class _Transport(asyncio.Transport):
    """Keeps what is written. `stalled`: the peer reads nothing, so everything stays in the buffer."""

    def __init__(self, protocol: asyncio.Protocol, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.facts: dict[str, object] = {"peername": peer, "sockname": local}
        super().__init__()
        self.protocol = protocol
        self.sent = bytearray()
        self.backlog = bytearray()
        self.stalled = False
        self.closed = False
        self.aborted = False
        self.paused = False
        self.high = 64 * 1024

    def secure(self) -> None:
        self.facts["ssl_object"] = _PretendedChannel()

    def get_extra_info(self, name: str, default: object = None) -> Any:
        return self.facts.get(name, default)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = self.high if high is None else high

    def get_write_buffer_size(self) -> int:
        return len(self.backlog)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if self.closed:
            return
        if not self.stalled:
            self.sent += data
            return
        before = len(self.backlog)
        self.backlog += data
        if before <= self.high < len(self.backlog):
            self.protocol.pause_writing()

    def flow_again(self) -> None:
        self.stalled = False
        held, self.backlog = self.backlog, bytearray()
        self.sent += held
        if len(held) > self.high:
            self.protocol.resume_writing()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def pause_reading(self) -> None:
        self.paused = True

    def resume_reading(self) -> None:
        self.paused = False


class _Timer:
    def __init__(self, when: float, ring: Callable[[], None]) -> None:
        self.when = when
        self.ring = ring
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class _StandingLoop:
    """What the driver asks of an event loop, with a clock that only `elapse` moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[_Timer] = []
        self.handshake: asyncio.Future[bool] | None = None

    def time(self) -> float:
        return self.now

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    def call_at(self, when: float, ring: Callable[[], None]) -> _Timer:
        timer = _Timer(when, ring)
        self.timers.append(timer)
        return timer

    def advance(self, seconds: float) -> None:
        self.now += seconds
        while due := [timer for timer in self.timers if timer.when <= self.now or timer.cancelled]:
            self.timers = [timer for timer in self.timers if timer not in due]
            for timer in sorted(due, key=lambda timer: timer.when):
                if not timer.cancelled:
                    timer.ring()

    async def start_tls(self, transport: _Transport, *_: object, **__: object) -> _Transport:
        self.handshake = self.create_future()
        try:
            if not await self.handshake:
                raise ssl.SSLError(1, "wrong version number")
        finally:
            self.handshake = None
        transport.secure()
        return transport


class MemoryConnection(StreamConnection):
    """A Connection whose other side is the test. Make it inside a running loop.

    `tls`: start as if implicit TLS were done. `has_certificate`: whether `start_tls` may be called.
    """

    def __init__(
        self,
        *,
        peer: tuple[str, int] = ("192.0.2.1", 40000),
        local: tuple[str, int] = ("192.0.2.25", 25),
        tls: bool = False,
        has_certificate: bool = True,
        goodbye: bytes = b"",
    ) -> None:
        self.loop = _StandingLoop()
        super().__init__(
            cast(asyncio.AbstractEventLoop, self.loop),
            tls_source=_AnyContext() if has_certificate else None,
            goodbye=goodbye,
        )
        self.wire = _Transport(self, peer, local)
        if tls:
            self.wire.secure()
        self.task: asyncio.Task[None] | None = None
        self._parked: asyncio.Event = asyncio.Event()
        self.connection_made(self.wire)

    # ------------------------------------------------------------------ what the test does

    def start(self, session: Session) -> None:
        """Run `session` as a server would: it is closed at its end, and a lost or idle one just ends."""
        self.task = asyncio.get_running_loop().create_task(self._run(session))
        self.task.add_done_callback(lambda _: self._parked.set())

    def feed(self, data: bytes) -> None:
        """The peer sends `data` (in clear into a waiting handshake: the handshake fails)."""
        if self.loop.handshake is not None and not self.loop.handshake.done():
            self.loop.handshake.set_result(False)
            return
        self._parked.clear()
        self.data_received(data)

    def feed_eof(self) -> None:
        """The peer has sent all it will send."""
        self._parked.clear()
        self.eof_received()

    def reset(self) -> None:
        """The connection breaks."""
        self._parked.clear()
        self.connection_lost(ConnectionResetError("reset by peer"))

    def handshake(self) -> None:
        """The peer's part of TLS; the session must be waiting for it in `start_tls`."""
        if self.loop.handshake is None:
            raise AssertionError("the session does not wait for a TLS handshake")
        self._parked.clear()
        self.loop.handshake.set_result(True)

    def stall(self) -> None:
        """The peer stops reading, until `flow`."""
        self.wire.stalled = True

    def flow(self) -> None:
        self._parked.clear()
        self.wire.flow_again()

    async def elapse(self, seconds: float) -> None:
        """`seconds` go by; returns when the session is quiet again."""
        await self.quiet()
        self._parked.clear()
        self.loop.advance(seconds)
        await self.quiet()

    async def quiet(self) -> None:
        """Until the session waits for the peer or has ended; raises what it raised."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not self._is_quiet():
                    self._parked.clear()
                    await self._parked.wait()
        except TimeoutError:
            raise AssertionError("the session neither answers nor waits for input") from None
        if self.task is not None and self.task.done():
            self.task.result()

    def output(self) -> bytes:
        """What the peer got since the last call."""
        data = bytes(self.wire.sent)
        self.wire.sent.clear()
        return data

    async def finish(self) -> bytes:
        """End of input, then the end of the session; what it still sent."""
        self.feed_eof()
        if self.task is not None:
            async with asyncio.timeout(PATIENCE):
                await self.task
        return self.output()

    @property
    def closed(self) -> bool:
        """True when our side has closed."""
        return self.wire.closed

    # ------------------------------------------------------------------ inside

    async def _run(self, session: Session) -> None:
        try:
            await session(self)
        except (ConnectionLost, IdleTimeout):
            pass  # as the server's border does: a connection that ends is no fault
        finally:
            self.close()

    def _is_quiet(self) -> bool:
        if self.task is not None and self.task.done():
            return True
        if self.loop.handshake is not None:
            return not self.loop.handshake.done()
        waits_for = (self._waiter, self._drained)
        return any(future is not None and not future.done() for future in waits_for)

    async def _wait(self, until: float) -> None:
        asyncio.get_running_loop().call_soon(self._parked.set)
        await super()._wait(until)

    async def drain(self) -> None:
        asyncio.get_running_loop().call_soon(self._parked.set)
        await super().drain()

    async def _hear_hello(self, until: float) -> tuple[ClientHello, bytes]:
        """There is none: TLS is pretended."""
        return NO_HELLO, b""

    async def secure(self, context: ssl.SSLContext, **options: Any) -> None:
        asyncio.get_running_loop().call_soon(self._parked.set)
        await super().secure(context, **options)


class _AnyContext:
    def __call__(self, hello: ClientHello, peer: str) -> ssl.SSLContext:
        return _any_context()

    def not_believed(self, peer: str) -> None: ...


@functools.cache
def _any_context() -> ssl.SSLContext:
    return ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
