"""Key records: the TXT at `selector._domainkey.domain` (RFC 6376 3.6.1, RFC 8463), decoded once each."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from postier.mailauth.dkim.tags import TagError, decode_base64, parse_tag_list, split_colon_list

__all__ = ["MAX_RSA_BITS", "MIN_RSA_BITS", "KeyRecord", "UnacceptableKey", "are_same_key", "parse_key_record"]

MIN_RSA_BITS = 1024  # RFC 8301 3.2
MAX_RSA_BITS = 4096  # more is the sender choosing our CPU time
MAX_RECORD = 8192

_PADDING = padding.PKCS1v15()
_PREHASHED = Prehashed(SHA256())


class UnacceptableKey(TagError):
    """A proper key that we do not use: policy."""


_TOO_LONG = UnacceptableKey("key record too long")


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A public key and what its owner allows: `strict_identity` is t=s, `testing` t=y."""

    key_type: str
    key: RSAPublicKey | Ed25519PublicKey
    strict_identity: bool
    testing: bool

    def verifies(self, signature: bytes, signed: bytes) -> bool:
        """Whether `signature` is one of this key over `signed`."""
        return self.verifies_digest(signature, hashlib.sha256(signed).digest())

    def verifies_digest(self, signature: bytes, digest: bytes) -> bool:
        """As `verifies`, for the SHA-256 of what was signed. Ed25519 signs that itself (RFC 8463 3)."""
        try:
            if isinstance(self.key, RSAPublicKey):
                self.key.verify(signature, digest, _PADDING, _PREHASHED)
            else:
                self.key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True


def parse_key_record(text: bytes) -> KeyRecord | TagError:
    """An error is a value here, so that it is remembered as well. What is too long is not even that."""
    return _remembered(text) if len(text) <= MAX_RECORD else _TOO_LONG


@functools.lru_cache(maxsize=2048)
def _remembered(text: bytes) -> KeyRecord | TagError:
    try:
        return _parse(text)
    except TagError as error:
        return error


def are_same_key(one: bytes, other: bytes) -> bool:
    """Whether both records hold the same public key, whatever else they say; False where either has none."""
    first, second = parse_key_record(one), parse_key_record(other)
    return isinstance(first, KeyRecord) and isinstance(second, KeyRecord) and first.key == second.key


def _parse(text: bytes) -> KeyRecord:
    tags = parse_tag_list(text)
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        raise TagError("key record of another version")
    if "p" not in tags:
        raise TagError("key record without a key")
    if not tags["p"]:
        raise TagError("key revoked")
    if "sha256" not in split_colon_list(tags.get("h", "sha256")):
        raise TagError("key not for SHA-256")
    if not {"*", "email"} & set(split_colon_list(tags.get("s", "*"))):
        raise TagError("key not for mail")
    key_type = tags.get("k", "rsa")
    load = _LOADERS.get(key_type)
    if load is None:
        raise TagError("unknown key type")
    flags = split_colon_list(tags.get("t", ""))
    return KeyRecord(key_type, load(decode_base64(tags["p"])), "s" in flags, "y" in flags)


def _load_rsa(data: bytes) -> RSAPublicKey:
    """SubjectPublicKeyInfo, or the bare RSAPublicKey that RFC 6376 first named."""
    try:
        key = load_der_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise TagError("malformed key") from None
    if not isinstance(key, RSAPublicKey):
        raise TagError("key of another type")
    if key.key_size < MIN_RSA_BITS:
        raise UnacceptableKey(f"key of {key.key_size} bits is too short")
    if key.key_size > MAX_RSA_BITS:
        raise UnacceptableKey(f"key of {key.key_size} bits is too long")
    return key


def _load_ed25519(data: bytes) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(data)
    except ValueError:
        raise TagError("malformed key") from None


_LOADERS: dict[str, Callable[[bytes], RSAPublicKey | Ed25519PublicKey]] = {
    "rsa": _load_rsa,
    "ed25519": _load_ed25519,
}
