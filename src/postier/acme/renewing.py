"""The role that looks after all certificates: which are due, when they are tried again, what is told.

One process of all has it at a time (a lease in the store); `turn` looks at every subject once. What it knows
is in the store, so that neither a restart nor another process begins anew.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from dataclasses import replace

from postier.accounts.audit import BY_SERVER, AuditKind, note
from postier.acme.account import forget_account, open_account, told_authorities
from postier.acme.caa import Asker, caa_hindrance
from postier.acme.client import AcmeClient, Directory, in_thread
from postier.acme.keys import Issued, certificate_id, key_digest, key_type, make_key, read_issued
from postier.acme.names import Provable, Wanted, covered, leads_here, provable
from postier.acme.ordering import LEASE, ROLE, LeaseLost, Ordering, keep
from postier.acme.plan import AcmePlan
from postier.acme.problems import AcmeProblem, advice, retries_are_pointless
from postier.acme.proving import withdraw_expired
from postier.acme.schedule import (
    DAY,
    MAX_TRIES,
    ask_again_at,
    counting_tries,
    may_begin_at,
    renewal_time,
    retry_time,
    suggested_time,
    wait_told,
)
from postier.acme.services import AcmeServices, Outcome
from postier.base.log import Log
from postier.dns.api import NotFound, TemporaryFailure
from postier.dns.edit import NotInZones, UpdateError
from postier.store.api import AcmeAccount, Renewal, StoredCertificate, Tx
from postier.store.lease import give_back_lease, lease_holder, take_lease

__all__ = ["Renewer", "announce_key"]

AGE_OF_NEXT_KEY = DAY
"""Seconds for which a key must have been announced before it is used: caches hold what was before."""
ON_DEMAND_TRIES = 2 * MAX_TRIES

log = Log("acme")


class Renewer:
    """For one turn."""

    def __init__(self, services: AcmeServices, plan: AcmePlan) -> None:
        self._services = services
        self._plan = plan
        self._resolver = services.open_resolver()
        self._client: AcmeClient | None = None
        self._account: AcmeAccount | None = None
        self._directory: Directory | None = None
        self._stop: AcmeProblem | None = None
        """Why the authority is not asked any more in this turn."""
        self._renewals: dict[str, Renewal] = {}
        self._certificates: dict[str, StoredCertificate] = {}

    async def turn(self, subjects: Collection[str] = (), *, on_demand: bool = False) -> list[Outcome] | None:
        """Every subject, or those of `subjects` (also by a name of theirs); None while another process is at
        it. `on_demand`: a person wants new certificates now. Raises StoreError."""
        services = self._services
        if not await _take_role(services):
            return None
        outcomes: list[Outcome] = []
        try:
            await withdraw_expired(services)
            wanted = await services.wanted()
            self._renewals = {one.subject: one for one in await services.store.reader.renewals()}
            self._certificates = {one.name: one for one in await services.store.reader.certificates()}
            for each in wanted:
                if not subjects or each.subject in subjects or set(each.names) & set(subjects):
                    outcomes.append(await self._look_after(each, on_demand=on_demand))
            await self._forget_others([each.subject for each in wanted])
        except LeaseLost:
            log.warning("another process looks after the certificates now")
        finally:
            if self._client is not None:
                self._client.close()
            await give_back_lease(services.store, ROLE, services.owner)
        return outcomes

    async def _look_after(self, wanted: Wanted, *, on_demand: bool) -> Outcome:
        renewal = self._renewals.get(wanted.subject) or Renewal(wanted.subject)
        current = self._certificates.get(renewal.certificate)
        soon = self._now() + DAY
        others = [one for one in self._certificates.values() if one.origin != "acme"]
        imported = [one for one in others if one.not_after > soon]
        names = tuple(name for name in wanted.names if not any(covered(name, one.names) for one in imported))
        if not names:
            return Outcome(wanted.subject, "good", names=wanted.names)
        try:
            return await self._decide(Wanted(wanted.subject, names), renewal, current, on_demand=on_demand)
        except AcmeProblem as problem:
            return await self._failed(wanted.subject, problem)

    async def _decide(
        self, wanted: Wanted, renewal: Renewal, current: StoredCertificate | None, *, on_demand: bool
    ) -> Outcome:
        now = self._now()
        due = on_demand or self._is_due(renewal, current)
        found: Provable | None = None
        if not due and not renewal.key:
            if current is not None and now >= renewal.ask_at:
                renewal, found = await self._ask_again(wanted, renewal, current)
                due = now >= renewal.renew_at or found is not None
            if not due:
                assert current is not None
                return Outcome(
                    wanted.subject,
                    "good",
                    names=current.names,
                    until=current.not_after,
                    left_out=renewal.left_out,
                )
        until = max(
            renewal.told_until,
            0 if on_demand else renewal.wait_until,
            0
            if renewal.order
            else may_begin_at(now, renewal.tries, ON_DEMAND_TRIES if on_demand else MAX_TRIES),
        )
        if until > now:
            text = renewal.problem or "there were enough tries for a day"
            return Outcome(wanted.subject, "waiting", text, (), until, renewal.left_out)
        return await self._get(wanted, renewal, current, found)

    def _is_due(self, renewal: Renewal, current: StoredCertificate | None) -> bool:
        return (
            current is None
            or renewal.directory != self._plan.directory
            or self._now() >= min(renewal.renew_at, current.not_after)
        )

    async def _ask_again(
        self, wanted: Wanted, renewal: Renewal, current: StoredCertificate
    ) -> tuple[Renewal, Provable | None]:
        """What the authority suggests now (RFC 9773), and whether there are names to be added: they are what
        can be proved of all, None if nothing is to be added."""
        renewal = await self._suggested(renewal, current)
        await keep(self._services, renewal)
        if wanted.subject == self._plan.hostname:
            await self._publish()  # what could not be published when it was due
        if all(covered(name, current.names) for name in wanted.names):
            return renewal, None
        found = await self._provable(wanted, renewal.refused)
        if renewal.left_out != found.left_out:
            renewal = replace(renewal, left_out=found.left_out)
            await keep(self._services, renewal)
        more = [name for name in found.names if not covered(name, current.names)]
        return renewal, found if more else None

    async def _suggested(self, renewal: Renewal, current: StoredCertificate) -> Renewal:
        now = self._now()
        told = 0
        try:
            identifier = certificate_id(current.chain)
            client = await self._open()
            if identifier and self._directory is not None and self._directory.knows_renewal_info:
                window, why, told = await in_thread(lambda: client.renewal_window(identifier))
                issued = read_issued(current.chain)
                if not window[0] <= renewal.renew_at <= window[1]:
                    at = suggested_time(window, issued.begins, issued.ends, self._services.chance())
                    log.info("renewal suggested", subject=renewal.subject, at=_utc(at), why=why or None)
                    renewal = replace(renewal, renew_at=at)
        except AcmeProblem as problem:
            log.warning("the authority was not asked about renewal", subject=renewal.subject, why=problem)
        return replace(renewal, ask_at=ask_again_at(now, told))

    async def _get(
        self,
        wanted: Wanted,
        renewal: Renewal,
        current: StoredCertificate | None,
        found: Provable | None,
    ) -> Outcome:
        client = await self._open()
        ordering = Ordering(self._services, self._plan, client, renewal)
        if renewal.key and (not renewal.order or renewal.directory != self._plan.directory):
            ordering.renewal = replace(renewal, key="", order="")  # begun, and nobody knows where it is
        if not ordering.renewal.order:
            refused = renewal.refused if renewal.failures else ()
            found = found or await self._provable(wanted, refused)
            ordering.renewal = replace(
                ordering.renewal,
                left_out=found.left_out,
                refused=refused,
                tries=counting_tries(self._now(), renewal.tries),
            )
            if not found.names:
                await keep(self._services, ordering.renewal)
                raise AcmeProblem("; ".join(found.left_out[:3]) or "there is nothing to ask for")
            key = await self._choose_key(wanted.subject, ordering.renewal, current)
            await ordering.begin(key, found.names, current)
        chain, issued = await ordering.finish()
        return await self._install(ordering.renewal, chain, issued)

    async def _provable(self, wanted: Wanted, refused: Sequence[str]) -> Provable:
        await self._open()
        account, directory = self._account, self._directory
        assert account is not None
        assert directory is not None
        asker = Asker(directory.authorities, account.uri, self._plan.challenge)

        async def was_refused(name: str) -> str:
            return "the authority refused it the last time; it is tried at the next renewal"

        async def in_zone(name: str) -> str:
            try:
                editor = self._services.open_editor()
                if editor is None:
                    return "dns-01 needs dns_update.server"
                await editor.zone_of(f"_acme-challenge.{name.removeprefix('*.')}")
            except NotInZones as error:
                return str(error)
            except UpdateError as error:
                raise AcmeProblem(f"the zone cannot be changed: {error}") from None
            return ""

        here = leads_here(self._resolver, self._plan.hostname, self._services.own)
        hindrances = [
            in_zone if self._plan.challenge == "dns-01" else here,
            lambda name: caa_hindrance(self._resolver, name, asker),
        ]
        asked = tuple(name for name in wanted.names if name not in refused)
        found = await provable(asked or wanted.names, hindrances)
        if asked and len(asked) < len(wanted.names):
            rest = await provable([name for name in wanted.names if name in refused], [was_refused])
            return Provable(found.names, (*found.left_out, *rest.left_out))
        return found

    async def _choose_key(self, subject: str, renewal: Renewal, current: StoredCertificate | None) -> str:
        """What the certificate is for: the key in use, unless another is announced and everybody has had the
        time to learn of it."""
        kept = current.key if current is not None else ""
        if not kept and subject == self._plan.hostname:
            kept = self._services.first_key()
        if not kept or not key_type(kept):
            return renewal.next_key or make_key(self._plan.key_type)
        if renewal.next_key:
            return renewal.next_key if await self._is_announced(subject, renewal) else kept
        if key_type(kept) == self._plan.key_type or await self._is_published(subject, kept):
            return kept  # one of another kind is announced first
        return make_key(self._plan.key_type)

    async def _is_announced(self, subject: str, renewal: Renewal) -> bool:
        if subject != self._plan.hostname:
            return True  # nobody publishes the keys of other names
        if self._now() < renewal.next_since + AGE_OF_NEXT_KEY:
            return False
        shown = await self._published(subject)
        if shown is None:
            return False
        announced = key_digest(renewal.next_key) in shown
        if shown and not announced:
            log.warning("the next key is not used: its TLSA record is not published", subject=subject)
        return announced or not shown

    async def _is_published(self, subject: str, key: str) -> bool:
        """Also where the DNS does not answer."""
        shown = await self._published(subject) if subject == self._plan.hostname else set()
        return shown is None or key_digest(key) in shown

    async def _published(self, subject: str) -> set[str] | None:
        """The data of the host's TLSA records, in hexadecimal; None where the DNS does not answer."""
        try:
            return {each.data.hex() for each in (await self._resolver.tlsa(f"_25._tcp.{subject}")).records}
        except NotFound:
            return set()
        except TemporaryFailure:
            return None

    async def _install(self, renewal: Renewal, chain: str, issued: Issued) -> Outcome:
        now, services = self._now(), self._services
        name = renewal.names[0]
        certificate = StoredCertificate(name, issued.names, chain, renewal.key, "acme", issued.ends, now)
        used_next = renewal.key == renewal.next_key
        next_key = "" if used_next else renewal.next_key
        since = renewal.next_since if next_key else 0
        if not next_key and (not self._plan.reuse_key or key_type(renewal.key) != self._plan.key_type):
            next_key, since = make_key(self._plan.key_type), now
        done = replace(
            renewal,
            order="",
            key="",
            names=(),
            next_key=next_key,
            next_since=since,
            certificate=name,
            failures=0,
            wait_until=0,
            told_until=0,
            renew_at=renewal_time(issued.begins, issued.ends, services.chance()),
            ask_at=0,
            problem="",
        )

        async def work(tx: Tx) -> bool:
            there = {one.name: one.origin for one in await tx.certificates()}
            if there.get(name, "acme") != "acme":
                return False
            if renewal.certificate != name and there.get(renewal.certificate) == "acme":
                await tx.remove_certificate(renewal.certificate)
            await tx.set_certificate(certificate._replace(name=issued.names[0]))
            until = time.strftime("%Y-%m-%d", time.gmtime(issued.ends))
            names = ", ".join(issued.names)
            await note(tx, BY_SERVER, AuditKind.CERTIFICATE, names=names, origin="acme", until=until)
            await tx.set_renewal(replace(done, certificate=issued.names[0]))
            return True

        if not await services.store.transact(work):
            raise AcmeProblem(f"{name} has had a certificate imported meanwhile")
        log.info("certificate renewed", subject=renewal.subject, names=" ".join(issued.names))
        await self._publish()
        return Outcome(renewal.subject, "renewed", "", issued.names, issued.ends, renewal.left_out)

    async def _publish(self) -> None:
        if self._services.publish is None:
            return
        try:
            await self._services.publish()
        except UpdateError as error:
            log.error("TLSA not published", why=error)

    async def _failed(self, subject: str, problem: AcmeProblem) -> Outcome:
        """Counted, and told; the certificate in use stays."""
        now = self._now()
        renewal = await self._services.store.reader.renewal(subject) or Renewal(subject)
        failures = renewal.failures + 1
        text = str(problem)
        if problem.type and problem.type not in ("", "rateLimited") and advice(problem.type) not in text:
            text += f"; {advice(problem.type)}" if advice(problem.type) else ""
        again = retry_time(now, failures, self._services.chance())
        if retries_are_pointless(problem.type):
            again = max(again, now + DAY)
        told = wait_told(now, problem.retry_after)
        refused = renewal.refused
        if problem.names and subject == self._plan.hostname and self._plan.hostname in problem.names:
            refused = ()  # it is what the certificate is for
        elif problem.names:
            refused = tuple(dict.fromkeys((*refused, *problem.names)))
        renewal = replace(
            renewal,
            failures=failures,
            wait_until=max(again, told),
            told_until=told,
            problem=text,
            refused=refused,
        )
        await keep(self._services, renewal)
        if problem.type == "accountDoesNotExist" and self._account is not None:
            await forget_account(self._services, self._account)
        if problem.type in ("rateLimited", "accountDoesNotExist"):
            self._stop = problem
        log.error("no new certificate", subject=subject, why=text, again=_utc(renewal.wait_until))
        return Outcome(subject, "failed", text, (), renewal.wait_until, renewal.left_out)

    async def _forget_others(self, subjects: Collection[str]) -> None:
        """Of a domain that is gone, the certificate goes, too."""
        for renewal in self._renewals.values():
            if renewal.subject in subjects:
                continue

            async def work(tx: Tx, one: Renewal = renewal) -> None:
                origins = {each.name: each.origin for each in await tx.certificates()}
                if origins.get(one.certificate) == "acme":
                    await tx.remove_certificate(one.certificate)
                    await note(tx, BY_SERVER, AuditKind.CERTIFICATE_REMOVED, name=one.certificate)
                await tx.remove_renewal(one.subject)

            await self._services.store.transact(work)
            log.info("certificate not needed any more", subject=renewal.subject)

    async def _open(self) -> AcmeClient:
        """What fails here fails for every subject: it is asked once in a turn."""
        if self._stop is not None:
            raise self._stop
        try:
            return await self._opened()
        except AcmeProblem as problem:
            self._stop = problem
            raise

    async def _opened(self) -> AcmeClient:
        if self._client is None:
            self._client, self._account = await open_account(self._services, self._plan)
        client = self._client
        if self._directory is None and self._account is not None:
            self._directory = await in_thread(client.directory)
            if self._account.authorities != self._directory.authorities:
                self._account = await told_authorities(
                    self._services, self._account, self._directory.authorities
                )
        return client

    def _now(self) -> int:
        return int(self._services.clock.now())


async def _take_role(services: AcmeServices) -> bool:
    """Of a process that was killed it need not run out first."""
    holder = await lease_holder(services.store, ROLE)
    if holder and services.is_dead(holder):
        await give_back_lease(services.store, ROLE, holder)
    return await take_lease(services.store, services.clock, ROLE, services.owner, LEASE)


async def announce_key(services: AcmeServices, subject: str, key: str) -> bool | None:
    """`key` (PEM) is to be used at the next renewal; None while another process is at it. Raises
    AcmeProblem where there is no certificate yet, StoreError."""
    if not await _take_role(services):
        return None
    try:
        renewal = await services.store.reader.renewal(subject)
        if renewal is None or not renewal.certificate:
            raise AcmeProblem("there is no certificate from an authority yet")
        await keep(services, replace(renewal, next_key=key, next_since=int(services.clock.now())))
    finally:
        await give_back_lease(services.store, ROLE, services.owner)
    return True


def _utc(moment: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%MZ", time.gmtime(moment))
