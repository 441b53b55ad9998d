"""How TLS went with other domains, counted for reports (RFC 8460 4.3).

One count for each day, policy domain, kind of policy, host, address of ours, result and domain written to.
Noting never waits and never fails; what was counted is written once a minute in a transaction that does not
wait for the disk, so a crash loses a minute of figures at most. Past MAX_KINDS different ones in a minute,
new ones are dropped.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping

from postier.base.clock import Clock
from postier.base.log import Log
from postier.smtp.outbound.routes import Host
from postier.smtp.outbound.tls_policy import TlsPolicy
from postier.store.api import Store, TlsResult, Tx
from postier.store.tally import MINUTE, Tally

__all__ = ["DAY", "KEEP_DAYS", "TlsResults"]

DAY = 86_400
KEEP_DAYS = 35
MAX_KINDS = 5000
MAX_DETAIL = 200

log = Log("tls results")


class TlsResults:
    """`run` it as a task; `stop` makes it write what waits, and end. `pause`: seconds between two batches."""

    def __init__(self, store: Store, clock: Clock, *, pause: float = MINUTE) -> None:
        self._clock = clock
        self._counts = Tally(store, log, _write, operator.add, most=MAX_KINDS, pause=pause)

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
        self._counts.add(
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
            ),
            1,
        )

    async def run(self) -> None:
        await self._counts.run()

    def stop(self) -> None:
        self._counts.stop()

    async def write(self) -> None:
        await self._counts.write()


async def _write(tx: Tx, counts: Mapping[TlsResult, int]) -> None:
    await tx.add_tls_results(counts)
