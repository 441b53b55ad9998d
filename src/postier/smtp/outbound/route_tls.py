"""What a route asks of TLS, in front of what the receiving side publishes.

A host that learns a password must show a certificate for its name, whatever else the route says.
"""

from __future__ import annotations

from postier.smtp.outbound.authorities import ClientContexts
from postier.smtp.outbound.routes import Host
from postier.smtp.outbound.tls_policy import TlsPolicy
from postier.store.api import MailRoute, RouteTls

__all__ = ["RouteTlsPolicies"]

_ORIGIN = "route"


class RouteTlsPolicies:
    """What the administrator demands of a route (see TlsPolicies)."""

    def __init__(self) -> None:
        self._contexts = ClientContexts("route")

    def policy_for(self, route: MailRoute, host: Host) -> TlsPolicy | None:
        """None where the route leaves it to the receiving side. Raises Unroutable if it can't be kept."""
        if route.login or route.tls is RouteTls.VERIFIED:
            return TlsPolicy(
                self._contexts.verifying(route.authorities), host.name, required=True, origin=_ORIGIN
            )
        if route.tls is RouteTls.REQUIRED or route.implicit_tls:
            return TlsPolicy(self._contexts.believing_all, host.server_name, required=True, origin=_ORIGIN)
        if route.tls is RouteTls.NEVER:
            return TlsPolicy(self._contexts.believing_all, host.server_name, origin=_ORIGIN)
        return None
