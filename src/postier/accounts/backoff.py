"""The back-off: what failed logins cost whoever tries, at all doors and workers together.

Failures are counted in the store by three keys (SCOPES): the network together with the name ("pair"), the
network ("peer"), and the name ("name"). It is judged before any hash is computed: guessing costs the guesser
time and us next to nothing.

- One device with an old password locks out neither its owner's other accounts nor the colleagues behind the
  same address: the pair counts, and the same wrong password again counts nothing (see `login`).
- Many names from one address end at the second limit.
- One name from many addresses is slowed by the third, which holds for those alone who come from where the
  account was not used within KNOWN_SECONDS: an attack from elsewhere never locks out the owner's devices. It
  is short, so that who travels still gets in between.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass

from postier.base.clock import Clock
from postier.base.log import Log
from postier.store.api import AccountId, LoginFailures, Store, StoreError, Tx

__all__ = [
    "FORGET_AFTER",
    "KNOWN_SECONDS",
    "SCOPES",
    "Backoff",
    "Scope",
    "Standing",
    "failure_delay",
    "network_of",
    "note_gladly",
    "refusal",
    "scopes_for",
]

log = Log("login")

FORGET_AFTER = 3600.0
"""Seconds after its last failure in which a key's past is forgotten."""
KNOWN_SECONDS = 30 * 24 * 3600
"""How long a network is known after a login from there."""
NOTE_AGAIN = 24 * 3600
"""Seconds after which a login from a known network is noted anew."""
LONGEST_DELAY = 8.0
REPEATED_DELAY = 2.0
"""Seconds before what counts no more, such as a wrong password tried again, is refused again."""


@dataclass(frozen=True, slots=True)
class Scope:
    """`free`: failures that are only slowed down; those after them are refused unseen, `first` seconds,
    doubling with each failure up to `longest`."""

    name: str
    free: int
    first: float = 60.0
    longest: float = 3600.0


PAIR, PEER, NAME = SCOPES = (Scope("pair", 10), Scope("peer", 100), Scope("name", 30, 5.0, 40.0))


def failure_delay(failures: int) -> float:
    """Seconds to wait before the answer to failure number `failures`: a quarter, doubling up to eight."""
    return min(0.25 * 2.0 ** min(failures - 1, 10), LONGEST_DELAY) if failures > 0 else 0.0


def refusal(known: LoginFailures | None, scope: Scope, now: float) -> float:
    """Seconds for which a key with these failures is still refused unseen; 0 if it may try."""
    if known is None or known.failures < scope.free:
        return 0.0
    length = min(scope.first * 2.0 ** min(known.failures - scope.free, 10), scope.longest)
    return max(0.0, known.last + length - now)


def network_of(peer: str) -> str:
    """What one customer of a provider has: an IPv4 address, or an IPv6 /64; "local" for what is neither."""
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return "local"
    if address.version == 6:
        return str(ipaddress.ip_network((address, 64), strict=False))
    return str(address)


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a network and a name when somebody tries. `failures`: by the names of SCOPES."""

    network: str
    name: str
    now: float
    failures: dict[str, LoginFailures]

    def wait(self, *scopes: Scope) -> float:
        """Seconds for which one of these still refuses; 0 for none."""
        return max(refusal(self.failures.get(scope.name), scope, self.now) for scope in scopes)

    @property
    def is_clean(self) -> bool:
        """Nothing is held against the network."""
        return not self.failures.keys() & {PAIR.name, PEER.name}

    def left(self, scope: Scope) -> int:
        """Failures until it refuses."""
        known = self.failures.get(scope.name)
        return scope.free - (known.failures if known is not None else 0)


class Backoff:
    """`limited=False`: on servers that serve the loopback only (tests, benchmarks) nothing is counted."""

    def __init__(self, store: Store, clock: Clock, *, limited: bool = True) -> None:
        self._store = store
        self._clock = clock
        self._limited = limited

    async def standing(self, peer: str, name: str) -> Standing:
        network, now = network_of(peer), self._clock.now()
        if not self._limited:
            return Standing(network, name, now, {})
        keys = _keys(network, name)
        found = await self._store.reader.login_failures(list(keys.values()))
        fresh = {key: past for key, past in found.items() if now - past.last <= FORGET_AFTER}
        failures = {scope: fresh[key] for scope, key in keys.items() if key in fresh}
        return Standing(network, name, now, failures)

    async def is_known(self, account_id: AccountId, network: str) -> bool:
        last = await self._store.reader.known_since(account_id, network)
        return last > self._clock.now() - KNOWN_SECONDS

    async def note_failure(self, standing: Standing, scopes: Iterable[Scope]) -> float:
        """Count the failure; returns the seconds the answer is to be held back."""
        wanted = [scope.name for scope in scopes]
        if not self._limited:
            return 0.0
        if not wanted:
            return REPEATED_DELAY
        now = self._clock.now()
        keys = {
            scope: key for scope, key in _keys(standing.network, standing.name).items() if scope in wanted
        }

        async def work(tx: Tx) -> dict[str, LoginFailures]:
            known = await tx.login_failures(list(keys.values()))
            await tx.clear_login_failures([k for k, past in known.items() if now - past.last > FORGET_AFTER])
            return {scope: await tx.record_login_failure(key, now) for scope, key in keys.items()}

        counted = await self._store.transact(work, durable=False)
        pair, peer = (counted[s.name].failures if s.name in counted else 0 for s in (PAIR, PEER))
        return max(failure_delay(pair), failure_delay(peer - PAIR.free), 0.25)

    async def note_success(self, account_id: AccountId, standing: Standing) -> None:
        """Whoever mistyped the password before starts anew, and the network is known from now on."""
        if not self._limited:
            return
        forgiven = PAIR.name in standing.failures
        now = int(self._clock.now())
        stale = await self._store.reader.known_since(account_id, standing.network) < now - NOTE_AGAIN
        if not forgiven and not stale:
            return

        async def work(tx: Tx) -> None:
            if forgiven:
                await tx.clear_login_failures([_keys(standing.network, standing.name)[PAIR.name]])
            if stale:
                await tx.note_known(account_id, standing.network, now)

        await note_gladly(self._store, work)


async def note_gladly(store: Store, work: Callable[[Tx], Awaitable[None]]) -> None:
    """Write down what is good to know of a login that held. Whoever has the right password is let in all the
    same where that fails: a full disk keeps nobody out who would make room on it."""
    try:
        await store.transact(work, durable=False)
    except StoreError as error:
        log.warning("login not noted", why=error)


def _keys(network: str, name: str) -> dict[str, str]:
    """By the names of SCOPES."""
    return {
        PAIR.name: f"pair:{network} {name}",
        PEER.name: f"peer:{network}",
        NAME.name: f"name:{name}",
    }


def scopes_for(*, guessable: bool, known: bool) -> Collection[Scope]:
    """Which scopes a failure counts in. What nobody can guess counts for the network alone; from where the
    account is known, a mistake is no part of an attack on it."""
    if not guessable:
        return (PEER,)
    return (PAIR, PEER) if known else SCOPES
