"""The certificates that this process shows, kept up with the files of the settings and with the store.

A new certificate is judged before it is shown (net.certificates): one that is worse than what is shown now is
refused with one line in the log, and the old one stays.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from postier.admin.certificates import from_store
from postier.backend import Backend
from postier.base.clock import Clock
from postier.base.log import Log
from postier.config.settings import Settings
from postier.net.certificates import (
    Certificate,
    CertificateError,
    problem,
    read_files,
    serves,
)
from postier.net.contexts import ContextChooser, ServiceTls
from postier.net.tls import REVOCATIONS, server_context
from postier.services import HTTPS, LMTP, SERVICES
from postier.store.api import Reader, StoredCertificate, StoreError

__all__ = ["CertificateKeeper", "files_of", "names_to_serve", "refusal"]

MAX_CLIENT_CA = 4 << 20
"""Octets of tls.client_ca: revocation lists may be long."""
LOOK_SECONDS = 2.0
"""Between two looks at the store's count of changes."""

log = Log("tls")


def files_of(settings: Settings) -> tuple[Path, Path]:
    """The certificate and the key of the settings."""
    return settings.data / settings.tls.certificate, settings.data / settings.tls.key


async def names_to_serve(settings: Settings, reader: Reader) -> list[str]:
    """A certificate is for one of these names, or for one below them: our host's and our domains'."""
    return [settings.server.hostname, *(domain.name for domain in await reader.domains())]


def refusal(new: Certificate, old: Certificate | None, now: float, names: Sequence[str]) -> str:
    """Why `new` should not take the place of `old`; "" if it should.

    That it is for none of our names is held against it only if the old one is for one of them.
    """
    judged = names if old is None or serves(old, names) else None
    return problem(new, now, judged) or _refused_by_openssl(new)


def _refused_by_openssl(certificate: Certificate) -> str:
    try:
        server_context(certificate)
    except CertificateError as error:
        return str(error)
    return ""


class CertificateKeeper:
    """`chooser` gives the contexts. To be made before the workers are forked, so that they share tickets."""

    def __init__(self, settings: Settings) -> None:
        """Raises CertificateError if the files of the settings can't be used at all."""
        self._settings = settings
        self._files = read_files(*files_of(settings))
        self._stored: dict[str, Certificate] = {}
        self._seen = -1
        self._asked = asyncio.Event()
        self.tells = True
        """Whether this process writes to the log: one of all does."""
        self.chooser = ContextChooser(self._files, _services(settings), settings.server.hostname)

    def reload(self) -> None:
        """Look at the files and at the store now; for SIGHUP."""
        self._asked.set()

    async def start(self, reader: Reader, clock: Clock) -> None:
        """Show what the store has; to be awaited before the first connection."""
        self._seen = await reader.certificates_changed()
        names = await names_to_serve(self._settings, reader)
        doubt = problem(self._files, clock.now(), names)
        if doubt:
            self._tell_refused(self._files.where, f"{doubt}; it is shown, for want of a better one")
        await self._take_stored(reader, clock, names)

    async def follow(self, backend: Backend) -> None:
        """For ever: take up what changes in the store, and the files too when `reload` was called."""
        reader, clock = backend.store.reader, backend.clock
        while True:
            try:
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._asked.wait()
            except TimeoutError:
                pass
            try:
                await self._look(reader, clock)
            except StoreError as error:
                log.error("certificates not looked at", exception=error)

    async def _look(self, reader: Reader, clock: Clock) -> None:
        asked, seen = self._asked.is_set(), await reader.certificates_changed()
        self._asked.clear()
        if not asked and seen == self._seen:
            return
        self._seen = seen
        names = await names_to_serve(self._settings, reader)
        if asked:
            await self._take_files(clock, names)
        await self._take_stored(reader, clock, names)

    async def _take_files(self, clock: Clock, names: Sequence[str]) -> None:
        try:
            new = await asyncio.to_thread(read_files, *files_of(self._settings))
            services = await asyncio.to_thread(_services, self._settings)
        except CertificateError as error:
            self._tell_refused("", str(error))
            return
        self.chooser.offer(services)
        if new.fingerprint != self._files.fingerprint:
            why = refusal(new, self._files, clock.now(), names)
            if why:
                self._tell_refused(new.where, why)
                return
        self._files = new
        if self.tells:
            log.info("certificate reloaded", names=" ".join(new.names), until=new.not_after)

    async def _take_stored(self, reader: Reader, clock: Clock, names: Sequence[str]) -> None:
        shown: dict[str, Certificate] = {}
        for stored in await reader.certificates():
            one = self._judged(stored, clock.now(), names)
            if one is not None:
                shown[stored.name] = one
        self._stored = shown
        self.chooser.show(self._files, shown.values())

    def _judged(self, stored: StoredCertificate, now: float, names: Sequence[str]) -> Certificate | None:
        """What to show for `stored`: itself, or what was shown before it."""
        old = self._stored.get(stored.name)
        try:
            new = from_store(stored)
        except CertificateError as error:
            self._tell_refused("", str(error))
            return old
        if old is not None and old.fingerprint == new.fingerprint:
            return old
        why = refusal(new, old, now, names)
        if why:
            self._tell_refused(new.where, why)
            return old
        return new

    def _tell_refused(self, where: str, why: str) -> None:
        if self.tells:
            log.error("certificate not reloaded", detail=f"{where}: {why}" if where else why)


def _services(settings: Settings) -> dict[str, ServiceTls]:
    """Raises CertificateError."""
    authorities = _client_authorities(settings)
    return {
        service.name: ServiceTls(service.alpn, authorities if service.takes_logins else "")
        for service in (*SERVICES, HTTPS, LMTP)
    }


def _client_authorities(settings: Settings) -> str:
    """Whose certificates clients may log in with, and which are revoked, PEM; "" if nobody may. Raises
    CertificateError."""
    if not settings.tls.client_login:
        return ""
    if not settings.tls.client_ca:
        raise CertificateError("tls.client_login is on, but tls.client_ca names no file")
    file = settings.data / settings.tls.client_ca
    try:
        content = file.read_bytes()
        if len(content) > MAX_CLIENT_CA:  # half of it would forget who is revoked
            raise CertificateError(f"cannot use authorities {file}: more than {MAX_CLIENT_CA >> 20} MiB")
        believed = [each.public_bytes(Encoding.PEM) for each in x509.load_pem_x509_certificates(content)]
        return b"".join((*believed, *_revocations(content))).decode()
    except (OSError, ValueError) as error:
        why = (error.strerror or str(error)).lower() if isinstance(error, OSError) else "no PEM"
        raise CertificateError(f"cannot use authorities {file}: {why}") from error


def _revocations(content: bytes) -> list[bytes]:
    """Each list in it, PEM. Raises ValueError."""
    begin = REVOCATIONS.encode()
    lists = (x509.load_pem_x509_crl(begin + each) for each in content.split(begin)[1:])
    return [each.public_bytes(Encoding.PEM) for each in lists]
