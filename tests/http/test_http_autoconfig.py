"""The settings that a mail program reads before the account is made."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from postier.http.autoconfig import PATH, MailService, autoconfig_document, autoconfig_documents
from postier.http.documents import public_application
from postier.testing.web import ask

SERVICES = (MailService("imap", 993), MailService("smtp", 465))


async def is_ours(domain: str) -> bool:
    return domain == "a.example"


APPLICATION = public_application(autoconfig_documents(is_ours, "mail.a.example", SERVICES))


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
    assert asked(host).startswith(b"HTTP/1.1 200" if known else b"HTTP/1.1 404")


def test_it_is_served_whatever_address_asks() -> None:
    answer = asked("autoconfig.a.example")
    assert b"content-type: text/xml; charset=utf-8" in answer.lower()
    assert answer.endswith(autoconfig_document("a.example", "mail.a.example", SERVICES).encode())


def asked(host: str) -> bytes:
    path = f"{PATH}?emailaddress=%3Cx%3E@a.example"
    return ask(APPLICATION, f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
