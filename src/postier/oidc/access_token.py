"""JWTs as access tokens: RFC 7515 and 7519, with the precautions of RFC 8725 and the profile of RFC 9068.

A header chooses nothing but which of the provider's own published keys to try: whatever it brings itself
(jwk, jku, x5u, x5c) is not looked at. Symmetric algorithms and "none" do not exist here.
"""

from __future__ import annotations

import binascii
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, UnsupportedAlgorithmError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from postier.accounts.login_ports import TokenRefused
from postier.oidc.api import Provider
from postier.oidc.claims import Claims, check_claims, read_object
from postier.sasl.oauth import MAX_TOKEN

__all__ = ["ALGORITHMS", "Jwt", "PublicKey", "candidates", "read_jwt", "read_keys", "verify_jwt"]

ALGORITHMS: Mapping[str, tuple[str, str]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", "")),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
"""Each with the kind and the curve of its keys: asymmetric ones only (RFC 8725 3.1, 3.2)."""
MAX_KEYS = 100
MAX_KID = 256
MAX_HEADER = 4096
MIN_RSA, MAX_RSA = 2048, 8192
"""Bits."""
_TYPES = ("at+jwt", "application/at+jwt")
_PLAIN_TYPES = ("", "jwt", "application/jwt")


class _Registry(JWSRegistry):
    """Those of ALGORITHMS. "EdDSA", which RFC 9864 calls by the name of its curve, stays without a warning:
    the key says which curve it is."""

    max_header_length = MAX_HEADER

    def get_alg(self, name: str) -> Any:
        if name not in (self.allowed or ()):
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


@dataclass(frozen=True, slots=True)
class PublicKey:
    """`algorithm`: the only one it is for, "" for any of its kind."""

    kid: str
    kind: str
    curve: str
    algorithm: str
    key: RSAKey | ECKey | OKPKey


@dataclass(frozen=True, slots=True)
class Jwt:
    """A token as it looks, before anything of it is believed."""

    token: str
    algorithm: str
    kid: str
    type: str
    issuer: str


def read_jwt(token: str) -> Jwt | None:
    """None for what is no signed JWT, and so may be an opaque token. Raises TokenRefused for one that is and
    can't be ours."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN or len(parts) != 3:
        return None
    try:
        header = read_object(_decoded(parts[0]))
    except TokenRefused:
        return None
    if "alg" not in header:
        return None
    claims = read_object(_decoded(parts[1]))
    algorithm, kid, type_, issuer = (
        header.get("alg"),
        header.get("kid", ""),
        header.get("typ", ""),
        claims.get("iss"),
    )
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise TokenRefused(detail="the algorithm is not one of ours (alg)")
    if not isinstance(kid, str) or len(kid) > MAX_KID:
        raise TokenRefused(detail="the key's name is none (kid)")
    if "crit" in header or "b64" in header:
        raise TokenRefused(detail="the header demands what we do not know (crit)")
    if not isinstance(type_, str) or "cty" in header:
        raise TokenRefused(detail="not an access token (typ)")
    if not isinstance(issuer, str):
        raise TokenRefused(detail="the token names no issuer (iss)")
    return Jwt(token, algorithm, kid, type_.lower(), issuer)


def verify_jwt(provider: Provider, jwt: Jwt, keys: Sequence[PublicKey], now: float) -> Claims:
    """Raises TokenRefused. Whether `keys` has one for it at all is for `candidates` to say."""
    if jwt.issuer != provider.issuer:
        raise TokenRefused(detail="the token is another issuer's (iss)")
    if jwt.type not in (_TYPES if provider.typed else (*_TYPES, *_PLAIN_TYPES)):
        raise TokenRefused(detail="not an access token (typ)")
    claims = _verified(jwt, candidates(jwt, keys))
    if claims.get("iss") != provider.issuer:
        raise TokenRefused(detail="the token is another issuer's (iss)")
    if "exp" not in claims:
        raise TokenRefused(detail="the token never expires (exp)")
    check_claims(provider, claims, now)
    return claims


def candidates(jwt: Jwt, keys: Sequence[PublicKey]) -> list[PublicKey]:
    """The keys that may have signed it: of its name, kind and algorithm. Without a name there must be just
    one."""
    kind, curve = ALGORITHMS[jwt.algorithm]
    fitting = [
        key for key in keys if (key.kind, key.curve) == (kind, curve) and key.algorithm in ("", jwt.algorithm)
    ]
    if jwt.kid:
        return [key for key in fitting if key.kid == jwt.kid]
    return fitting if len(fitting) == 1 else []


def read_keys(document: bytes) -> list[PublicKey]:
    """Those of a JWK set (RFC 7517 5) that verify signatures; others are passed over. Raises TokenRefused
    where it is no such set."""
    listed = read_object(document).get("keys")
    if not isinstance(listed, list) or len(listed) > MAX_KEYS:
        raise TokenRefused(detail="not a JWK set")
    return [key for one in listed if (key := _public_key(one)) is not None]


def _public_key(jwk: Any) -> PublicKey | None:
    if not isinstance(jwk, dict) or jwk.get("kty") not in ("RSA", "EC", "OKP"):
        return None
    kind, curve, kid, algorithm = jwk["kty"], jwk.get("crv", ""), jwk.get("kid", ""), jwk.get("alg", "")
    if (kind, curve) not in tuple(ALGORITHMS.values()) or not isinstance(kid, str):
        return None
    if jwk.get("use", "sig") != "sig" or not isinstance(jwk.get("key_ops", ["verify"]), list):
        return None
    if "verify" not in jwk.get("key_ops", ["verify"]) or algorithm not in ("", *ALGORITHMS):
        return None
    public = {name: jwk[name] for name in ("kty", "crv", "n", "e", "x", "y") if name in jwk}
    try:
        key = import_key(public)
        if isinstance(key, RSAKey) and not MIN_RSA <= key.public_key.key_size <= MAX_RSA:
            return None
    except (JoseError, ValueError, TypeError, AttributeError, OverflowError):
        return None
    assert isinstance(key, RSAKey | ECKey | OKPKey)
    return PublicKey(kid, kind, curve, algorithm, key)


def _verified(jwt: Jwt, keys: Sequence[PublicKey]) -> Claims:
    """The payload that one of the keys has signed. Raises TokenRefused."""
    registry = _Registry(algorithms=[jwt.algorithm], strict_check_header=False)
    for key in keys:
        try:
            found = jws.deserialize_compact(jwt.token, key.key, [jwt.algorithm], registry)
        except (JoseError, ValueError, TypeError):
            continue
        return read_object(found.payload)
    raise TokenRefused(detail="none of the provider's keys has signed this")


def _decoded(part: str) -> bytes:
    """RFC 7515 2: base64url without padding. Raises TokenRefused."""
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise TokenRefused(detail="not base64url") from None
