"""The seam between bytes and events.

A **core** knows a protocol's grammar and order and does no I/O: bytes go in, events come out, replies go
in, bytes come out. A **session** knows what the events mean; it is one coroutine for each connection and
talks to a Connection. The **driver** behind Connection owns the socket, TLS, time-outs, limits and
back-pressure, for every protocol alike.

    async def session(connection: Connection, core: SmtpServer) -> None:
        while (event := await connection.event(core, timeout=300)) is not None:
            await handle(event)                  # calls core.reply(...)

`event` hands the core what came in until it has an event, and sends what the core has to say whenever the
core needs more input: so a pipelined batch of commands is answered with one write.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from postier.net.client_hello import ClientHello

__all__ = [
    "ByteFilter",
    "Connection",
    "ConnectionLost",
    "Core",
    "IdleTimeout",
    "Session",
    "TlsInfo",
    "Wake",
]

Event_co = TypeVar("Event_co", covariant=True)
Event = TypeVar("Event")


class Core(Protocol[Event_co]):
    """A protocol without I/O. Its results never depend on where the bytes were cut into packets."""

    def receive(self, data: bytes) -> None:
        """Take what came from the peer. Only stores it; parsing happens in `next_event`."""
        ...

    def next_event(self) -> Event_co | None:
        """The next event, or None while more input (or the reply to the last event) is needed.

        An event is handed out once. The core does not read past an event whose reply decides how the
        following bytes are to be read (DATA, STARTTLS, AUTH, a literal).
        """
        ...

    def eof(self) -> None:
        """The peer has closed its side; `next_event` may still have events from before."""
        ...

    def outgoing(self) -> bytes:
        """What is to be sent now; b"" if nothing. Handing it out empties it."""
        ...

    def has_buffered_input(self) -> bool:
        """True while bytes were received that no event has covered yet (STARTTLS injection, RFC 3207)."""
        ...


class ByteFilter(Protocol):
    """A layer between the socket and the core, such as COMPRESS=DEFLATE (RFC 4978)."""

    def decode(self, data: bytes) -> bytes:
        """What the peer meant. Raises ValueError if it is no such stream or grows past its bound."""
        ...

    def encode(self, data: bytes) -> bytes:
        """What goes on the wire for one flushed write; nothing is held back."""
        ...

    def end(self) -> bytes:
        """What goes on the wire when the layer is taken away."""
        ...

    def rest(self) -> bytes:
        """What the peer sent behind the end of its side of the layer."""
        ...


class ConnectionLost(Exception):
    """The peer is gone, or did not read what we sent within the time it had."""


class IdleTimeout(Exception):
    """No event came within the time that `event` was given, however many octets did."""


class Wake:
    """What `Connection.event` returns when `wake()` was called: no input, but something to look at."""

    __slots__ = ()


WAKE = Wake()


@dataclass(frozen=True, slots=True)
class TlsInfo:
    """`version` as "TLSv1.3", `cipher` in OpenSSL's name, `bits` of its key; `server_name` from SNI or ""."""

    version: str
    cipher: str
    bits: int
    server_name: str = ""

    def __str__(self) -> str:
        return f"{self.version} {self.cipher}"


class Connection(Protocol):
    """One connection, as its session sees it."""

    @property
    def id(self) -> str:
        """Names this connection in the log and in replies."""
        ...

    @property
    def peer(self) -> tuple[str, int]:
        """Address (IPv4-mapped IPv6 as plain IPv4) and port of the other side."""
        ...

    @property
    def local(self) -> tuple[str, int]: ...

    @property
    def tls(self) -> TlsInfo | None:
        """None while the connection is in clear."""
        ...

    @property
    def client_certificate(self) -> bytes:
        """The certificate (DER) by which the client proved to an authority of ours who it is; b"" if it
        didn't. That it is valid now is not said: see accounts.client_certificates."""
        ...

    @property
    def channel_bindings(self) -> Mapping[str, bytes]:
        """The bindings of this channel by their names (RFC 5929), none in clear."""
        ...

    @property
    def bytes_in(self) -> int:
        """Bytes from the peer above TLS and below a ByteFilter."""
        ...

    @property
    def bytes_out(self) -> int: ...

    @property
    def is_retiring(self) -> bool:
        """True once the session was told to retire: finish what was begun, begin nothing."""
        ...

    @property
    def is_over(self) -> bool:
        """It broke, or was closed."""
        ...

    async def event(self, core: Core[Event], timeout: float) -> Event | Wake | None:
        """The core's next event; None once the peer has closed and all its input is used up, once we have
        closed, and when the server stops and the peer pauses (the driver has said goodbye then).

        Before waiting, sends `core.outgoing()`. Returns a Wake if `wake()` was called since the last call
        and the core has no event. Raises IdleTimeout after `timeout` seconds of waiting for one event, also
        where its octets come one by one, and ConnectionLost if the connection broke. Input that waits is
        bounded: the socket is not read while the session is busy and 256 KiB wait.
        """
        ...

    def wake(self) -> None:
        """Make a waiting (or the next) `event` return a Wake. May be called by anybody on this loop."""
        ...

    def write(self, data: bytes) -> None:
        """Queue bytes for the peer, in order. Never blocks; call `drain` after large ones."""
        ...

    async def drain(self) -> None:
        """Wait until the peer has taken what waits beyond 256 KiB.

        Raises ConnectionLost when the peer takes nothing for the write time-out.
        """
        ...

    async def flush(self, core: Core[Event]) -> None:
        """Send `core.outgoing()` now, then `drain`."""
        ...

    async def start_tls(self, core: Core[Event]) -> None:
        """Send what the core has to say (the go-ahead), then shake hands as the server.

        Raises ConnectionLost if input already waits behind the command (RFC 3207: nothing may be
        pipelined) or if the handshake fails. The core must be told to forget its state by the session.
        """
        ...

    def speak_for(self, peer: tuple[str, int], local: tuple[str, int]) -> None:
        """From now on the other side stands for `peer`, who called `local`: these are `peer` and `local`."""
        ...

    def install_filter(self, filter: ByteFilter) -> None:
        """From the next byte on, in both directions. Input that already waits passes through it as well."""
        ...

    def remove_filter(self, core: Core[Event]) -> None:
        """Send what the core has to say as the last of the filtered stream; then nothing is filtered."""
        ...

    def retire(self, goodbye: bytes | None = None) -> None:
        """The server is stopping, or this session is no longer wanted: say `goodbye` (None: the listener's)
        as soon as the session waits for a peer that pauses. From now on `is_retiring`."""
        ...

    def close(self) -> None:
        """Send what is queued, then close. Further events are None. May be called more than once."""
        ...

    def abort(self) -> None:
        """Close at once, dropping what is queued."""
        ...


Session = Callable[[Connection], Awaitable[None]]
"""What a listener runs for each connection it accepts; the driver closes the connection after it."""


class SslContextSource(Protocol):
    """Where a listener's contexts come from; asked at each handshake, so that nothing needs a restart."""

    def __call__(self, hello: ClientHello, peer: str) -> ssl.SSLContext:
        """The context for a client at the address `peer` that said this. Raises NoApplicationProtocol
        (net.tls)."""
        ...

    def not_believed(self, peer: str) -> None:
        """The handshake failed, since the client's certificate is of nobody whom we believe."""
        ...
