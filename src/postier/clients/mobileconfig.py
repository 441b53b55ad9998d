"""Apple's configuration profile with a mail account (com.apple.mail.managed), and its signature (RFC 5652).

Who opens it on an iPhone, iPad or Mac is asked for the password, and for nothing else. Its names are the same
whenever it is made for the same address, so that a newer one takes the place of an older one.
"""

from __future__ import annotations

import plistlib
from collections.abc import Sequence
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs7 import PKCS7Options, PKCS7SignatureBuilder

from postier.clients.settings import ClientSettings, MailService

__all__ = ["MEDIA_TYPE", "SigningError", "mobileconfig_document", "sign_document"]

MEDIA_TYPE = "application/x-apple-aspen-config"


class SigningError(Exception):
    """This key can't sign a profile; the message is one line for the administrator."""


def mobileconfig_document(
    settings: ClientSettings, address: str, *, protocol: str = "imap", password: str = ""
) -> bytes | None:
    """XML of property lists. `password`: put in, so that nobody is asked: only for who may know it.

    None where `protocol` ("imap" or "pop3") or sending is not offered.
    """
    incoming, outgoing = settings.best(protocol), settings.best("smtp")
    if incoming is None or outgoing is None:
        return None
    identity = uuid5(NAMESPACE_URL, f"mailto:{address}#{protocol}")
    account = _account(settings, address, incoming, outgoing, password)
    profile = _payload(settings, address, identity, "") | {
        "PayloadContent": [account | _payload(settings, address, uuid5(identity, "mail"), ".mail")],
        "PayloadOrganization": settings.provider,
        "PayloadRemovalDisallowed": False,
        "PayloadType": "Configuration",
    }
    return plistlib.dumps(profile)


def _payload(settings: ClientSettings, address: str, identity: UUID, suffix: str) -> dict[str, Any]:
    name = ".".join(reversed(settings.domain.split(".")))
    return {
        "PayloadDescription": f"Mail for {address}",
        "PayloadDisplayName": f"{settings.provider}: {address}",
        "PayloadIdentifier": f"{name}.{uuid5(NAMESPACE_URL, f'mailto:{address}')}{suffix}",
        "PayloadType": "com.apple.mail.managed",
        "PayloadUUID": str(identity).upper(),
        "PayloadVersion": 1,
    }


def _account(
    settings: ClientSettings, address: str, incoming: MailService, outgoing: MailService, password: str
) -> dict[str, Any]:
    account: dict[str, Any] = {
        "EmailAccountDescription": settings.provider,
        "EmailAccountType": "EmailTypeIMAP" if incoming.protocol == "imap" else "EmailTypePOP",
        "EmailAddress": address,
        "OutgoingPasswordSameAsIncomingPassword": True,
        "PreventAppSheet": False,
        "PreventMove": False,
        "SMIMEEnabled": False,
        "disableMailRecentsSyncing": False,
    }
    for side, service in (("Incoming", incoming), ("Outgoing", outgoing)):
        account |= {
            f"{side}MailServerAuthentication": "EmailAuthPassword",
            f"{side}MailServerHostName": settings.hostname,
            f"{side}MailServerPortNumber": service.port,
            f"{side}MailServerUseSSL": True,
            f"{side}MailServerUsername": address,
        }
        if password:
            account[f"{side}Password"] = password
    return account


def sign_document(document: bytes, chain: bytes, key: bytes) -> bytes:
    """As SignedData with the document inside, DER. `chain`: PEM, ours first; `key`: PEM, of ours.

    Raises SigningError.
    """
    try:
        first, *others = x509.load_pem_x509_certificates(chain)
        private = load_pem_private_key(key, None)
    except (ValueError, TypeError) as error:
        raise SigningError(f"cannot use the certificate to sign profiles: {error}") from None
    if not isinstance(private, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey)):
        raise SigningError("profiles are signed with RSA or EC keys only")
    return _signed(document, first, private, others)


def _signed(
    document: bytes,
    certificate: x509.Certificate,
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    others: Sequence[x509.Certificate],
) -> bytes:
    builder = PKCS7SignatureBuilder().set_data(document).add_signer(certificate, key, SHA256())
    for other in others:
        builder = builder.add_certificate(other)
    return builder.sign(Encoding.DER, [PKCS7Options.Binary])
