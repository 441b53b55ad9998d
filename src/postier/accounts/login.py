"""Logging in: one place for SMTP, IMAP, POP3 and the web, with one back-off for all of them.

Failures are counted in the store, so that every worker knows them, by peer network together with the name
(SCOPES: "pair") and by peer network alone ("peer"). The back-off is judged before any hash is computed:
guessing costs the guesser time and us next to nothing. Since the network is part of every key, nobody can
lock the owner of an account out from elsewhere, and one device with an old password locks out neither its
owner's other accounts nor the colleagues behind the same address; trying many names from one address ends
at the second limit.
"""

from __future__ import annotations

import ipaddress
import unicodedata
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from postier.accounts.entry import (
    Door,
    Entry,
    InvalidCredentials,
    LoginRefused,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.accounts.login_journal import LoginJournal
from postier.accounts.login_ports import CertificateOwners, PasswordDirectory, TokenRefused, TokenVerifier
from postier.accounts.password import PasswordVerifier
from postier.base.clock import Clock
from postier.base.log import Log
from postier.base.metrics import LOGINS
from postier.sasl.api import BearerToken, ClientCertificate, Credentials, Proof, SaslError, ScramSalt
from postier.sasl.mechanisms import offered
from postier.store.api import Account, LoginFailures, Store, Tx

__all__ = [
    "FORGET_AFTER",
    "SCOPES",
    "Door",
    "Entry",
    "InvalidCredentials",
    "Login",
    "LoginRefused",
    "MayNotActForOthers",
    "TooManyFailures",
    "failure_delay",
    "refusal",
]

FORGET_AFTER = 3600.0
"""Seconds after its last failure in which a key's past is forgotten."""
LONGEST_DELAY = 8.0
LONGEST_REFUSAL = 3600.0
LONGEST_NAME = 320
"""Characters; a longer name is nobody's (RFC 5321 4.5.3.1)."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`free`: failures that are only slowed down; those after them are refused unseen for a while."""

    name: str
    free: int


SCOPES = (Scope("pair", 10), Scope("peer", 100))

log = Log("login")


def failure_delay(failures: int) -> float:
    """Seconds to wait before the answer to failure number `failures`: a quarter, doubling up to eight."""
    return min(0.25 * 2.0 ** min(failures - 1, 10), LONGEST_DELAY) if failures > 0 else 0.0


def refusal(known: LoginFailures | None, free: int, now: float) -> float:
    """Seconds for which a key with these failures is still refused unseen; 0 if it may try.

    From failure number `free` on: a minute, doubling with each further one up to an hour.
    """
    if known is None or known.failures < free:
        return 0.0
    length = min(60.0 * 2.0 ** min(known.failures - free, 10), LONGEST_REFUSAL)
    return max(0.0, known.last + length - now)


class Login:
    """The one way in. `limited=False` is for servers that serve the loopback only (tests, benchmarks).

    `tokens`, `directory`, `certificates`: see login_ports; None where there are none. `journal`: is told of
    each login and failure.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        verifier: PasswordVerifier,
        *,
        limited: bool = True,
        tokens: TokenVerifier | None = None,
        directory: PasswordDirectory | None = None,
        certificates: CertificateOwners | None = None,
        journal: LoginJournal | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._verifier = verifier
        self._limited = limited
        self._tokens = tokens
        self._directory = directory
        self._certificates = certificates
        self._journal = journal or LoginJournal(store, clock)
        self._checks: dict[type[Proof], Callable[[Any, str], Awaitable[Entry | None]]] = {
            Credentials: self._check_password
        }
        if tokens is not None:
            self._checks[BearerToken] = self._check_token
        if certificates is not None:
            self._checks[ClientCertificate] = self._check_certificate

    def mechanisms(self, door: Door) -> tuple[str, ...]:
        """The SASL mechanisms to offer at this door, the strongest first."""
        return offered(door.channel, self._checks)

    async def authenticate(self, proof: Proof, door: Door) -> Entry:
        """Who is in. Raises LoginRefused or StoreError. An unknown name takes as long as a wrong password."""
        entry, _ = await self.prove(proof, door)
        return entry

    async def prove(self, proof: Proof, door: Door) -> tuple[Entry, bytes]:
        """As `authenticate`, with what the mechanism has to answer to the client."""
        name = _key(proof.authentication_id or proof.authorization_id)
        keys = _keys(door.peer, name)
        facts = {"session": door.session, "peer": door.peer, "protocol": door.protocol}
        known = await self._judge(keys, name, facts) if self._limited else {}
        told: Mapping[str, str] = {}
        try:
            entry = await self._checks[type(proof)](proof, name)
        except TokenRefused as error:
            entry, told = None, self._told_of_tokens(error.reason, name)
            facts["token"] = str(error)
        if entry is not None:
            LOGINS.add(door.protocol, "success")
            log.info("login", account=entry.account.name, tls=door.tls or "none", **facts)
            self._journal.succeeded(
                entry.account,
                protocol=door.protocol,
                peer=door.peer,
                mechanism=entry.mechanism,
                tls=door.tls,
            )
            if keys[0] in known:
                await self._forgive(keys[0])
            return entry, b""
        LOGINS.add(door.protocol, "failed")
        log.warning("login failed", name=name, **facts)
        self._journal.failed(await self._named(name), protocol=door.protocol, peer=door.peer)
        raise InvalidCredentials(await self._note_failure(keys) if self._limited else 0.0, told)

    async def scram_salt(self, name: str, door: Door) -> ScramSalt:
        """Raises SaslError: nobody keeps keys for SCRAM yet."""
        raise SaslError("This mechanism is not offered")

    # ------------------------------------------------------------------ one check for each kind of proof

    async def _check_password(self, proof: Credentials, name: str) -> Entry | None:
        if proof.authorization_id and _key(proof.authorization_id) != name:
            raise MayNotActForOthers
        if name and self._directory is not None and await self._directory.answers_for(name):
            found = await self._directory.check(name, proof.password)
            account = await self._enabled(found)
            return Entry(account) if account is not None else None
        account = await self._enabled(name)
        stored = account.password_hash if account is not None else ""
        if await self._verifier.verify(stored, proof.password) and account is not None:
            return Entry(account)
        return None

    async def _check_token(self, proof: BearerToken, name: str) -> Entry | None:
        assert self._tokens is not None
        if not proof.token:
            raise InvalidCredentials(0.0, self._told_of_tokens("invalid_token", name))
        identity = await self._tokens.verify(proof.token, name)
        account = await self._enabled(identity.account)
        if account is None:
            raise TokenRefused(detail=f"no account {identity.account}")
        if name and name != _key(account.name):
            raise TokenRefused(detail=f"the token is for {account.name}")
        return Entry(account, mechanism="token")

    def _told_of_tokens(self, reason: str, name: str) -> Mapping[str, str]:
        assert self._tokens is not None
        discovery, scope = self._tokens.told(name)
        facts = {"scope": scope, "openid-configuration": discovery}
        return {"status": reason, **{name: value for name, value in facts.items() if value}}

    async def _check_certificate(self, proof: ClientCertificate, name: str) -> Entry | None:
        """Who owns several accounts says which one is meant (RFC 4422 A.1: the authorization identity)."""
        assert self._certificates is not None
        owned = await self._certificates.accounts_of(proof.certificate)
        if not name and len(owned) == 1:
            (name,) = owned
        account = await self._enabled(name) if name in owned else None
        return Entry(account, mechanism="certificate") if account is not None else None

    async def _named(self, name: str) -> Account | None:
        return await self._store.reader.account_named(name) if name else None

    async def _enabled(self, name: str) -> Account | None:
        account = await self._named(name)
        return account if account is not None and account.enabled else None

    # ------------------------------------------------------------------ the back-off

    async def _judge(
        self, keys: Sequence[str], name: str, facts: Mapping[str, str]
    ) -> dict[str, LoginFailures]:
        """What is known of the keys. Raises TooManyFailures."""
        known = await self._store.reader.login_failures(keys)
        now = self._clock.now()
        wait = max(refusal(known.get(key), scope.free, now) for key, scope in zip(keys, SCOPES, strict=True))
        if wait > 0:
            LOGINS.add(facts["protocol"], "refused")
            log.warning("login refused", wait=round(wait), **facts)
            self._journal.blocked(await self._named(name), protocol=facts["protocol"], peer=facts["peer"])
            raise TooManyFailures(wait)
        return known

    async def _note_failure(self, keys: Sequence[str]) -> float:
        """Count the failure; returns the seconds the answer is to be held back."""
        now = self._clock.now()

        async def work(tx: Tx) -> list[LoginFailures]:
            known = await tx.login_failures(keys)
            await tx.clear_login_failures([k for k, past in known.items() if now - past.last > FORGET_AFTER])
            return [await tx.record_login_failure(key, now) for key in keys]

        pair, whole_peer = await self._store.transact(work, durable=False)
        return max(failure_delay(pair.failures), failure_delay(whole_peer.failures - SCOPES[0].free))

    async def _forgive(self, key: str) -> None:
        """The right password: whoever mistyped it before starts anew."""

        async def work(tx: Tx) -> None:
            await tx.clear_login_failures([key])

        await self._store.transact(work, durable=False)


def _key(name: str) -> str:
    """A name as the directory knows it; "" for one that is nobody's."""
    return unicodedata.normalize("NFC", name).casefold() if len(name) <= LONGEST_NAME else ""


def _keys(peer: str, name: str) -> tuple[str, str]:
    """In the order of SCOPES."""
    network = _network(peer)
    return f"pair:{network} {name}", f"peer:{network}"


def _network(peer: str) -> str:
    """What one customer of a provider has: an IPv4 address, or an IPv6 /64."""
    address = ipaddress.ip_address(peer)
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
