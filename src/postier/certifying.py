"""Certificates by ACME, put together from the settings: for the workers and the command line.

What asks authorities is imported where it is needed: a worker that does not is smaller by 25 MB.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import random
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from postier.acme.alpn import ACME_TLS, challenge_certificate
from postier.acme.names import Wanted, wanted_names
from postier.acme.plan import AcmePlan, ExternalAccount
from postier.acme.problems import AcmeProblem
from postier.backend import Backend, open_resolver
from postier.base.log import Log
from postier.config.settings import ConfigError, Settings, load_settings
from postier.http.acme_proofs import proof_documents
from postier.http.documents import Document
from postier.net.certificates import read_certificate
from postier.net.client_hello import ClientHello
from postier.net.tls import server_context
from postier.publishing import open_editor, tlsa_publisher
from postier.services import HTTPS
from postier.store.api import StoreError
from postier.store.lease import take_lease

if TYPE_CHECKING:
    from postier.acme.services import AcmeServices

__all__ = [
    "AlpnProofs",
    "acme_documents",
    "open_services",
    "read_plan",
    "renew_certificates",
    "wanted_certificates",
]

log = Log("acme")

FIRST_PAUSE = 3
PAUSE = 600
"""Seconds between two looks at all certificates; most of them find nothing to do."""
LOOK_SECONDS = 2.0


def read_plan(settings: Settings) -> AcmePlan:
    """Raises AcmeProblem for settings that can't be used, and for none."""
    ours = settings.acme
    if not ours.directory:
        raise AcmeProblem('no authority is chosen: set directory = "https://..." in the section [acme]')
    if not ours.agree_terms:
        raise AcmeProblem(
            "you have not agreed to the authority's terms of service: read them, and set agree_terms = true "
            "in the section [acme]"
        )
    if ours.challenge == "dns-01" and settings.dns_update.server is None:
        raise AcmeProblem('acme.challenge = "dns-01" needs dns_update.server')
    if ours.challenge == "http-01" and not settings.http.enabled:
        raise AcmeProblem('acme.challenge = "http-01" needs http.enabled = true')
    if ours.challenge == "tls-alpn-01" and not (settings.http.enabled and settings.http.https):
        raise AcmeProblem('acme.challenge = "tls-alpn-01" needs http.enabled = true and http.https = true')
    return AcmePlan(
        directory=ours.directory,
        hostname=settings.server.hostname,
        contact=ours.contact,
        challenge=ours.challenge,
        external=_external_account(settings),
        key_type=ours.key_type,
        reuse_key=ours.reuse_key,
        profile=ours.profile,
        authorities=settings.data / ours.authorities if ours.authorities else None,
    )


def _external_account(settings: Settings) -> ExternalAccount | None:
    ours = settings.acme
    if not ours.eab_kid and not ours.eab_key_file:
        return None
    if not ours.eab_kid or not ours.eab_key_file:
        raise AcmeProblem("an external account takes both acme.eab_kid and acme.eab_key_file")
    path = settings.data / ours.eab_key_file
    try:
        key = path.read_text("ascii").strip().rstrip("=")
        base64.b64decode(key + "=" * (-len(key) % 4), altchars=b"-_", validate=True)
    except OSError as error:
        raise AcmeProblem(f"cannot read acme.eab_key_file {path}: {error.strerror}") from None
    except (ValueError, binascii.Error):
        key = ""
    if not key:
        raise AcmeProblem(f"acme.eab_key_file {path} holds no key in base64url")
    return ExternalAccount(ours.eab_kid, key)


async def wanted_certificates(backend: Backend) -> Sequence[Wanted]:
    domains = [domain.name for domain in await backend.store.reader.domains()]
    settings = backend.settings
    return wanted_names(settings.server.hostname, domains, settings.acme.names)


def open_services(backend: Backend, name: str) -> AcmeServices:
    """`name`: of this process on its machine."""
    from postier.acme.services import AcmeServices

    settings = backend.settings

    def first_key() -> str:
        try:
            return (settings.data / settings.tls.key).read_text("ascii")
        except (OSError, ValueError):
            return ""

    return AcmeServices(
        store=backend.store,
        clock=backend.clock,
        open_resolver=lambda: open_resolver(settings),
        open_editor=lambda: open_editor(backend),
        wanted=lambda: wanted_certificates(backend),
        owner=f"{socket.gethostname()}/{name}/{os.getpid()}",
        own=settings.server.bind,
        first_key=first_key,
        publish=tlsa_publisher(backend),
        is_dead=_is_dead,
    )


def _is_dead(owner: str) -> bool:
    """Whether it was a process of this machine, and is none any more."""
    host, _, rest = owner.partition("/")
    number = rest.rpartition("/")[2]
    if host != socket.gethostname() or not number.isdigit():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):  # somebody else's, and alive
        return False
    return False


async def renew_certificates(backend: Backend, name: str) -> None:
    """For ever. The settings of ACME are read anew each time: `postier tls request` takes no restart."""
    await asyncio.sleep(FIRST_PAUSE * random.uniform(0.3, 1.0))
    while True:
        try:
            settings = await asyncio.to_thread(load_settings, backend.settings.data)
            if settings.acme.enabled:
                await _turn(backend, settings, name)
        except (AcmeProblem, ConfigError) as problem:
            log.error("certificates not looked after", why=problem)
        except (StoreError, OSError) as error:
            log.fault("certificates not looked after", why=error)
        await asyncio.sleep(PAUSE * random.uniform(0.5, 1.0))


async def _turn(backend: Backend, settings: Settings, name: str) -> None:
    """By one worker of all, always the same: the others need not know how to ask."""
    owner = f"{socket.gethostname()}/{name}"
    if not await take_lease(backend.store, backend.clock, "certificates' turns", owner, PAUSE):
        return
    from postier.acme.renewing import Renewer

    ours = replace(backend, settings=replace(backend.settings, acme=settings.acme))
    await Renewer(open_services(ours, name), read_plan(ours.settings)).turn()


def acme_documents(backend: Backend) -> tuple[Document, ...]:
    """What HTTP-01 shows, whichever process asks for the certificate."""
    return proof_documents(lambda token: backend.store.reader.acme_proof("http-01", token))


class AlpnProofs:
    """Shows authorities what TLS-ALPN-01 wants (RFC 8737), whichever process asks for the certificate; to be
    asked before the chooser of certificates."""

    def __init__(self) -> None:
        self._proofs: dict[str, str] = {}
        self._contexts: dict[tuple[str, str], ssl.SSLContext] = {}

    async def follow(self, backend: Backend) -> None:
        """For ever: what is to be shown now."""
        while True:
            try:
                now = backend.clock.now()
                rows = await backend.store.reader.acme_challenges("tls-alpn-01")
                self._proofs = {row.place: row.proof for row in rows if row.expires > now}
                self._contexts = {k: kept for k, kept in self._contexts.items() if k in self._proofs.items()}
            except StoreError as error:
                log.error("proofs not looked at", exception=error)
            await asyncio.sleep(LOOK_SECONDS)

    def __call__(self, service: str, hello: ClientHello) -> ssl.SSLContext | None:
        """A context for whoever offers "acme-tls/1" alone (RFC 8737 4) for a name that is being proved."""
        name = hello.server_name
        if service != HTTPS.name or hello.protocols != (ACME_TLS,) or name not in self._proofs:
            return None
        key = (name, self._proofs[name])
        if key not in self._contexts:
            chain, private = challenge_certificate(*key, time.time())
            certificate = read_certificate(chain, private, "proof")
            self._contexts[key] = server_context(certificate, (ACME_TLS,))
        return self._contexts[key]
