"""What getting certificates needs from outside, and what it tells."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from postier.acme.client import AcmeClient
from postier.acme.names import Wanted
from postier.acme.plan import AcmePlan
from postier.base.clock import Clock
from postier.dns.api import Resolver
from postier.dns.edit import ZoneEditor
from postier.store.api import Store

__all__ = ["AcmeServices", "Outcome", "Pauses"]


@dataclass(frozen=True, slots=True)
class Pauses:
    """Seconds. `poll`: between looks at what the authority does, at least; `proof`: for which a proof and an
    issue may keep us waiting; `seen`: until every worker shows a new proof by TLS; `dns`: for which a
    record may take to be seen; `dns_poll`: between looks for it."""

    poll: float = 2.0
    proof: float = 300.0
    seen: float = 4.0
    dns: float = 120.0
    dns_poll: float = 5.0


MakeClient = Callable[[AcmePlan, str, str], AcmeClient]
"""With the key of the account and its URL."""


def _make_client(plan: AcmePlan, key: str, account: str) -> AcmeClient:
    return AcmeClient(plan.directory, key, account, plan.authorities)


@dataclass(frozen=True, slots=True)
class AcmeServices:
    """`wanted`: the certificates that there should be. `own`: this server's addresses as others see
    them, beside those of its name in the DNS. `first_key`: the key that the server shows now (PEM), so that
    what is published of it stays true; "" for none. `publish`: brings what TLSA says of our keys into
    the DNS, None where people do; raises UpdateError. `open_editor` raises UpdateError. `owner`: this
    process, unlike all others. `is_dead`: whether another owner is a
    process that is known to have ended. `chance`: from 0 to 1."""

    store: Store
    clock: Clock
    open_resolver: Callable[[], Resolver]
    open_editor: Callable[[], ZoneEditor | None]
    wanted: Callable[[], Awaitable[Sequence[Wanted]]]
    owner: str
    own: Sequence[str] = ()
    first_key: Callable[[], str] = lambda: ""
    publish: Callable[[], Awaitable[None]] | None = None
    is_dead: Callable[[str], bool] = lambda owner: False
    make_client: MakeClient = _make_client
    pauses: Pauses = field(default_factory=Pauses)
    chance: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one subject. `state`: "good", "renewed", "waiting" or "failed"; `text`: the reason of
    the last two. `left_out`: names that were not asked for, with the reasons."""

    subject: str
    state: str
    text: str = ""
    names: tuple[str, ...] = ()
    until: int = 0
    left_out: tuple[str, ...] = ()
