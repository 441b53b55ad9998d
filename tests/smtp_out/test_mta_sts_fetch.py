"""Fetching a policy from hosts that stall, never end, redirect, lie about themselves or send too much."""

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
from postier.smtp.outbound.mta_sts import MAX_DOCUMENT
from postier.smtp.outbound.sts_fetch import FetchError, PolicyFetcher
from postier.testing.dns import ZoneResolver

POLICY = b"version: STSv1\nmode: none\nmax_age: 60\n"
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Any]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    folder = tmp_path_factory.mktemp("https")
    ca = make_ca("test")
    (folder / "ca.pem").write_bytes(ca.certificate)
    return ca, folder


def fetch(
    authority: tuple[Any, Path],
    handler: Handler,
    *,
    name: str = "mta-sts.b.example",
    private: bool = True,
    address: str = "127.0.0.1",
) -> bytes:
    ca, folder = authority
    write_key_pair(issue_certificate(ca, [name]), folder / "c.pem", folder / "c.key")

    async def work() -> bytes:
        tls = server_context(read_files(folder / "c.pem", folder / "c.key"))
        server = await asyncio.start_server(handler, "127.0.0.1", 0, ssl=tls)
        fetcher = PolicyFetcher(
            ZoneResolver({"mta-sts.b.example": [("AAAA" if ":" in address else "A", address)]}),
            context=verifying_client_context(folder / "ca.pem"),
            port=server.sockets[0].getsockname()[1],
            allow_private=private,
            seconds=0.5,
        )
        try:
            return await fetcher.fetch("b.example")
        finally:
            server.close()

    return asyncio.run(work())


def saying(*pieces: bytes, endless: bytes = b"", hold: bool = False) -> Handler:
    async def handler(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = await reader.readuntil(b"\r\n\r\n")
            assert request.startswith(b"GET /.well-known/mta-sts.txt HTTP/1.1\r\nHost: mta-sts.b.example\r\n")
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
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


def whole(body: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Content-Length: %d\r\n\r\n" % len(body) + body


@pytest.mark.parametrize(
    "pieces",
    [
        [whole(POLICY)],
        [whole(POLICY).replace(b"text/plain", b"Text/Plain; charset=utf-8")],
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n" % len(POLICY) + POLICY + b"\r\n0\r\n\r\n"],
        [b"HTTP/1.1 103 Early Hints\r\n\r\n", whole(POLICY)],
        [HEAD + b"Connection: close\r\n\r\n" + POLICY],
    ],
)
def test_a_policy_is_fetched(authority: Any, pieces: list[bytes]) -> None:
    assert fetch(authority, saying(*pieces)) == POLICY


def test_a_document_at_the_limit_is_taken_and_one_past_it_not(authority: Any) -> None:
    assert len(fetch(authority, saying(whole(b"x" * MAX_DOCUMENT)))) == MAX_DOCUMENT
    with pytest.raises(FetchError, match="more than 65536 octets"):
        fetch(authority, saying(whole(b"x" * (MAX_DOCUMENT + 1))))


@pytest.mark.parametrize(
    ("handler", "why"),
    [
        (saying(b"HTTP/1.1 301 Moved\r\nLocation: https://x.example/\r\nContent-Length: 0\r\n\r\n"), "301"),
        (saying(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"), "404"),
        (saying(b"HTTP/1.1 204 None\r\n\r\n"), "204"),
        (saying(whole(POLICY, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n")), "text/plain"),
        (saying(whole(POLICY, b"HTTP/1.1 200 OK\r\n")), "text/plain"),
        (saying(HEAD + b"Content-Length: 99\r\n\r\n" + POLICY), "no answer in HTTP"),
        (saying(b"SSH-2.0\r\n\r\n"), "no answer in HTTP"),
        (saying(), "no answer in HTTP"),
        (saying(CHUNKED, endless=b"4000\r\n" + b"x" * 0x4000 + b"\r\n"), "more than"),
        (saying(HEAD, endless=b"X-Header: x\r\n" * 100), "no answer in HTTP"),
        (saying(HEAD, hold=True), "not done within"),
        (saying(endless=b"HTTP/1.1 103 Early Hints\r\n\r\n"), "not done within"),
    ],
)  # fmt: skip
def test_hostile_hosts_cost_little_and_give_nothing(authority: Any, handler: Handler, why: str) -> None:
    with pytest.raises(FetchError, match=why) as caught:
        fetch(authority, handler)
    assert caught.value.result_type == "sts-policy-fetch-error"


def test_a_certificate_for_another_name_is_told_apart(authority: Any) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(authority, saying(whole(POLICY)), name="b.example")
    assert caught.value.result_type == "sts-webpki-invalid"


INSIDE = [
    *("127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1"),
    *(
        "::1",
        "fd00::1",
        "fec0::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "::10.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::",
    ),
]


@pytest.mark.parametrize("address", INSIDE)
def test_addresses_inside_are_not_asked(authority: Any, address: str) -> None:
    with pytest.raises(FetchError, match="no usable address"):
        fetch(authority, saying(whole(POLICY)), private=False, address=address)
