"""Greylisting (RFC 6647): who is new here is asked to come again, which junk senders seldom do.

New is a triple: the sending pool, the domain of the reverse-path, the recipient. A pool is the domain that
SPF vouches for, however many hosts it has, or else the network of the client (/24, /64). The first try is
put off until `wait` has passed; a try between then and `window` is let through, and from then on the pool
may write in that domain's name to everybody, until it was silent for `keep`.

    unknown -> WAITING until first + window -> (a try after first + wait) -> KNOWN, `keep` from the last

One row for each triple that waits, one for each pool that is known; a network that invents senders gets no
more than MAX_NEW rows in an hour, and is put off without.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from postier.base.shared_counts import SharedCounts
from postier.filter.rates import HOUR
from postier.store.api import GreylistEntry, StepKey, StepKind, Store, Tx

__all__ = ["Greylist", "GreylistTimes", "Triple", "forget_expired", "judge_entry"]

DAY = 86_400
MAX_NEW = 2000
BATCH = 500
"""Rows of one transaction."""
_STORIES = 5
"""Stories looked at to find out whether somebody here has written to the sender."""


@dataclass(frozen=True, slots=True)
class GreylistTimes:
    """In seconds."""

    wait: int = 300
    window: int = DAY
    keep: int = 36 * DAY


@dataclass(frozen=True, slots=True)
class Triple:
    """`network`: of the client, also where the pool is a domain. `sender_domain`: "" for the null path."""

    pool: str
    network: str
    sender_domain: str
    recipient: str

    @property
    def key(self) -> int:
        return _hash(f"{self.pool}\0{self.sender_domain}\0{self.recipient}")

    @property
    def pool_key(self) -> int:
        return _hash(f"{self.pool}\0{self.sender_domain}")


def _hash(text: str) -> int:
    """63 bits, so that every engine has an integer for it."""
    return int.from_bytes(blake2b(text.casefold().encode(), digest_size=8).digest()) >> 1


def judge_entry(entry: GreylistEntry | None, now: int, times: GreylistTimes) -> tuple[int, GreylistEntry]:
    """How many seconds the client is to wait, 0 to let it through, and the entry from now on."""
    if entry is None or now > entry.expires or now < entry.first:
        return times.wait, GreylistEntry(now, False, now + times.window)
    if not entry.passed and now < entry.first + times.wait:
        return entry.first + times.wait - now, entry
    return 0, GreylistEntry(entry.first, True, now + times.keep)


class Greylist:
    """One for a dialogue. `counts`: of new triples, for all workers together."""

    def __init__(self, store: Store, counts: SharedCounts, times: GreylistTimes) -> None:
        self._store = store
        self._counts = counts
        self._times = times
        self._correspondent = ("", False)

    async def seconds_to_wait(self, triple: Triple, sender: str, now: float) -> int:
        """0 to let it through. `sender`: the reverse-path, "" for the null path. Raises StoreError."""
        when, times = int(now), self._times
        known = await self._store.reader.greylist_entry(triple.pool_key)
        if known is not None and known.passed and known.first <= when <= known.expires:
            if known.expires < when + times.keep - DAY:  # written again once a day at most
                await self._write(triple.pool_key, GreylistEntry(known.first, True, when + times.keep))
            return 0
        if await self._has_been_written_to(sender):
            return 0
        entry = await self._store.reader.greylist_entry(triple.key)
        if entry is None and self._counts.add(f"grey {triple.network}", when // HOUR) > MAX_NEW:
            return times.wait
        wait, after = judge_entry(entry, when, times)
        if wait == 0:
            await self._write(triple.pool_key, after)
        elif after != entry:
            await self._write(triple.key, after)
        return wait

    async def _has_been_written_to(self, sender: str) -> bool:
        """Somebody here has sent to `sender`, as far back as stories are kept.

        Looked for once, however many recipients a dialogue names: the stories of a large mailing are long.
        """
        if sender != self._correspondent[0]:
            self._correspondent = sender, await self._is_in_stories(sender)
        return self._correspondent[1]

    async def _is_in_stories(self, sender: str) -> bool:
        reader = self._store.reader
        for trace_id in await reader.traces(StepKey.RECIPIENT, sender, limit=_STORIES):
            for step in await reader.steps(trace_id):
                told = step.facts.get("recipient", "").casefold()
                if step.kind is StepKind.QUEUED and told == sender.casefold():
                    return True
        return False

    async def _write(self, key: int, entry: GreylistEntry) -> None:
        async def work(tx: Tx) -> None:
            await tx.set_greylist_entry(key, entry)

        await self._store.transact(work, durable=False)


async def forget_expired(store: Store, now: float) -> int:
    """Remove what means nothing any more, in batches, and return how many. Raises StoreError."""
    gone = 0
    while True:
        batch = await store.transact(lambda tx: tx.forget_greylist(int(now), BATCH), durable=False)
        gone += batch
        if batch < BATCH:
            return gone
