"""Who is logged in by the web: a cookie that nobody guesses, kept as a hash, with an end.

The password begins a session. Where the account has a second factor, it waits for that and is good for
nothing else; once that is proved it has another cookie, so that one that was seen before is worth nothing. It
ends when nobody used it for `idle` seconds, `lifetime` seconds after it began, when the password is set anew
or the account is disabled, when a second factor is turned on elsewhere, and when the person ends it.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

from postier.accounts.backoff import FORGET_AFTER, PEER, Backoff, Scope, refusal
from postier.accounts.entry import Door, TooManyFailures
from postier.accounts.login import Login
from postier.accounts.passkeys import PasskeyAsked
from postier.accounts.second_factors import SecondFactors, WrongFactor
from postier.base.clock import Clock
from postier.base.log import Log
from postier.sasl.api import Credentials
from postier.store.api import Account, NoSuchAccount, Store, Tx, WebSession

__all__ = ["Proof", "SessionEnded", "SessionRules", "Visit", "WebSessions", "verifier_of"]

WAITING, IN = 0, 1
WAITING_SECONDS = 600
"""For the second factor to come."""
MOST_SESSIONS = 50
"""Of one account; the oldest give way, first of those that still wait for the second factor: who knows the
password alone ends nobody's session."""
MOST_FAILURES = 5
"""Wrong codes after which the password has to be given again."""
FACTOR = Scope("factor", 10)
"""Wrong codes of an account, whoever tried: then codes are refused for a while, passkeys never."""
TOUCH_SECONDS = 60
LONGEST_AGENT = 200
RECENT_SECONDS = 900
"""How long after proving who it is a person may change what proves it."""

SECOND_FACTOR, WRONG_FACTOR = "second factor", "wrong second factor"
"""In the audit log."""

log = Log("web")


class SessionRules(NamedTuple):
    """Seconds."""

    idle: int = 1800
    lifetime: int = 43_200


USUAL_RULES = SessionRules()


class SessionEnded(Exception):
    """Nobody is logged in by this cookie (any more)."""


class Proof(NamedTuple):
    """A second factor: one of them."""

    code: str = ""
    recovery_code: str = ""
    passkey: Mapping[str, Any] | None = None


class Visit(NamedTuple):
    """`token`: for the cookie, "" where it stays as it is."""

    account: Account
    session: WebSession
    token: str = ""

    @property
    def waits(self) -> bool:
        return self.session.stage == WAITING

    def is_recent(self, now: float) -> bool:
        """Whether who it is was proved a moment ago."""
        return now - self.session.created < RECENT_SECONDS


