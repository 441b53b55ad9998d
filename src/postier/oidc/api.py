"""The words of this room: a provider as the administrator describes it, and what it says of itself.

Nothing here asks anybody; see `verifier` for the whole.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from postier.fetch.url import BadUrl, Url, parse_url

__all__ = ["BadMetadata", "Metadata", "Provider", "parse_metadata", "well_known"]

MAX_URL = 2000


@dataclass(frozen=True, slots=True)
class Provider:
    """`issuer` is compared character by character. A token must name one of `audience`, and all of `scope`.
    `client_id`, `client_secret`: how we ask about tokens (RFC 7662), "" for never. `introspect`: also about
    those that we can read ourselves, so that a revoked one is known. `claim`: what holds the address;
    `verified`: an email counts only where the provider has verified it. `domains`: whose people these are,
    none for all domains. `create`: make an account at the first login. `clients`: the only ones whose tokens
    count (azp), none for any. `typed`: a token must say that it is an access token (RFC 9068 2.1).
    `authorities`: a PEM file that vouches for the provider's host, "" for the system's. `announced_client`:
    the client id that mail programs of these people are told to use, "" to tell them nothing."""

    issuer: str
    audience: tuple[str, ...]
    scope: tuple[str, ...]
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    introspect: bool = False
    claim: str = "email"
    verified: bool = True
    domains: tuple[str, ...] = ()
    create: bool = False
    clients: tuple[str, ...] = ()
    typed: bool = False
    authorities: str = ""
    announced_client: str = ""

    @property
    def asks(self) -> bool:
        """Whether we may ask it about tokens."""
        return bool(self.client_id and self.client_secret)


@dataclass(frozen=True, slots=True)
class Metadata:
    """RFC 8414 2, as far as we use it. "" for what the provider does not have."""

    jwks_uri: str = ""
    introspection_endpoint: str = ""
    introspection_methods: tuple[str, ...] = ()
    authorization_endpoint: str = ""
    token_endpoint: str = ""


class BadMetadata(Exception):
    """The provider says of itself what can't be; the text is for the log."""


def well_known(issuer: Url) -> tuple[Url, ...]:
    """Where the metadata stands: OpenID Connect Discovery 4, then RFC 8414 3."""
    path = issuer.target.rstrip("/")
    return (
        issuer.at(path + "/.well-known/openid-configuration"),
        issuer.at("/.well-known/oauth-authorization-server" + path),
    )


def parse_metadata(provider: Provider, document: bytes) -> Metadata:
    """Raises BadMetadata: another issuer (RFC 8414 3.3), an address that is neither HTTPS nor, with an issuer
    on this machine, HTTP to this machine."""
    try:
        said = msgspec.json.decode(document, type=dict[str, Any])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise BadMetadata(f"the metadata of {provider.issuer} cannot be read: {error}") from None
    if said.get("issuer") != provider.issuer:
        raise BadMetadata(f"the metadata of {provider.issuer} names another issuer")
    methods = said.get("introspection_endpoint_auth_methods_supported")
    return Metadata(
        _address(provider, said, "jwks_uri"),
        _address(provider, said, "introspection_endpoint"),
        tuple(one for one in methods if isinstance(one, str)) if isinstance(methods, list) else (),
        _address(provider, said, "authorization_endpoint"),
        _address(provider, said, "token_endpoint"),
    )


def _address(provider: Provider, said: Mapping[str, Any], name: str) -> str:
    text = said.get(name, "")
    if not isinstance(text, str) or len(text) > MAX_URL:
        raise BadMetadata(f"{name} of {provider.issuer} is no URL")
    if not text:
        return ""
    try:
        found = parse_url(text)
    except BadUrl as error:
        raise BadMetadata(f"{name} of {provider.issuer}: {error}") from None
    if not found.is_secure and parse_url(provider.issuer).is_secure:
        raise BadMetadata(f"{name} of {provider.issuer} is not HTTPS")
    return text
