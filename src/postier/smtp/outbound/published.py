"""The TLS policies that others publish, and the contracts that we made with them: who has the word.

    a contract of the administrator's     the domain's mail waits rather than go without (TlsContract)
    DANE (RFC 7672)                       TLSA records, where the whole way to them is signed
    MTA-STS (RFC 8461)                    the policy of the recipients' domain, if its mode is enforce
    REQUIRETLS (RFC 8689 4.2.1)           a message's own wish: a certificate for the host's name
    nothing                               opportunistic TLS

The first that speaks decides. DANE goes before MTA-STS, which must not overrule it (RFC 8461 2). A policy in
the mode testing binds nobody, but its certificates are looked at, so that a report can tell of them. TLSA
records that can't be had although signed, a lie or an outage, put the mail off; those that nobody can use
ask for TLS without saying whose (RFC 7672 2.2). Where the resolver does not validate, there is no DANE.

A host that a route names is not an exchange of the domain: there only contracts and TLSA records count.
An MX record may hold an address in place of a name. It has no TLSA records, and a forged one must not get
round MTA-STS.
"""

from __future__ import annotations

from dataclasses import replace

from postier.dns.api import Answer, NotFound, Resolver, TemporaryFailure, Tlsa
from postier.smtp.outbound.authorities import ClientContexts
from postier.smtp.outbound.dane import usable
from postier.smtp.outbound.mta_sts import StsMode, StsPolicy
from postier.smtp.outbound.routes import Host, Unroutable
from postier.smtp.outbound.sts_cache import NO_POLICY, StsAnswer, StsPolicies
from postier.smtp.outbound.tls_policy import PolicyFault, TlsPolicy
from postier.store.api import Store, TlsContract

__all__ = ["PublishedTls"]


