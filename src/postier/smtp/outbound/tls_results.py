"""How TLS went with other domains, counted for reports (RFC 8460 4.3).

One count for each day, policy domain, kind of policy, host, address of ours, result and domain written to.
Noting never waits and never fails; what was counted is written once a minute in a transaction that does not
wait for the disk, so a crash loses a minute of figures at most. Past MAX_KINDS different ones in a minute,
new ones are dropped.
"""

from __future__ import annotations

import asyncio

from postier.base.clock import Clock
from postier.base.log import Log
from postier.smtp.outbound.routes import Host
from postier.smtp.outbound.tls_policy import TlsPolicy
from postier.store.api import Store, StoreError, TlsResult, Tx

__all__ = ["DAY", "KEEP_DAYS", "TlsResults"]

DAY = 86_400
KEEP_DAYS = 35
MAX_KINDS = 5000
MAX_DETAIL = 200
PAUSE = 60.0

log = Log("tls results")


class TlsResults:
    """`run` it as a task; `stop` makes it write what waits, and end. `pause`: seconds between two batches."""

    def __init__(self, store: Store, clock: Clock, *, pause: float = PAUSE) -> None:
        self._store = store
        self._clock = clock
        self._pause = pause
        self._counts: dict[TlsResult, int] = {}
        self._stopping = asyncio.Event()

    def note(
        self,
        destination: str,
        host: Host,
        policy: TlsPolicy,
        *,
        result: str = "",
        detail: str = "",
        source: str = "",
    ) -> None:
        """A session under `policy`, or the want of one. `result`: the result type, "" if all was well.

        `source`: our address.
        """
        if destination.startswith("[") or not host.port:
            return  # nobody's domain
        self._count(
            TlsResult(
                int(self._clock.now()) // DAY,
                policy.server_name or host.name if policy.kind == "tlsa" else destination,
                policy.kind,
                host.name,
                source,
                result,
                policy.document,
                detail[:MAX_DETAIL],
                destination,
            )
        )

    def _count(self, result: TlsResult) -> None:
        if result in self._counts or len(self._counts) < MAX_KINDS:
            self._counts[result] = self._counts.get(result, 0) + 1

    async def run(self) -> None:
        while not self._stopping.is_set():
            try:
                async with asyncio.timeout(self._pause):
                    await self._stopping.wait()
            except TimeoutError:
                pass  # another minute is over
            await self.write()

    def stop(self) -> None:
        self._stopping.set()

    async def write(self) -> None:
        """What was counted since the last time; it stays where the store refuses."""
        counts, self._counts = self._counts, {}

        async def work(tx: Tx) -> None:
            await tx.add_tls_results(counts)

        try:
            if counts:
                await self._store.transact(work, durable=False)
        except StoreError as error:
            log.fault("figures not written", why=error)
            for result, count in counts.items():
                self._counts[result] = self._counts.get(result, 0) + count
