"""Where reports are to go: URIs out of DNS records that anybody can publish.

A record may ask for a thousand places, for a host inside our network, for an address of ours. So only few
URIs are looked at, and of those the ones that name one mailbox of a domain, or a host by its name on the port
of HTTPS.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import unquote, urlsplit

from postier.base.address import Address
from postier.base.domain import Domain

__all__ = ["MAX_URIS", "Destination", "destination_of", "destinations_of", "tlsrpt_uris"]

MAX_URIS = 20
"""That are looked at; a record may name more."""
MAX_URI = 500
_VERSION = b"v=TLSRPTv1"


class Destination(NamedTuple):
    """`name`: as it is stopped and shown, the address in lower case or the URL. Exactly one of `address` and
    `host` is there; `target` is the path of the URL with its query. `limit`: octets of the
    largest mail that it takes, 0 where it does not say."""

    name: str
    address: Address | None = None
    host: str = ""
    target: str = ""
    limit: int = 0

    @property
    def domain(self) -> str:
        return str(self.address.domain) if self.address is not None else self.host


def tlsrpt_uris(records: Iterable[bytes]) -> tuple[str, ...]:
    """Out of the TXT records at _smtp._tls.DOMAIN; none unless exactly one is of TLSRPT (RFC 8460 3)."""
    ours = [record for record in records if record == _VERSION or _is_tlsrpt(record)]
    if len(ours) != 1:
        return ()
    fields = ours[0].decode("ascii", "replace").split(";")[1:50]
    for field in fields:
        name, _, value = field.strip(" \t").partition("=")
        if name == "rua":
            return tuple(uri.strip(" \t") for uri in value.split(",", MAX_URIS)[:MAX_URIS])
    return ()


def _is_tlsrpt(record: bytes) -> bool:
    return record.startswith(_VERSION) and record[len(_VERSION) :].lstrip(b" \t").startswith(b";")


def destinations_of(uris: Sequence[str], schemes: Sequence[str]) -> list[Destination]:
    """The usable ones among the first MAX_URIS, each once. `schemes`: "mailto", "https"."""
    found = (destination_of(uri, schemes) for uri in uris[:MAX_URIS])
    return list({one.name: one for one in found if one is not None}.values())


def destination_of(uri: str, schemes: Sequence[str]) -> Destination | None:
    """None for what we send nothing to."""
    scheme, colon, rest = uri.partition(":")
    scheme = scheme.lower()
    if not colon or scheme not in schemes or len(uri) > MAX_URI or not uri.isascii() or not uri.isprintable():
        return None
    return _mailbox(rest) if scheme == "mailto" else _endpoint(uri)


def _mailbox(rest: str) -> Destination | None:
    """RFC 6068: one address; what else it asks for (subject, body) is left out."""
    try:
        address = Address.parse(unquote(rest.partition("?")[0], errors="strict"))
    except (ValueError, UnicodeDecodeError):
        return None
    domain = address.domain
    if not isinstance(domain, Domain) or not domain.can_take_mail or address.needs_smtputf8:
        return None
    return Destination(address.lookup_key, address)


def _endpoint(uri: str) -> Destination | None:
    try:
        parts = urlsplit(uri)
        port, host = parts.port, Domain.parse(parts.hostname or "").ascii
    except ValueError:
        return None
    if port not in (None, 443) or parts.username is not None or "@" in parts.netloc or " " in uri:
        return None
    if "." not in host or host.rpartition(".")[2].isdigit():  # the inside of a network, or an address
        return None
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Destination(f"https://{host}{target}", host=host, target=target)
