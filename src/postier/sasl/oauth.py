"""OAUTHBEARER (RFC 7628) and XOAUTH2, which Google made before it and Outlook and others speak: a bearer
token in one message. A refusal is told as JSON, and the client answers that before it is told no."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from postier.sasl.api import BearerToken, Challenge, Exchange, SaslError, Step

__all__ = ["MAX_TOKEN", "OAuthBearer", "XOAuth2"]

MAX_TOKEN = 8192
"""Octets; tokens of large providers have some 2,000 to 4,000."""

_SEPARATOR = "\x01"
_KEY = re.compile(r"[A-Za-z]+")
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # b64token (RFC 6750 2.1)


class OAuthBearer(Exchange):
    """`gs2-header ^A key=value ^A ... ^A` (RFC 7628 3.1)."""

    __slots__ = ()

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        text = _text(response)
        header, separator, pairs = text.partition(_SEPARATOR)
        flag, _, rest = header.partition(",")
        authorization_id, comma, more = rest.partition(",")
        if not separator or not comma or more or flag not in ("n", "y"):
            raise SaslError("Not an OAUTHBEARER message")
        if authorization_id and not authorization_id.startswith("a="):
            raise SaslError("Not an OAUTHBEARER message")
        name = authorization_id[2:].replace("=2C", ",").replace("=3D", "=")
        return BearerToken(name, "", _token(_pairs(pairs)))

    def refused(self, facts: Mapping[str, str]) -> bytes | None:
        return json.dumps(dict(facts)).encode() if facts else None


class XOAuth2(Exchange):
    """`user=NAME ^A auth=Bearer TOKEN ^A ^A`."""

    __slots__ = ()

    def start(self, initial: bytes | None) -> Step:
        return Challenge(b"") if initial is None else self.respond(initial)

    def respond(self, response: bytes) -> Step:
        pairs = _pairs(_text(response))
        return BearerToken("", pairs.get("user", ""), _token(pairs))

    def refused(self, facts: Mapping[str, str]) -> bytes | None:
        if not facts:
            return None
        said = {"status": "401", "schemes": "bearer", "scope": facts.get("scope", "")}
        return json.dumps(said).encode()


def _text(response: bytes) -> str:
    if len(response) > MAX_TOKEN + 1024:
        raise SaslError("The token is too long")
    try:
        return response.decode("utf-8")
    except UnicodeDecodeError:
        raise SaslError("The message is not UTF-8") from None


def _pairs(text: str) -> dict[str, str]:
    """`*(key "=" value ^A) ^A`; the value may hold "=". Some clients leave the last ^A out."""
    found: dict[str, str] = {}
    for pair in text.rstrip(_SEPARATOR).split(_SEPARATOR):
        key, equals, value = pair.partition("=")
        if not equals or not _KEY.fullmatch(key) or "\0" in value or key in found:
            raise SaslError("Not a message with a token")
        found[key] = value
    return found


def _token(pairs: Mapping[str, str]) -> str:
    """ "" where the client gives none, to learn whom to ask for one (RFC 7628 4.3)."""
    scheme, _, token = pairs.get("auth", "").partition(" ")
    token = token.strip(" ")
    if not scheme:
        return ""
    if scheme.lower() != "bearer" or not _TOKEN.fullmatch(token):
        raise SaslError("Not a bearer token")
    return token
