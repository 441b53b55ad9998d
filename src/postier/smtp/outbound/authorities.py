"""Contexts that believe a file of authorities, or the system's own, kept while the file stays the same."""

from __future__ import annotations

import ssl
from pathlib import Path

from postier.net.tls import CertificateError, opportunistic_client_context, verifying_client_context
from postier.smtp.outbound.routes import Unroutable

__all__ = ["ClientContexts"]


class ClientContexts:
    """Contexts are kept: a TLS session can be taken up only under the one it began with.

    `whose`: whose authorities these are, as a fault says it.
    """

    def __init__(self, whose: str) -> None:
        self.believing_all = opportunistic_client_context()
        self._whose = whose
        self._verifying: dict[str, tuple[float, ssl.SSLContext]] = {}

    def verifying(self, authorities: str) -> ssl.SSLContext:
        """`authorities`: a PEM file, read again when it has changed; "" for the system's.

        Raises Unroutable, for a while, where it can't be read.
        """
        try:
            changed = Path(authorities).stat().st_mtime if authorities else 0.0
            known = self._verifying.get(authorities)
            if known is None or known[0] != changed:
                known = changed, verifying_client_context(Path(authorities) if authorities else None)
                self._verifying[authorities] = known
        except (OSError, CertificateError) as error:
            raise Unroutable(False, "4.3.5", f"the {self._whose}'s authorities can't be read") from error
        return known[1]
