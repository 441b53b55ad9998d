"""HTTPS for one document, the policy of our own domains (own_policy.py), on the driver of the mail protocols.

So it has their limits, their certificate, also when that is renewed, and their ending. One request, one
answer, and the connection is closed; a head of more than 16 KiB, or one that takes longer than SECONDS, gets
none.
"""

from __future__ import annotations

import asyncio

import h11

from postier.base.log import Log
from postier.http.own_policy import PATH, OwnPolicy
from postier.net.api import Connection, ConnectionLost, IdleTimeout, Session

__all__ = ["https_session"]

SECONDS = 10.0

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
        """The head of the request; what may follow it is not read."""
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

    def reply(self, status: int, text: str, *, head_only: bool = False) -> None:
        body = text.encode()
        headers = [
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Length", str(len(body))),
            ("X-Content-Type-Options", "nosniff"),
            ("Connection", "close"),
        ]
        self._output += self._http.send(h11.Response(status_code=status, headers=headers)) or b""
        if not head_only:
            self._output += self._http.send(h11.Data(data=body)) or b""


def https_session(policy: OwnPolicy, *, seconds: float = SECONDS) -> Session:
    """Answers for PATH; everything else is 404, and what is no request has no answer."""

    async def session(connection: Connection) -> None:
        core = _HttpCore()
        try:
            async with asyncio.timeout(seconds):
                request = await connection.event(core, seconds)
            if isinstance(request, h11.Request):
                await _answer(core, request, policy)
                await connection.flush(core)
        except (ConnectionLost, IdleTimeout, TimeoutError):
            pass  # whoever it was has left, or asks for nothing
        connection.close()

    return session


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
