"""How mail programs read what they are told: each as strict, and as blind, as its own code.

Written after Thunderbird's readFromXML and ExchangeAutoDiscover, Thunderbird for Android's autoconfig parser,
DeltaChat's two parsers, and FairEmail's. Each returns the servers that the program would use, the first
incoming one before the first outgoing one, and raises ValueError where it would give up.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = [
    "Server",
    "android_autoconfig",
    "deltachat_autoconfig",
    "deltachat_autodiscover",
    "fairemail_autoconfig",
    "thunderbird_autoconfig",
    "thunderbird_autodiscover",
]

_HOST = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)+", re.IGNORECASE)
_PASSWORDS = ("password-cleartext", "password-encrypted")


class Server(NamedTuple):
    protocol: str
    host: str
    port: int
    security: str
    authentication: str
    user: str


def _root(document: str) -> Element:
    return ElementTree.fromstring(document)  # noqa: S314 - of our own making


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise ValueError(f"no host name: {text!r}")
    return text


def _text(element: Element, name: str) -> str:
    found = element.find(name)
    if found is None or found.text is None or len(found):
        raise ValueError(f"no {name}")
    return found.text


def _filled(text: str, address: str) -> str:
    local, _, domain = address.rpartition("@")
    return (
        text.replace("%EMAILADDRESS%", address)
        .replace("%EMAILLOCALPART%", local)
        .replace("%EMAILDOMAIN%", domain)
    )


def thunderbird_autoconfig(document: str, address: str) -> list[Server]:
    """All that it offers: it skips a server that it can't use, and passes over OAuth2 of strangers."""
    root = _root(document)
    provider = root.find("emailProvider")
    if root.tag != "clientConfig" or provider is None:
        raise ValueError("no emailProvider")
    _host(provider.attrib["id"])
    if not [_host(domain.text or "") for domain in provider.findall("domain")]:
        raise ValueError("no domain")
    sides = [
        _usable(provider, "incomingServer", ("pop3", "imap"), address),
        _usable(provider, "outgoingServer", ("smtp",), address),
    ]
    if not all(sides):
        raise ValueError("a side is missing")
    return [server for side in sides for server in side]


def _usable(provider: Element, tag: str, types: tuple[str, ...], address: str) -> list[Server]:
    found = []
    for element in provider.findall(tag):
        if element.attrib.get("type") not in types:
            continue
        port = int(_text(element, "port"))
        security = next(
            (e.text for e in element.findall("socketType") if e.text in ("plain", "SSL", "STARTTLS")), None
        )
        methods = [each.text for each in element.findall("authentication")]
        method = next((each for each in methods if each in _PASSWORDS), None)
        if 1 <= port <= 65535 and security and method:
            user = _filled(_text(element, "username"), address)
            host = _host(_text(element, "hostname"))
            found.append(Server(element.attrib["type"], host, port, security, method, user))
    return found


def android_autoconfig(document: str, address: str) -> list[Server]:
    """The first of each side; anything wrong with an IMAP or SMTP server, or with OAuth that it sees, is the
    end of the whole document. It knows no POP3."""
    root = _root(document)
    provider = next((each for each in root if each.tag == "emailProvider"), None)
    if root.tag != "clientConfig" or provider is None:
        raise ValueError("no emailProvider")
    _host(provider.attrib["id"])
    if not any(_HOST.fullmatch(_filled(each.text or "", address)) for each in provider.findall("domain")):
        raise ValueError("no domain")
    for oauth in provider.findall("oAuth2"):
        _text(oauth, "authURL")
        _text(oauth, "tokenURL")
    found = []
    for tag, protocol in (("incomingServer", "imap"), ("outgoingServer", "smtp")):
        servers = [
            _android_server(each, address) for each in provider.findall(tag) if each.get("type") == protocol
        ]
        if not servers:
            raise ValueError(f"no {tag}")
        found.append(servers[0])
    return found


