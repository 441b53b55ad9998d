"""Who may connect, what runs for them, and stopping without losing anybody.

A worker takes its set of listening sockets (net.binding) and runs one Server on its own loop.

Limits (net.limits) hold before a session exists and before a TLS handshake costs anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import functools
import resource
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from postier.base.log import Log
from postier.base.metrics import CONNECTIONS, CONNECTIONS_OPEN, CONNECTIONS_REFUSED
from postier.base.networks import NOWHERE, Networks
from postier.base.shared_counts import SharedCounts
from postier.net.api import ConnectionLost, IdleTimeout, Session, SslContextSource
from postier.net.binding import BACKLOG, BindError, Endpoint, bind_sockets
from postier.net.connection import StreamConnection, plain_address
from postier.net.limits import USUAL_LIMITS, Gate, Limits
from postier.net.proxy import ProxyError, read_header

__all__ = ["BindError", "Endpoint", "Limits", "Listener", "Server", "bind_sockets", "raise_descriptor_limit"]

RESERVED_DESCRIPTORS = 256
"""Kept for files, databases and outgoing connections."""
ENDLESS_DESCRIPTORS = 1 << 20
"""What "no limit" of open files is taken for."""
ACCEPT_BATCH = 64
SESSION = b"{session}"
UNTOLD = ""
"""Counted for a proxy that has not said yet whom it speaks for: nobody's limit, but one of all."""
PAUSE_WITHOUT_DESCRIPTORS = 1.0

_NO_DESCRIPTORS = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}

log = Log("net")


@dataclass(frozen=True, slots=True)
class Listener:
    """What to do with those who connect to `endpoint`.

    `tls` serves `start_tls`, and with `implicit_tls` the handshake that comes first (RFC 8314).
    `busy` is the protocol's line for a connection past a limit (in clear only); `goodbye` its line for
    a connection that is closed because the server stops; `fault` its line for a fault of ours, in which
    SESSION stands for the id under which the log has the rest. All with CRLF, or b"".
    """

    endpoint: Endpoint
    session: Session
    tls: SslContextSource | None = None
    implicit_tls: bool = False
    busy: bytes = b""
    goodbye: bytes = b""
    fault: bytes = b""

    def __post_init__(self) -> None:
        if self.implicit_tls and self.tls is None:
            raise ValueError(f"listener {self.endpoint.name}: implicit TLS without a certificate")


