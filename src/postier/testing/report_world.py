"""A server that sends reports: a real store in a folder, a clock that is set, a DNS of maps, HTTPS that takes
what comes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from postier.accounts.domains import add_domain
from postier.base.domain import Domain
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.reports.out.daily import Reporting, ReportSettings
from postier.reports.out.desk import ReportDesk, ReportLimits
from postier.reports.out.destinations import Destination
from postier.reports.out.documents import Documents
from postier.reports.out.https import PostError
from postier.reports.out.identity import DAY
from postier.store.api import TlsResult
from postier.store.sqlite import SqliteStore, open_sqlite
from postier.testing.dns import Zone, ZoneResolver
from postier.testing.store_helpers import SettableClock

__all__ = [
    "BAD",
    "GOOD",
    "LATE",
    "MAILTO",
    "NOON",
    "POLICY",
    "YESTERDAY",
    "Post",
    "World",
    "on_world",
    "opened",
]

YESTERDAY = 20_000
NOON = (YESTERDAY + 1) * DAY + 12 * 3600.0
LATE = (YESTERDAY + 1) * DAY + 23 * 3600.0
"""Every report of YESTERDAY is due by then."""
POLICY = "version: STSv1\nmode: enforce\nmx: *.b.example\nmax_age: 86400"
GOOD = TlsResult(
    YESTERDAY, "b.example", "sts", "mx.b.example", "192.0.2.1", "", POLICY, destination="b.example"
)
BAD = GOOD._replace(result="certificate-expired", detail="certificate has expired")
MAILTO = {"_smtp._tls.b.example": [("TXT", "v=TLSRPTv1; rua=mailto:tls@b.example")]}


@dataclass
class Post:
    """HTTPS: keeps what came; `fault` is raised instead."""

    came: list[tuple[Destination, bytes, str]] = field(default_factory=list)
    fault: PostError | None = None

    async def post(self, to: Destination, content: bytes, media_type: str) -> None:
        if self.fault is not None:
            raise self.fault
        self.came.append((to, content, media_type))


@dataclass
class World:
    store: SqliteStore
    blobs: LocalBlobs
    clock: SettableClock
    post: Post
    desk: ReportDesk
    reporting: Reporting

    async def mails(self) -> list[tuple[str, str, bytes]]:
        """Reverse-path, recipient and octets of what waits in the queue."""
        return [
            (entry.reverse_path, entry.recipients[0].forward_path, await self.blobs.read(entry.blob))
            for entry in await self.store.reader.queue_entries()
        ]


@asynccontextmanager
async def opened(
    folder: Path,
    zone: Zone = MAILTO,
    *,
    results: dict[TlsResult, int] | None = None,
    limits: ReportLimits | None = None,
    dmarc: bool = False,
) -> AsyncIterator[World]:
    clock = SettableClock(LATE)
    blobs = LocalBlobs(folder, "w0")
    store = await open_sqlite(folder / "mail.db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="w0")
    await store.transact(lambda tx: add_domain(tx, Domain("us.example"), clock))
    counts = {GOOD: 5, BAD: 2} if results is None else results
    await store.transact(lambda tx: tx.add_tls_results(counts))
    post, chosen = Post(), limits or ReportLimits()
    desk = ReportDesk(store, ZoneResolver(zone), clock, post, chosen)  # type: ignore[arg-type]
    settings = ReportSettings("mail.us.example", tls=not dmarc, dmarc=dmarc, limits=chosen)
    reporting = Reporting(store, clock, desk, Documents(store.reader), settings)
    try:
        yield World(store, blobs, clock, post, desk, reporting)
    finally:
        await store.close()


def on_world(folder: Path, work: Callable[[World], Awaitable[Any]], *arguments: Any, **more: Any) -> Any:
    """Run `work` on a world of its own; what it returns."""

    async def whole() -> Any:
        async with opened(folder, *arguments, **more) as world:
            return await work(world)

    return asyncio.run(whole())
