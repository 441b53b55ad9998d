"""What a route asks of TLS, in front of what the receiving side publishes.

A host that learns a password must show a certificate for its name, whatever else the route says.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from postier.net.tls import CertificateError, opportunistic_client_context, verifying_client_context
from postier.smtp.outbound.routes import Host, Unroutable
from postier.smtp.outbound.tls_policy import TlsPolicy
from postier.store.api import MailRoute, RouteTls

__all__ = ["RouteTlsPolicies"]

_ORIGIN = "route"


class RouteTlsPolicies:
    """Contexts are kept: a session of TLS can be taken up only under the one it began with."""

    def __init__(self) -> None:
        self._any = opportunistic_client_context()
        self._verifying: dict[str, tuple[float, ssl.SSLContext]] = {}

    def policy_for(self, route: MailRoute, host: Host) -> TlsPolicy | None:
        """None where the route leaves it to the receiving side. Raises Unroutable if it can't be kept."""
        if route.login or route.tls is RouteTls.VERIFIED:
            return TlsPolicy(self._context(route.authorities), host.name, required=True, origin=_ORIGIN)
        if route.tls is RouteTls.REQUIRED or route.implicit_tls:
            return TlsPolicy(self._any, host.server_name, required=True, origin=_ORIGIN)
        if route.tls is RouteTls.NEVER:
            return TlsPolicy(self._any, host.server_name, origin=_ORIGIN)
        return None

    def _context(self, authorities: str) -> ssl.SSLContext:
        """The file is read again when it has changed."""
        try:
            changed = Path(authorities).stat().st_mtime if authorities else 0.0
            known = self._verifying.get(authorities)
            if known is None or known[0] != changed:
                known = changed, verifying_client_context(Path(authorities) if authorities else None)
                self._verifying[authorities] = known
        except (OSError, CertificateError) as error:
            raise Unroutable(False, "4.3.5", "the route's authorities can't be read") from error
        return known[1]
