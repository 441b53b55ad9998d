"""What the hosts of another domain show when TLS is asked for, and what is demanded of them.

Each host is asked twice: with any certificate, to see what it has; and under the policy that holds for mail
to it, to see whether that mail would go. No mail is sent.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from cryptography import x509

from postier.admin.diagnosis import certificate_names
from postier.net.tls import opportunistic_client_context, verifying_client_context
from postier.smtp.outbound.connection import PeerFault, Terms, Timeouts, open_peer
from postier.smtp.outbound.published import PublishedTls
from postier.smtp.outbound.routes import Host, Routes, Unroutable
from postier.smtp.outbound.tls_policy import TlsPolicy

__all__ = ["HostTls", "look_at_hosts"]

LOOK_TIMEOUTS = Timeouts(10.0, 10.0, 30.0, 30.0, 30.0, 30.0, 30.0)


@dataclass(frozen=True, slots=True)
class HostTls:
    """`tls`: version and cipher, "" for none. `names`, `until`: of its certificate. `public`: "" if that is
    good for its name by the public authorities, else why not. `policy`: who demands something, `fault`: why
    mail would not go there, "" if it would."""

    host: str
    tls: str = ""
    names: tuple[str, ...] = ()
    until: str = ""
    public: str = ""
    policy: str = ""
    fault: str = ""


async def look_at_hosts(
    routes: Routes, policies: PublishedTls, destination: str, hostname: str
) -> AsyncIterator[HostTls]:
    """In the order of an attempt. `hostname`: ours, for EHLO. Raises Unroutable, StoreError."""
    way = await routes.way(destination)
    for exchange in way.exchanges:
        try:
            for host in await routes.hosts(exchange):
                yield await _look_at(policies, destination, host, hostname)
        except Unroutable as error:
            yield HostTls(exchange.name, fault=str(error))


async def _look_at(policies: PublishedTls, destination: str, host: Host, hostname: str) -> HostTls:
    found = await _shown(host, hostname)
    try:
        policy = await policies.policy_for(destination, host)
    except Unroutable as error:
        return replace(found, policy="forbidden", fault=str(error))
    found = replace(found, policy=policy.origin)
    if found.fault or policy.origin == "opportunistic":
        return found
    return replace(found, fault=await _fault(host, Terms(policy, hostname)))


async def _shown(host: Host, hostname: str) -> HostTls:
    try:
        any_ = TlsPolicy(opportunistic_client_context(), host.server_name)
        peer = await open_peer(host, Terms(any_, hostname), LOOK_TIMEOUTS)
    except PeerFault as fault:
        return HostTls(str(host), fault=str(fault))
    found = HostTls(str(host), tls=peer.tls)
    chain = peer.chain
    peer.close()
    if not chain:
        return replace(found, public="the host offers no TLS")
    try:
        own = x509.load_der_x509_certificate(chain[0])
        found = replace(
            found, names=tuple(certificate_names(own)), until=f"{own.not_valid_after_utc:%Y-%m-%d}"
        )
    except ValueError:
        return replace(found, public="the certificate can't be read")
    verified = TlsPolicy(verifying_client_context(), host.name, required=True)
    return replace(found, public=await _fault(host, Terms(verified, hostname)))


async def _fault(host: Host, terms: Terms) -> str:
    try:
        (await open_peer(host, terms, LOOK_TIMEOUTS)).close()
    except PeerFault as fault:
        return str(fault)
    return ""