class WebSessions:
    """`limited`: count wrong codes; as Login's."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        login: Login,
        factors: SecondFactors,
        rules: SessionRules = USUAL_RULES,
        *,
        limited: bool = True,
    ) -> None:
        self._journal = login.journal
        self._store = store
        self._clock = clock
        self._login = login
        self._factors = factors
        self._rules = rules
        self._limited = limited
        self._backoff = Backoff(store, clock, limited=limited)

    async def begin(self, name: str, password: str, door: Door, agent: str) -> Visit:
        """Raises LoginRefused, StoreError."""
        entry = await self._login.authenticate(Credentials("", name, password), door)
        account, now = entry.account, int(self._clock.now())
        token = secrets.token_urlsafe(32)
        session = WebSession(
            account.account_id,
            0,
            verifier_of(token),
            WAITING if account.second_factor else IN,
            account.password_version,
            now,
            now,
            door.peer,
            _agent(agent),
        )

        async def work(tx: Tx) -> int:
            there = sorted(await tx.web_sessions(account.account_id), key=lambda one: one.stage)
            for old in there[: max(0, len(there) + 1 - MOST_SESSIONS)]:
                await tx.remove_web_sessions(account.account_id, only=old.session_id)
            return await tx.add_web_session(session)

        number = await self._store.transact(work)
        return Visit(account, session._replace(session_id=number), token)

    async def find(self, token: str) -> Visit:
        """Raises SessionEnded, StoreError."""
        session = await self._store.reader.web_session(verifier_of(token)) if token else None
        if session is None:
            raise SessionEnded
        try:
            account = await self._store.reader.account(session.account_id)
        except NoSuchAccount:
            raise SessionEnded from None
        now = int(self._clock.now())
        if self._is_over(session, account, now):
            await self.end(session)
            raise SessionEnded
        if now - session.last_seen >= TOUCH_SECONDS:
            await self._change(session, last_seen=now)
        return Visit(account, session)

    def _is_over(self, session: WebSession, account: Account, now: int) -> bool:
        if not account.enabled or session.password_version != account.password_version:
            return True
        if session.stage == WAITING:
            return now - session.created > WAITING_SECONDS
        return now - session.last_seen > self._rules.idle or now - session.created > self._rules.lifetime

    async def ask_for_passkey(self, visit: Visit) -> PasskeyAsked | None:
        """None where the account has none."""
        asked = await self._factors.ask_for_passkey(visit.account)
        if asked is not None:
            await self.remember_challenge(visit, asked.challenge)
        return asked

    async def remember_challenge(self, visit: Visit, challenge: bytes) -> None:
        """What is to be signed next in this session; the one before is worth nothing now."""
        await self._change(visit.session, challenge=challenge)

    async def take_challenge(self, visit: Visit) -> bytes:
        """It is good for one answer. b"" for none."""

        async def work(tx: Tx) -> bytes:
            now = await tx.web_session(visit.session.verifier)
            if now is None or not now.challenge:
                return b""
            await tx.update_web_session(now._replace(challenge=b""))
            return now.challenge

        return await self._store.transact(work)

    async def complete(self, visit: Visit, proof: Proof, door: Door) -> Visit:
        """The second factor is proved: a session with a new cookie, and only that.

        Raises SessionEnded, WrongFactor, TooManyFailures, StoreError.
        """
        account = visit.account
        try:
            if proof.passkey is not None:
                challenge = await self.take_challenge(visit)
                await self._factors.prove_passkey(account, proof.passkey, challenge)
            elif proof.recovery_code:
                await self._factors.prove_recovery_code(account, proof.recovery_code)
            else:
                await self.count_try(account)
                await self._factors.prove_code(account, proof.code)
        except WrongFactor:
            if self._journal is not None:
                self._journal.failed(account, protocol=door.protocol, peer=door.peer, reason=WRONG_FACTOR)
            log.warning("second factor wrong", account=account.name, peer=door.peer, session=door.session)
            await self._note_failure(visit, door.peer)
            raise
        token, now = secrets.token_urlsafe(32), int(self._clock.now())

        async def work(tx: Tx) -> WebSession:
            there = await tx.web_session(visit.session.verifier)
            if there is None:
                raise SessionEnded
            fresh = there._replace(
                verifier=verifier_of(token), stage=IN, created=now, last_seen=now, challenge=b"", failures=0
            )
            await tx.update_web_session(fresh)
            await tx.clear_login_failures([_key(account)])
            return fresh

        session = await self._store.transact(work)
        if self._journal is not None:
            self._journal.succeeded(
                account, protocol=door.protocol, peer=door.peer, mechanism=SECOND_FACTOR, tls=door.tls
            )
        log.info("second factor", account=account.name, peer=door.peer, session=door.session)
        return Visit(account, session, token)

    async def keep_only(self, visit: Visit) -> None:
        """The others of the account end: what they proved is no longer enough."""
        number = visit.session.session_id
        await self._store.transact(lambda tx: tx.remove_web_sessions(visit.account.account_id, keep=number))

    async def end(self, session: WebSession) -> None:
        await self._store.transact(
            lambda tx: tx.remove_web_sessions(session.account_id, only=session.session_id)
        )

    async def all_of(self, account: Account) -> list[WebSession]:
        """Those that are logged in."""
        now = int(self._clock.now())
        found = await self._store.reader.web_sessions(account.account_id)
        return [one for one in found if one.stage == IN and not self._is_over(one, account, now)]

    async def forget_old(self) -> int:
        """Of all accounts. Returns how many."""
        now = int(self._clock.now())
        idle, lifetime = now - self._rules.idle, now - self._rules.lifetime
        return await self._store.transact(lambda tx: tx.forget_web_sessions(idle, lifetime), durable=False)

    async def _change(self, session: WebSession, **fields: Any) -> None:
        """Of what it is now; nothing where it is gone, or has another cookie."""

        async def work(tx: Tx) -> None:
            now = await tx.web_session(session.verifier)
            if now is not None:
                await tx.update_web_session(now._replace(**fields))

        await self._store.transact(work, durable=False)

    # ------------------------------------------------------------------ guesses at codes

    async def count_try(self, account: Account) -> None:
        """Before a code is looked at, as one that is wrong: who tries many at once is not ahead of the count.
        A right one is forgiven. Raises TooManyFailures."""
        if not self._limited:
            return
        now, key = self._clock.now(), _key(account)

        async def work(tx: Tx) -> float:
            known = (await tx.login_failures([key])).get(key)
            wait = refusal(known, FACTOR, now)
            if not wait:
                if known is not None and now - known.last > FORGET_AFTER:
                    await tx.clear_login_failures([key])
                await tx.record_login_failure(key, now)
            return wait

        wait = await self._store.transact(work)
        if wait > 0:
            raise TooManyFailures(wait)

    async def forgive(self, account: Account) -> None:
        await self._store.transact(lambda tx: tx.clear_login_failures([_key(account)]), durable=False)

    async def _note_failure(self, visit: Visit, peer: str) -> None:
        """Some of them end the session; all count for the network, as at every other door."""

        async def work(tx: Tx) -> None:
            there = await tx.web_session(visit.session.verifier)
            if there is not None and there.failures + 1 >= MOST_FAILURES:
                await tx.remove_web_sessions(there.account_id, only=there.session_id)
            elif there is not None:
                await tx.update_web_session(there._replace(failures=there.failures + 1))

        await self._store.transact(work)
        standing = await self._backoff.standing(peer, visit.account.name)
        await asyncio.sleep(await self._backoff.note_failure(standing, (PEER,)))


def _key(account: Account) -> str:
    return f"factor:{account.account_id}"


def verifier_of(token: str) -> bytes:
    """256 random bits need no slow hash."""
    return hashlib.sha256(b"postier web session " + token[:200].encode(errors="replace")).digest()


def _agent(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text[:LONGEST_AGENT])
