"""Sessions that wait a few seconds for the next message to the same destination.

Opening one costs three round trips and a TLS handshake; a list of messages to one provider pays for it
once. A waiting session is closed after `keep` seconds, after MAX_MESSAGES messages, or when the host says
anything by itself.
"""

from __future__ import annotations

import asyncio
from collections import deque

from postier.smtp.outbound.connection import Peer

__all__ = ["MAX_MESSAGES", "MAX_WAITING", "PeerPool"]

MAX_MESSAGES = 100
"""Messages over one session; hosts that count (RFC 9422 MAILMAX) may say less."""

MAX_WAITING = 100
"""Sessions that wait, in this process; past that the one that waits longest is closed."""


class PeerPool:
    """Sessions by destination. `keep`: seconds; 0 keeps none."""

    def __init__(self, keep: float) -> None:
        self._keep = keep
        self._waiting: dict[str, deque[Peer]] = {}
        self._timers: dict[Peer, asyncio.TimerHandle] = {}  # in the order they began to wait

    def take(self, destination: str) -> Peer | None:
        """The session that waits for the shortest time, if any is still open."""
        waiting = self._waiting.get(destination)
        while waiting:
            peer = waiting[-1]
            self._forget(destination, peer)
            if peer.is_idle():
                return peer
            peer.close()
        return None

    def put(self, destination: str, peer: Peer) -> None:
        """Keep a session for later, or close it."""
        limit = peer.core.capabilities.mail_max or MAX_MESSAGES
        if self._keep <= 0 or peer.transactions >= min(limit, MAX_MESSAGES) or not peer.is_idle():
            peer.close()
            return
        if len(self._timers) >= MAX_WAITING:
            self._close_oldest()
        self._waiting.setdefault(destination, deque()).append(peer)
        loop = asyncio.get_running_loop()
        self._timers[peer] = loop.call_later(self._keep, self._expire, destination, peer)

    def close(self) -> None:
        """Close every session that waits."""
        for destination, waiting in tuple(self._waiting.items()):
            for peer in tuple(waiting):
                self._expire(destination, peer)

    def _close_oldest(self) -> None:
        oldest = next(iter(self._timers))
        destination = next(name for name, waiting in self._waiting.items() if oldest in waiting)
        self._expire(destination, oldest)

    def _expire(self, destination: str, peer: Peer) -> None:
        self._forget(destination, peer)
        peer.close()

    def _forget(self, destination: str, peer: Peer) -> None:
        self._timers.pop(peer).cancel()
        waiting = self._waiting[destination]
        waiting.remove(peer)
        if not waiting:
            del self._waiting[destination]
