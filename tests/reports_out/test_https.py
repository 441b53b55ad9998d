"""Handing a report to hosts that refuse, stall, never end, redirect or lie about who they are."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.certificates import read_files
from postier.net.tls import server_context, verifying_client_context
from postier.reports.out.destinations import destination_of
from postier.reports.out.https import HttpsPost, PostError
from postier.testing.dns import ZoneResolver

CONTENT = b"x" * 100_000
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("https")
    ca = make_ca("test")
    (folder / "ca.pem").write_bytes(ca.certificate)
    return ca, folder


def post(
    authority: tuple[Any, Path],
    handler: Handler,
    *,
    name: str = "r.b.example",
    private: bool = True,
    address: tuple[str, str] = ("A", "127.0.0.1"),
) -> None:
    ca, folder = authority
    write_key_pair(issue_certificate(ca, [name]), folder / "c.pem", folder / "c.key")

    async def work() -> None:
        tls = server_context(read_files(folder / "c.pem", folder / "c.key"))
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
        poster = HttpsPost(
            ZoneResolver({"r.b.example": [address]}),
            context=verifying_client_context(folder / "ca.pem"),
            port=server.sockets[0].getsockname()[1],
            allow_private=private,
            seconds=0.5,
        )
        to = destination_of("https://r.b.example/v1?x=1", ("https",))
        assert to is not None
        try:
            await poster.post(to, CONTENT, "application/tlsrpt+gzip")
        finally:
            server.close()

    asyncio.run(work())


def saying(*pieces: bytes, endless: bytes = b"", hold: bool = False) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            assert request.startswith(b"POST /v1?x=1 HTTP/1.1\r\nHost: r.b.example\r\n")
            assert b"\r\nContent-Type: application/tlsrpt+gzip\r\n" in request
            assert await reader.readexactly(len(CONTENT)) == CONTENT
            for piece in pieces:
                writer.write(piece)
            while endless:
                writer.write(endless)
                await writer.drain()
                await asyncio.sleep(0)
            if hold:
                await reader.read()
        except (ConnectionError, ssl.SSLError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # the client has had enough
        finally:
            writer.transport.abort() if endless else writer.close()

    return handler


def answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202 Accepted", "204 No Content"])
def test_every_success_will_do(authority: Any, status: str) -> None:
    post(authority, saying(b"HTTP/1.1 103 Early Hints\r\n\r\n", answer(status)))


@pytest.mark.parametrize(
    ("handler", "why", "permanent"),
    [
        (saying(answer("403 No")), "403", True),
        (saying(answer("413 Large")), "413", True),
        (saying(answer("429 Slow down")), "429", False),
        (saying(answer("503 Later")), "503", False),
        (saying(b"HTTP/1.1 307 There\r\nLocation: https://x.example/\r\n\r\n"), "307", False),
        (saying(b"SSH-2.0\r\n\r\n"), "no answer in HTTP", False),
        (saying(), "no answer in HTTP", False),
        (saying(hold=True), "not done within", False),
        (saying(endless=b"HTTP/1.1 103 Early Hints\r\n\r\n"), "longer than|not done within", False),
        (saying(endless=b"X: x\r\n" * 100), "no answer in HTTP", False),
    ],
)  # fmt: skip
def test_what_is_no_success_is_told_apart(
    authority: Any, handler: Handler, why: str, permanent: bool
) -> None:
    with pytest.raises(PostError, match=why) as caught:
        post(authority, handler)
    assert caught.value.permanent is permanent


def test_a_certificate_for_another_name_is_not_good(authority: Any) -> None:
    with pytest.raises(PostError, match="not valid for"):
        post(authority, saying(answer("200 OK")), name="other.example")


@pytest.mark.parametrize(
    "address",
    [
        ("A", "127.0.0.1"), ("A", "10.0.0.1"), ("A", "169.254.169.254"), ("AAAA", "::1"), ("AAAA", "fd00::1"),
        ("AAAA", "::ffff:127.0.0.1"), ("AAAA", "64:ff9b::7f00:1"), ("AAAA", "fec0::1"), ("A", "0.0.0.0"),
    ],
)  # fmt: skip
def test_addresses_inside_are_not_asked(authority: Any, address: tuple[str, str]) -> None:
    with pytest.raises(PostError, match="no usable address"):
        post(authority, saying(answer("200 OK")), private=False, address=address)
