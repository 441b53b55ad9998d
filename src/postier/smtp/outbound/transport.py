"""Delivery to other hosts (RFC 5321 5.1): from a destination to one result for each recipient.

    deliver -> the way: a route, or what the DNS says
            -> a session that waits for this site, or its hosts in order
            -> for each: connect, TLS as the policy says, transactions of up to 100 recipients

What ends the search: a recipient that was accepted or refused for good, or whose message may have reached
a host, is done; whoever got a 4yz before the data is tried at the next host. At most MAX_HOSTS hosts,
`Settings.total` seconds and what the size takes go into one attempt; the queue makes the next one. Doubt is
TEMPORARY.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace

from postier.accounts.report_returns import report_tag
from postier.base.clock import Clock, SystemClock
from postier.base.log import Log
from postier.queue.api import DeliveryResult, Envelope, Outcome, OutgoingMessage
from postier.smtp.outbound.connection import (
    LoopFault,
    NoTlsFault,
    Peer,
    PeerFault,
    Terms,
    Timeouts,
    TlsFault,
    UnreachableFault,
    open_peer,
)
from postier.smtp.outbound.pool import PeerPool, TlsSessions, is_spent
from postier.smtp.outbound.route_tls import RouteTlsPolicies
from postier.smtp.outbound.routes import Host, Routes, Unroutable, Way
from postier.smtp.outbound.sources import EVERYWHERE, Sources, turns_away
from postier.smtp.outbound.tls_optional import TlsOptional
from postier.smtp.outbound.tls_policy import PolicyFault, TlsPolicies, TlsPolicy
from postier.smtp.outbound.tls_results import TlsResults
from postier.smtp.outbound.transaction import MAX_RECIPIENTS, Recipient, send_message
from postier.smtp.wire.client import Capabilities
from postier.store.api import MailRoute, RouteTls, RouteTransport, Source

__all__ = ["MAX_HOSTS", "OutboundSettings", "Probe", "SmtpTransport"]

MAX_HOSTS = 5
"""Addresses tried in one attempt (RFC 5321 5.1 asks for at least two)."""

SLOWEST = 8192
"""Octets a second that the whole attempt gives a message, so that a thin line which a hundred large ones
share brings each of them over; a host that takes nothing is left much sooner (Timeouts.data_block)."""

LONGEST = 5 * 3600
"""Seconds for a whole attempt, whatever the size; the queue's lease is longer."""

log = Log("outbound")


@dataclass(frozen=True, slots=True)
class OutboundSettings:
    """`hostname`: our name in EHLO. `source_addresses`: to bind, at most one of each family is used.

    `keep`: seconds that a session waits for the next message. `total`: seconds for a whole attempt, beside
    what the octets of the message need.
    """

    hostname: str
    source_addresses: tuple[str, ...] = ()
    timeouts: Timeouts = field(default_factory=Timeouts)
    keep: float = 5.0
    total: float = 1800.0


@dataclass(frozen=True, slots=True)
class Probe:
    """One address of a destination. `tls`, `offers`: what was agreed and what the host can do, if it was
    asked. `fault`: why it can't be used."""

    host: str
    terms: Terms | None = None
    source: Source | None = None
    tls: str = ""
    offers: Capabilities | None = None
    fault: str = ""


