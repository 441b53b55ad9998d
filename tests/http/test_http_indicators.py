"""An indicator over HTTPS from a host of the loopback, at its limit, and from hosts that mean no good."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from postier.fetch.https import HttpsFetcher
from postier.http.indicators import find_indicator
from postier.mailauth.bimi import MAX_INDICATOR
from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.certificates import read_files
from postier.net.tls import server_context, verifying_client_context
from postier.testing.dns import ZoneResolver

SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps" viewBox="0 0 9 9">'
    b"<title>A</title></svg>"
)
ZONE: dict[str, list[object]] = {
    "_dmarc.a.test": [("TXT", "v=DMARC1; p=reject")],
    "default._bimi.a.test": [("TXT", "v=BIMI1; l=https://img.a.test/a.svg")],
    "img.a.test": [("A", "127.0.0.1")],
}


def padded(size: int) -> bytes:
    return SVG.replace(b">A<", b">" + b"A" * (size - len(SVG) + 1) + b"<")


def find(
    folder: Path, body: bytes, kind: bytes = b"image/svg+xml", status: bytes = b"200 OK"
) -> bytes | None:
    ca = make_ca("test")
    (folder / "ca.pem").write_bytes(ca.certificate)
    write_key_pair(issue_certificate(ca, ["img.a.test"]), folder / "c.pem", folder / "c.key")

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        assert request.startswith(b"GET /a.svg HTTP/1.1\r\nHost: img.a.test\r\n")
        head = b"HTTP/1.1 %b\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n" % (status, kind, len(body))
        writer.write(head + body)
        writer.close()

    async def work() -> bytes | None:
        tls = server_context(read_files(folder / "c.pem", folder / "c.key"))
        server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls)
        resolver = ZoneResolver(ZONE)
        fetcher = HttpsFetcher(
            resolver,
            context=verifying_client_context(folder / "ca.pem"),
            port=server.sockets[0].getsockname()[1],
            allow_private=True,
        )
        try:
            return await find_indicator(resolver, fetcher, "a.test")
        finally:
            server.close()

    return asyncio.run(work())


@pytest.mark.parametrize("size", [len(SVG), MAX_INDICATOR])
def test_it_is_fetched(tmp_path: Path, size: int) -> None:
    assert find(tmp_path, padded(size)) == padded(size)


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (padded(MAX_INDICATOR + 1), b"image/svg+xml", b"200 OK"),
        (SVG, b"text/html", b"200 OK"),
        (SVG, b"image/svg+xml", b"302 Found"),
        (SVG.replace(b"<title>", b"<script/><title>"), b"image/svg+xml", b"200 OK"),
    ],
)
def test_anything_wrong_is_none(tmp_path: Path, body: bytes, kind: bytes, status: bytes) -> None:
    assert find(tmp_path, body, kind, status) is None


def test_a_policy_that_is_not_enforced_asks_nobody(tmp_path: Path) -> None:
    async def work() -> bytes | None:
        resolver = ZoneResolver({**ZONE, "_dmarc.a.test": [("TXT", "v=DMARC1; p=none")]})
        found = await find_indicator(resolver, HttpsFetcher(resolver), "a.test")
        assert not [name for _, name in resolver.questions if "_bimi" in name or name == "img.a.test"]
        return found

    assert asyncio.run(work()) is None