def _android_server(element: Element, address: str) -> Server:
    methods = [e.text for e in element.findall("authentication") if e.text in ("OAuth2", *_PASSWORDS)]
    security = _text(element, "socketType")
    if not methods or security not in ("SSL", "STARTTLS"):
        raise ValueError("nothing usable")
    method = next((each for each in methods if each != "OAuth2"), None)
    if method is None:
        raise ValueError("OAuth2 of a stranger only")
    return Server(
        element.attrib["type"],
        _host(_filled(_text(element, "hostname"), address)),
        int(_text(element, "port")),
        security,
        method,
        _filled(_text(element, "username"), address),
    )


def deltachat_autoconfig(document: str, address: str) -> list[Server]:
    """Every IMAP and SMTP server, names of elements in any case; it asks for no authentication."""
    found = []
    for element in _root(document).iter():
        tag, protocol = element.tag.lower(), element.attrib.get("type", "").lower()
        if (tag, protocol) in (("incomingserver", "imap"), ("outgoingserver", "smtp")):
            values = {child.tag.lower(): (child.text or "").strip() for child in element}
            found.append(
                Server(
                    protocol,
                    _filled(values["hostname"], address),
                    int(values["port"]),
                    values["sockettype"],
                    "",
                    _filled(values["username"], address),
                )
            )
    if {server.protocol for server in found} != {"imap", "smtp"}:
        raise ValueError("incomplete")
    return found


def fairemail_autoconfig(document: str, address: str) -> list[Server]:
    """The last IMAP and the last SMTP server: each overwrites the one before it. It asks for no
    authentication, and takes a name that is no placeholder for everybody's."""
    found: dict[str, Server] = {}
    for element in _root(document).iter():
        protocol = element.attrib.get("type", "")
        if (element.tag, protocol) in (("incomingServer", "imap"), ("outgoingServer", "smtp")):
            security = _text(element, "socketType")
            if security not in ("SSL", "STARTTLS"):
                raise ValueError(f"unknown: {security!r}")
            user = _filled(_text(element, "username"), address)
            port, host = int(_text(element, "port")), _text(element, "hostname")
            found[protocol] = Server(protocol, host, port, security, "", user)
    if len(found) != 2:
        raise ValueError("incomplete")
    return [found["imap"], found["smtp"]]


def _protocols(document: str) -> list[dict[str, str]]:
    """Of an Autodiscover response: the elements of each Protocol, names without namespaces."""
    found = []
    for element in _root(document).iter():
        if element.tag.rpartition("}")[2] == "Protocol":
            found.append({child.tag.rpartition("}")[2]: (child.text or "").strip() for child in element})
    return found


def thunderbird_autodiscover(document: str, address: str) -> list[Server]:
    """It insists on the path Autodiscover/Response/Account, and takes TLS from the port where that is one of
    STARTTLS."""
    path = ("Autodiscover", "Response", "Account")
    element: Element | None = _root(document)
    for place, name in enumerate(path):
        if element is None or element.tag.rpartition("}")[2] != name:
            raise ValueError(f"no {name}")
        if place + 1 < len(path):
            element = next((e for e in element if e.tag.rpartition("}")[2] == path[place + 1]), None)
    found = []
    for values in _protocols(document):
        if values["Type"] not in ("POP3", "IMAP", "SMTP"):
            continue
        port = int(values["Port"])
        plain = values.get("SSL", "").lower() == "off" or values.get("Encryption", "").lower() == "none"
        late = "STARTTLS" if port in (143, 110, 25, 587) else "SSL"
        found.append(
            Server(
                values["Type"].lower(),
                _host(values["Server"]),
                port,
                "plain" if plain else late,
                "secure" if values.get("SPA", "").lower() == "on" else "password-cleartext",
                values.get("LoginName") or address,
            )
        )
    return found


def deltachat_autodiscover(document: str) -> Mapping[str, Server]:
    """By protocol, in any case: the first of each; TLS from the first octet where SSL is "on"."""
    found: dict[str, Server] = {}
    for values in _protocols(document):
        protocol = values["Type"].lower()
        security = {"on": "SSL", "off": "plain"}.get(values.get("SSL", "").lower(), "automatic")
        server = Server(protocol, values["Server"], int(values["Port"]), security, "", "")
        if protocol in ("imap", "smtp"):
            found.setdefault(protocol, server)
    if len(found) != 2:
        raise ValueError("incomplete")
    return found