class SmtpTransport:
    """Implements queue.api.Transport. One for a process: it owns the pool of sessions.

    `results`: where it is counted how TLS went.
    """

    def __init__(
        self,
        routes: Routes,
        policies: TlsPolicies,
        settings: OutboundSettings,
        *,
        clock: Clock | None = None,
        results: TlsResults | None = None,
    ) -> None:
        self._results = results
        self._routes = routes
        self._policies = policies
        self._settings = settings
        self._clock = clock or SystemClock()
        self._pool = PeerPool(settings.keep)
        self._tls_sessions = TlsSessions()
        self._route_policies = RouteTlsPolicies()
        self._tls_optional = TlsOptional()
        self._sources = Sources(settings.source_addresses, clock)

    async def deliver(self, envelope: Envelope, message: OutgoingMessage) -> tuple[DeliveryResult, ...]:
        """See queue.api. Cancelling it before the final dot leaves nothing delivered."""
        attempt = _Attempt(envelope, message)
        limit = min(self._settings.total + message.size / SLOWEST, LONGEST)
        try:
            async with asyncio.timeout(limit):
                await self._run(attempt)
        except Unroutable as error:
            attempt.give_up(error.permanent, error.status, str(error))
        except TimeoutError:
            attempt.give_up(False, "4.4.7", f"not done within {limit:g} s")
        except Exception as error:  # the border that Transport promises: a fault of ours is TEMPORARY
            log.error("attempt failed", exception=error, trace=envelope.trace_id, to=envelope.destination)
            attempt.give_up(False, "4.3.0", "a fault in the sending system")
        return attempt.all_results()

    def close(self) -> None:
        """Close the sessions that wait. Deliveries that run are not touched."""
        self._pool.close()

    async def plan(self, envelope: Envelope) -> Way:
        """Where it would be sent now. Raises Unroutable, StoreError."""
        age = int(self._clock.now()) - envelope.arrived if envelope.arrived else 0
        return await self._routes.way(envelope.destination, envelope.reverse_path, envelope.attempts, age)

    async def probe(self, envelope: Envelope, way: Way, *, connect: bool) -> AsyncIterator[Probe]:
        """What would be done at each address, in the order of an attempt; and if `connect`, what the hosts
        say to EHLO. No mail is sent."""
        for exchange in way.exchanges:
            try:
                for host in await self._routes.hosts(exchange):
                    yield await self._probe(host, way, envelope, connect=connect)
            except Unroutable as error:
                yield Probe(exchange.name, fault=str(error))

    async def _probe(self, host: Host, way: Way, envelope: Envelope, *, connect: bool) -> Probe:
        try:
            source = self._source(host, way)
            terms = await self._terms(host, way, envelope, self._name(source))
            found = Probe(str(host), terms, source)
            if connect:
                peer = await self._connect(host, terms, source)
                found = replace(found, tls=peer.tls or "none", offers=peer.core.capabilities)
                peer.close()
        except (Unroutable, PeerFault) as error:
            return Probe(str(host), fault=str(error))
        return found

    async def _run(self, attempt: _Attempt) -> None:
        way = await self.plan(attempt.envelope)
        if way.route is not None and not way.exchanges:
            return attempt.settle(way.route)
        await self._use_waiting(way, attempt)
        for exchange in way.exchanges:
            if not attempt.pending or len(attempt.tried) >= MAX_HOSTS:
                return
            try:
                hosts = await self._routes.hosts(exchange)
            except Unroutable as error:
                attempt.note_unroutable(error)
                if error.status == "5.4.6":
                    return
                continue
            for host in hosts:
                if attempt.pending and len(attempt.tried) < MAX_HOSTS and host not in attempt.tried:
                    await self._try(host, way, attempt, list(attempt.pending.values()))

    async def _use_waiting(self, way: Way, attempt: _Attempt) -> None:
        """The sessions of this site that the message may use: with one of its own exchanges, under the terms
        that hold for its own domain."""
        names = {exchange.name for exchange in way.exchanges}

        async def fits(peer: Peer) -> bool:
            if peer.host.name not in names or not self._sources.suits(way.pool, way.site, peer.source):
                return False
            try:
                return peer.terms == await self._terms(
                    peer.host, way, attempt.envelope, peer.terms.name, attempt.message
                )
            except Unroutable:
                return False

        while attempt.pending and (peer := await self._pool.take(way.site, fits)) is not None:
            todo = list(attempt.pending.values())
            if await self._use(peer, way, attempt, todo):
                return await self._try(peer.host, way, attempt, todo)

    async def _try(self, host: Host, way: Way, attempt: _Attempt, todo: list[Recipient]) -> None:
        """Sessions with `host`, more than one where it takes only so many messages over each."""
        try:
            while todo:
                await self._use(await self._open(host, way, attempt), way, attempt, todo)
        except Unroutable as error:
            if isinstance(error, PolicyFault):
                self._count(attempt.envelope, host, error.policy, error.result_type, str(error))
            attempt.tried.add(host)
            attempt.note_unroutable(error)
        except LoopFault as fault:  # exchanges behind us would only send it back (RFC 5321 5.1)
            attempt.give_up(True, fault.status, str(fault))
        except UnreachableFault as fault:  # says nothing about the host: does not count as tried
            attempt.note_fault(fault)
        except PeerFault as fault:
            attempt.tried.add(host)
            attempt.note_fault(fault)

    async def _open(self, host: Host, way: Way, attempt: _Attempt) -> Peer:
        """A session; in clear on a second connection where TLS failed and is not required."""
        envelope = attempt.envelope
        source = self._source(host, way)
        terms = await self._terms(host, way, envelope, self._name(source), attempt.message)
        try:
            peer = await self._connect(host, terms, source)
            self._count_session(envelope, terms, peer)
            return peer
        except (TlsFault, NoTlsFault) as fault:
            self._count(envelope, host, terms.policy, fault.result_type, str(fault))
            fault.policy = terms.policy.origin
            if envelope.demands_tls:  # the sender is told at once (RFC 8689 4.2.1)
                fault.status = "5.7.10"
            raise
        except UnreachableFault:
            if source is not None and way.pool is not None:
                self._sources.rest(source, EVERYWHERE)
            raise
        except PeerFault as fault:
            if source is not None and way.pool is not None and fault.status[2:4] == "7.":
                self._sources.rest(source, way.site)
            raise

    def _count_session(self, envelope: Envelope, terms: Terms, peer: Peer) -> None:
        """One that was opened, under `terms` or, where these did not bind, under weaker ones."""
        policy = terms.policy
        if policy.failure:
            self._count(envelope, peer.host, policy, policy.failure, policy.detail, peer.address)
        if peer.fault_of_tls is not None:
            result, detail = peer.fault_of_tls.result_type, str(peer.fault_of_tls)
            self._count(envelope, peer.host, policy, result, detail, peer.address)
        elif not peer.tls and not terms.clear:
            result = NoTlsFault.result_type
            self._count(envelope, peer.host, policy, result, "no STARTTLS is offered", peer.address)
        elif not policy.failure:
            self._count(envelope, peer.host, policy, source=peer.address)

    def _count(
        self,
        envelope: Envelope,
        host: Host,
        policy: TlsPolicy,
        result: str = "",
        detail: str = "",
        source: str = "",
    ) -> None:
        is_report = report_tag(envelope.reverse_path.partition("@")[0])  # RFC 8460 3: they would never end
        if self._results is not None and policy.origin != "route" and not is_report:
            domain = host.domain or envelope.destination
            self._results.note(domain, host, policy, result=result, detail=detail, source=source)

    async def _connect(self, host: Host, terms: Terms, source: Source | None) -> Peer:
        timeouts = self._settings.timeouts
        policy = terms.policy
        session = None if policy.tlsa else self._tls_sessions.get(host, terms)
        try:
            return await open_peer(host, terms, timeouts, source=source, session=session)
        except (TlsFault, NoTlsFault) as fault:
            if policy.otherwise is not None:
                log.info("TLS not as asked", remote=fault.remote, policy=policy.origin, why=str(fault))
                peer = await self._connect(host, replace(terms, policy=policy.otherwise), source)
                peer.fault_of_tls = fault
                return peer
            if policy.required:
                raise
            log.info("TLS failed, going on in clear", remote=fault.remote, why=str(fault))
            peer = await open_peer(host, terms, timeouts, source=source, clear=True)
            peer.fault_of_tls = fault
            return peer

    def _source(self, host: Host, way: Way) -> Source | None:
        """The address to come from, None for any. Raises UnreachableFault if the pool has none for it."""
        if not host.family:
            return None
        source = self._sources.choose(way.pool, way.site, host.family)
        if way.pool is not None and source is None:
            text = f"the pool {way.pool.name} has no IPv{host.family} address"
            raise UnreachableFault("4.4.1", text, remote=str(host))
        return source

    def _name(self, source: Source | None) -> str:
        return source.helo if source is not None and source.helo else self._settings.hostname

    async def _published(self, host: Host, envelope: Envelope, message: OutgoingMessage | None) -> TlsPolicy:
        """What the other side asks for, as far as the message does not waive it. Raises Unroutable."""
        optional = self._tls_optional
        try:
            policy = await self._policies.policy_for(
                envelope.destination, host, requiretls=envelope.demands_tls
            )
        except PolicyFault as fault:
            if not await optional.holds(fault.policy, envelope, message):
                raise
            return optional.without(fault.policy)
        return optional.instead(policy) if await optional.holds(policy, envelope, message) else policy

    async def _terms(
        self, host: Host, way: Way, envelope: Envelope, name: str, message: OutgoingMessage | None = None
    ) -> Terms:
        """`message`: it may waive a policy. Raises Unroutable."""
        route = way.route
        policy = self._route_policies.policy_for(route, host) if route is not None else None
        if policy is None:
            named = route is not None and bool(route.hosts) and not host.domain  # then it is no exchange
            policy = await self._published(replace(host, trusted=True) if named else host, envelope, message)
        if route is None:
            return Terms(policy, name)
        return Terms(
            policy,
            name,
            implicit_tls=route.implicit_tls,
            clear=route.tls is RouteTls.NEVER and not route.login,
            lmtp=route.transport is RouteTransport.LMTP,
            login=route.login,
            password=route.password,
        )

    async def _use(self, peer: Peer, way: Way, attempt: _Attempt, todo: list[Recipient]) -> bool:
        """Transactions over `peer` until each of `todo` was asked for, or it is spent: then the rest stays in
        `todo`. It ends closed or pooled.

        False if it had closed while it waited in the pool, which says nothing about the host.
        """
        reused = peer.transactions > 0
        limit = min(peer.core.capabilities.rcpt_max or MAX_RECIPIENTS, MAX_RECIPIENTS)
        try:
            while todo and not is_spent(peer):
                group = todo[:limit]
                del todo[:limit]
                peer.transactions += 1
                report = await send_message(peer, attempt.envelope, group, attempt.message)
                attempt.record(report.results, report.final)
                if len(report.again) < len(group):
                    todo[:0] = report.again
        except PeerFault as fault:
            peer.abort()
            if reused and attempt.is_untouched:
                return False
            todo.clear()
            attempt.tried.add(peer.host)
            attempt.note_fault(fault)
            return True
        except BaseException:
            peer.abort()
            raise
        attempt.tried.add(peer.host)
        if not reused:
            self._tls_sessions.note(peer)
        if peer.source is not None and attempt.was_turned_away(peer):
            self._sources.rest(peer.source, way.site)
            peer.close()
        else:
            self._pool.put(way.site, peer)
        return True


