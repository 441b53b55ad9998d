"""HTTP/1.1 as the server, without I/O: a Core (net.api) around h11, for one request after the other."""

from __future__ import annotations

from http import HTTPStatus
from typing import NamedTuple

import h11

__all__ = ["Broken", "HttpCore"]

LONGEST_HEAD = 16 * 1024
"""Octets of a request line with its fields (RFC 9112 2.1); what is longer is refused with 431."""


class Broken(NamedTuple):
    """What came is no HTTP; `status` says so to who sent it. Nothing that follows can be read."""

    status: int


class HttpCore:
    """Events are a request's head (h11.Request), pieces of its body (h11.Data), its end (h11.EndOfMessage);
    h11.ConnectionClosed once the peer has closed; Broken for what is no HTTP."""

    def __init__(self) -> None:
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._output = b""
        self._is_broken = False

    def receive(self, data: bytes) -> None:
        if not self._is_broken:
            self._http.receive_data(data)

    def eof(self) -> None:
        if not self._is_broken:
            self._http.receive_data(b"")

    def next_event(self) -> h11.Event | Broken | None:
        if self._is_broken:
            return None
        try:
            event = self._http.next_event()
        except h11.RemoteProtocolError as error:
            self._is_broken = True
            return Broken(error.error_status_hint)
        if isinstance(event, h11.Request) and event.http_version not in (b"1.0", b"1.1"):
            self._is_broken = True
            return Broken(505)
        return event if isinstance(event, h11.Event) else None

    def outgoing(self) -> bytes:
        output, self._output = self._output, b""
        return output

    def has_buffered_input(self) -> bool:
        return bool(self._http.trailing_data[0])

    @property
    def is_request_read(self) -> bool:
        """Whether nothing of the request that is being answered is left to be read."""
        return self._http.their_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)

    @property
    def has_answered(self) -> bool:
        """Whether the answer has gone out as a whole."""
        return self._http.our_state in (h11.DONE, h11.MUST_CLOSE, h11.CLOSED)

    @property
    def has_begun_answer(self) -> bool:
        return self._http.our_state not in (h11.IDLE, h11.SEND_RESPONSE)

    def send(self, event: h11.Event) -> None:
        self._output += self._http.send(event) or b""

    def go_on(self) -> None:
        """RFC 9110 10.1.1: a client that waits with its body need not."""
        if self._http.they_are_waiting_for_100_continue:
            self.send(h11.InformationalResponse(status_code=100, headers=[]))

    def refuse(self, status: int) -> None:
        """The whole answer to a request that nobody will look at; the connection ends with it."""
        if not self.has_begun_answer:
            headers = [("Content-Length", "0"), ("Connection", "close")]
            phrase = HTTPStatus(status).phrase.encode()
            self.send(h11.Response(status_code=status, headers=headers, reason=phrase))
            self.send(h11.EndOfMessage())

    def next_request(self) -> bool:
        """Get ready for another request; False where the connection ends with this one."""
        if self._is_broken or not (self._http.our_state is self._http.their_state is h11.DONE):
            return False
        self._http.start_next_cycle()
        return True
