"""What doctor says about a port, in words for whoever runs the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable

import pytest

from postier.admin import diagnosis
from postier.admin.diagnosis import Finding, check_port

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def found_at(serve: Serve, *, tls: bool = False) -> Finding:
    """With `serve` there; the server's side of the connection is closed when this returns."""
    closed = asyncio.Event()

    async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
            await writer.wait_closed()
        except OSError:
            pass  # the client has gone first
        finally:
            closed.set()

    server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        finding = await check_port("imap", "127.0.0.1", port, b"* OK", tls=tls)
        await closed.wait()
    return finding


def saying(line: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        writer.close()

    return serve


@pytest.mark.parametrize(
    ("line", "tls", "state", "said"),
    [
        (b"* OK Postier ready\r\n", False, "ok", "* OK Postier ready"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", False, "failed", "something else answers there"),
        (b"* OK no TLS here\r\n", True, "failed", "no TLS there: "),
    ],
)
def test_who_answers(line: bytes, tls: bool, state: str, said: str) -> None:
    finding = asyncio.run(found_at(saying(line), tls=tls))
    assert (finding.state, finding.detail[: len(said)]) == (state, said)


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        finding = asyncio.run(check_port("imap", "127.0.0.1", port, b"* OK", tls=False))
    assert finding.detail == "nothing listens there; is the server running?"


def test_somebody_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(diagnosis, "CONNECT_SECONDS", 0.01)
    finding = asyncio.run(found_at(silent))
    assert (finding.state, finding.detail) == ("failed", "no answer within 0.01 s")
