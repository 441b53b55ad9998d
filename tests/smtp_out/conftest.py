"""A scripted host on the loopback: it answers as a table says, stalls, closes, or talks nonsense."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType

import pytest

Answer = str | Callable[[str], str]
CLOSE, STALL = "<close>", "<stall>"
EHLO = "250-remote.example hello\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 1000000"
DEFAULTS: dict[str, Answer] = {
    "greeting": "220 remote.example ESMTP",
    "EHLO": EHLO,
    "HELO": "250 remote.example",
    "LHLO": EHLO,
    "STARTTLS": "220 2.0.0 go ahead",
    "MAIL": "250 2.1.0 ok",
    "RCPT": "250 2.1.5 ok",
    "DATA": "354 go on",
    "BDAT": "250 2.0.0 chunk taken",
    "message": "250 2.0.0 queued as 42",
    "RSET": "250 2.0.0 ok",
    "NOOP": "250 2.0.0 ok",
    "QUIT": "221 2.0.0 bye",
}


@dataclass
class ScriptedHost:
    """`script` overrides DEFAULTS by verb; an answer ending in <close> is sent and then all is over.

    What follows a 334 is asked for as "response". `implicit`: TLS before the greeting. `path`: of a Unix
    socket. `lmtp`: the message is answered for each recipient that was taken, by its RCPT line.
    """

    script: Mapping[str, Answer] = field(default_factory=dict)
    tls: ssl.SSLContext | None = None
    commands: list[str] = field(default_factory=list)
    messages: list[bytes] = field(default_factory=list)
    connections: int = 0
    port: int = 0
    secured: int = 0
    address: str = "127.0.0.1"
    implicit: bool = False
    path: str = ""
    lmtp: bool = False
    resumed: int = 0
    peers: list[str] = field(default_factory=list)

    async def __aenter__(self) -> ScriptedHost:
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: set[asyncio.StreamWriter] = set()
        if self.path:
            self._server: asyncio.Server = await asyncio.start_unix_server(self._serve, self.path)
            return self
        tls = self.tls if self.implicit else None
        self._server = await asyncio.start_server(self._serve, self.address, self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        for writer in tuple(self._writers):
            writer.transport.abort()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def is_busy(self) -> bool:
        return bool(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers.add(writer)
        self.connections += 1
        if not self.path:
            self.peers.append(writer.get_extra_info("peername")[0])
        if self.implicit:
            self._note_tls(writer)
        try:
            await self._talk(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, ssl.SSLError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            writer.close()
            self._writers.discard(writer)
            self._tasks.discard(task)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not await self._answer(writer, "greeting", ""):
            return
        said = ""
        taken: list[str] = []
        while line := (await reader.readline()).decode():
            line = line.removesuffix("\r\n")
            self.commands.append(line)
            verb = "response" if said.startswith("334") else line.partition(" ")[0].upper()
            if verb == "BDAT":
                self.messages.append(await reader.readexactly(int(line.split()[1])))
                verb = "message" if line.endswith(" LAST") else "BDAT"
            said = await self._answer(writer, verb, line)
            if not said or verb == "QUIT":
                return
            if verb == "STARTTLS" and self.tls is not None and said.startswith("220"):
                await writer.start_tls(self.tls)
                self._note_tls(writer)
            if verb == "RCPT" and said.startswith("2"):
                taken.append(line)
            if verb in ("MAIL", "RSET"):
                taken.clear()
            if verb == "DATA" and said.startswith("3"):
                first = await reader.readuntil(b"\r\n")
                rest = b"" if first == b".\r\n" else first + await _until_dot(reader)
                self.messages.append(rest)
                for one in taken if self.lmtp else [""]:
                    if not await self._answer(writer, "message", one):
                        return

    def _note_tls(self, writer: asyncio.StreamWriter) -> None:
        self.secured += 1
        self.resumed += writer.get_extra_info("ssl_object").session_reused

    async def _answer(self, writer: asyncio.StreamWriter, verb: str, line: str) -> str:
        answer = self.script.get(verb, DEFAULTS.get(verb, "500 5.5.1 what?"))
        text = answer if isinstance(answer, str) else answer(line)
        if text == STALL:
            await asyncio.Event().wait()
        ending = text.endswith(CLOSE)
        text = text.removesuffix(CLOSE)
        if text:
            writer.write(text.encode() + b"\r\n")
            await writer.drain()
        return "" if ending else text


async def _until_dot(reader: asyncio.StreamReader) -> bytes:
    lines = []
    while (line := await reader.readuntil(b"\r\n")) != b".\r\n":
        lines.append(line)
    return b"".join(lines)


class Text:
    """An OutgoingMessage of bytes in memory, handed out in pieces."""

    def __init__(self, data: bytes = b"Subject: hello\r\n\r\n.dot\r\n", piece: int = 65536) -> None:
        self.data = data
        self.piece = piece

    @property
    def size(self) -> int:
        return len(self.data)

    async def chunks(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.data), self.piece):
            yield self.data[start : start + self.piece]


@pytest.fixture
def host_type() -> type[ScriptedHost]:
    return ScriptedHost


@pytest.fixture
def text_type() -> type[Text]:
    return Text
