"""The settings document that Thunderbird, K-9, KMail, Evolution and others read before an account is made
(Mozilla's autoconfig 1.1, and 1.2 of draft-ietf-mailmaint-autoconfig-06).

One document serves both versions: what is new in 1.2 stands where a reader of 1.1 does not look. It says 1.2
where it has something of that. The program puts the address in by itself (%EMAILADDRESS%).
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.sax.saxutils import escape, quoteattr

from postier.clients.settings import ClientSettings, MailService, OAuthProvider, Security

__all__ = ["autoconfig_document"]

LONGEST_NAME, LONGEST_SHORT_NAME = 60, 20
"""Characters (draft, displayName and displayShortName)."""
SOCKET_TYPES = {Security.TLS: "SSL", Security.STARTTLS: "STARTTLS"}
_HELP = (("en", "Setting up a mail program"), ("fr", "Configurer un logiciel de messagerie"))


def autoconfig_document(settings: ClientSettings) -> str:
    """Programs take the first way of each kind that they can."""
    return "".join(f"{line}\n" for line in _lines(settings))


def _lines(settings: ClientSettings) -> Iterator[str]:
    version = "1.2" if settings.oauth or settings.jmap else "1.1"
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield f'<clientConfig version="{version}">'
    yield f"  <emailProvider id={quoteattr(settings.domain)}>"
    yield _element("domain", settings.domain, 4)
    yield _element("displayName", settings.provider[:LONGEST_NAME], 4)
    yield _element("displayShortName", settings.provider[:LONGEST_SHORT_NAME], 4)
    if settings.jmap:
        yield from _jmap(settings)
    for service in settings.services:
        yield from _server(settings, service)
    if settings.help:
        yield f"    <documentation url={quoteattr(settings.help)}>"
        for language, text in _HELP:
            yield f'      <descr lang="{language}">{escape(text)}</descr>'
        yield "    </documentation>"
    yield "  </emailProvider>"
    if settings.oauth:
        yield from _oauth(settings.oauth)
    yield "</clientConfig>"


def _server(settings: ClientSettings, service: MailService) -> Iterator[str]:
    kind = "outgoingServer" if service.protocol == "smtp" else "incomingServer"
    yield f'    <{kind} type="{service.protocol}">'
    yield _element("hostname", settings.hostname, 6)
    yield _element("port", str(service.port), 6)
    yield _element("socketType", SOCKET_TYPES[service.security], 6)
    for method in _methods(settings, "password-cleartext"):
        yield _element("authentication", method, 6)
    yield _element("username", "%EMAILADDRESS%", 6)
    yield f"    </{kind}>"


def _jmap(settings: ClientSettings) -> Iterator[str]:
    yield '    <incomingServer type="jmap">'
    yield _element("url", settings.jmap, 6)
    for method in _methods(settings, "basic"):
        yield _element("authentication", method, 6)
    yield _element("username", "%EMAILADDRESS%", 6)
    yield "    </incomingServer>"


def _methods(settings: ClientSettings, password: str) -> tuple[str, ...]:
    """The preferred first: OAuth where a program that has never heard of the provider can use it at once."""
    if settings.oauth is None:
        return (password,)
    return ("OAuth2", password) if settings.oauth.is_complete else (password, "OAuth2")


def _oauth(provider: OAuthProvider) -> Iterator[str]:
    named = (
        ("authURL", provider.authorization),
        ("tokenURL", provider.token),
        ("issuer", provider.issuer),
        ("scope", provider.scope),
        ("clientID", provider.client),
    )
    yield "  <oAuth2>"
    for name, value in named:
        if value:
            yield _element(name, value, 4)
    yield "  </oAuth2>"


def _element(name: str, text: str, indent: int) -> str:
    return f"{' ' * indent}<{name}>{escape(text)}</{name}>"
