"""The card for a person: the two things that are needed first, then what a program may ask besides.

As text to print, with a QR code of the page (see page.py).
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from urllib.parse import urlencode

import segno

from postier.clients.settings import ClientSettings, MailService, Security
from postier.clients.words import words

__all__ = [
    "COLUMNS",
    "MOBILECONFIG_PATH",
    "PAGE_PATH",
    "QUIET",
    "card_text",
    "late_ports",
    "mobileconfig_url",
    "page_url",
    "service_rows",
]

PAGE_PATH = "/setup"
MOBILECONFIG_PATH = "/email.mobileconfig"
WIDTH = 78
QUIET = 4
"""Modules of white that a QR code needs around it (ISO/IEC 18004 5.3.8)."""


class Row(NamedTuple):
    use: str
    protocol: str
    port: str
    security: str


def page_url(settings: ClientSettings, address: str, language: str) -> str:
    """ "" without HTTPS."""
    return settings.url(f"{PAGE_PATH}?{urlencode({'address': address, 'language': language})}")


def mobileconfig_url(settings: ClientSettings, address: str) -> str:
    """ "" without HTTPS."""
    return settings.url(f"{MOBILECONFIG_PATH}?{urlencode({'email': address})}")


def card_text(settings: ClientSettings, address: str, language: str) -> str:
    """Lines of WIDTH characters at most, apart from names and addresses that are longer."""
    return "".join(f"{line}\n" for line in _text(settings, address, language))


def _text(settings: ClientSettings, address: str, language: str) -> Iterator[str]:
    title = words(language, "title", address=address)
    yield settings.provider
    yield ""
    yield title
    yield "=" * len(title)
    yield ""
    yield from _wrapped(words(language, "two"))
    yield ""
    names = [words(language, "address"), words(language, "password")]
    wide = max(map(len, names)) + 3
    yield f"    {names[0]:<{wide}}{address}"
    yield f"    {names[1]:<{wide}}{words(language, 'yours')}"
    yield ""
    yield from _wrapped(words(language, "enough"))
    yield ""
    if settings.web_port:
        yield from _wrapped(words(language, "apple"))
        yield f"    {mobileconfig_url(settings, address)}"
        yield ""
    yield from _wrapped(words(language, "manual"))
    yield ""
    yield from _table(settings, language)
    yield ""
    yield from _wrapped(words(language, "user"))
    if late := late_ports(settings):
        yield from _wrapped(words(language, "starttls", ports=late))
    if settings.help:
        yield f"{words(language, 'help')} {settings.help}"
    yield from _wrapped(words(language, "secret"))
    if settings.web_port:
        yield ""
        yield from _wrapped(words(language, "scan"))
        yield ""
        yield from qr_lines(page_url(settings, address, language))


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def service_rows(settings: ClientSettings, language: str) -> Iterator[Row]:
    """The ways with TLS from the first octet, which is what people should choose."""
    for service in settings.services:
        if service.security is Security.TLS:
            use = words(language, _use(service))
            yield Row(use, service.protocol.upper(), str(service.port), "SSL/TLS")


def late_ports(settings: ClientSettings) -> str:
    """Of the ways that begin TLS by a command."""
    late = [each for each in settings.services if each.security is Security.STARTTLS]
    return ", ".join(f"{each.protocol.upper()} {each.port}" for each in late)


def _use(service: MailService) -> str:
    return "sending" if service.protocol == "smtp" else f"reading-{service.protocol}"


COLUMNS = ("for", "protocol", "server", "port", "security")


def _table(settings: ClientSettings, language: str) -> Iterator[str]:
    head = tuple(words(language, name) for name in COLUMNS)
    rows = [(row.use, row.protocol, settings.hostname, row.port, row.security) for row in
            service_rows(settings, language)]  # fmt: skip
    widths = [max(len(row[place]) for row in (head, *rows)) for place in range(len(head))]
    for row in (head, tuple("-" * width for width in widths), *rows):
        yield (
            "    " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        ).rstrip()


def qr_lines(text: str) -> list[str]:
    """Dark on light paper, two rows of modules in each line."""
    matrix = [list(row) for row in segno.make(text, error="m", micro=False).matrix_iter(border=QUIET)]
    if len(matrix) % 2:
        matrix.append([0] * len(matrix[0]))
    return [_half_blocks(matrix[row], matrix[row + 1]).rstrip() for row in range(0, len(matrix), 2)]


def _half_blocks(upper: Sequence[int], lower: Sequence[int]) -> str:
    return "".join(" ▄▀█"[2 * bool(a) + bool(b)] for a, b in zip(upper, lower, strict=True))
