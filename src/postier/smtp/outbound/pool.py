"""Sessions that wait a few seconds for the next message to the same site.

Opening one costs three round trips and a TLS handshake; a list of messages to one provider pays for it
once, whatever the domains of its recipients. A waiting session is closed after `keep` seconds, after
MAX_MESSAGES messages, or when the host says anything by itself. What TLS agreed on with a host outlives its
session: the next one takes it up.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable

from postier.smtp.outbound.connection import Peer, Terms
from postier.smtp.outbound.routes import Host

__all__ = ["MAX_MESSAGES", "MAX_WAITING", "PeerPool", "TlsSessions", "is_spent"]

MAX_MESSAGES = 100
"""Messages over one session; hosts that count (RFC 9422 MAILMAX) may say less."""

MAX_WAITING = 250
"""Sessions that wait, in this process; past that the one that waits longest is closed."""

MAX_LOOKED_AT = 4
"""Waiting sessions of a site that are asked whether they fit."""

TLS_SESSIONS_KEPT = 1000


def is_spent(peer: Peer) -> bool:
    """True if it has carried as many messages as it may."""
    return peer.transactions >= min(peer.core.capabilities.mail_max or MAX_MESSAGES, MAX_MESSAGES)


class PeerPool:
    """Sessions by site. `keep`: seconds; 0 keeps none."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._waiting: dict[str, deque[Peer]] = {}
        # in the order they began to wait
        self._timers: dict[Peer, tuple[str, asyncio.TimerHandle]] = {}

    async def take(self, site: str, fits: Callable[[Peer], Awaitable[bool]]) -> Peer | None:
        """Of the sessions that fit, the one that waits for the shortest time, if any is still open."""
        if site not in self._waiting:
            return None
        for peer in tuple(self._waiting[site])[: -MAX_LOOKED_AT - 1 : -1]:
            suited = await fits(peer)
            if peer not in self._timers:
                continue  # somebody took it meanwhile
            if not peer.is_idle():
                self._expire(site, peer)
            elif suited:
                self._forget(site, peer)
                return peer
        return None

    def put(self, site: str, peer: Peer) -> None:
        """Keep a session for later, or close it."""
        if self._keep <= 0 or is_spent(peer) or not peer.is_idle():
            peer.close()
            return
        if len(self._timers) >= MAX_WAITING:
            self._close_oldest()
        self._waiting.setdefault(site, deque()).append(peer)
        loop = asyncio.get_running_loop()
        self._timers[peer] = site, loop.call_later(self._keep, self._expire, site, peer)

    def close(self) -> None:
        """Close every session that waits."""
        for site, waiting in tuple(self._waiting.items()):
            for peer in tuple(waiting):
                self._expire(site, peer)

    def _close_oldest(self) -> None:
        oldest, (site, _) = next(iter(self._timers.items()))
        self._expire(site, oldest)

    def _expire(self, site: str, peer: Peer) -> None:
        self._forget(site, peer)
        peer.close()

    def _forget(self, site: str, peer: Peer) -> None:
        self._timers.pop(peer)[1].cancel()
        waiting = self._waiting[site]
        waiting.remove(peer)
        if not waiting:
            del self._waiting[site]


class TlsSessions:
    """The last TLS session with each host under each terms: never one for another name, port or policy."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Host, Terms], ssl.SSLSession] = OrderedDict()

    def get(self, host: Host, terms: Terms) -> ssl.SSLSession | None:
        return self._known.get((host, terms))

    def note(self, peer: Peer) -> None:
        """When a transaction is over: by then the tickets of TLS 1.3 have come."""
        session = peer.tls_session
        if session is None:
            return
        self._known[peer.host, peer.terms] = session
        self._known.move_to_end((peer.host, peer.terms))
        if len(self._known) > TLS_SESSIONS_KEPT:
            self._known.popitem(last=False)
