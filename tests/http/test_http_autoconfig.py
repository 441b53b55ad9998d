"""The settings that a mail program reads before the account is made."""

from __future__ import annotations

import asyncio
import socket
from xml.etree import ElementTree

import pytest

from postier.http.autoconfig import PATH, Autoconfig, MailService, autoconfig_document
from postier.http.health import health_application
from postier.http.server import HttpServer

SERVICES = (MailService("imap", 993), MailService("smtp", 465))


async def is_ours(domain: str) -> bool:
    return domain == "a.example"


AUTOCONFIG = Autoconfig(is_ours, "mail.a.example", SERVICES)


def test_the_document_names_each_way_with_tls_from_the_first_octet() -> None:
    root = ElementTree.fromstring(autoconfig_document("a.example", "mail.a.example", SERVICES))
    assert (root.tag, root.get("version")) == ("clientConfig", "1.1")
    assert root.findtext("emailProvider/domain") == "a.example"
    ways = [
        (server.tag, server.get("type"), server.findtext("hostname"), server.findtext("port"))
        for server in root.iter()
        if server.get("type")
    ]
    assert ways == [
        ("incomingServer", "imap", "mail.a.example", "993"),
        ("outgoingServer", "smtp", "mail.a.example", "465"),
    ]
    assert {server.text for server in root.iter("socketType")} == {"SSL"}
    assert {server.text for server in root.iter("username")} == {"%EMAILADDRESS%"}


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("autoconfig.a.example", True),
        ("AUTOCONFIG.A.Example:8080", True),
        ("a.example", False),
        ("autoconfig.b.example", False),
        ("autoconfig.", False),
        ("autoconfig.<a>", False),
        ("autoconfig." + "x" * 300, False),
        ("", False),
    ],
)
def test_it_is_for_domains_of_ours(host: str, known: bool) -> None:
    found = asyncio.run(AUTOCONFIG.answer(host))
    assert (found is not None) == known


def test_it_is_served_whatever_address_asks() -> None:
    async def nothing() -> bytes:
        return b""

    async def get(host: str, settings: Autoconfig | None) -> bytes:
        server = HttpServer(health_application(nothing, nothing, None, settings))
        listener = socket.create_server(("127.0.0.1", 0))
        await server.start([listener])
        try:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            path = f"{PATH}?emailaddress=%3Cx%3E@a.example"
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = await reader.read()
            writer.close()
            return answer
        finally:
            await server.close()

    answer = asyncio.run(get("autoconfig.a.example", AUTOCONFIG))
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"content-type: text/xml; charset=utf-8" in answer
    assert answer.endswith(autoconfig_document("a.example", "mail.a.example", SERVICES).encode())
    assert asyncio.run(get("autoconfig.b.example", AUTOCONFIG)).startswith(b"HTTP/1.1 404")
    assert asyncio.run(get("autoconfig.a.example", None)).startswith(b"HTTP/1.1 404")
