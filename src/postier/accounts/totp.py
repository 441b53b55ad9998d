"""One-time passwords by time (RFC 6238) over those by counter (RFC 4226), as authenticator apps know them."""

from __future__ import annotations

import secrets
from base64 import b32encode
from hmac import compare_digest
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

__all__ = ["DIGITS", "PERIOD", "matching_step", "new_totp_key", "shown_key", "totp_uri"]

DIGITS = 6
PERIOD = 30
"""Seconds (RFC 6238 4.1: the default, and all that many apps know, as SHA-1 is)."""
KEY_OCTETS = 20
"""RFC 4226 4, R6: 160 bits."""
SKEW = 1
"""Steps that a clock may be off (RFC 6238 5.2)."""


def new_totp_key() -> bytes:
    return secrets.token_bytes(KEY_OCTETS)


def shown_key(key: bytes) -> str:
    """For who types it into an app: base32 without padding."""
    return b32encode(key).decode("ascii").rstrip("=")


def totp_uri(key: bytes, issuer: str, account: str) -> str:
    """What a QR code for an authenticator app holds (otpauth, as those apps agree on it)."""
    label = f"{quote(issuer, safe='')}:{quote(account, safe='@')}"
    values = {"secret": shown_key(key), "issuer": issuer, "algorithm": "SHA1"}
    query = urlencode({**values, "digits": DIGITS, "period": PERIOD}, quote_via=quote)
    return f"otpauth://totp/{label}?{query}"


def matching_step(key: bytes, code: str, now: float, last: int) -> int | None:
    """The step that `code` is of, later than `last`: each code is good once (RFC 6238 5.2). None for a wrong
    one. Takes the same time whichever step it is."""
    digits = "".join(code.split())
    if len(digits) != DIGITS or not (digits.isascii() and digits.isdigit()):
        return None
    generator = HOTP(key, DIGITS, SHA1())  # noqa: S303 - RFC 4226
    here = int(now) // PERIOD
    steps = range(max(0, here - SKEW), here + SKEW + 1)
    found = [step for step in steps if compare_digest(generator.generate(step), digits.encode())]
    return next((step for step in found if step > last), None)
