"""Handing a report over by HTTPS (RFC 8460 5.4) to a host that anybody may name in the DNS.

One POST (see postier.fetch), and at most MAX_ANSWER octets of answer. The certificate must be good: what is
reported is nobody else's business.
"""

from __future__ import annotations

import asyncio
from functools import partial

import h11

from postier.fetch.https import HttpsError, HttpsHosts
from postier.reports.out.destinations import Destination

__all__ = ["HttpsPost", "PostError"]

MAX_ANSWER = 64 * 1024
_AGAIN = (408, 425, 429)


class PostError(Exception):
    """Not handed over. `permanent`: the host refused the report itself."""

    def __init__(self, text: str, *, permanent: bool = False) -> None:
        super().__init__(text)
        self.permanent = permanent


class HttpsPost(HttpsHosts):
    """POST of a report."""

    async def post(self, to: Destination, content: bytes, media_type: str) -> None:
        """Raises PostError."""
        try:
            await self.talk(to.host, partial(_post, to, content, media_type))
        except HttpsError as error:
            raise PostError(str(error)) from error


async def _post(
    to: Destination, content: bytes, kind: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Raises PostError, OSError, h11.RemoteProtocolError."""
    http = h11.Connection(h11.CLIENT)
    headers = [
        ("Host", to.host),
        ("User-Agent", "Postier"),
        ("Content-Type", kind),
        ("Content-Length", str(len(content))),
        ("Connection", "close"),
    ]
    writer.write(http.send(h11.Request(method="POST", target=to.target, headers=headers)) or b"")
    writer.write(http.send(h11.Data(data=content)) or b"")
    writer.write(http.send(h11.EndOfMessage()) or b"")
    await writer.drain()
    received = 0
    while True:
        event = http.next_event()
        if event is h11.NEED_DATA:
            data = await reader.read(16 * 1024)
            received += len(data)
            if received > MAX_ANSWER:
                raise PostError(f"the answer is longer than {MAX_ANSWER} octets")
            http.receive_data(data)
        elif isinstance(event, h11.Response):
            return _judge(event.status_code)
        elif not isinstance(event, h11.InformationalResponse):
            raise PostError("the host hung up")


def _judge(status: int) -> None:
    """Any success will do (5.4); a refusal that will not change is one of the report itself."""
    if not 200 <= status < 300:
        raise PostError(f"the answer is {status}", permanent=400 <= status < 500 and status not in _AGAIN)
