"""What a POP3 session stands on, and how it is set."""

from __future__ import annotations

from dataclasses import dataclass, field

from postier.accounts.devices import DeviceLedger, no_ledger
from postier.accounts.login import Login
from postier.accounts.pop3_rules import USUAL, Pop3Usual
from postier.base.clock import Clock, SystemClock
from postier.blobs.api import Blobs
from postier.net.api import Connection, Wake
from postier.pop3.snapshots import Snapshots
from postier.pop3.wire.events import Pop3Event
from postier.pop3.wire.server import Pop3Server
from postier.store.api import Store
from postier.story.recorder import NoteStep, no_note

__all__ = ["Pop3Services", "Pop3Settings", "next_event"]


@dataclass(frozen=True, slots=True)
class Pop3Services:
    """Everything with effects that a session may touch. `note_step`: for messages that were fetched.
    `devices` hears what is moved."""

    store: Store
    blobs: Blobs
    login: Login
    note_step: NoteStep = no_note
    clock: Clock = SystemClock()  # noqa: RUF009 - it has no state
    devices: DeviceLedger = field(default_factory=no_ledger)
    snapshots: Snapshots = field(default_factory=Snapshots)


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    """`allow_plaintext`: log in without TLS (only on a loopback that is trusted). `stls`: a certificate is
    there. Times in seconds: `login_timeout` before login, `idle_timeout` after it (RFC 1939 3: 10 minutes
    at least). `usual`: for accounts without rules of their own."""

    hostname: str = "localhost"
    allow_plaintext: bool = False
    stls: bool = True
    login_timeout: float = 60.0
    idle_timeout: float = 600.0
    max_login_failures: int = 3
    usual: Pop3Usual = USUAL


async def next_event(connection: Connection, core: Pop3Server, timeout: float) -> Pop3Event | None:
    """None once the connection is over, and when the server stops: a busy client must not hold it up, and
    nothing is deleted."""
    while True:
        if connection.is_retiring:
            await connection.flush(core)
            return None
        event: Pop3Event | Wake | None = await connection.event(core, timeout)
        if not isinstance(event, Wake):
            return event