class _Attempt:
    """What is known of each recipient so far.

    `pending`: those that another host may still take, by position; a TEMPORARY result may stand for them.
    """

    def __init__(self, envelope: Envelope, message: OutgoingMessage) -> None:
        self.envelope = envelope
        self.message = message
        self.tried: set[Host] = set()
        self.pending = {r.position: r for r in _recipients(envelope)}
        self._results: dict[int, DeliveryResult] = {}

    @property
    def is_untouched(self) -> bool:
        return not self._results

    def record(self, results: Mapping[int, DeliveryResult], final: frozenset[int]) -> None:
        self._results.update(results)
        for position in final:
            self.pending.pop(position, None)

    def note_fault(self, fault: PeerFault) -> None:
        """A host that could not be used: the pending recipients keep what a host said about them."""
        self._note(
            fault.status.startswith("5"), fault.status, str(fault), fault.remote, fault.tls, fault.policy
        )

    def note_unroutable(self, error: Unroutable) -> None:
        self._note(error.permanent, error.status, str(error))

    def give_up(self, permanent: bool, status: str, text: str) -> None:
        self._note(permanent, status, text)
        self.pending.clear()

    def settle(self, route: MailRoute) -> None:
        """A route that hands nothing on: what the administrator wrote is the result."""
        status, _, text = route.reply.partition(" ")
        outcome = Outcome.PERMANENT if status.startswith("5") else Outcome.TEMPORARY
        if route.transport is RouteTransport.DISCARD:
            outcome, status, text = Outcome.DELIVERED, "2.0.0", "discarded, as a route says"
        for position, recipient in self.pending.items():
            self._results[position] = DeliveryResult(recipient.path, outcome, status, text)
        self.pending.clear()

    def was_turned_away(self, peer: Peer) -> bool:
        """True if the host refused a recipient for the address that we came from."""
        source, remote = peer.source, str(peer.host)
        results = self._results.values()
        return source is not None and any(r.remote == remote and turns_away(r, source) for r in results)

    def all_results(self) -> tuple[DeliveryResult, ...]:
        return tuple(self._results[position] for position in range(len(self.envelope.forward_paths)))

    def _note(
        self, permanent: bool, status: str, text: str, remote: str = "", tls: str = "", policy: str = ""
    ) -> None:
        """For each pending recipient, unless a host is temporarily unable: that one may take it yet."""
        outcome = Outcome.PERMANENT if permanent else Outcome.TEMPORARY
        facts = {"tls policy": policy} if policy else {}
        for position, recipient in self.pending.items():
            known = self._results.get(position)
            if known is None or known.outcome is Outcome.PERMANENT:
                self._results[position] = DeliveryResult(
                    recipient.path, outcome, status, text, remote, tls, facts
                )


def _recipients(envelope: Envelope) -> list[Recipient]:
    paths = envelope.forward_paths
    notify = envelope.notify or ("",) * len(paths)
    orcpt = envelope.orcpt or ("",) * len(paths)
    return [Recipient(i, *each) for i, each in enumerate(zip(paths, notify, orcpt, strict=True))]
