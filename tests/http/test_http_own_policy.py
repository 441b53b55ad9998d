"""The MTA-STS policy of our own domains: what it says, who gets it, over HTTPS and for a proxy over HTTP."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import pytest

from postier.http.health import health_application
from postier.http.https import https_session
from postier.http.own_policy import PATH, OwnPolicy, policy_document, policy_id
from postier.http.server import HttpServer
from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.binding import Endpoint, bind_sockets
from postier.net.server import Listener, Server
from postier.net.tls import CertificateStore, verifying_client_context
from postier.smtp.outbound.mta_sts import StsMode, StsPolicy, parse_policy, record_id
from postier.smtp.outbound.sts_fetch import FetchError, PolicyFetcher
from postier.testing.dns import ZoneResolver

DOCUMENT = policy_document("mail.a.example", "testing", 604_800)


async def is_ours(domain: str) -> bool:
    if domain == "broken.example":
        raise OSError("/secret/path is gone")
    return domain == "a.example"


POLICY = OwnPolicy(is_ours, DOCUMENT)


def test_it_is_a_policy_by_the_standards_grammar() -> None:
    assert parse_policy(DOCUMENT.encode()) == StsPolicy(StsMode.TESTING, 604_800, ("mail.a.example",))
    assert record_id([f"v=STSv1; id={policy_id(DOCUMENT)};".encode()]) == policy_id(DOCUMENT)


def test_its_id_changes_exactly_when_it_does() -> None:
    assert policy_id(DOCUMENT) == policy_id(policy_document("mail.a.example", "testing", 604_800))
    for host, mode, age in (("mx.a.example", "testing", 1), ("mail.a.example", "enforce", 604_800)):
        assert policy_id(DOCUMENT) != policy_id(policy_document(host, mode, age))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("mta-sts.a.example", True),
        ("MTA-STS.A.Example:8443", True),
        ("mta-sts.a.example.", True),
        ("a.example", False),
        ("mta-sts.b.example", False),
        ("mta-sts.", False),
        ("mta-sts." + "x" * 300, False),
        ("", False),
    ],
)
def test_it_is_told_to_who_asks_for_a_domain_of_ours(host: str, known: bool) -> None:
    assert asyncio.run(POLICY.answer(host)) == (DOCUMENT if known else None)


def test_where_none_is_published_none_is_told() -> None:
    assert asyncio.run(OwnPolicy(is_ours, "").answer("mta-sts.a.example")) is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("https")
    ca = make_ca("test")
    (folder / "ca.pem").write_bytes(ca.certificate)
    pair = issue_certificate(ca, ["mta-sts.a.example", "mta-sts.b.example"])
    write_key_pair(pair, folder / "c.pem", folder / "c.key")
    return folder


def served(folder: Path, work: Any, *, seconds: float = 5.0) -> Any:
    async def whole() -> Any:
        endpoint = Endpoint("https", "127.0.0.1", 0)
        sockets = bind_sockets([endpoint])[0]
        store = CertificateStore(folder / "c.pem", folder / "c.key")
        session = https_session(POLICY, seconds=seconds)
        server = Server([Listener(endpoint, session, tls=store, implicit_tls=True)])
        await server.start(sockets)
        try:
            return await work(sockets[endpoint].getsockname()[1])
        finally:
            await server.drain(1.0)

    return asyncio.run(whole())


def test_others_can_fetch_it(folder: Path) -> None:
    async def fetch(port: int) -> bytes:
        zone = {f"mta-sts.{d}.example": [("A", "127.0.0.1")] for d in "ab"}
        context = verifying_client_context(folder / "ca.pem")
        fetcher = PolicyFetcher(ZoneResolver(zone), context=context, port=port, allow_private=True)
        with pytest.raises(FetchError, match="404"):
            await fetcher.fetch("b.example")
        return await fetcher.fetch("a.example")

    assert served(folder, fetch) == DOCUMENT.encode()


def ask(folder: Path, *pieces: bytes, seconds: float = 5.0) -> bytes:
    async def talk(port: int) -> bytes:
        context = verifying_client_context(folder / "ca.pem")
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=context, server_hostname="mta-sts.a.example"
        )
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
            async with asyncio.timeout(5):
                return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.transport.abort()

    answer = served(folder, talk, seconds=seconds)
    assert isinstance(answer, bytes)
    return answer


HOST = b"Host: mta-sts.a.example\r\n\r\n"


def test_requests_and_their_answers(folder: Path) -> None:
    get = b"GET " + PATH.encode() + b" HTTP/1.1\r\n"
    assert ask(folder, get + HOST).startswith(b"HTTP/1.1 200")
    assert ask(folder, *(bytes([octet]) for octet in get + HOST)).endswith(DOCUMENT.encode())
    head = ask(folder, get.replace(b"GET", b"HEAD") + HOST)
    assert head.startswith(b"HTTP/1.1 200")
    assert head.endswith(b"\r\n\r\n")
    assert ask(folder, b"GET / HTTP/1.1\r\n" + HOST).startswith(b"HTTP/1.1 404")
    assert ask(folder, get.replace(b"GET", b"POST") + b"Content-Length: 9\r\n" + HOST).startswith(
        b"HTTP/1.1 405"
    )
    broken = ask(folder, get + b"Host: mta-sts.broken.example\r\n\r\n")
    assert broken.startswith(b"HTTP/1.1 503")
    assert b"secret" not in broken


@pytest.mark.parametrize(
    "request_",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"X: " + b"x" * 100_000,
        b"GET " + b"/" * 100_000,
    ],
)
def test_what_is_no_request_gets_no_answer(folder: Path, request_: bytes) -> None:
    assert ask(folder, request_) == b""


def test_who_asks_slowly_is_left(folder: Path) -> None:
    assert ask(folder, b"GET", seconds=0.2) == b""


def test_a_proxy_gets_it_over_http() -> None:
    async def figures() -> bytes:
        return b""

    async def well() -> None:
        """The store answers."""

    async def whole(host: str) -> bytes:
        server = HttpServer(health_application(well, figures, POLICY))
        listener = socket.create_server(("127.0.0.1", 0))
        await server.start([listener])
        try:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            return answer
        finally:
            await server.close()

    answer = asyncio.run(whole("mta-sts.a.example"))
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.endswith(DOCUMENT.encode())
    assert asyncio.run(whole("mta-sts.b.example")).startswith(b"HTTP/1.1 404")
