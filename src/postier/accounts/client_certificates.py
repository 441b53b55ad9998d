"""Who logs in by a certificate: the mail addresses that it is for, and whose they are (RFC 4422 A).

The addresses are those of the subject alternative names: rfc822Name (RFC 5280 4.2.1.6), and for addresses
that are not ASCII SmtpUTF8Mailbox (RFC 9598 3). Never the common name, which authorities fill as they like.
"""

from __future__ import annotations

from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from postier.base.address import Address
from postier.base.clock import Clock
from postier.store.api import AccountKind, Reader

__all__ = ["Owners", "addresses_of"]

MAX_ADDRESSES = 10
"""Of one certificate; further ones are not looked at."""

_SMTP_UTF8_MAILBOX = x509.ObjectIdentifier("1.3.6.1.5.5.7.8.9")
_UTF8_STRING = 0x0C
_UNREADABLE = (
    ValueError,
    x509.ExtensionNotFound,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


def addresses_of(certificate: bytes, now: float) -> tuple[Address, ...]:
    """The addresses that `certificate` (DER) is for; none where it has expired, is not valid yet, is not for
    clients, or can't be read. Whether its authority is believed is TLS's business."""
    try:
        parsed = x509.load_der_x509_certificate(certificate)
        begins, ends = parsed.not_valid_before_utc.timestamp(), parsed.not_valid_after_utc.timestamp()
        if not begins <= now < ends or not _is_for_clients(parsed):
            return ()
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except _UNREADABLE:
        return ()
    found: dict[str, Address] = {}
    for name in list(names)[:MAX_ADDRESSES]:
        address = _address(name)
        if address is not None:
            found.setdefault(address.lookup_key, address)
    return tuple(found.values())


def _is_for_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    return ExtendedKeyUsageOID.CLIENT_AUTH in usage or ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE in usage


def _address(name: x509.GeneralName) -> Address | None:
    match name:
        case x509.RFC822Name():
            text = name.value
        case x509.OtherName() if name.type_id == _SMTP_UTF8_MAILBOX:
            text = _utf8_string(name.value)
        case _:
            return None
    try:
        return Address.parse(text)
    except ValueError:
        return None


def _utf8_string(der: bytes) -> str:
    """A UTF8String of less than 256 octets; "" for anything else."""
    if len(der) < 2 or der[0] != _UTF8_STRING:
        return ""
    start = 2 if der[1] < 0x80 else 3
    length = der[1] if start == 2 else der[2] if der[1] == 0x81 and len(der) > 2 else -1
    if length != len(der) - start:
        return ""
    try:
        return der[start:].decode("utf-8")
    except UnicodeDecodeError:
        return ""


class Owners:
    """`accounts.login_ports.CertificateOwners`: the people whose addresses certificates are for."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        self._reader = reader
        self._clock = clock

    async def accounts_of(self, certificate: bytes) -> list[str]:
        """The names of the accounts whose main address `certificate` (DER) is for; aliases are nobody's."""
        found = []
        for address in addresses_of(certificate, self._clock.now()):
            account = await self._reader.account_named(address.lookup_key)
            if account is not None and account.kind is AccountKind.PERSON:
                found.append(account.name)
        return found