class PublishedTls:
    """Implements TlsPolicies."""

    def __init__(self, resolver: Resolver, sts: StsPolicies, store: Store) -> None:
        self.sts = sts
        self._resolver = resolver
        self._store = store
        self._contexts = ClientContexts("contract")

    async def policy_for(self, destination: str, host: Host, *, requiretls: bool = False) -> TlsPolicy:
        """See TlsPolicies."""
        contract = await self._store.reader.tls_contract(destination)
        if contract is not None:
            return self._by_contract(contract, host)
        destination = host.domain or destination  # RFC 8461 3.4
        dane = await self._by_dane(destination, host) if host.server_name is not None else None
        if dane is not None and dane.tlsa:
            return dane
        weaker = self._opportunistic(host) if dane is None else dane
        answer, is_named = NO_POLICY, True
        if not (host.trusted or destination.startswith("[")):
            answer = await self.sts.policy_for(destination)
            policy = answer.policy
            if policy is not None and policy.mode is StsMode.ENFORCE:
                return self._by_sts(policy, answer, destination, host)
            if policy is not None and policy.mode is StsMode.TESTING and dane is None and not requiretls:
                return self._in_testing(policy, answer, host, weaker)
            if answer.failure and dane is None:
                weaker = replace(weaker, kind="sts", failure=answer.failure, detail=answer.detail)
            is_named = host.name == destination or (policy is not None and policy.allows(host.name))
        if not requiretls:
            return weaker
        if not (is_named or await self._signed_name(destination)):
            text = f"nothing proves that {host.name} takes mail for {destination}: neither DNSSEC nor MTA-STS"
            raise Unroutable(not answer.failure, "4.7.10" if answer.failure else "5.7.10", text)
        return TlsPolicy(self._contexts.verifying(""), host.name, required=True, origin="requiretls")

    def _opportunistic(self, host: Host) -> TlsPolicy:
        return TlsPolicy(self._contexts.believing_all, host.server_name)

    def _by_contract(self, contract: TlsContract, host: Host) -> TlsPolicy:
        name = contract.name or host.name
        return TlsPolicy(
            self._contexts.verifying(contract.authorities), name, required=True, origin="contract"
        )

    def _by_sts(self, policy: StsPolicy, answer: StsAnswer, destination: str, host: Host) -> TlsPolicy:
        found = TlsPolicy(
            self._contexts.verifying(""),
            host.name,
            required=True,
            origin="mta-sts",
            kind="sts",
            document=answer.document,
            failure=answer.failure,
            detail=answer.detail,
        )
        if not policy.allows(host.name):
            text = f"{host.name} is not among the hosts that {destination} names in its MTA-STS policy"
            raise PolicyFault(text, found, "validation-failure")
        return found

    def _in_testing(
        self, policy: StsPolicy, answer: StsAnswer, host: Host, otherwise: TlsPolicy
    ) -> TlsPolicy:
        """What would be asked for, were it enforced, and what holds if that can't be had."""
        found = TlsPolicy(
            self._contexts.verifying(""),
            host.name,
            origin="mta-sts testing",
            otherwise=otherwise,
            kind="sts",
            document=answer.document,
            failure=answer.failure,
            detail=answer.detail,
        )
        if policy.allows(host.name):
            return found
        why = "not among the hosts that the policy names"
        return replace(found, context=self._contexts.believing_all, failure="validation-failure", detail=why)

    async def _by_dane(self, destination: str, host: Host) -> TlsPolicy | None:
        """None where DANE says nothing. Raises PolicyFault, Unroutable."""
        expanded = destination if host.trusted else await self._signed_name(destination)
        if not expanded:
            return None
        address = await self._signed_address(host)
        if address is None:
            return None
        for base in dict.fromkeys((address.name or host.name, host.name)):
            records = await self._tlsa(base, host)
            if records:
                break
        else:
            return None
        good = usable(records)
        policy = self._tlsa_policy(base, records)
        if not good:
            return replace(policy, failure="tlsa-invalid", detail="no record can be used")
        names = (base, host.name, destination, expanded)
        return replace(policy, tlsa=good, names=tuple(dict.fromkeys(names)))

    def _tlsa_policy(self, base: str, records: tuple[Tlsa, ...] = ()) -> TlsPolicy:
        lines = [f"{r.usage} {r.selector} {r.matching_type} {r.data[:512].hex()}" for r in records]
        document = "\n".join(sorted(lines[:20]))
        return TlsPolicy(
            self._contexts.believing_all, base, required=True, origin="dane", kind="tlsa", document=document
        )

    async def _signed_name(self, destination: str) -> str:
        """Whose MX records they are, behind all CNAMEs, "" unless that is signed. Raises Unroutable."""
        try:
            answer = await self._resolver.mx(destination)
            return (answer.name or destination) if answer.secure else ""
        except NotFound:
            return ""
        except TemporaryFailure as error:
            raise Unroutable(False, "4.4.3", f"no answer about the domain {destination}: {error}") from error

    async def _signed_address(self, host: Host) -> Answer[object] | None:
        """What the DNS says of the family that is used, if that is signed (RFC 7672 2.2.2). Raises
        Unroutable."""
        answer: Answer[object]
        try:
            if host.family == 6:
                answer = await self._resolver.aaaa(host.name)  # type: ignore[assignment]
            else:
                answer = await self._resolver.a(host.name)  # type: ignore[assignment]
        except NotFound:
            return None
        except TemporaryFailure as error:
            raise Unroutable(False, "4.4.3", f"no answer about the mail host {host.name}: {error}") from error
        return answer if answer.secure else None

    async def _tlsa(self, base: str, host: Host) -> tuple[Tlsa, ...]:
        try:
            answer = await self._resolver.tlsa(f"_{host.port}._tcp.{base}")
        except NotFound:
            return ()
        except TemporaryFailure as error:
            text = f"no answer about the TLSA records of {base}: {error}"
            raise PolicyFault(text, self._tlsa_policy(base), "dnssec-invalid") from error
        return answer.records if answer.secure else ()
