"""Keys, requests (CSR) and chains of certificates, all as PEM texts."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import itertools
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from postier.acme.names import covered
from postier.acme.plan import KEY_TYPES
from postier.acme.problems import AcmeProblem

__all__ = [
    "Issued",
    "certificate_id",
    "check_chain",
    "key_digest",
    "key_type",
    "make_key",
    "make_request",
    "read_issued",
]

MAX_CHAIN = 10
MAX_CHAIN_OCTETS = 100_000


def make_key(kind: str) -> str:
    """A new private key, PEM. `kind`: one of KEY_TYPES."""
    family, _, size = kind.partition("-")
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
    if family == "rsa":
        key = rsa.generate_private_key(65537, int(size))
    else:
        key = ec.generate_private_key(ec.SECP256R1() if size == "p256" else ec.SECP384R1())
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _load(key: str) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    loaded = load_pem_private_key(key.encode(), None)
    if not isinstance(loaded, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("neither an EC nor an RSA key")
    return loaded


def key_type(key: str) -> str:
    """Which of KEY_TYPES `key` is; "" for none of them."""
    try:
        loaded = _load(key)
    except (ValueError, TypeError):
        return ""
    kind = f"rsa-{loaded.key_size}" if isinstance(loaded, rsa.RSAPrivateKey) else f"ecdsa-p{loaded.key_size}"
    return kind if kind in KEY_TYPES else ""


def key_digest(key: str) -> str:
    """SHA-256 of the public key, in hexadecimal: what TLSA "3 1 1" publishes (RFC 7671 5.1)."""
    return hashlib.sha256(_public(_load(key).public_key())).hexdigest()


def _public(key: CertificatePublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def make_request(key: str, names: Sequence[str]) -> bytes:
    """A certificate request (DER) for DNS `names` and nothing else: no subject (RFC 8555 7.4 takes the
    names from the extension, and a common name would have a limit of 64 characters)."""
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    builder = builder.add_extension(alternatives, critical=False)
    return builder.sign(_load(key), hashes.SHA256()).public_bytes(Encoding.DER)


@dataclass(frozen=True, slots=True)
class Issued:
    """What a certificate says of itself; moments in seconds since 1970."""

    names: tuple[str, ...]
    begins: int
    ends: int
    digest: str
    """As key_digest."""


def read_issued(chain: str) -> Issued:
    """The first certificate of a PEM chain. Raises ValueError."""
    found = x509.load_pem_x509_certificates(chain.encode("ascii", "replace"))[0]
    return Issued(
        _names(found),
        int(found.not_valid_before_utc.timestamp()),
        int(found.not_valid_after_utc.timestamp()),
        hashlib.sha256(_public(found.public_key())).hexdigest(),
    )


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    return tuple(name.lower() for name in extension.value.get_values_for_type(x509.DNSName))


def check_chain(chain: str, key: str, names: Collection[str], now: float) -> tuple[str, Issued]:
    """What an authority answered, cleaned of all but the certificates, and what the first says.

    It must be for our key and all of `names`, be valid now, be meant for servers, and each certificate must
    be signed by the next. Raises AcmeProblem: it is not put to use then.
    """
    if len(chain) > MAX_CHAIN_OCTETS:
        raise AcmeProblem("the authority's certificate is too long to be one")
    try:
        found = x509.load_pem_x509_certificates(chain.encode("ascii"))
        issued = read_issued(chain)
        _check_usage(found[0])
    except (ValueError, UnicodeEncodeError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise AcmeProblem("the authority's answer is no certificate") from None
    if issued.digest != key_digest(key):
        raise AcmeProblem("the authority's certificate is not for our key")
    missing = [name for name in names if not covered(name, issued.names)]
    if missing:
        raise AcmeProblem(f"the authority's certificate is not for {missing[0]}")
    if not issued.begins <= now + 3600 or issued.ends <= now:
        when = dt.datetime.fromtimestamp(issued.begins if issued.ends > now else issued.ends, dt.UTC)
        words = "not valid before" if issued.ends > now else "not valid after"
        raise AcmeProblem(f"the authority's certificate is {words} {when:%Y-%m-%d %H:%M} UTC")
    _check_signatures(found)
    return "".join(each.public_bytes(Encoding.PEM).decode() for each in found), issued


def _check_usage(certificate: x509.Certificate) -> None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if ExtendedKeyUsageOID.SERVER_AUTH not in usage:
        raise AcmeProblem("the authority's certificate is not for servers")


def _check_signatures(chain: Sequence[x509.Certificate]) -> None:
    if len(chain) > MAX_CHAIN:
        raise AcmeProblem(f"the authority's chain has {len(chain)} certificates")
    for one, issuer in itertools.pairwise(chain):
        try:
            one.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise AcmeProblem("the authority's chain does not hold together") from None


def certificate_id(chain: str) -> str:
    """What RFC 9773 4.1 calls the first certificate of `chain`: its authority's key and its number; "" for
    one that can't be called anything."""
    try:
        found = x509.load_pem_x509_certificates(chain.encode("ascii", "replace"))[0]
        extension = found.extensions.get_extension_for_oid(ExtensionOID.AUTHORITY_KEY_IDENTIFIER).value
    except (ValueError, x509.ExtensionNotFound):
        return ""
    identifier = getattr(extension, "key_identifier", None)
    if not identifier:
        return ""
    number = found.serial_number
    octets = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in (identifier, octets))
