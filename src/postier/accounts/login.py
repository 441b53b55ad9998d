"""Logging in: one place for SMTP, IMAP, POP3 and the web, with one back-off for all of them.

Failures are counted in the store by peer address, so that every worker knows them. The back-off is judged
before any hash is computed: guessing costs the guesser time and us next to nothing. It is the guesser's
address that is slowed and then refused, so nobody can lock the owner of an account out.
"""

from __future__ import annotations

import ipaddress
import unicodedata

from postier.accounts.password import PasswordVerifier
from postier.base.clock import Clock
from postier.base.log import Log
from postier.store.api import Account, LoginFailures, Store, Tx

__all__ = ["InvalidCredentials", "Login", "TooManyFailures", "failure_delay", "refusal"]

FORGET_AFTER = 3600.0
FREE_FAILURES = 10
"""Failures of one peer that are only slowed down; those after them are refused unseen for a while."""
LONGEST_DELAY = 8.0
LONGEST_REFUSAL = 3600.0

log = Log("login")


class InvalidCredentials(Exception):
    """Wrong name or password, and nobody learns which. Wait `delay` seconds before saying so."""

    def __init__(self, delay: float) -> None:
        super().__init__("invalid credentials")
        self.delay = delay


class TooManyFailures(Exception):
    """Refused unseen; `wait` seconds until the next try counts."""

    def __init__(self, wait: float) -> None:
        super().__init__(f"too many failures, wait {wait:.0f} s")
        self.wait = wait


def failure_delay(failures: int) -> float:
    """Seconds to wait before the answer to failure number `failures`: a quarter, doubling up to eight."""
    return min(0.25 * 2.0 ** min(failures - 1, 10), LONGEST_DELAY) if failures > 0 else 0.0


def refusal(known: LoginFailures | None, now: float) -> float:
    """Seconds for which a peer with these failures is still refused unseen; 0 if it may try.

    From the tenth failure on: a minute, doubling with each further one up to an hour.
    """
    if known is None or known.failures < FREE_FAILURES:
        return 0.0
    length = min(60.0 * 2.0 ** min(known.failures - FREE_FAILURES, 10), LONGEST_REFUSAL)
    return max(0.0, known.last + length - now)


class Login:
    """The one way in. `limited=False` is for servers that serve the loopback only (tests, benchmarks)."""

    def __init__(
        self, store: Store, clock: Clock, verifier: PasswordVerifier, *, limited: bool = True
    ) -> None:
        self._store = store
        self._clock = clock
        self._verifier = verifier
        self._limited = limited

    async def authenticate(self, name: str, password: str, *, peer: str, protocol: str) -> Account:
        """The account whose name and password these are.

        Raises InvalidCredentials, TooManyFailures, or StoreError. An unknown name takes as long as a
        wrong password.
        """
        key = unicodedata.normalize("NFC", name).casefold()
        peer_key = f"peer:{_network(peer)}"
        if self._limited:
            await self._refuse_the_hopeless(peer_key, protocol, peer)
        account = await self._store.reader.account_named(key) if len(key) <= 320 else None
        stored = account.password_hash if account is not None and account.enabled else ""
        if await self._verifier.verify(stored, password) and account is not None:
            log.info("login", account=account.name, peer=peer, protocol=protocol)
            return account
        raise InvalidCredentials(await self._note_failure(peer_key, key, protocol, peer))

    async def _refuse_the_hopeless(self, peer_key: str, protocol: str, peer: str) -> None:
        known = await self._store.reader.login_failures([peer_key])
        wait = refusal(known.get(peer_key), self._clock.now())
        if wait > 0:
            log.warning("login refused", peer=peer, protocol=protocol, wait=round(wait))
            raise TooManyFailures(wait)

    async def _note_failure(self, peer_key: str, name: str, protocol: str, peer: str) -> float:
        """Count the failure; returns the seconds the answer is to be held back."""
        log.warning("login failed", name=name[:320], peer=peer, protocol=protocol)
        if not self._limited:
            return 0.0
        now = self._clock.now()

        async def work(tx: Tx) -> LoginFailures:
            known = (await tx.login_failures([peer_key])).get(peer_key)
            if known is not None and now - known.last > FORGET_AFTER:
                await tx.clear_login_failures([peer_key])
            return await tx.record_login_failure(peer_key, now)

        return failure_delay((await self._store.transact(work, durable=False)).failures)


def _network(peer: str) -> str:
    """What one customer of a provider has: an IPv4 address, or an IPv6 /64."""
    address = ipaddress.ip_address(peer)
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)
