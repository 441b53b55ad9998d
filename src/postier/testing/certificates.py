"""Certificates of all kinds, good and bad, for tests."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from postier.net.authority import KeyPair

__all__ = ["CLIENT", "SERVER", "PrivateKey", "make_certificate", "new_key", "smtp_utf8_mailbox"]

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
CLIENT, SERVER = ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH
_SMTP_UTF8_MAILBOX = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")


def new_key(kind: str = "p256") -> PrivateKey:
    """ "p256", "p384", "secp256k1", "ed25519", or the bits of an RSA key."""
    match kind:
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "secp256k1":
            return ec.generate_private_key(ec.SECP256K1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(65537, int(kind))


def smtp_utf8_mailbox(address: str) -> x509.OtherName:
    text = address.encode()
    return x509.OtherName(_SMTP_UTF8_MAILBOX, bytes((0x0C, len(text))) + text)


def make_certificate(
    ca: KeyPair,
    names: Sequence[str] = (),
    *,
    others: Sequence[x509.GeneralName] = (),
    common_name: str = "somebody",
    key: PrivateKey | None = None,
    days: tuple[float, float] = (-1, 90),
    usage: x509.ObjectIdentifier | None = SERVER,
) -> KeyPair:
    """Issued by `ca` for DNS `names` and `others`. `days`: from when to when, counted from now."""
    issuer = x509.load_pem_x509_certificate(ca.certificate)
    signer = serialization.load_pem_private_key(ca.key, None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    key, now = key or new_key(), dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + dt.timedelta(days=days[0]))
        .not_valid_after(now + dt.timedelta(days=days[1]))
    )
    alternatives = [*(x509.DNSName(name) for name in names), *others]
    if alternatives:
        builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
    return KeyPair(
        builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )
