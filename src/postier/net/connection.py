"""The driver: one socket and one session, whatever the protocol.

`StreamConnection` is an asyncio protocol on the event loop's own transports (uvloop's, where it runs):
no streams, no locks, one future for each wait. What comes in waits in `_inbox` until the session asks
for an event; past READ_LIMIT the socket is not read. What goes out waits in the transport; past
WRITE_LIMIT `drain` (and the next `event`) waits for the peer, who must take something every
`write_timeout` seconds.

Time-outs cost one timer per connection that is armed for the earliest deadline and, when it rings early,
arms itself again: a wait that ends in time touches no timer at all.

Nothing here knows a protocol. The two lines that a driver has to say by itself (too many connections,
shutting down) are given by the listener.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from postier.base.ids import new_id
from postier.base.metrics import TLS_HANDSHAKES
from postier.net.api import (
    WAKE,
    ByteFilter,
    Connection,
    ConnectionLost,
    Core,
    IdleTimeout,
    SslContextSource,
    TlsInfo,
    Wake,
)
from postier.net.client_hello import NO_HELLO, ClientHello, HelloError, missing, parse
from postier.net.handshake import channel_bindings, client_certificate, describe_tls, upgrade
from postier.net.proxy import Proxied
from postier.net.tls import NO_APPLICATION_PROTOCOL, NoApplicationProtocol, peer_chain

__all__ = ["READ_LIMIT", "WRITE_LIMIT", "StreamConnection", "plain_address"]

Event = TypeVar("Event")

READ_LIMIT = 256 * 1024
"""Bytes that may wait unread by the session before the socket is left alone."""

FEED_LIMIT = 32 * 1024
"""Bytes the core gets at once: what it has to say to a batch of commands is sent before the next."""

WRITE_LIMIT = 256 * 1024
"""Bytes that may wait for the peer before `drain` waits."""

HANDSHAKE_TIMEOUT = 30.0
LINGER_TIMEOUT = 2.0
RETIRE_AFTER = 1.0
"""Seconds of silence after which a peer is told goodbye when the server stops."""

SLOWEST_END = 1024
"""Octets a second that a peer must take of what is left when we close, beside the write time-out: by then it
counts for no limit any more."""

TLS_SHUTDOWN_TIMEOUT = 10.0
TLS_TAIL = 64 * 1024
"""With more than this unsent, `close` waits for the peer before TLS's own shutdown (and its clock) begins."""


def plain_address(name: object) -> tuple[str, int]:
    """Address and port of a socket name; an IPv4-mapped address (RFC 4291 2.5.5.2) as plain IPv4.

    ("", 0) for what has neither, such as a Unix socket.
    """
    if not isinstance(name, tuple) or len(name) < 2:
        return "", 0
    address = str(name[0]).partition("%")[0]  # fe80::1%eth0: the zone means nothing to the peer
    if address.startswith("::ffff:") and "." in address:
        address = address[7:]
    return address, int(name[1])


