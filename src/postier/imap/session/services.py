"""What a session is given: the services it calls and the limits it keeps."""

from __future__ import annotations

from dataclasses import dataclass, field

from postier.accounts.devices import DeviceLedger, no_ledger
from postier.accounts.login import Login
from postier.base.clock import Clock
from postier.blobs.api import Blobs
from postier.bus.api import Bus
from postier.search.api import TextIndex
from postier.store.api import Store

__all__ = ["ImapServices", "ImapSettings"]


@dataclass(frozen=True, slots=True)
class ImapServices:
    """Everything with effects that a session may touch. Without an `index` searches read messages. `devices`
    hears what is moved."""

    store: Store
    blobs: Blobs
    bus: Bus
    login: Login
    clock: Clock
    index: TextIndex | None = None
    devices: DeviceLedger = field(default_factory=no_ledger)


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """Limits and habits of the IMAP door; times in seconds, sizes in octets.

    `allow_plaintext`: log in without TLS (only on a loopback that is trusted). `starttls`: a certificate is
    there. `login_timeout`: before login; `idle_timeout`: after it, in IDLE as well (RFC 3501 5.4: 30
    minutes at least). `max_login_failures`: then BYE. `max_search_keys`: of one SEARCH. `message_limit`:
    messages that one command works on, `save_limit`: that one COPY or APPEND makes (RFC 9738); 0 for any.
    """

    hostname: str = "localhost"
    allow_plaintext: bool = False
    starttls: bool = True
    login_timeout: float = 60.0
    idle_timeout: float = 1800.0
    max_login_failures: int = 3
    max_message_size: int = 50 * 1024 * 1024
    max_search_keys: int = 1000
    message_limit: int = 0
    save_limit: int = 0
    server_id: tuple[tuple[str, str], ...] = field(default=(("name", "Postier"),))
