"""Taking responsibility for a message: who hands it on, and what became of each recipient."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Protocol

__all__ = [
    "DeliveryResult",
    "EachItsOwn",
    "Envelope",
    "Outcome",
    "OutgoingMessage",
    "Sites",
    "Transport",
]


class Outcome(enum.Enum):
    """TEMPORARY unless it is sure: a wrong PERMANENT loses a message, a wrong TEMPORARY costs a retry."""

    DELIVERED = "delivered"
    TEMPORARY = "temporary"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Envelope:
    """RFC 5321 2.3.1. `reverse_path` "" is the null path; paths are as they go on the wire, without <>.

    `destination`: the A-label domain or address literal that all forward-paths share. `body`: "7BIT",
    "8BITMIME" or "BINARYMIME". `requiretls`: RFC 8689. `attempts`: how many were made before this one,
    `arrived`: when the message came, seconds since 1970, 0 if unknown.
    """

    trace_id: str
    reverse_path: str
    forward_paths: tuple[str, ...]
    destination: str
    body: str = "7BIT"
    smtputf8: bool = False
    requiretls: bool = False
    envid: str = ""
    ret: str = ""
    notify: tuple[str, ...] = ()
    orcpt: tuple[str, ...] = ()
    attempts: int = 0
    arrived: int = 0

    @property
    def demands_tls(self) -> bool:
        """REQUIRETLS, but of a report: that goes on without it, rather than not at all (RFC 8689 5)."""
        return self.requiretls and bool(self.reverse_path)


class OutgoingMessage(Protocol):
    """The bytes to hand on, signatures and all."""

    @property
    def size(self) -> int: ...

    def chunks(self) -> AsyncIterator[bytes]:
        """From the start, in pieces of at most 256 KiB, lines ending in CRLF. May be called again."""
        ...


@dataclass(frozen=True, slots=True)
class DeliveryResult:
    """What became of one recipient in one attempt.

    `status`: enhanced code (RFC 3463). `diagnostic`: the remote's own words, or ours where there was none.
    `remote`: the host that said so, "name [address]:port". `tls`: version and cipher, "" for clear text.
    `facts`: what else is known, by the name it has there ("about": "recipient", "dsn", "tls policy").
    """

    forward_path: str
    outcome: Outcome
    status: str
    diagnostic: str
    remote: str = ""
    tls: str = ""
    facts: dict[str, str] = field(default_factory=dict)


class Transport(Protocol):
    """One way to hand a message on: remote SMTP, LMTP, a local mailbox."""

    async def deliver(self, envelope: Envelope, message: OutgoingMessage) -> tuple[DeliveryResult, ...]:
        """One result for each forward-path, in their order. Raises nothing: a fault is TEMPORARY.

        A result is DELIVERED only after the remote took responsibility (its 250 to the end of data).
        """
        ...


class Sites(Protocol):
    """Which destinations share their hosts, and so their limits."""

    async def site(self, destination: str) -> str:
        """The same for all destinations that the same hosts serve."""
        ...


class EachItsOwn:
    """Implements Sites where nothing is known."""

    async def site(self, destination: str) -> str:
        return destination