class StreamConnection(asyncio.Protocol):
    """A Connection (see net.api) over a transport of the running loop.

    `on_made` is called once, when the transport is there; it may start the session. `tls_source` gives
    the context of `start_tls`. `goodbye` is sent when the server is stopping and the peer pauses.
    """

    __slots__ = (
        "__weakref__",
        "_close_by",
        "_closing",
        "_deadline",
        "_drained",
        "_eof",
        "_eof_told",
        "_fed",
        "_filter",
        "_goodbye",
        "_hears_hello",
        "_id",
        "_inbox",
        "_inbox_size",
        "_last_input",
        "_loop",
        "_lost",
        "_on_made",
        "_read_paused",
        "_ready",
        "_retiring",
        "_secured",
        "_sent_mark",
        "_timer",
        "_timer_at",
        "_tls_source",
        "_transport",
        "_waiter",
        "_woken",
        "_write_deadline",
        "_write_paused",
        "_write_timeout",
        "bytes_in",
        "bytes_out",
        "local",
        "peer",
        "proxied",
    )

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        on_made: Callable[[StreamConnection], None] | None = None,
        tls_source: SslContextSource | None = None,
        goodbye: bytes = b"",
        write_timeout: float = 60.0,
    ) -> None:
        self._loop = loop
        self._on_made = on_made
        self._tls_source = tls_source
        self._goodbye = goodbye
        self._write_timeout = write_timeout
        self._transport: asyncio.Transport | None = None
        self._filter: ByteFilter | None = None
        self._id = ""
        self.peer: tuple[str, int] = ("", 0)
        self.local: tuple[str, int] = ("", 0)
        self.bytes_in = 0
        self.bytes_out = 0
        self._inbox: list[bytes] = []
        self._inbox_size = 0
        self._ready = b""
        self._fed = 0  # octets of _ready that the core has
        self._waiter: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._deadline = 0.0
        self._last_input = 0.0
        self._write_deadline = 0.0
        self._sent_mark = 0
        self._lost: str | None = None  # why; an exception that is kept would keep all that it went through
        self._secured: TlsInfo | None = None
        self._read_paused = False
        self._write_paused = False
        self._eof = False
        self._eof_told = False
        self._hears_hello = False
        self._closing = False
        self._close_by = math.inf
        self._retiring = False
        self._woken = False
        self.proxied: Proxied | None = None
        """Whom a proxy speaks for; to be set before the connection is made."""

    # ------------------------------------------------------------------ what the session sees

    @property
    def id(self) -> str:
        if not self._id:
            self._id = new_id()
        return self._id

    @property
    def tls(self) -> TlsInfo | None:
        return self._secured

    @property
    def client_certificate(self) -> bytes:
        return client_certificate(self._transport)

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        return channel_bindings(self._transport)

    async def event(self, core: Core[Event], timeout: float) -> Event | Wake | None:
        until = 0.0
        while True:
            found = core.next_event()
            if found is not None:
                return found
            reply = core.outgoing()
            if reply:
                self.write(reply)
            if self._write_paused:
                await self.drain()
            if self._inbox or self._ready:
                self._feed(core)
                continue
            if self._woken:
                self._woken = False
                return WAKE
            if self._closing:
                return None
            if self._eof:
                if self._eof_told:
                    return None
                self._eof_told = True
                core.eof()
                continue
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            if self._retiring:
                await self._last_wait()
            else:
                until = until or self._loop.time() + timeout
                await self._wait(until)

    def wake(self) -> None:
        self._woken = True
        self._stop_waiting()

    def write(self, data: bytes) -> None:
        if not data or self._transport is None or self._closing or self._lost is not None:
            return
        if self._filter is not None:
            data = self._filter.encode(data)
        self.bytes_out += len(data)
        self._transport.write(data)

    async def drain(self) -> None:
        while self._write_paused and self._lost is None:
            if self._drained is None:
                self._drained = self._loop.create_future()
                self._watch_progress()
            await asyncio.shield(self._drained)
        if self._lost is not None:
            raise ConnectionLost(self._lost)

    async def flush(self, core: Core[Event]) -> None:
        reply = core.outgoing()
        if reply:
            self.write(reply)
        if self._write_paused or self._lost is not None:
            await self.drain()

    async def start_tls(self, core: Core[Event]) -> None:
        transport = self._transport
        if transport is None or self._lost is not None or self._closing:
            raise ConnectionLost(self._lost or "closed")
        if self._tls_source is None:
            raise RuntimeError("start_tls on a listener without TLS")
        transport.pause_reading()
        if self._inbox or self._ready or core.has_buffered_input():
            raise self._break("input was pipelined behind the command that starts TLS")
        self.write(core.outgoing())
        transport.resume_reading()
        self._read_paused = False
        await self.accept_tls()

    def speak_for(self, peer: tuple[str, int], local: tuple[str, int]) -> None:
        self.peer, self.local = peer, local

    def install_filter(self, filter: ByteFilter) -> None:
        self._filter = filter
        if self._ready:  # came behind the command that asked for the filter: not yet decoded
            rest = self._ready[self._fed :]
            self._inbox.insert(0, rest)
            self._inbox_size += len(rest)
            self._ready, self._fed = b"", 0

    def remove_filter(self, core: Core[Event]) -> None:
        filter, self._filter = self._filter, None
        if filter is None:
            return
        self.write(filter.encode(core.outgoing()) + filter.end())
        if rest := filter.rest():
            self._inbox.insert(0, rest)
            self._inbox_size += len(rest)

    def close(self) -> None:
        transport = self._transport
        already, self._closing = self._closing, True
        if already or self._lost is not None or transport is None:
            return
        self._stop_waiting()
        unsent = transport.get_write_buffer_size()
        self._close_by = self._loop.time() + self._write_timeout + unsent / SLOWEST_END
        if (self._inbox or self._ready or self._read_paused) and self._secured is None:
            self._linger(transport)
            return
        if self._secured is not None and unsent > TLS_TAIL:
            transport.set_write_buffer_limits(high=TLS_TAIL)  # resume_writing closes
        else:
            transport.close()
        if unsent:
            self._watch_progress()

    def abort(self) -> None:
        self._break("aborted")

    # ------------------------------------------------------------------ for servers and clients

    async def accept_tls(self, timeout: float = HANDSHAKE_TIMEOUT) -> None:
        """Read the client's hello, show the certificate that it asks for, and shake hands as the server.

        `timeout` seconds for all of it. Raises ConnectionLost.
        """
        assert self._tls_source is not None
        until = self._loop.time() + timeout
        hello, early = await self._hear_hello(until)
        try:
            context = self._tls_source(hello, self.peer[0])
        except NoApplicationProtocol as error:
            self.write(NO_APPLICATION_PROTOCOL)
            self.close()
            raise ConnectionLost(f"TLS handshake failed: {error}") from error
        left = max(until - self._loop.time(), 0.001)
        try:
            await self.secure(
                context, server_side=True, server_name=hello.server_name, timeout=left, early=early
            )
        except ConnectionLost as lost:
            if isinstance(lost.__cause__, ssl.SSLCertVerificationError):
                self._tls_source.not_believed(self.peer[0])
            raise
        TLS_HANDSHAKES.add(self.tls.version if self.tls is not None else "")

    async def _hear_hello(self, until: float) -> tuple[ClientHello, bytes]:
        """The hello, and the octets in which it came, for whoever answers it.

        Whatever is no good as a hello is handed on all the same: OpenSSL knows how to refuse it.
        """
        early, wanted, self._hears_hello = bytearray(), 1, True
        try:
            while wanted > 0:
                await self._hear_more(until)
                piece = self._take_inbox()
                self.bytes_in -= len(piece)
                early += piece
                wanted -= len(piece)
                if wanted <= 0:
                    wanted = missing(early)
            return parse(early), bytes(early)
        except HelloError:
            return NO_HELLO, bytes(early)
        finally:
            self._hears_hello = False

    async def _hear_more(self, until: float) -> None:
        while not self._inbox:
            if self._lost is not None:
                raise ConnectionLost(self._lost)
            if self._eof or self._closing:
                raise self._break("TLS handshake failed: the peer has gone")
            try:
                await self._wait(until)
            except IdleTimeout:
                raise self._break("TLS handshake failed: no hello in time") from None

    async def secure(
        self,
        context: ssl.SSLContext,
        *,
        server_side: bool,
        server_name: str | None = None,
        timeout: float = HANDSHAKE_TIMEOUT,
        early: bytes = b"",
    ) -> None:
        """Shake hands in `timeout` seconds. Raises ConnectionLost; its `__cause__` says what failed.

        `server_name` is what the client asks for and, if its context verifies, what the certificate
        must be for (RFC 9525). `early`: what has been read of the handshake.
        """
        transport = self._transport
        if transport is None or self._lost is not None:
            raise ConnectionLost(self._lost or "closed")
        try:
            upgraded = await upgrade(
                self._loop,
                transport,
                self,
                context,
                early,
                server_side=server_side,
                server_hostname=None if server_side else server_name,
                ssl_handshake_timeout=timeout,
                ssl_shutdown_timeout=TLS_SHUTDOWN_TIMEOUT,
            )
        except (OSError, ssl.SSLError, TimeoutError) as error:
            raise self._break(f"TLS handshake failed: {error or type(error).__name__}") from error
        if upgraded is None:
            raise self._break("TLS handshake failed: the peer has gone")
        self._transport = upgraded
        upgraded.set_write_buffer_limits(high=WRITE_LIMIT)
        self._read_paused = self._write_paused = False
        self._secured = describe_tls(upgraded, server_name or "")

    async def start_client_tls(
        self,
        core: Core[Any],
        context: ssl.SSLContext,
        server_name: str | None,
        timeout: float = HANDSHAKE_TIMEOUT,
    ) -> None:
        """Shake hands as the client, after the server's go-ahead.

        Raises ConnectionLost, also if the server sent more than its go-ahead: text that came in clear
        must not be taken for an answer given under TLS.
        """
        if self._transport is not None:
            self._transport.pause_reading()
        if self._inbox or self._ready or core.has_buffered_input():
            raise self._break("the server sent text behind its go-ahead for TLS")
        await self.secure(context, server_side=False, server_name=server_name, timeout=timeout)

    @property
    def tls_session(self) -> ssl.SSLSession | None:
        """What a later connection may take up. In TLS 1.3 it comes some time after the handshake."""
        channel = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return channel.session if channel is not None else None

    @property
    def peer_chain(self) -> tuple[bytes, ...]:
        """The certificates that the peer showed (DER), its own first; () in clear."""
        channel = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return peer_chain(channel) if channel is not None else ()

    def has_input(self) -> bool:
        """True if something has come that no event has covered: bytes, the end of input, or a break."""
        return bool(self._inbox or self._ready) or self._eof or self._lost is not None

    def retire(self, goodbye: bytes | None = None) -> None:
        self._retiring = True
        if goodbye is not None:
            self._goodbye = goodbye
        self._stop_waiting()

    def dismiss(self) -> None:
        """The server stops now: say goodbye if the session waits for its peer with all sent, and end.

        Anywhere else the goodbye could pass for a part of a response.
        """
        transport, waits = self._transport, self._waiter is not None
        if self._hears_hello:
            waits = False  # our goodbye would be clear text where TLS is awaited
        if waits and transport is not None and not self._closing and not transport.get_write_buffer_size():
            self.write(self._goodbye)
            self.close()
        else:
            self.abort()

    @property
    def is_over(self) -> bool:
        return self._closing or self._lost is not None

    @property
    def is_retiring(self) -> bool:
        return self._retiring

    @property
    def transport(self) -> asyncio.Transport | None:
        """None before the connection is made."""
        return self._transport

    # ------------------------------------------------------------------ what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)
        self.peer = plain_address(transport.get_extra_info("peername"))
        self.local = plain_address(transport.get_extra_info("sockname"))
        if self.proxied is not None:
            self.peer, self.local = self.proxied
        self._secured = describe_tls(transport)
        if self._on_made is not None:
            self._on_made(self)

    def data_received(self, data: bytes) -> None:
        self.bytes_in += len(data)
        if self._closing:
            return
        self._inbox.append(data)
        self._inbox_size += len(data)
        if self._waiter is not None:
            self._stop_waiting()
        # also before the session had its turn: the loop reads on while there is more, up to 32 times
        if self._inbox_size > READ_LIMIT and not self._read_paused and self._transport is not None:
            self._read_paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._eof = True
        self._stop_waiting()
        if self._closing and self._transport is not None:
            self._transport.close()
        return self._secured is None and not self._closing  # True: we may still answer (TLS cannot)

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._stop_draining()
        if self._closing and self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None:
            self._eof = True
        self._end(str(exc) or type(exc).__name__ if exc else "closed")

    # ------------------------------------------------------------------ inside

    def _feed(self, core: Core[Any]) -> None:
        self._last_input = self._loop.time()
        if not self._ready:
            self._ready = self._take_inbox()
        piece = self._ready
        if not self._fed and len(piece) <= FEED_LIMIT:
            self._ready = b""
        else:
            start = self._fed
            self._fed += FEED_LIMIT
            if self._fed >= len(piece):
                self._ready, self._fed = b"", 0
            piece = piece[start : start + FEED_LIMIT]
        core.receive(piece)

    def _take_inbox(self) -> bytes:
        """What came in since the last time, above the filter; reading goes on."""
        inbox, self._inbox, self._inbox_size = self._inbox, [], 0
        if self._read_paused and self._transport is not None and self._lost is None:
            self._read_paused = False
            self._transport.resume_reading()
        data = inbox[0] if len(inbox) == 1 else b"".join(inbox)
        if self._filter is None:
            return data
        try:
            return self._filter.decode(data)
        except ValueError as error:
            raise self._break(str(error)) from error

    async def _wait(self, until: float) -> None:
        waiter = self._waiter = self._loop.create_future()
        self._deadline = until
        if self._timer is None or self._timer_at > self._deadline:
            self._arm(self._deadline)
        try:
            await waiter
        finally:
            self._waiter = None

    async def _last_wait(self) -> None:
        """Wait for a peer in the middle of something; one that has said nothing for a while is dismissed."""
        until = self._last_input + RETIRE_AFTER
        try:
            if until > self._loop.time():
                await self._wait(until)
                return
        except IdleTimeout:
            pass  # it has paused long enough; nobody is told that it was idle
        self.write(self._goodbye)
        self.close()

    def _stop_waiting(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _stop_draining(self) -> None:
        if self._drained is not None:
            if not self._drained.done():
                self._drained.set_result(None)
            self._drained = None

    def _sent(self) -> int:
        """Bytes that the kernel has taken."""
        waiting = self._transport.get_write_buffer_size() if self._transport is not None else 0
        return self.bytes_out - waiting

    def _arm(self, when: float) -> None:
        """Ring at `when` at the latest."""
        if self._timer is not None:
            if self._timer_at <= when:
                return
            self._timer.cancel()
        self._timer_at = when
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        self._timer = None
        now = self._loop.time() + 0.002  # the loop's timers count in milliseconds
        if self._drained is not None or self._closing:
            self._check_progress(now)
        if self._waiter is not None and not self._waiter.done():
            if now >= self._deadline:
                self._waiter.set_exception(IdleTimeout())
            else:
                self._arm(self._deadline)

    def _watch_progress(self) -> None:
        """From now on the peer must take something every `write_timeout` seconds."""
        self._sent_mark = self._sent()
        self._write_deadline = self._loop.time() + self._write_timeout
        self._arm(self._write_deadline)

    def _check_progress(self, now: float) -> None:
        sent = self._sent()
        if now >= self._close_by:
            self._break("the peer takes the rest too slowly")
            return
        if sent > self._sent_mark:
            self._sent_mark = sent
            self._write_deadline = min(now + self._write_timeout, self._close_by)
        elif now >= self._write_deadline:
            self._break(f"the peer took nothing for {self._write_timeout:g} s")
            return
        self._arm(self._write_deadline)

    def _linger(self, transport: asyncio.Transport) -> None:
        """Close our side only and drop what still comes.

        Closing a socket with unread input resets the connection, and a reset makes the peer's kernel
        drop the reply that says why.
        """
        self._inbox.clear()
        self._ready, self._fed = b"", 0
        self._sent_mark = self._sent()
        self._write_deadline = self._loop.time() + LINGER_TIMEOUT
        self._arm(self._write_deadline)
        if transport.can_write_eof() and not transport.is_closing():
            transport.write_eof()
            transport.resume_reading()
        else:
            transport.close()

    def _break(self, why: str) -> ConnectionLost:
        """Drop the connection now; the error for whoever waits."""
        self._end(why)
        if self._transport is not None:
            self._transport.abort()
        return ConnectionLost(why)

    def _end(self, why: str) -> None:
        if self._lost is None:
            self._lost = why
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._stop_waiting()
        self._stop_draining()


if TYPE_CHECKING:

    def _is_a_connection(connection: StreamConnection) -> Connection:
        return connection
