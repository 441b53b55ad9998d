"""What must be true of a connection before a message may go over it.

Without a policy of the receiving side, TLS is opportunistic (RFC 7435): taken wherever it is offered, with
any certificate, and never a reason not to deliver. A policy makes it required: then there is no clear-text
second try, and the host must show a certificate for its name (`context` verifies) or one that its TLSA
records name (`tlsa`). Who makes policies: published.py; a route's own are in route_tls.py.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import Protocol

from postier.dns.api import Tlsa
from postier.net.tls import opportunistic_client_context
from postier.smtp.outbound.routes import Host, Unroutable

__all__ = ["OpportunisticTls", "PolicyFault", "TlsPolicies", "TlsPolicy"]


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """`server_name`: sent as SNI and, by a verifying context, demanded of the certificate (RFC 9525).

    `origin`: who asked for it: "opportunistic", "dane", "mta-sts", "requiretls", "contract", "route".
    `tlsa`: of these records the host must match one; `names`: those that a chain may be for (RFC 7672).
    `otherwise`: what holds if this can't be kept; None means that the host is not used. For reports (RFC
    8460): `kind` and `document` of the policy; `failure`, `detail`: result type and words if the newest can't
    be had.
    """

    context: ssl.SSLContext
    server_name: str | None
    required: bool = False
    origin: str = "opportunistic"
    tlsa: tuple[Tlsa, ...] = ()
    names: tuple[str, ...] = ()
    otherwise: TlsPolicy | None = None
    kind: str = "no-policy-found"
    document: str = field(default="", compare=False)
    failure: str = field(default="", compare=False)
    detail: str = field(default="", compare=False)


class PolicyFault(Unroutable):
    """A policy forbids a host, or can't be known for now. `policy`, `result_type`: for reports."""

    def __init__(self, text: str, policy: TlsPolicy, result_type: str) -> None:
        super().__init__(False, "4.7.5", text)
        self.policy = policy
        self.result_type = result_type


class TlsPolicies(Protocol):
    """Knows the policy that holds for a host when it takes mail for a destination."""

    async def policy_for(self, destination: str, host: Host, *, requiretls: bool = False) -> TlsPolicy:
        """`requiretls`: the message asks for it (RFC 8689 4.2.1).

        Raises PolicyFault where it forbids this host or can't be known for now, Unroutable, and StoreError.
        """
        ...


class OpportunisticTls:
    """The policy in the absence of any."""

    def __init__(self) -> None:
        self._context = opportunistic_client_context()

    async def policy_for(self, destination: str, host: Host, *, requiretls: bool = False) -> TlsPolicy:
        return TlsPolicy(self._context, host.server_name, required=requiretls)
