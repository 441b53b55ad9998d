"""TLS contexts, certificates on disk, and a small authority of our own.

Versions and ciphers follow RFC 9325 (BCP 195): TLS 1.2 and 1.3, forward secrecy and AEAD only, no
compression, no renegotiation. One certificate carries all names: the SNI callback only notes the name
that was asked for and never switches contexts, since CPython before 3.11.17, 3.12.15, 3.13.16 and 3.14.8
can be crashed by a client when it does (CVE-2026-19445).
"""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextvars import ContextVar
from pathlib import Path

__all__ = [
    "CertificateError",
    "CertificateStore",
    "opportunistic_client_context",
    "peer_chain",
    "requested_name",
    "resuming",
    "server_context",
    "verifying_client_context",
]

CIPHERS_TLS12 = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""What TLS 1.2 may use (RFC 9325 4.2), in OpenSSL's words; TLS 1.3's own list is all AEAD."""

_kept: list[ssl.SSLContext] = []
"""Every context that ever served: connections may still point to one after a reload."""


class CertificateError(Exception):
    """A certificate or key that cannot be used; the message is one line for the administrator."""


class _ServedTls(ssl.SSLObject):
    """Remembers which name the client asked for (SNI, RFC 6066 3)."""

    server_name_asked: str = ""


def _note_name(channel: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: object) -> None:
    if isinstance(channel, _ServedTls) and name and len(name) <= 255:
        channel.server_name_asked = name


def requested_name(channel: ssl.SSLObject) -> str:
    """The name from SNI, "" if none was sent."""
    return channel.server_name_asked if isinstance(channel, _ServedTls) else ""


def server_context(certificate: Path, key: Path) -> ssl.SSLContext:
    """A context that shows `certificate` (a PEM chain, ours first).

    Raises CertificateError if the files cannot be read or do not belong together.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _harden(context)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except (OSError, ssl.SSLError, ValueError) as error:
        raise CertificateError(
            f"cannot use certificate {certificate} with key {key}: {_why(error)}"
        ) from error
    context.sslobject_class = _ServedTls
    context.set_servername_callback(_note_name)
    return context


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


class CertificateStore:
    """The server's certificate, as it lies on disk; `reload` takes up a renewed one.

    Every service has a context of its own, for a context has keys of its own for session tickets: what one
    service gave out is worth nothing at another (ALPACA, and Postfix's bug of 2026).

    An object of this class is an SslContextSource, that of the first service: call it for the context of the
    next handshake.
    """

    def __init__(self, certificate: Path, key: Path, services: Sequence[str] = ("",)) -> None:
        """Raises CertificateError."""
        self._certificate = certificate
        self._key = key
        self._services = tuple(services)
        self._contexts = self._load()

    def __call__(self) -> ssl.SSLContext:
        return self._contexts[self._services[0]]

    def of(self, service: str) -> Callable[[], ssl.SSLContext]:
        """The SslContextSource of one of the services."""
        return lambda: self._contexts[service]

    def reload(self) -> None:
        """Use what the files hold now. Raises CertificateError and keeps the old one if they are broken."""
        self._contexts = self._load()

    def _load(self) -> dict[str, ssl.SSLContext]:
        contexts = {service: server_context(self._certificate, self._key) for service in self._services}
        _kept.extend(contexts.values())
        return contexts


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
