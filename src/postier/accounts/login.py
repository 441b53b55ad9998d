"""Logging in: one place for SMTP, IMAP, POP3 and the web, whatever they are shown.

There is one check for each kind of proof. Whatever nobody can guess (app passwords, tokens, certificates) is
looked at first, and costs next to nothing; a password waits for the back-off (see `backoff`) and for its turn
to be hashed (see `hashing`). The same wrong password again, from the same network, is refused without a hash
and counted no more: a forgotten device locks nobody out.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from postier.accounts.app_passwords import admits, as_app_password, verifier_of
from postier.accounts.backoff import (
    FORGET_AFTER,
    NAME,
    PAIR,
    PEER,
    SCOPES,
    Backoff,
    Standing,
    failure_delay,
    note_gladly,
    refusal,
    scopes_for,
)
from postier.accounts.entry import (
    AppPasswordDemanded,
    Door,
    Entry,
    InvalidCredentials,
    LoginBusy,
    LoginRefused,
    MayNotActForOthers,
    TooManyFailures,
)
from postier.accounts.hashing import HashingBusy
from postier.accounts.login_journal import WRONG, LoginJournal
from postier.accounts.login_ports import (
    CertificateOwners,
    PasswordDirectory,
    PasswordRefused,
    TokenRefused,
    TokenVerifier,
)
from postier.accounts.password import PasswordVerifier, needs_rehash
from postier.accounts.precis import login_name
from postier.accounts.presence import Presence
from postier.accounts.scram_secrets import fake_salt, password_rows, server_secret, set_keys, standing_salt
from postier.base.clock import Clock
from postier.base.log import Log
from postier.base.metrics import LOGINS
from postier.bus.api import Bus
from postier.sasl.api import (
    BearerToken,
    ClientCertificate,
    Credentials,
    Proof,
    ScramKeys,
    ScramProof,
    ScramSalt,
)
from postier.sasl.mechanisms import offered
from postier.sasl.scram import scram_signature
from postier.store.api import Account, AppPassword, ScramRow, Store, StoreError, Tx

__all__ = [
    "FORGET_AFTER",
    "SCOPES",
    "AppPasswordDemanded",
    "Door",
    "Entry",
    "InvalidCredentials",
    "Login",
    "LoginBusy",
    "LoginRefused",
    "MayNotActForOthers",
    "ScramRules",
    "TooManyFailures",
    "failure_delay",
    "refusal",
]

NOTE_USE_AGAIN = 3600
"""Seconds after which the use of an app password is noted anew."""
LEAST_TRIED = 8
"""Keys that a proof of SCRAM is tried against at least, so that nobody tells how many there are, or none."""
NONCE_OCTETS = 18
PORTAL = "portal"
"""Where somebody is asked for the second factor itself."""

_NO_KEYS = ScramKeys(bytes(32), bytes(32))

log = Log("login")


@dataclass(frozen=True, slots=True)
class ScramRules:
    """`scram`: "auto" offers SCRAM once all passwords have keys for it, so that nobody is refused who has the
    right password. `iterations`: of keys made from now on."""

    scram: str = "auto"
    iterations: int = 50_000


USUAL_RULES = ScramRules()


class _NotThis(Exception):
    """The check failed. `guessable`: it counts as a guess at a password; `told`: see InvalidCredentials."""

    def __init__(
        self,
        why: str = "",
        *,
        guessable: bool = True,
        counts: bool = True,
        told: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(why)
        self.why = why
        self.guessable = guessable
        self.counts = counts
        self.told = told or {}


@dataclass(slots=True)
class _Try:
    """One attempt: who knocks, under which name, the account of that name if there is one, and what is held
    against them. `answer`: what the mechanism has to say to the client; `device`: the app password's name."""

    door: Door
    name: str
    standing: Standing
    account: Account | None
    known: bool
    answer: bytes = b""
    device: str = ""


