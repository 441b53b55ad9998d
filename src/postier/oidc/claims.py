"""What must be true of a token's claims, however they came to us: in a JWT (RFC 9068) or as the answer of an
introspection (RFC 7662). All rules hold together; a token that meets most of them is refused."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Never

from postier.accounts.login_ports import TokenRefused
from postier.oidc.api import Provider

__all__ = ["SKEW", "Claims", "check_claims", "expiry", "listed", "read_object", "whose"]

Claims = Mapping[str, Any]

SKEW = 60.0
"""Seconds by which the provider's clock may be wrong."""
MAX_NAME = 320
_NOT_ACCESS = ("nonce", "at_hash", "c_hash", "s_hash", "events")
"""Claims of ID tokens and logout tokens, which are no access tokens (RFC 8725 3.11)."""


def read_object(text: bytes) -> dict[str, Any]:
    """A JSON object without double names and without numbers that are none. Raises TokenRefused."""
    try:
        value = json.loads(text.decode(), object_pairs_hook=_once, parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise TokenRefused(detail="not a JSON object") from None
    if not isinstance(value, dict):
        raise TokenRefused(detail="not a JSON object")
    return value


def check_claims(provider: Provider, claims: Claims, now: float) -> None:
    """Raises TokenRefused: for whom, what for, by whom and when it is good, and that whoever bears it may use
    it."""
    if not set(provider.audience) & set(listed(claims.get("aud"))):
        raise TokenRefused(detail="the token is for others (aud)")
    scope = set(_words(claims.get("scope"))) | set(_words(claims.get("scp")))
    if not provider.scope or not scope.issuperset(provider.scope):
        raise TokenRefused("insufficient_scope", "the token is not for this (scope)")
    client = claims.get("azp", claims.get("client_id"))
    if provider.clients and client not in provider.clients:
        raise TokenRefused(detail="the token was issued to another client (azp)")
    if "cnf" in claims:  # RFC 7800: bound to a key that nobody shows us
        raise TokenRefused(detail="the token is bound to a key (cnf)")
    for name in ("nbf", "iat"):
        if name in claims and _moment(claims, name) > now + SKEW:
            raise TokenRefused(detail=f"the token is not good yet ({name})")
    if "exp" in claims and _moment(claims, "exp") <= now - SKEW:
        raise TokenRefused(detail="the token has expired (exp)")
    if any(name in claims for name in _NOT_ACCESS) or claims.get("typ", "Bearer") not in ("Bearer", "JWT"):
        raise TokenRefused(detail="not an access token")


def expiry(claims: Claims) -> float:
    """Raises TokenRefused. 0 where it is not said."""
    return _moment(claims, "exp") if "exp" in claims else 0.0


def whose(provider: Provider, claims: Claims) -> str:
    """What the provider's claim says, as text. Raises TokenRefused: missing, no text, an email that nobody
    has verified (OpenID Connect Core 5.7)."""
    value = claims.get(provider.claim)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise TokenRefused(detail=f"the token has no claim {provider.claim}")
    said = claims.get("email_verified")
    if provider.claim == "email" and provider.verified and said is not True and said != "true":
        raise TokenRefused(detail="the provider has not verified the email (email_verified)")
    if "@" not in value and len(provider.domains) == 1:
        return f"{value}@{provider.domains[0]}"
    return value


def listed(value: Any) -> list[str]:
    """RFC 7519 4.1.3: one text or a list of them."""
    if isinstance(value, str):
        return [value]
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _words(value: Any) -> list[str]:
    """RFC 6749 3.3: words with blanks between; some give a list."""
    return value.split(" ") if isinstance(value, str) else listed(value)


def _moment(claims: Claims, name: str) -> float:
    """RFC 7519 2: NumericDate."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TokenRefused(detail=f"{name} is no moment")
    if not 0 <= value < 2**53:
        raise TokenRefused(detail=f"{name} is no moment")
    return float(value)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name stands there twice")
    return found


def _no_number(text: str) -> Never:
    raise ValueError(text)
