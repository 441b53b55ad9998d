"""TLS-ALPN-01 (RFC 8737): an authority that connects with the protocol "acme-tls/1" is shown a certificate
which proves that we know what it told us, and which nobody else would believe."""

from __future__ import annotations

import datetime as dt
import hashlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

__all__ = ["ACME_TLS", "challenge_certificate"]

ACME_TLS = b"acme-tls/1"
_IDENTIFIER = x509.ObjectIdentifier("1.3.6.1.5.5.7.1.31")  # id-pe-acmeIdentifier, RFC 8737 6.1
_LIFETIME = dt.timedelta(hours=2)


def challenge_certificate(name: str, authorization: str, now: float) -> tuple[bytes, bytes]:
    """What RFC 8737 3 wants to be shown, and its key, PEM: for `name` alone, signed by itself, with the hash
    of the key authorization in an extension that nobody may ignore."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([])
    start = dt.datetime.fromtimestamp(now, dt.UTC)
    digest = hashlib.sha256(authorization.encode()).digest()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - dt.timedelta(hours=1))
        .not_valid_after(start + _LIFETIME)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=True)
        .add_extension(x509.UnrecognizedExtension(_IDENTIFIER, b"\x04\x20" + digest), critical=True)
    )
    certificate = builder.sign(key, hashes.SHA256())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.PEM), private
