"""HTTPS for the policy of our own domains (own_policy.py) and for the management API (api.py), on the driver
of the mail protocols.

So it has their limits, their certificate, also when that is renewed, and their ending. One request, one
answer, and the connection is closed; a head of more than 16 KiB, or one that takes longer than SECONDS, gets
none.
"""

from __future__ import annotations

import asyncio
from urllib.parse import unquote

import h11
from starlette.types import ASGIApp, Message, Scope

from postier.base.log import Log
from postier.http.api import API
from postier.http.own_policy import PATH, OwnPolicy
from postier.net.api import Connection, ConnectionLost, IdleTimeout, Session

__all__ = ["https_session"]

SECONDS = 10.0
API_SECONDS = 600.0
"""For the whole of a request to the API and of its answer."""

log = Log("https")


class _HttpCore:
    """A Core (net.api) around h11, as the server, for one request."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER)
        self._output = b""
        self._fed = False
        self.broken = False

    def receive(self, data: bytes) -> None:
        self._fed = True
        self._http.receive_data(data)

    def eof(self) -> None:
        self._http.receive_data(b"")

    def next_event(self) -> h11.Event | None:
        """The head of the request, then what follows it for who asks."""
        if self.broken or not self._fed:
            return None
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError:
            self.broken = True
            return h11.ConnectionClosed()
        return event if isinstance(event, h11.Event) else None

    def outgoing(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def has_buffered_input(self) -> bool:
        return False

    def send(self, event: h11.Event) -> None:
        self._output += self._http.send(event) or b""

    def go_on(self) -> None:
        """RFC 9110 10.1.1: a client that waits with its body need not."""
        if self._http.they_are_waiting_for_100_continue:
            self.send(h11.InformationalResponse(status_code=100, headers=[]))

    def reply(self, status: int, text: str, *, head_only: bool = False) -> None:
        body = text.encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        self.send(h11.Response(status_code=status, headers=headers))
        if not head_only:
            self.send(h11.Data(data=body))


def https_session(policy: OwnPolicy, api: ASGIApp | None = None, *, seconds: float = SECONDS) -> Session:
    """Answers for PATH, and lets `api` answer for what begins with API; everything else is 404, and what is
    no request has no answer."""

    async def session(connection: Connection) -> None:
        core = _HttpCore()
        try:
            async with asyncio.timeout(seconds):
                request = await connection.event(core, seconds)
            if isinstance(request, h11.Request) and api is not None and _is_for(API, request):
                async with asyncio.timeout(API_SECONDS):
                    await _Asgi(connection, core, request).run(api)
            elif isinstance(request, h11.Request):
                await _answer(core, request, policy)
                await connection.flush(core)
        except (ConnectionLost, IdleTimeout, TimeoutError):
            pass  # whoever it was has left, or asks for nothing
        connection.close()

    return session


def _is_for(prefix: str, request: h11.Request) -> bool:
    return bytes(request.target).startswith(prefix.encode())


class _Asgi:
    """One request for an ASGI application (asgi.readthedocs.io, HTTP 2.4), and its answer."""

    def __init__(self, connection: Connection, core: _HttpCore, request: h11.Request) -> None:
        self._connection = connection
        self._core = core
        self._request = request
        self._has_more = True

    async def run(self, application: ASGIApp) -> None:
        """Raises ConnectionLost, IdleTimeout. What ends too early is cut off, so that it shows."""
        try:
            await application(self._scope(), self._receive, self._send)
        except (ConnectionLost, IdleTimeout):
            raise
        except Exception as error:  # an answer of many pieces that has begun: the log knows why it ends
            log.error("answer cut off", exception=error, session=self._connection.id)
            self._connection.abort()

    def _scope(self) -> Scope:
        target = bytes(self._request.target)
        path, _, query = target.partition(b"?")
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": self._request.http_version.decode("ascii"),
            "method": self._request.method.decode("ascii"),
            "scheme": "https",
            "path": unquote(path.decode("latin-1")),
            "raw_path": path,
            "query_string": query,
            "root_path": "",
            "headers": list(self._request.headers),
            "client": self._connection.peer,
            "server": self._connection.local,
            "state": {"session": self._connection.id, "tls": str(self._connection.tls or "")},
        }

    async def _receive(self) -> Message:
        if self._has_more:
            self._core.go_on()
            try:
                event = await self._connection.event(self._core, API_SECONDS)
            except ConnectionLost:
                event = None
            match event:
                case h11.Data(data=data):
                    return {"type": "http.request", "body": bytes(data), "more_body": True}
                case h11.EndOfMessage():
                    self._has_more = False
                    return {"type": "http.request", "body": b"", "more_body": False}
        self._has_more = False
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            self._core.send(h11.Response(status_code=message["status"], headers=headers))
            return
        body = message.get("body", b"")
        if body and self._request.method != b"HEAD":
            self._core.send(h11.Data(data=body))
        if not message.get("more_body", False):
            self._core.send(h11.EndOfMessage())
        await self._connection.flush(self._core)


async def _answer(core: _HttpCore, request: h11.Request, policy: OwnPolicy) -> None:
    if request.method not in (b"GET", b"HEAD"):
        core.reply(405, "")
        return
    hosts = [value.decode("latin-1") for name, value in request.headers if name == b"host"]
    found: str | None = None
    if request.target.partition(b"?")[0] == PATH.encode() and len(hosts) == 1:
        try:
            found = await policy.answer(hosts[0])
        except Exception as error:  # whatever the store has, the asker learns only that there is none now
            log.error("policy not served", exception=error)
            core.reply(503, "")
            return
    head_only = request.method == b"HEAD"
    if found is None:
        core.reply(404, "nothing here\r\n", head_only=head_only)
    else:
        core.reply(200, found, head_only=head_only)
