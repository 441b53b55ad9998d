"""Microsoft's Autodiscover in XML ([MS-OXDSCLI]), as Outlook and others ask for IMAP, POP3 and SMTP.

A request is XML of a stranger: it is read without document types, to a small depth, and for two elements
only. The answer depends on the domain of the address and on nothing else of it: who asks learns nothing of
who has a mailbox.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat
from xml.sax.saxutils import escape

from postier.clients.settings import ClientSettings, MailService, Security

__all__ = [
    "LONGEST_REQUEST",
    "OUTLOOK",
    "AutodiscoverRequest",
    "RequestError",
    "autodiscover_document",
    "error_document",
    "read_request",
]

LONGEST_REQUEST = 16 * 1024
"""Octets; Outlook's own have some 400."""
DEEPEST = 8
LONGEST_TEXT = 1024
NAMESPACE = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006"
OUTLOOK = "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a"
"""The one response schema that is spoken here."""
MESSAGES = {
    500: "The email address can't be found.",
    600: "Invalid Request",
    601: "Provider is not available",
}
"""[MS-OXDSCLI] 3.1.5.3: what Exchange says."""


class RequestError(Exception):
    """It is no request that can be answered."""


class AutodiscoverRequest(NamedTuple):
    """What it asks about; "" for what it does not say. `schema`: of the answer that it can read."""

    address: str
    schema: str


class _Reader:
    """Two elements of a request, whatever their namespaces."""

    _WANTED = ("EMailAddress", "AcceptableResponseSchema")

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._path: list[str] = []

    def start(self, name: str, _: dict[str, str]) -> None:
        if len(self._path) == DEEPEST:
            raise RequestError("too deep")
        self._path.append(name.rpartition("}")[2])

    def end(self, _: str) -> None:
        self._path.pop()

    def text(self, data: str) -> None:
        if self._path[:2] == ["Autodiscover", "Request"] and len(self._path) == 3:
            name = self._path[2]
            if name in self._WANTED:
                self.found[name] = self.found.get(name, "") + data
                if len(self.found[name]) > LONGEST_TEXT:
                    raise RequestError("too long")

    def refuse(self, *_: object) -> None:
        raise RequestError("a document type")


def read_request(body: bytes) -> AutodiscoverRequest:
    """Raises RequestError."""
    if len(body) > LONGEST_REQUEST:
        raise RequestError("too long")
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, LookupError, UnicodeError) as error:
        raise RequestError(str(error)) from None
    address, schema = (reader.found.get(name, "").strip() for name in reader._WANTED)
    return AutodiscoverRequest(address, schema)


def autodiscover_document(settings: ClientSettings, address: str) -> str:
    """For a mailbox of the domain; only ways with TLS from the first octet, which all readers take alike."""
    return "".join(f"{line}\n" for line in _lines(settings, address))


def _lines(settings: ClientSettings, address: str) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="utf-8"?>'
    yield f'<Autodiscover xmlns="{NAMESPACE}">'
    yield f'  <Response xmlns="{OUTLOOK}">'
    yield "    <User>"
    yield f"      <DisplayName>{escape(address)}</DisplayName>"
    yield "    </User>"
    yield "    <Account>"
    yield "      <AccountType>email</AccountType>"
    yield "      <Action>settings</Action>"
    if settings.logo:
        yield f"      <Image>{escape(settings.logo)}</Image>"
    if settings.help:
        yield f"      <ServiceHome>{escape(settings.help)}</ServiceHome>"
    for service in settings.services:
        if service.security is Security.TLS:
            yield from _protocol(settings, service, address)
    yield "    </Account>"
    yield "  </Response>"
    yield "</Autodiscover>"


def _protocol(settings: ClientSettings, service: MailService, address: str) -> Iterator[str]:
    elements = [
        ("Type", service.protocol.upper()),
        ("TTL", "24"),
        ("Server", settings.hostname),
        ("Port", str(service.port)),
        ("LoginName", address),
        ("DomainRequired", "off"),
        ("SPA", "off"),
        ("SSL", "on"),
        ("Encryption", "SSL"),
        ("AuthRequired", "on"),
    ]
    if service.protocol == "smtp":
        elements += [("UsePOPAuth", "on"), ("SMTPLast", "off")]
    yield "      <Protocol>"
    for name, text in elements:
        yield f"        <{name}>{escape(text)}</{name}>"
    yield "      </Protocol>"


def error_document(code: int, *, time: str, hostname: str) -> str:
    """`code`: of MESSAGES. `time`: of the day, HH:MM:SS.ffffff. The Id names the server."""
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<Autodiscover xmlns="{NAMESPACE}">\n'
        "  <Response>\n"
        f'    <Error Time="{time}" Id="{zlib.crc32(hostname.encode())}">\n'
        f"      <ErrorCode>{code}</ErrorCode>\n"
        f"      <Message>{escape(MESSAGES[code])}</Message>\n"
        "      <DebugData />\n"
        "    </Error>\n"
        "  </Response>\n"
        "</Autodiscover>\n"
    )
