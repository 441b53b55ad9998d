"""A certificate with its key: read, and judged before it is shown (RFC 5280, RFC 9325 4.5, RFC 9525).

Broken ones can't be read at all; doubtful ones (expired, weak, for the wrong names) can, and `problem` says
in one line what is wrong, so that a server which has nothing better may still start with one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

__all__ = [
    "MAX_PEM",
    "Certificate",
    "CertificateError",
    "covers",
    "problem",
    "read_certificate",
    "read_files",
    "serves",
]

MAX_PEM = 256 * 1024
"""Octets of a file of certificates, or of one with a key."""

MIN_RSA = 2048
"""Bits (RFC 9325 4.5)."""

_UNREADABLE = (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")
_WEAK_HASHES = ("md5", "sha1")


class CertificateError(Exception):
    """A certificate or key that cannot be used; the message is one line for the administrator."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """`chain`, ours first, and `key`: PEM. `names`: the DNS names it is for, A-labels in lower case.

    `not_before`, `not_after`: seconds since 1970. `fingerprint`: SHA-256 of the whole chain. `key_digest`:
    SHA-256 of the public key, as in TLSA records "3 1 1". `end_point`: the channel binding of RFC 5929 4.1,
    b"" where that has none. `weakness`: why nobody should rely on it, or "".
    `where`: of which files or store it is, for messages.
    """

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    names: tuple[str, ...]
    issuer: str
    not_before: int
    not_after: int
    fingerprint: str
    key_digest: str
    end_point: bytes
    weakness: str
    where: str

    def covers(self, name: str) -> bool:
        """Whether one of its names is `name`, or a wildcard that stands for it."""
        return any(covers(pattern, name) for pattern in self.names)


def covers(pattern: str, name: str) -> bool:
    """Equal, or `*` for exactly the left-most label (RFC 9525 6.3). Both in lower case."""
    return pattern == name or (pattern.startswith("*.") and name.partition(".")[2] == pattern[2:])


def problem(certificate: Certificate, now: float, names: Iterable[str] | None) -> str:
    """Why `certificate` should not be shown, in one line; "" if nothing speaks against it.

    `names`: it must serve one of them; None: any will do.
    """
    if now >= certificate.not_after:
        return "it has expired"
    if now < certificate.not_before:
        return "it is not valid yet"
    if certificate.weakness:
        return certificate.weakness
    if names is not None and not serves(certificate, names):
        whose = ", ".join(certificate.names[:3]) or "no name at all"
        return f"it is for {whose}, and for no name of this server"
    return ""


def serves(certificate: Certificate, names: Iterable[str]) -> bool:
    """Whether it is for one of `names`, or for a name below one of them."""
    return any(
        certificate.covers(name) or any(own.endswith("." + name) for own in certificate.names)
        for name in names
    )


def read_files(chain: Path, key: Path) -> Certificate:
    """Raises CertificateError."""
    where = f"certificate {chain}" + (f" with key {key}" if key != chain else "")
    parts = []
    for file in (chain, key):
        try:
            with file.open("rb") as stream:
                parts.append(stream.read(MAX_PEM + 1))
        except OSError as error:
            why = (error.strerror or str(error)).lower()
            raise CertificateError(f"cannot use {where}: {file.name}: {why}") from error
    return read_certificate(parts[0], parts[1], where)


def read_certificate(chain: bytes, key: bytes, where: str) -> Certificate:
    """The certificate of a PEM `chain` and its PEM `key`. `where`: what to call it in messages.

    Raises CertificateError if they can't be read or don't belong together.
    """
    try:
        if max(len(chain), len(key)) > MAX_PEM:
            raise ValueError(f"more than {MAX_PEM // 1024} KiB")
        certificates, private = _certificates(chain), _private_key(key)
        ours = certificates[0]
        spki = ours.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        if private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != spki:
            raise ValueError("the key is not the certificate's (key values mismatch)")
        return Certificate(
            chain=b"".join(each.public_bytes(Encoding.PEM) for each in certificates),
            key=key,
            names=_names(ours),
            issuer=_common_name(ours.issuer),
            not_before=int(ours.not_valid_before_utc.timestamp()),
            not_after=int(ours.not_valid_after_utc.timestamp()),
            fingerprint=hashlib.sha256(
                b"".join(each.public_bytes(Encoding.DER) for each in certificates)
            ).hexdigest(),
            key_digest=hashlib.sha256(spki).hexdigest(),
            end_point=_end_point(ours),
            weakness=_weakness(ours, certificates[1:]),
            where=where,
        )
    except _UNREADABLE as error:
        why = str(error).partition("\n")[0]
        raise CertificateError(f"cannot use {where}: {why}") from error


def _end_point(certificate: x509.Certificate) -> bytes:
    """The certificate's hash by the algorithm of its signature, or by SHA-256 if that is a weak one."""
    hashed = certificate.signature_hash_algorithm
    if hashed is None:
        return b""
    return certificate.fingerprint(hashes.SHA256() if hashed.name in _WEAK_HASHES else hashed)


def _certificates(chain: bytes) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(chain)
    except ValueError:
        begun = b"-----BEGIN CERTIFICATE-----" in chain
        raise ValueError(f"the chain {'is broken' if begun else 'holds no PEM (no start line)'}") from None


def _private_key(key: bytes) -> PrivateKeyTypes:
    try:
        return load_pem_private_key(key, None)
    except TypeError:
        raise ValueError("the key is locked with a passphrase") from None
    except ValueError:
        begun = b"PRIVATE KEY-----" in key
        raise ValueError(f"the key {'is broken' if begun else 'holds no PEM (no start line)'}") from None


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    """Of the subject alternative names alone (RFC 9525 2)."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    names = extension.value.get_values_for_type(x509.DNSName)
    return tuple(dict.fromkeys(name.lower().removesuffix(".") for name in names if _is_name(name)))


def _is_name(name: str) -> bool:
    plain = name.removeprefix("*.")
    return bool(plain) and len(name) <= 253 and name.isascii() and "*" not in plain and " " not in name


def _common_name(name: x509.Name) -> str:
    """How people call an authority."""
    for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        for attribute in name.get_attributes_for_oid(oid):
            return str(attribute.value)
    return name.rfc4514_string()


def _weakness(certificate: x509.Certificate, issuers: Sequence[x509.Certificate]) -> str:
    return (
        _weak_key(certificate.public_key())
        or _weak_signature(certificate)
        or _not_for_servers(certificate)
        or (issuers and issuers[0].subject != certificate.issuer and "its chain is out of order")
        or ""
    )


def _weak_key(key: PublicKeyTypes) -> str:
    match key:
        case rsa.RSAPublicKey():
            if key.key_size < MIN_RSA:
                return f"its RSA key has {key.key_size} bits: too weak, {MIN_RSA} are the least"
        case ec.EllipticCurvePublicKey():
            if key.curve.name not in _CURVES:
                return f"its key is on the curve {key.curve.name}, which clients don't know"
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            pass
        case _:
            return "its key is of a kind that no client can use"
    return ""


def _weak_signature(certificate: x509.Certificate) -> str:
    hashed = certificate.signature_hash_algorithm
    if hashed is not None and hashed.name in _WEAK_HASHES and certificate.issuer != certificate.subject:
        return f"it is signed with {hashed.name}, which nobody believes any more"
    return ""


def _not_for_servers(certificate: x509.Certificate) -> str:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    allowed = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
    return "" if any(oid in usage for oid in allowed) else "it is not for servers (extended key usage)"
