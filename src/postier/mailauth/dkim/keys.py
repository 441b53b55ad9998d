"""Keys to sign with: made, kept as PEM, published as a TXT record (RFC 6376 3.6.1, RFC 8463 4)."""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

__all__ = [
    "PrivateKey",
    "generate_ed25519",
    "generate_rsa",
    "private_key_from_pem",
    "private_key_to_pem",
    "txt_record",
    "zone_file_strings",
]

PrivateKey = RSAPrivateKey | Ed25519PrivateKey


def generate_rsa(bits: int = 2048) -> RSAPrivateKey:
    """RFC 8301 3.2: 2048 bits, which every verifier takes. Raises ValueError below that."""
    if bits < 2048:
        raise ValueError(f"an RSA key of {bits} bits is too short to sign with")
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def generate_ed25519() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def private_key_to_pem(key: PrivateKey) -> bytes:
    """PKCS #8, not encrypted: whoever writes it minds the file's mode."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def private_key_from_pem(pem: bytes) -> PrivateKey:
    """PKCS #8 or PKCS #1, not encrypted. Raises ValueError for anything but an RSA or Ed25519 key."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ValueError("the private key is encrypted") from None
    if not isinstance(key, RSAPrivateKey | Ed25519PrivateKey):
        raise ValueError("not an RSA or Ed25519 private key")
    return key


def txt_record(key: PrivateKey) -> str:
    """The text to publish at `selector._domainkey.domain`."""
    if isinstance(key, RSAPrivateKey):
        name, public = "rsa", key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    else:
        name, public = "ed25519", key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    return f"v=DKIM1; k={name}; p={base64.b64encode(public).decode()}"


def zone_file_strings(text: str) -> str:
    """`text` as quoted character-strings of at most 255 octets, the way zone files write a TXT record."""
    return " ".join(f'"{text[i : i + 255]}"' for i in range(0, len(text), 255))
