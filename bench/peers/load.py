"""Who sends: letters, signed or not, and connections that hand them over."""

from __future__ import annotations

import asyncio
import base64
import random
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple, cast

import uvloop

from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import Signer, sign

__all__ = ["Letter", "Login", "Sent", "letter", "send", "signed"]

_TEXT = (
    "the of and to in is that it was for on are with as his they at be this from have or by one had not but"
    " what all were when we there can an your which their said if do will each about how up out them then she"
    " many some so these would other into has more two like him see time could no make than first been its"
    " who now people my made over did down only way find use may water long little very after words called"
)
_WORDS = _TEXT.split()


class Letter(NamedTuple):
    sender: str
    recipients: tuple[str, ...]
    content: bytes


class Login(NamedTuple):
    user: str
    password: str


class Sent(NamedTuple):
    """`began`, `ended`: monotonic seconds."""

    messages: int
    began: float
    ended: float

    @property
    def rate(self) -> float:
        return self.messages / (self.ended - self.began)


def letter(number: int, sender: str, *recipients: str, size: int = 10_000) -> Letter:
    """A letter of about `size` octets, never the same twice."""
    dice = random.Random(number)
    lines, length = [], 0
    while length < size - 400:
        line = " ".join(dice.choices(_WORDS, k=12)).encode()
        lines.append(line)
        length += len(line) + 2
    header = (
        f"From: Somebody <{sender}>\r\nTo: <{recipients[0]}>\r\nSubject: Letter {number} about some of it\r\n"
        f"Date: Fri, 06 Jan 2023 12:00:{number % 60:02d} +0000\r\nMIME-Version: 1.0\r\n"
        f"Message-ID: <{time.time_ns():x}.{number}@{sender.partition('@')[2]}>\r\n"
        "Content-Type: text/plain; charset=utf-8\r\n\r\n"
    )
    return Letter(sender, recipients, header.encode() + b"\r\n".join(lines) + b"\r\n")


def signed(plain: Letter, signer: Signer) -> Letter:
    header, _, body = plain.content.partition(b"\r\n\r\n")
    header += b"\r\n\r\n"
    hasher = BodyHasher()
    hasher.feed(body)
    fields = sign((signer,), header, hasher.digest(), timestamp=int(time.time()))
    return plain._replace(content=fields + plain.content)


class _Client(asyncio.Protocol):
    def __init__(self) -> None:
        self._replies: deque[bytes] = deque()
        self._rest = b""
        self._waiter: asyncio.Future[None] | None = None
        self._lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is one in all but its class

    def data_received(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\r\n")
        self._replies.extend(line for line in lines if line[3:4] != b"-")
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def say(self, data: bytes, replies: int = 1) -> None:
        """Raises RuntimeError for a refusal or a connection that has gone."""
        if data:
            self.transport.write(data)
        for _ in range(replies):
            while not self._replies:
                if self._lost:
                    raise RuntimeError("the server has closed the connection")
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
            reply = self._replies.popleft()
            if reply[:1] not in b"23":
                raise RuntimeError(reply.decode(errors="replace"))


async def _session(port: int, each: int, login: Login | None, waiting: deque[Letter], number: int) -> None:
    loop = asyncio.get_running_loop()
    source = (f"127.{3 + number % 40}.{number // 40 % 250}.1", 0)
    _, client = await loop.create_connection(_Client, "127.0.0.1", port, local_addr=source)
    await client.say(b"")
    await client.say(f"EHLO h-{source[0].partition('.')[2].replace('.', '-')}.loop.test\r\n".encode())
    if login is not None:
        words = base64.b64encode(f"\0{login.user}\0{login.password}".encode())
        await client.say(b"AUTH PLAIN " + words + b"\r\n")
    for _ in range(each):
        if not waiting:
            break
        one = waiting.popleft()
        envelope = [f"MAIL FROM:<{one.sender}>", *(f"RCPT TO:<{path}>" for path in one.recipients), "DATA"]
        await client.say("".join(line + "\r\n" for line in envelope).encode(), len(envelope))
        await client.say(one.content.replace(b"\r\n.", b"\r\n..") + b".\r\n")
    await client.say(b"QUIT\r\n")
    client.transport.close()


def send(
    port: int, letters: Sequence[Letter], *, connections: int = 20, each: int = 10, login: Login | None = None
) -> Sent:
    """Hand all letters over, `each` of them by a connection, so many connections at a time."""
    waiting = deque(letters)

    async def one(number: int) -> None:
        turn = 0
        while waiting:
            await _session(port, each, login, waiting, number + turn * connections)
            turn += 1

    async def everybody() -> None:
        await asyncio.gather(*map(one, range(connections)))

    began = time.monotonic()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(everybody())
    return Sent(len(letters), began, time.monotonic())