class Login:
    """The one way in. `limited=False` is for servers that serve the loopback only (tests, benchmarks).

    `tokens`, `directory`, `certificates`: see login_ports; `journal`: of the audit log; None where there are
    none.
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
        rules: ScramRules = USUAL_RULES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._verifier = verifier
        self._tokens = tokens
        self._directory = directory
        self._certificates = certificates
        self._journal = self.journal = journal
        self._rules = rules
        self._backoff = Backoff(store, clock, limited=limited)
        self._secret = b""
        self._scram_ready = rules.scram == "on"
        self._guessing: dict[str, set[str]] = {}
        self._upkeep: set[asyncio.Task[None]] = set()
        self.presence = Presence(store, clock)
        self._checks: dict[type[Proof], Callable[[Login, Any, _Try], Awaitable[Entry]]] = {
            Credentials: Login._check_password
        }
        if rules.scram != "off":
            self._checks[ScramProof] = Login._check_scram
        if tokens is not None:
            self._checks[BearerToken] = Login._check_token
        if certificates is not None:
            self._checks[ClientCertificate] = Login._check_certificate

    def mechanisms(self, door: Door) -> tuple[str, ...]:
        """The SASL mechanisms to offer at this door, the strongest first."""
        checked = self._checks.keys() if self._scram_ready else self._checks.keys() - {ScramProof}
        return offered(door.channel, checked)

    async def refresh(self) -> None:
        """Look again whether SCRAM can be offered. Raises StoreError."""
        if self._rules.scram == "auto":
            elsewhere = self._directory is not None and await self._directory.in_use()
            self._scram_ready = not elsewhere and await self._store.reader.passwords_without_scram() == 0

    async def run(self, bus: Bus) -> None:
        """What goes on beside: ends logins whose ground is gone, sees when SCRAM can be offered. Until
        cancelled."""
        await self.presence.run(bus, self.refresh)

    async def settle(self) -> None:
        """Until what was begun behind earlier logins is done."""
        await asyncio.gather(*self._upkeep)

    async def authenticate(self, proof: Proof, door: Door) -> Entry:
        """Who is in. Raises LoginRefused or StoreError. An unknown name takes as long as a wrong password."""
        entry, _ = await self.prove(proof, door)
        return entry

    async def prove(self, proof: Proof, door: Door) -> tuple[Entry, bytes]:
        """As `authenticate`, with what the mechanism has to answer to the client."""
        name = login_name(proof.authentication_id or proof.authorization_id)
        standing = await self._backoff.standing(door.peer, name)
        account = await self._enabled(name)
        known = account is not None and await self._backoff.is_known(account.account_id, standing.network)
        attempt = _Try(door, name, standing, account, known)
        try:
            entry = await self._checks[type(proof)](self, proof, attempt)
        except _NotThis as reason:
            raise await self._failed(attempt, reason) from None
        except TooManyFailures as refused:
            self._say(attempt, "refused", refused)
            raise
        except LoginRefused as refused:
            self._say(attempt, "failed", refused, str(refused))
            raise
        except HashingBusy:
            self._say(attempt, "busy", "too many wait")
            raise LoginBusy from None
        await self._succeeded(attempt, entry)
        return entry, attempt.answer

    async def scram_salt(self, name: str, door: Door) -> ScramSalt:
        """Raises StoreError."""
        if not self._secret:
            self._secret = await server_secret(self._store)
        nonce = secrets.token_urlsafe(NONCE_OCTETS)
        account = await self._enabled(login_name(name))
        found = await self._store.reader.scram(account.account_id) if account is not None else None
        if found is None:
            return ScramSalt(fake_salt(self._secret, login_name(name)), self._rules.iterations, nonce)
        return ScramSalt(found.salt, found.iterations, nonce)

    # ------------------------------------------------------------------ one check for each kind of proof

    async def _check_password(self, proof: Credentials, attempt: _Try) -> Entry:
        self._require_same(proof, attempt)
        entry = await self._app_password(proof.password, attempt)
        if entry is not None:
            return entry
        self._require_patience(attempt)
        if await self._asks_directory(attempt.name):
            return await self._check_in_directory(proof, attempt)
        account = attempt.account
        stored = account.password_hash if account is not None else ""
        whose = f"{attempt.standing.network} {attempt.name}"
        if self._verifier.repeats(whose, stored, proof.password):
            raise _NotThis("the same wrong password again", counts=False)
        fresh = not self._verifier.is_proved(stored, proof.password)
        if not await self._verify(stored, proof.password, attempt) or account is None:
            self._verifier.note_refused(whose, stored, proof.password)
            raise _NotThis
        self._require_no_factor(account, attempt.door)
        if fresh:
            self._keep_up(account, proof.password)
        return Entry(account)

    async def _app_password(self, password: str, attempt: _Try) -> Entry | None:
        """In by an app password; None if this is none of the account's."""
        letters = as_app_password(password)
        if not letters or attempt.account is None:
            return None
        found = await self._store.reader.app_password_with(attempt.account.account_id, verifier_of(letters))
        return None if found is None else await self._admit(found, attempt.account, attempt)

    async def _admit(self, found: AppPassword, account: Account, attempt: _Try) -> Entry:
        door, now = attempt.door, self._clock.now()
        attempt.device = found.name
        why = admits(found, door.protocol, door.peer, now)
        if why:
            raise _NotThis(f"app password {found.name!r}: {why}", guessable=False, counts=False)
        if found.last_used < now - NOTE_USE_AGAIN or found.last_peer != door.peer:

            async def work(tx: Tx) -> None:
                number = found.app_password_id
                await tx.note_app_password_use(account.account_id, number, int(now), door.peer)

            await note_gladly(self._store, work)
        return Entry(account, found.app_password_id, "app-password")

    async def _verify(self, stored: str, password: str, attempt: _Try) -> bool:
        """Who tries many passwords at once is not ahead of the back-off: each that waits counts as failed."""
        whose = f"{attempt.standing.network} {attempt.name}"
        trying = self._guessing.setdefault(whose, set())
        if password not in trying and len(trying) >= max(1, attempt.standing.left(PAIR)):
            raise TooManyFailures(1.0)
        trying.add(password)
        try:
            first = attempt.known or attempt.standing.is_clean
            return await self._verifier.verify(stored, password, first=first)
        finally:
            trying.discard(password)
            if not trying:
                self._guessing.pop(whose, None)

    async def _asks_directory(self, name: str) -> bool:
        return bool(name) and self._directory is not None and await self._directory.answers_for(name)

    async def _check_in_directory(self, proof: Credentials, attempt: _Try) -> Entry:
        assert self._directory is not None
        try:
            found = await self._directory.check(attempt.name, proof.password, known=attempt.known)
        except PasswordRefused as refused:
            raise _NotThis(str(refused)) from None
        account = await self._enabled(found)
        if account is None:
            raise _NotThis
        self._require_no_factor(account, attempt.door)
        return Entry(account)

    async def _check_scram(self, proof: ScramProof, attempt: _Try) -> Entry:
        self._require_same(proof, attempt)
        account = attempt.account
        found = await self._store.reader.scram(account.account_id) if account is not None else None
        matched = _matching(proof, found.keys if found is not None else ())
        if account is None or matched is None or not matched[0].app_password_id:
            self._require_patience(attempt)
        if account is None or matched is None:
            raise _NotThis
        row, attempt.answer = matched
        if not row.app_password_id:
            self._require_no_factor(account, attempt.door)
            return Entry(account)
        for one in await self._store.reader.app_passwords(account.account_id):
            if one.app_password_id == row.app_password_id:
                return await self._admit(one, account, attempt)
        raise _NotThis("the app password was revoked", guessable=False)

    async def _check_token(self, proof: BearerToken, attempt: _Try) -> Entry:
        assert self._tokens is not None
        if not proof.token:
            raise _NotThis("no token", counts=False, told=self._told_of_tokens("invalid_token", attempt.name))
        if proof.authorization_id and proof.authentication_id:
            self._require_same(proof, attempt)
        self._require_patience(attempt, PEER)
        try:
            identity = await self._tokens.verify(proof.token, attempt.name)
            account = await self._enabled(identity.account)
            if account is None:
                raise TokenRefused(detail=f"no account {identity.account}")
            if attempt.name and attempt.name != login_name(account.name):
                raise TokenRefused(detail=f"the token is for {account.name}")
        except TokenRefused as refused:
            told = self._told_of_tokens(refused.reason, attempt.name)
            raise _NotThis(str(refused), guessable=False, told=told) from None
        return Entry(account, mechanism="token")

    def _told_of_tokens(self, reason: str, name: str) -> Mapping[str, str]:
        assert self._tokens is not None
        discovery, scope = self._tokens.told(name)
        facts = {"scope": scope, "openid-configuration": discovery}
        return {"status": reason, **{key: value for key, value in facts.items() if value}}

    async def _check_certificate(self, proof: ClientCertificate, attempt: _Try) -> Entry:
        """Who owns several accounts says which one is meant (RFC 4422 A.1: the authorization identity)."""
        assert self._certificates is not None
        owned = {login_name(name): name for name in await self._certificates.accounts_of(proof.certificate)}
        name = attempt.name
        if not name and len(owned) == 1:
            (name,) = owned
        account = await self._enabled(owned.get(name, ""))
        if account is None:
            raise _NotThis(f"the certificate is for {len(owned)} accounts, not for this", guessable=False)
        return Entry(account, mechanism="certificate")

    # ------------------------------------------------------------------ what several of them ask

    async def _enabled(self, name: str) -> Account | None:
        account = await self._store.reader.account_named(name) if name else None
        return account if account is not None and account.enabled else None

    @staticmethod
    def _require_same(proof: Proof, attempt: _Try) -> None:
        if proof.authorization_id and login_name(proof.authorization_id) != attempt.name:
            raise MayNotActForOthers

    @staticmethod
    def _require_patience(attempt: _Try, *scopes: Any) -> None:
        """Raises TooManyFailures."""
        judged = scopes or ((PAIR, PEER) if attempt.known else (PAIR, PEER, NAME))
        wait = attempt.standing.wait(*judged)
        if wait > 0:
            raise TooManyFailures(wait)

    @staticmethod
    def _require_no_factor(account: Account, door: Door) -> None:
        """The password alone is enough here. Raises AppPasswordDemanded."""
        if door.protocol != PORTAL and (account.app_passwords_only or account.second_factor):
            raise AppPasswordDemanded

    # ------------------------------------------------------------------ behind it

    async def _succeeded(self, attempt: _Try, entry: Entry) -> None:
        door, account = attempt.door, entry.account
        LOGINS.add(door.protocol, "success")
        facts = {"session": door.session, "peer": door.peer, "protocol": door.protocol}
        log.info("login", account=account.name, tls=door.tls or "none", how=entry.mechanism, **facts)
        if self._journal is not None:
            self._journal.succeeded(
                account,
                protocol=door.protocol,
                peer=door.peer,
                mechanism=entry.mechanism,
                device=attempt.device,
                tls=door.tls,
            )
        await self._backoff.note_success(account.account_id, attempt.standing)
        if door.connection is not None:
            self.presence.enter(door.connection, door.protocol, entry)

    async def _failed(self, attempt: _Try, reason: _NotThis) -> InvalidCredentials:
        self._say(attempt, "failed", reason.why, "token refused" if reason.told else WRONG)
        if not reason.counts and reason.told:
            return InvalidCredentials(0.0, reason.told)
        scopes = scopes_for(guessable=reason.guessable, known=attempt.known) if reason.counts else ()
        return InvalidCredentials(await self._backoff.note_failure(attempt.standing, scopes), reason.told)

    def _say(self, attempt: _Try, result: str, why: object, told: str = WRONG) -> None:
        """`told`: in the audit log, which the person concerned reads."""
        door = attempt.door
        if self._journal is not None and result == "refused":
            self._journal.blocked(attempt.account, protocol=door.protocol, peer=door.peer)
        elif self._journal is not None:
            self._journal.failed(attempt.account, protocol=door.protocol, peer=door.peer, reason=told)
        LOGINS.add(door.protocol, result)
        facts = {"session": door.session, "peer": door.peer, "protocol": door.protocol}
        log.warning(f"login {result}", name=attempt.name, why=str(why) or "wrong name or password", **facts)

    def _keep_up(self, account: Account, password: str) -> None:
        """Behind a login: hash anew where that costs more now, make the keys that SCRAM lacks."""
        task = asyncio.create_task(self._renew(account, password), name="password upkeep")
        self._upkeep.add(task)
        task.add_done_callback(self._upkeep.discard)

    async def _renew(self, account: Account, password: str) -> None:
        try:
            new = await self._verifier.hash(password) if needs_rehash(account.password_hash) else ""
            rows: list[ScramRow] = []
            salt = await standing_salt(self._store.reader, account.account_id, self._rules.iterations)
            if self._rules.scram != "off" and all(row.app_password_id for row in salt.keys):
                rows = await password_rows(password, salt)
            if not new and not rows:
                return

            async def work(tx: Tx) -> None:
                now = await tx.account(account.account_id)
                if now.password_version != account.password_version:
                    return  # another one was set meanwhile
                if new:
                    await tx.replace_password_hash(account.account_id, account.password_hash, new)
                if rows:
                    await set_keys(tx, account.account_id, salt, rows)

            await self._store.transact(work)
        except (StoreError, HashingBusy, ValueError) as error:
            log.info("password not renewed", account=account.name, why=error)


def _matching(proof: ScramProof, keys: tuple[ScramRow, ...]) -> tuple[ScramRow, bytes] | None:
    """The password with which it was made, and the server's signature; None if there is none."""
    found = None
    for row in keys:
        signature = scram_signature(proof, ScramKeys(row.stored_key, row.server_key))
        if signature is not None and found is None:
            found = row, signature
    for _ in range(len(keys), LEAST_TRIED):
        scram_signature(proof, _NO_KEYS)
    return found
