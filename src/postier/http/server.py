"""An ASGI application on the driver of the mail protocols, in clear and with TLS.

So HTTP has their limits, their certificate, also when that is renewed, their PROXY headers, and their ending.
A connection takes one request after the other (RFC 9112 9.3), up to REQUESTS of them; whose body was not read
is the last one. What is no HTTP is answered with an error and closed, and so is a head that comes too slowly.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import NamedTuple
from urllib.parse import unquote

import h11
from starlette.types import ASGIApp, Message, Scope

from postier.base.log import Log
from postier.http.core import Broken, HttpCore
from postier.net.api import Connection, ConnectionLost, IdleTimeout, Session, Wake

__all__ = ["USUAL_PATIENCE", "Patience", "http_session"]

REQUESTS = 100
"""Of one connection; then it is closed, so that nobody stays for ever on one that is counted once."""

_REASONS = {status.value: status.phrase.encode() for status in HTTPStatus}

log = Log("http")


class Patience(NamedTuple):
    """Seconds. `head`: for the whole head of the first request; `idle`: for that of each further one;
    `body`: for the whole body of a request."""

    head: float = 10.0
    idle: float = 15.0
    body: float = 600.0


USUAL_PATIENCE = Patience()


def http_session(application: ASGIApp, *, patience: Patience = USUAL_PATIENCE) -> Session:
    """What a listener runs for a connection; the scheme is "https" where it has TLS.

    A proxy on this machine says whom it speaks for, and how that one came (X-Forwarded-For, -Proto).
    """

    async def session(connection: Connection) -> None:
        core = HttpCore()
        try:
            await _serve(connection, core, application, patience)
        except ConnectionLost:
            pass  # whoever it was has left
        connection.close()

    return session


async def _serve(connection: Connection, core: HttpCore, application: ASGIApp, patience: Patience) -> None:
    """Raises ConnectionLost."""
    for number in range(REQUESTS):
        request = await _request(connection, core, patience.idle if number else patience.head)
        if request is None:
            return
        is_last = number + 1 == REQUESTS
        await _Exchange(connection, core, request, patience.body, is_last).run(application)
        if not core.next_request():
            return


async def _request(connection: Connection, core: HttpCore, seconds: float) -> h11.Request | None:
    """The next one; None where there is none, and who asked has been told. Raises ConnectionLost."""
    try:
        event: h11.Event | Broken | Wake | None = Wake()
        while isinstance(event, Wake):
            event = await connection.event(core, seconds)
    except IdleTimeout:
        event = Broken(408) if core.has_buffered_input() else None
    if isinstance(event, h11.Request):
        return event
    if isinstance(event, Broken):
        core.refuse(event.status)
        await connection.flush(core)
    return None


class _Exchange:
    """One request for an ASGI application (asgi.readthedocs.io, HTTP 2.4), and its answer."""

    def __init__(
        self, connection: Connection, core: HttpCore, request: h11.Request, seconds: float, is_last: bool
    ) -> None:
        self._connection = connection
        self._core = core
        self._request = request
        self._until = asyncio.get_running_loop().time() + seconds
        self._is_last = is_last
        self._ahead: h11.Event | Broken | None = core.next_event()
        self._has_more = True

    async def run(self, application: ASGIApp) -> None:
        """Raises ConnectionLost. What ends too early is cut off, so that it shows."""
        try:
            await application(self._scope(), self._receive, self._send)
        except ConnectionLost:
            raise
        except Exception as error:  # the log knows why, who asked sees that it is no answer
            log.error("not answered", exception=error, session=self._connection.id)
        if not self._core.has_begun_answer:
            self._core.refuse(500)
            await self._connection.flush(self._core)
        elif not self._core.has_answered:
            self._connection.abort()

    def _scope(self) -> Scope:
        path, _, query = _origin_form(bytes(self._request.target)).partition(b"?")
        headers = [(bytes(name), bytes(value)) for name, value in self._request.headers]
        scheme = "http" if self._connection.tls is None else "https"
        client, scheme = _whom_for(self._connection.peer, scheme, headers)
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": self._request.http_version.decode("ascii"),
            "method": self._request.method.decode("ascii"),
            "scheme": scheme,
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": headers,
            "client": client,
            "server": self._connection.local,
            "state": {"session": self._connection.id, "tls": str(self._connection.tls or "")},
        }

    async def _receive(self) -> Message:
        if self._has_more:
            match await self._next_piece():
                case h11.Data(data=data):
                    return {"type": "http.request", "body": bytes(data), "more_body": True}
                case h11.EndOfMessage():
                    self._has_more = False
                    return {"type": "http.request", "body": b"", "more_body": False}
        self._has_more = False
        return {"type": "http.disconnect"}

    async def _next_piece(self) -> h11.Event | Broken | Wake | None:
        """None once the peer has left, or the time is up that all pieces have together."""
        if self._ahead is not None:
            piece, self._ahead = self._ahead, None
            return piece
        self._core.go_on()
        rest = self._until - asyncio.get_running_loop().time()
        try:
            return await self._connection.event(self._core, max(rest, 0.0))
        except (ConnectionLost, IdleTimeout):
            return None

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status, headers = message["status"], self._headers(message)
            self._core.send(
                h11.Response(status_code=status, headers=headers, reason=_REASONS.get(status, b""))
            )
            return
        body = message.get("body", b"")
        if body and self._request.method != b"HEAD":
            self._core.send(h11.Data(data=body))
        if not message.get("more_body", False):
            self._core.send(h11.EndOfMessage())
        await self._connection.flush(self._core)

    def _headers(self, message: Message) -> list[tuple[bytes, bytes]]:
        found = [*message.get("headers", ()), (b"date", formatdate(usegmt=True).encode())]
        if self._is_last or self._connection.is_retiring or not self._core.is_request_read:
            found.append((b"connection", b"close"))
        return found


def _origin_form(target: bytes) -> bytes:
    """RFC 9112 3.2.2: a server takes the form that is meant for proxies, too."""
    for scheme in (b"http://", b"https://"):
        if target[: len(scheme)].lower() == scheme:
            return b"/" + target[len(scheme) :].partition(b"/")[2]
    return target


def _whom_for(
    peer: tuple[str, int], scheme: str, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[tuple[str, int], str]:
    """Who asks, and by which scheme: only a proxy on this machine is believed about another."""
    if not _is_loopback(peer[0]):
        return peer, scheme
    for name, value in headers:
        said = [part.strip() for part in value.decode("latin-1").split(",")]
        if name == b"x-forwarded-for":
            said = [_without_port(part) for part in said]
            peer = next((each for each in reversed(said) if not _is_loopback(each)), said[0]), 0
        elif name == b"x-forwarded-proto" and said[-1].lower() in ("http", "https"):
            scheme = said[-1].lower()
    return peer, scheme


def _without_port(text: str) -> str:
    """An address, as some proxies give it with a port: "192.0.2.1:50000", "[2001:db8::1]:50000". "" for what
    is none, so that nobody takes it for one."""
    bare = text[1:].partition("]")[0] if text.startswith("[") else text
    bare = bare.partition(":")[0] if bare.count(":") == 1 else bare
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return ""


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