def raise_descriptor_limit() -> int:
    """Let this process open as many files as it may; how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return ENDLESS_DESCRIPTORS
    if hard == resource.RLIM_INFINITY:
        hard = max(soft, ENDLESS_DESCRIPTORS)
    if soft == hard:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        log.warning("cannot raise the limit of open files", soft=soft, hard=hard, why=error)
        return soft
    return hard


@dataclass(slots=True)
class _Guest:
    """A connection, and the address that it is counted for."""

    connection: StreamConnection
    address: str


class Server:
    """All listeners of one worker."""

    def __init__(
        self,
        listeners: Iterable[Listener],
        limits: Limits = USUAL_LIMITS,
        *,
        write_timeout: float = 60.0,
        counts: SharedCounts | None = None,
        proxy_from: Networks = NOWHERE,
    ) -> None:
        """`counts`: for what all workers count together; by itself the worker counts alone. `proxy_from`:
        hosts that begin each connection with a PROXY header (net.proxy)."""
        self._listeners = tuple(listeners)
        self._gate = Gate(limits, max(1, raise_descriptor_limit() - RESERVED_DESCRIPTORS), counts)
        self._write_timeout = write_timeout
        self._proxy_from = proxy_from
        self._running: dict[asyncio.Task[None], StreamConnection] = {}
        self._servers: list[asyncio.Server] = []
        self._by_hand: list[socket.socket] = []
        self._retiring = False

    @property
    def connections(self) -> int:
        """How many are open now, those that still shake hands included."""
        return len(self._running)

    async def start(self, sockets: Mapping[Endpoint, socket.socket] | None = None) -> dict[Endpoint, int]:
        """Accept on `sockets` (from `bind_sockets`), or bind here. Returns the ports in use.

        Raises BindError.
        """
        if sockets is None:
            sockets = bind_sockets([listener.endpoint for listener in self._listeners])[0]
        for listener in self._listeners:
            await self._listen(listener, sockets[listener.endpoint])
        return {
            listener.endpoint: plain_address(sockets[listener.endpoint].getsockname())[1]
            for listener in self._listeners
        }

    def stop_accepting(self) -> None:
        """Close the listening sockets; connections stay."""
        loop = asyncio.get_running_loop()
        for server in self._servers:
            server.close()
        for bound in self._by_hand:
            loop.remove_reader(bound)
            bound.close()
        self._servers.clear()
        self._by_hand.clear()

    async def drain(self, timeout: float) -> None:
        """Stop accepting and let sessions finish what they do; dismiss the rest after `timeout` seconds."""
        self.stop_accepting()
        self._retiring = True
        for connection in self._running.values():
            connection.retire()
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout)
        for task, connection in list(self._running.items()):
            connection.dismiss()
            task.cancel()
        if self._running:
            await asyncio.wait(set(self._running), timeout=timeout)

    # ------------------------------------------------------------------ accepting

    async def _listen(self, listener: Listener, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        if self._proxy_from and not listener.endpoint.path:
            self._by_hand.append(bound)
            loop.add_reader(bound, self._accept, listener, bound)
            return
        greet = functools.partial(self._greet, listener)
        create = loop.create_unix_server if listener.endpoint.path else loop.create_server
        self._servers.append(
            await create(lambda: self._connection(listener, loop, greet), sock=bound, backlog=BACKLOG)
        )

    def _connection(
        self,
        listener: Listener,
        loop: asyncio.AbstractEventLoop,
        on_made: Callable[[StreamConnection], None] | None = None,
    ) -> StreamConnection:
        return StreamConnection(
            loop,
            on_made=on_made,
            tls_source=listener.tls,
            goodbye=listener.goodbye,
            write_timeout=self._write_timeout,
        )

    def _greet(self, listener: Listener, connection: StreamConnection) -> None:
        """A connection is there: run its session or say why not."""
        if not self._admit(connection.peer[0], listener):
            CONNECTIONS_REFUSED.add(listener.endpoint.name)
            if not listener.implicit_tls:
                connection.write(listener.busy)
            connection.close()
            return
        self._run(listener, connection, None, connection.peer[0])

    def _accept(self, listener: Listener, bound: socket.socket) -> None:
        """Take what waits on a listener that proxies may connect to: by hand, since a header comes first."""
        loop = asyncio.get_running_loop()
        for _ in range(ACCEPT_BATCH):
            try:
                client, name = bound.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot accept", listener=listener.endpoint.name, why=error.strerror)
                if error.errno in _NO_DESCRIPTORS:
                    loop.remove_reader(bound)
                    loop.call_later(PAUSE_WITHOUT_DESCRIPTORS, self._accept_again, listener, bound)
                return
            address = plain_address(name)[0]
            if address in self._proxy_from:
                address = UNTOLD
            client.setblocking(False)
            if self._admit(address, listener):
                self._run(listener, self._connection(listener, loop), client, address)
            else:
                CONNECTIONS_REFUSED.add(listener.endpoint.name)
                if not listener.implicit_tls:
                    with contextlib.suppress(OSError):
                        client.send(listener.busy)
                client.close()

    def _accept_again(self, listener: Listener, bound: socket.socket) -> None:
        if bound in self._by_hand:
            asyncio.get_running_loop().add_reader(bound, self._accept, listener, bound)

    def _admit(self, address: str, listener: Listener) -> bool:
        if self._retiring:
            return False
        problem = self._gate.why_not(address)
        if problem:
            log.info(problem, listener=listener.endpoint.name, peer=address)
            return False
        self._gate.enter(address)
        return True

    # ------------------------------------------------------------------ running

    def _run(
        self, listener: Listener, connection: StreamConnection, client: socket.socket | None, address: str
    ) -> None:
        guest = _Guest(connection, address)
        task = asyncio.get_running_loop().create_task(self._serve(listener, guest, client))
        self._running[task] = connection
        name = listener.endpoint.name
        CONNECTIONS.add(name)
        CONNECTIONS_OPEN.add(name)
        task.add_done_callback(functools.partial(self._forget, guest, name))

    def _forget(self, guest: _Guest, name: str, task: asyncio.Task[None]) -> None:
        CONNECTIONS_OPEN.add(name, amount=-1.0)
        del self._running[task]
        self._gate.leave(guest.address)

    async def _serve(self, listener: Listener, guest: _Guest, client: socket.socket | None) -> None:
        """The border around a session: whatever happens in it ends this one connection only."""
        name, connection = listener.endpoint.name, guest.connection
        try:
            if client is not None:
                await self._take(listener, guest, client)
            if listener.implicit_tls:
                await connection.accept_tls()
            await listener.session(connection)
        except IdleTimeout:
            log.debug("idle", session=connection.id, listener=name)
        except ConnectionLost as error:
            log.debug("lost", session=connection.id, listener=name, peer=connection.peer[0], why=error)
        except Exception as error:
            log.error("session failed", session=connection.id, listener=name, exception=error)
            connection.write(listener.fault.replace(SESSION, connection.id.encode()))
        finally:
            connection.close()
            if client is not None and connection.transport is None:
                client.close()

    async def _take(self, listener: Listener, guest: _Guest, client: socket.socket) -> None:
        """What was accepted by hand, behind a proxy's header if it has one. Raises ConnectionLost."""
        if guest.address == UNTOLD:
            await self._hear_proxy(listener, guest, client)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(lambda: guest.connection, client)
        except OSError as error:
            raise ConnectionLost(str(error)) from error

    async def _hear_proxy(self, listener: Listener, guest: _Guest, client: socket.socket) -> None:
        """From its header on, the client counts and not the proxy. Raises ConnectionLost."""
        proxy = ""
        try:
            proxy = plain_address(client.getpeername())[0]
            guest.connection.proxied = await read_header(client)
        except (OSError, TimeoutError, ProxyError) as error:
            log.warning("no PROXY header", listener=listener.endpoint.name, peer=proxy, why=error)
            raise ConnectionLost(f"no PROXY header: {error}") from error
        proxied = guest.connection.proxied
        address = proxied.peer[0] if proxied is not None else proxy
        self._gate.leave(UNTOLD)
        if not self._admit(address, listener):
            self._gate.enter(UNTOLD)
            CONNECTIONS_REFUSED.add(listener.endpoint.name)
            if not listener.implicit_tls:
                with contextlib.suppress(OSError):
                    client.send(listener.busy)
            raise ConnectionLost("refused")
        guest.address = address
