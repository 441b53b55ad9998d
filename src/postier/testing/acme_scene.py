"""What tests of certificates by ACME have: a store, an authority in this process, a role that asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from postier.acme.names import Wanted
from postier.acme.plan import AcmePlan
from postier.acme.renewing import Renewer
from postier.acme.services import AcmeServices, Outcome, Pauses
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.dns.edit import ZoneEditor
from postier.store.api import Renewal, Store, StoredCertificate
from postier.store.sqlite import open_sqlite
from postier.testing.acme_server import FakeAuthority
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock

__all__ = ["DAY", "HOST", "Scene", "acme_scene"]

HOST = "mail.orchard.test"
DAY = 86_400


@dataclass
class Scene:
    """What a test has: change it, then `await scene.turn()`."""

    store: Store
    authority: FakeAuthority
    clock: SettableClock
    plan: AcmePlan
    zone: dict[str, list[object]]
    wanted: list[Wanted]
    editor: ZoneEditor | None = None
    changes: dict[str, Any] = field(default_factory=dict)

    def services(self, owner: str = "one") -> AcmeServices:
        async def wanted() -> list[Wanted]:
            return self.wanted

        made = AcmeServices(
            store=self.store,
            clock=self.clock,
            open_resolver=lambda: ZoneResolver(self.zone),
            open_editor=lambda: self.editor,
            wanted=wanted,
            owner=owner,
            pauses=Pauses(poll=0, seen=0, dns=0, dns_poll=0, proof=60),
            chance=lambda: 0.0,
        )
        return replace(made, **self.changes)

    async def turn(self, *subjects: str, now: bool = False, owner: str = "one") -> list[Outcome]:
        outcomes = await Renewer(self.services(owner), self.plan).turn(subjects, on_demand=now)
        assert outcomes is not None
        return outcomes

    async def one(self, **how: bool) -> Outcome:
        """Of the only subject."""
        (outcome,) = await self.turn(**how)  # type: ignore[arg-type]
        return outcome

    async def renewal(self, subject: str = HOST) -> Renewal:
        found = await self.store.reader.renewal(subject)
        assert found is not None
        return found

    async def certificate(self, name: str = HOST) -> StoredCertificate | None:
        return next((one for one in await self.store.reader.certificates() if one.name == name), None)


@asynccontextmanager
async def acme_scene(folder: Path, authority: FakeAuthority) -> AsyncIterator[Scene]:
    """A server that wants one certificate, for HOST."""
    clock = SettableClock()
    authority.now = clock.seconds
    store = await open_sqlite(
        folder / "postier.db",
        blobs=LocalBlobs(folder, "test"),
        bus=MemoryBus(),
        clock=clock,
        owner="test",
    )
    try:
        zone: dict[str, list[object]] = {HOST: [("A", "127.0.0.1")]}
        plan = AcmePlan(authority.directory, HOST, ("mailto:a@orchard.test",))
        yield Scene(store, authority, clock, plan, zone, [Wanted(HOST, (HOST,))])
    finally:
        await store.close()
