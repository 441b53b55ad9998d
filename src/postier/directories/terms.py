"""How a directory's servers are talked to: TLS that verifies, and the times."""

from __future__ import annotations

import ssl
from pathlib import Path

from postier.ldap.client import Terms
from postier.ldap.wire.core import MAX_MESSAGE
from postier.net.tls import verifying_client_context
from postier.store.api import LdapDirectory

__all__ = ["LISTING_SECONDS", "LOGIN_OCTETS", "listing_terms", "login_terms"]

LOGIN_OCTETS = 64 * 1024
"""Of one answer, where others wait for the same event loop."""
LISTING_SECONDS = 30.0
"""For each answer while all are listed: servers look for a page's worth before they say anything."""


def login_terms(directory: LdapDirectory, seconds: float) -> Terms:
    """Raises CertificateError where the file of authorities can't be used."""
    return Terms(_context(directory), seconds, LOGIN_OCTETS)


def listing_terms(directory: LdapDirectory) -> Terms:
    """Raises CertificateError."""
    return Terms(_context(directory), LISTING_SECONDS, MAX_MESSAGE)


def _context(directory: LdapDirectory) -> ssl.SSLContext | None:
    if directory.clear:
        return None
    return verifying_client_context(Path(directory.authorities) if directory.authorities else None)
