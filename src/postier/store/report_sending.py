"""What the store keeps of reports that we send: values and interfaces, part of store.api.

Days are counted since 1970 in UTC, moments in seconds since 1970.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

__all__ = [
    "DmarcCount",
    "DmarcDay",
    "DmarcSeen",
    "ReportOutcome",
    "ReportSendingReader",
    "ReportSendingTx",
    "ReportTarget",
]


class DmarcSeen(NamedTuple):
    """How messages fared under the DMARC policy of `domain`: `policy` and `facts` in JSON, the same text for
    the same thing."""

    day: int
    domain: str
    policy: str
    facts: str


class DmarcCount(NamedTuple):
    """So many messages, and those of them that were neither refused nor set aside."""

    messages: int
    accepted: int


class DmarcDay(NamedTuple):
    """All that was seen of a domain on one day; the numbers as in DmarcCount."""

    day: int
    domain: str
    messages: int
    accepted: int


class ReportOutcome(NamedTuple):
    """What became of the report of `day` to `domain`.

    `kind`: "tls" or "dmarc". `outcome`: "sent" (on its way), "nothing" (nobody to send it to) or "failed";
    `destinations`: how many got it; `detail` in words.
    """

    kind: str
    domain: str
    day: int
    report_id: str
    outcome: str
    destinations: int
    detail: str
    written: int


class ReportTarget(NamedTuple):
    """A place that reports go to, an address or a URL, or a domain that gets none.

    `tag`: in the return address of reports that go there. `last`: when the last of `sent` reports was.
    `stopped`: when it was, 0 where it is not; `reason` in words.
    """

    name: str
    tag: str
    sent: int
    last: int
    stopped: int = 0
    reason: str = ""


class ReportSendingReader(Protocol):
    async def dmarc_days(self, first: int, last: int) -> list[DmarcDay]:
        """Of these days and those between; by day and domain."""
        ...

    async def dmarc_results(self, day: int, domain: str, limit: int) -> list[tuple[DmarcSeen, DmarcCount]]:
        """At most `limit`, those of most messages first."""
        ...

    async def report_outcomes(self, first: int, last: int) -> list[ReportOutcome]:
        """Of these days and those between; by day, kind and domain."""
        ...

    async def report_outcome(self, kind: str, domain: str, day: int) -> ReportOutcome | None: ...

    async def reports_written(self, since: int) -> int:
        """How many destinations got a report since that moment."""
        ...

    async def report_target(self, name: str) -> ReportTarget | None: ...

    async def report_target_of_tag(self, tag: str) -> ReportTarget | None: ...

    async def report_targets(self, *, stopped: bool = False) -> list[ReportTarget]:
        """By name. `stopped`: only those that are."""
        ...


class ReportSendingTx(ReportSendingReader, Protocol):
    async def add_dmarc_results(self, counts: Mapping[DmarcSeen, DmarcCount]) -> None:
        """They are added to what is there of the same."""
        ...

    async def forget_dmarc_results(self, day: int, domain: str) -> int:
        """Returns how many rows went."""
        ...

    async def forget_old_dmarc_results(self, before: int) -> int:
        """Those of earlier days. Returns how many rows went."""
        ...

    async def set_report_outcome(self, outcome: ReportOutcome) -> None:
        """Adds it, or replaces the one of its kind, domain and day."""
        ...

    async def forget_report_outcomes(self, before: int) -> int:
        """Those of earlier days. Returns how many went."""
        ...

    async def set_report_target(self, target: ReportTarget) -> None:
        """Adds it, or replaces the one of its name. Its tag must be no other's."""
        ...
