"""What must be true of a connection before a message may go over it.

Without a policy of the receiving side, TLS is opportunistic (RFC 7435): taken wherever it is offered, with
any certificate, and never a reason not to deliver. A policy (MTA-STS, DANE, a smarthost's password) makes it
required: then `TlsPolicy.required` is set, the context verifies, and there is no clear-text second try.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import Protocol

from postier.net.tls import opportunistic_client_context
from postier.smtp.outbound.routes import Host

__all__ = ["OpportunisticTls", "TlsPolicies", "TlsPolicy"]


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """`server_name`: sent as SNI and, by a verifying context, demanded of the certificate (RFC 9525).

    `origin`: who asked for it, for the log: "opportunistic", "mta-sts", "dane".
    """

    context: ssl.SSLContext
    server_name: str | None
    required: bool = False
    origin: str = "opportunistic"


class TlsPolicies(Protocol):
    """Knows the policy that holds for a host when it takes mail for a destination."""

    async def policy_for(self, destination: str, host: Host) -> TlsPolicy:
        """Raises routes.Unroutable where the policy forbids this host or can't be known for now."""
        ...


class OpportunisticTls:
    """The policy in the absence of any."""

    def __init__(self) -> None:
        self._context = opportunistic_client_context()

    async def policy_for(self, destination: str, host: Host) -> TlsPolicy:
        return TlsPolicy(self._context, host.name if _is_name(host.name) else None)


def _is_name(name: str) -> bool:
    """An address is no server name (RFC 6066 3)."""
    return not (name.replace(".", "").isdigit() or ":" in name)
