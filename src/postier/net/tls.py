"""TLS contexts, certificates on disk, and a small authority of our own.

Versions and ciphers follow RFC 9325 (BCP 195): TLS 1.2 and 1.3, forward secrecy and AEAD only, no
compression, no renegotiation, no early data. No context has an SNI callback (see net.handshake).
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

from postier.net.certificates import Certificate, CertificateError

__all__ = [
    "NO_APPLICATION_PROTOCOL",
    "REVOCATIONS",
    "CertificateError",
    "NoApplicationProtocol",
    "ServerContext",
    "opportunistic_client_context",
    "peer_chain",
    "resuming",
    "server_context",
    "verifying_client_context",
]

CIPHERS_TLS12 = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""What TLS 1.2 may use (RFC 9325 4.2), in OpenSSL's words; TLS 1.3's own list is all AEAD."""

NO_APPLICATION_PROTOCOL = bytes.fromhex("15 03 03 00 02 02 78")
"""The fatal alert of RFC 7301 3.2, which Python's ssl never sends by itself."""

REVOCATIONS = "-----BEGIN X509 CRL-----"
"""How a revocation list begins in PEM."""

_NO_CHECK_TIME = 0x200000
"""OpenSSL's X509_V_FLAG_NO_CHECK_TIME."""


class NoApplicationProtocol(Exception):
    """The client offers protocols, none of which is spoken here (RFC 7301 3.2)."""


class ServerContext(ssl.SSLContext):
    """Knows the certificate that it shows, which no TLS object tells."""

    end_point: bytes = b""
    """RFC 5929 4.1."""


def server_context(
    certificate: Certificate, protocols: Sequence[bytes] = (), authorities: str = ""
) -> ssl.SSLContext:
    """A context that shows `certificate`, and takes one of `protocols` if the client offers it (ALPN).

    `authorities` (PEM): the client is asked for a certificate of theirs. It need not have one; one of
    another authority ends the handshake, an expired one doesn't (whoever believes it looks at its dates).
    With revocation lists among them (RFC 5280 5), one that is revoked does, and so does one of an authority
    that has no list there.

    Raises CertificateError.
    """
    context = ServerContext(ssl.PROTOCOL_TLS_SERVER)
    context.end_point = certificate.end_point
    _harden(context)
    try:
        with _as_file(certificate.chain + b"\n" + certificate.key) as file:
            context.load_cert_chain(file, password=_no_password)
        if authorities:
            _believe(context, authorities)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise CertificateError(f"cannot use {certificate.where}: {_why(error)}") from error
    if protocols:
        context.set_alpn_protocols([protocol.decode() for protocol in protocols])
    return context


def _believe(context: ssl.SSLContext, authorities: str) -> None:
    """Raises ssl.SSLError, ValueError. Old lists hold, too: what they name stays revoked."""
    with _as_file(authorities.encode()) as file:
        context.load_verify_locations(file)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= _NO_CHECK_TIME
    if REVOCATIONS in authorities:
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF


@contextlib.contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path under which OpenSSL finds `content`, which never touches a disk."""
    descriptor = os.memfd_create("certificate", os.MFD_CLOEXEC)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        yield f"/proc/self/fd/{descriptor}"


_resumed: ContextVar[ssl.SSLSession | None] = ContextVar("resumed", default=None)


class _ClientContext(ssl.SSLContext):
    """Takes up an earlier session: the event loop makes the channel, and has no argument for that."""

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        return super().wrap_bio(incoming, outgoing, server_side, server_hostname, session or _resumed.get())


@contextlib.contextmanager
def resuming(session: ssl.SSLSession | None) -> Iterator[None]:
    """A connection that is made within, and whose handshake begins within, offers as the client to take up
    `session`, which must be of the same context (RFC 9846 2.2).

    Both, because asyncio runs a handshake in the context of who asks for it, uvloop in that of who made the
    connection.
    """
    token = _resumed.set(session)
    try:
        yield
    finally:
        _resumed.reset(token)


def peer_chain(channel: ssl.SSLObject) -> tuple[bytes, ...]:
    """The certificates that the other side showed, its own first, DER, whether or not they are any good.

    Python has a public way to them from 3.13 on; before, only the object below `ssl`'s own knows.
    """
    public = getattr(channel, "get_unverified_chain", None)
    if public is not None:
        return tuple(public())
    chain = channel._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]
    return tuple(ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in chain)


def opportunistic_client_context() -> ssl.SSLContext:
    """Encrypts to anybody and believes nobody (RFC 7435): for MX hosts without a published policy."""
    context = _ClientContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def verifying_client_context(authorities: Path | None = None) -> ssl.SSLContext:
    """Demands a certificate for the server's name (RFC 9525), from the system's authorities or `authorities`.

    Raises CertificateError if `authorities` (a PEM file) cannot be used.
    """
    context = _ClientContext(ssl.PROTOCOL_TLS_CLIENT)  # verifies, and checks the name
    try:
        if authorities is None:
            context.load_default_certs()
        else:
            context.load_verify_locations(authorities)
    except (OSError, ssl.SSLError) as error:
        raise CertificateError(f"cannot use authorities {authorities}: {_why(error)}") from error
    _harden(context)
    return context


def _harden(context: ssl.SSLContext) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS_TLS12)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION


def _no_password() -> str:
    raise ValueError("the key is locked with a passphrase")


def _why(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    if isinstance(error, OSError):
        return (error.strerror or str(error)).lower()
    return str(error)
