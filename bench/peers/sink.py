"""SMTP servers that take everything, at many addresses, in one process; and servers that are dead.

    python sink.py PORT LIVING HOLES

LIVING servers at 127.1.N.1 answer at once and drop what they get; HOLES at 127.2.N.1 let connections time
out, as a host behind a firewall does (their queue of connections is full). SIGTERM ends it. Commands on
standard input: "count" prints how many messages came, and the monotonic seconds of the first and the last;
"zero" begins anew.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import time
from typing import cast

import uvloop

__all__: list[str] = []

FILLED = 4
"""Connections that fill the queue of a hole, so that the kernel drops all that follow."""


class Counts:
    messages = 0
    first = 0.0
    last = 0.0

    def add(self) -> None:
        self.last = time.monotonic()
        self.first = self.first or self.last
        self.messages += 1


class Sink(asyncio.Protocol):
    def __init__(self, counts: Counts) -> None:
        self._counts = counts
        self._buffer = b""
        self._in_text = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        transport.write(b"220 sink.test ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        replies: list[bytes] = []
        while self._step(replies):
            pass
        if replies:
            self._transport.write(b"".join(replies))

    def _step(self, replies: list[bytes]) -> bool:
        if self._in_text:
            end = self._buffer.find(b"\r\n.\r\n")
            if end < 0:
                self._buffer = self._buffer[-4:]
                return False
            self._buffer, self._in_text = self._buffer[end + 5 :], False
            self._counts.add()
            replies.append(b"250 2.0.0 OK\r\n")
            return True
        line, found, rest = self._buffer.partition(b"\r\n")
        if not found:
            return False
        verb = line[:4].upper()
        # the CRLF of DATA's own line may begin the end of an empty text
        self._buffer, self._in_text = (b"\r\n" + rest if verb == b"DATA" else rest), verb == b"DATA"
        replies.append(_REPLIES.get(verb, b"250 2.0.0 OK\r\n"))
        if verb == b"QUIT":
            self._transport.write(b"".join(replies))
            replies.clear()
            self._transport.close()
        return True


_REPLIES = {
    b"EHLO": b"250-sink.test\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-8BITMIME\r\n"
    b"250-ENHANCEDSTATUSCODES\r\n250-DSN\r\n250 SMTPUTF8\r\n",
    b"DATA": b"354 go on\r\n",
    b"QUIT": b"221 2.0.0 bye\r\n",
}


def hole(address: str, port: int) -> list[socket.socket]:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind((address, port))
    listening.listen(0)
    filling = [socket.socket() for _ in range(FILLED)]
    for one in filling:
        one.setblocking(False)
        one.connect_ex((address, port))
    return [listening, *filling]


async def main() -> None:
    port, living, holes = map(int, sys.argv[1:])
    counts = Counts()
    loop = asyncio.get_running_loop()
    for number in range(living):
        await loop.create_server(lambda: Sink(counts), f"127.1.{number}.1", port, backlog=1000)
    kept = [hole(f"127.2.{number}.1", port) for number in range(holes)]
    stopped = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)

    def asked() -> None:
        match sys.stdin.readline().strip():
            case "count":
                print(counts.messages, counts.first, counts.last, flush=True)
            case "zero":
                counts.messages, counts.first = 0, 0.0
                print("0", flush=True)
            case _:
                stopped.set()

    loop.add_reader(sys.stdin, asked)
    print("ready", flush=True)
    await stopped.wait()
    del kept


if __name__ == "__main__":
    uvloop.install()
    asyncio.run(main())
