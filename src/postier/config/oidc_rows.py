"""The settings of OpenID Connect: rows of the table in settings.py."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from postier.base.domain import Domain
from postier.config.kinds import Kind, Setting
from postier.fetch.url import BadUrl, parse_url
from postier.oidc.api import Provider

__all__ = ["OIDC_ROWS", "OidcSettings"]

_EXPECTED = "a list of providers, each with issuer, audience and scope at least (see openid-connect.md)"


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value.isprintable() or not 0 < len(value) <= 2000:
        raise ValueError("expected a text in quotes")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    found = tuple(_text(one) for one in (value if isinstance(value, list) else [value]))
    if not found:
        raise ValueError("expected one text or several")
    return found


def _scope(value: Any) -> tuple[str, ...]:
    found = tuple(word for text in _texts(value) for word in text.split())
    if not found:
        raise ValueError("expected one scope or several")
    return found


def _boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _domains(value: Any) -> tuple[str, ...]:
    return tuple(Domain.parse(one).ascii for one in _texts(value))


def _issuer(value: Any) -> str:
    text = _text(value)
    try:
        url = parse_url(text)
    except BadUrl as error:
        raise ValueError(f"expected the URL of the provider: {error}") from None
    if "?" in url.target:
        raise ValueError("expected a URL without a query")
    return text


_KEYS: Mapping[str, Callable[[Any], Any]] = {
    "issuer": _issuer,
    "audience": _texts,
    "scope": _scope,
    "client_id": _text,
    "client_secret": _text,
    "introspect": _boolean,
    "claim": _text,
    "verified": _boolean,
    "domains": _domains,
    "create": _boolean,
    "clients": _texts,
    "typed": _boolean,
    "authorities": _text,
    "announced_client": _text,
}
_NEEDED = ("issuer", "audience", "scope")


def _provider(value: Any) -> Provider:
    """Raises ValueError, which says what is wrong without the values: one of them is a secret."""
    if not isinstance(value, dict):
        raise ValueError(f"expected {_EXPECTED}")
    if missing := [name for name in _NEEDED if name not in value]:
        raise ValueError(f"a provider has no {missing[0]}")
    found = {}
    for name, given in value.items():
        if name not in _KEYS:
            raise ValueError(f"a provider has no key {name[:50]!r}; there are: {', '.join(_KEYS)}")
        try:
            found[name] = _KEYS[name](given)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    provider = Provider(**found)
    if provider.introspect and not provider.asks:
        raise ValueError("introspect needs client_id and client_secret")
    if provider.create and not provider.domains:
        raise ValueError("create needs domains: those whose people may come new")
    return provider


def _providers(value: Any) -> tuple[Provider, ...]:
    if not isinstance(value, list):
        raise ValueError(f"expected {_EXPECTED}")
    found = tuple(_provider(one) for one in value)
    if len({one.issuer for one in found}) != len(found):
        raise ValueError("an issuer stands there twice")
    domains = [domain for one in found for domain in one.domains]
    if len(found) > 1 and (not all(one.domains for one in found) or len(set(domains)) != len(domains)):
        raise ValueError("of several providers each needs domains of its own")
    return found


PROVIDERS = Kind("providers", _EXPECTED, _providers, is_secret=True)

OIDC_ROWS = (
    Setting(
        "oidc.providers",
        PROVIDERS,
        [],
        "OpenID Connect providers whose access tokens let people in (see openid-connect.md).",
    ),
)


@dataclass(frozen=True, slots=True)
class OidcSettings:
    providers: tuple[Provider, ...]
