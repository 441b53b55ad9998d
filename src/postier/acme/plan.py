"""What the administrator wants of ACME; light, for the settings read it too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["CHALLENGES", "KEY_TYPES", "AcmePlan", "ExternalAccount"]

CHALLENGES = ("http-01", "tls-alpn-01", "dns-01")
KEY_TYPES = ("ecdsa-p256", "ecdsa-p384", "rsa-2048", "rsa-3072", "rsa-4096")


@dataclass(frozen=True, slots=True)
class ExternalAccount:
    """RFC 8555 7.3.4. `key`: as the authority gave it, base64url."""

    kid: str
    key: str

    def __repr__(self) -> str:
        return f"ExternalAccount({self.kid!r})"


@dataclass(frozen=True, slots=True)
class AcmePlan:
    """What the administrator wants. `directory`: URL of the authority's; `contact`: URLs; `challenge`: one of
    CHALLENGES; `key_type`: one of KEY_TYPES; `reuse_key`: a renewal keeps the key; `profile`: of those
    that the authority offers, "" for its usual one; `authorities`: PEM file to believe for its HTTPS."""

    directory: str
    hostname: str
    contact: tuple[str, ...] = ()
    challenge: str = "http-01"
    external: ExternalAccount | None = None
    key_type: str = "ecdsa-p256"
    reuse_key: bool = True
    profile: str = ""
    authorities: Path | None = None
