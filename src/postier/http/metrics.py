"""GET /metrics: the figures of all workers of this host together, in the text format of Prometheus.

The queue is counted when somebody asks, in pieces, and at most once in QUEUE_SECONDS by each worker.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from postier import __version__
from postier.base.clock import Clock
from postier.base.figures import Histogram
from postier.base.metrics import COUNTERS, GAUGES, HISTOGRAMS, WORKER_PROCESS
from postier.store.api import QueueTotal, Store, StoreError

__all__ = ["AGES", "QUEUE_SECONDS", "Metrics"]

QUEUE_SECONDS = 10.0
_ROWS_AT_ONCE = 5_000
"""Entries counted before the other tasks have their turn: some 3 ms."""

AGES = {"5m": 300, "1h": 3600, "4h": 14400, "1d": 86400}
"""How old entries are, at most; older ones are "older"."""
_AGE_NAMES = (*AGES, "older")

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Metrics:
    """`text` makes the page."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue: list[QueueTotal] = []
        self._counted = -QUEUE_SECONDS
        self._lock = asyncio.Lock()

    async def text(self) -> bytes:
        """Without the queue where the store cannot be read: then /health/ready says so."""
        async with self._lock:
            if self._clock.monotonic() - self._counted >= QUEUE_SECONDS:
                self._queue = await self._count_queue()
                self._counted = self._clock.monotonic()
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Collector(self._queue, int(self._clock.now())))
        return generate_latest(registry)

    async def _count_queue(self) -> list[QueueTotal]:
        now, after = int(self._clock.now()), 0
        found: list[QueueTotal] = []
        try:
            while True:
                totals, last = await self._store.reader.queue_totals(
                    tuple(AGES.values()), now, after, _ROWS_AT_ONCE
                )
                if not totals:
                    return found
                found += totals
                after = last
                await asyncio.sleep(0)
        except StoreError:
            return []


class _Collector(Collector):
    def __init__(self, queue: Sequence[QueueTotal], now: int) -> None:
        self._queue = queue
        self._now = now

    def collect(self) -> Iterator[Metric]:
        for counter in COUNTERS:
            family = CounterMetricFamily(counter.name, counter.doc, labels=counter.labels)
            for values, value in counter.samples():
                family.add_metric(values, value)
            yield family
        for gauge in GAUGES:
            open_now = GaugeMetricFamily(gauge.name, gauge.doc, labels=gauge.labels)
            for values, value in gauge.samples():
                open_now.add_metric(values, value)
            yield open_now
        for histogram in HISTOGRAMS:
            yield _distribution(histogram)
        yield from _queue(self._queue, self._now)
        yield from _workers()
        build = GaugeMetricFamily("postier_build_info", "The version that runs.", labels=("version",))
        build.add_metric((__version__,), 1)
        yield build


def _distribution(histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(histogram.name, histogram.doc, labels=histogram.labels)
    for values, total, steps in histogram.distributions():
        buckets, count = [], 0.0
        for bound, step in zip((*map(str, histogram.bounds), "+Inf"), steps, strict=True):
            count += step
            buckets.append((bound, count))
        family.add_metric(values, buckets, total)
    return family


def _queue(totals: Sequence[QueueTotal], now: int) -> Iterator[Metric]:
    entries: Counter[tuple[str, str]] = Counter()
    oldest: dict[str, int] = {}
    for total in totals:
        entries[total.state, _AGE_NAMES[total.age]] += total.entries
        oldest[total.state] = max(oldest.get(total.state, 0), now - total.oldest)
    states = sorted({"waiting", "held", *oldest})
    family = GaugeMetricFamily(
        "postier_queue_entries",
        "Messages in the queue, by state and by age at most.",
        labels=("state", "age"),
    )
    for state in states:
        for age in _AGE_NAMES:
            family.add_metric((state, age), entries[state, age])
    yield family
    ages = GaugeMetricFamily(
        "postier_queue_oldest_seconds", "Age of the oldest message in the queue.", labels=("state",)
    )
    for state in states:
        ages.add_metric((state,), oldest.get(state, 0))
    yield ages


def _workers() -> Iterator[Metric]:
    cpu = CounterMetricFamily(
        "postier_worker_cpu_seconds", "Time of the processor that each worker used.", labels=("worker",)
    )
    memory = GaugeMetricFamily(
        "postier_worker_resident_bytes", "Memory that each worker holds.", labels=("worker",)
    )
    for slot, process in WORKER_PROCESS.by_worker():
        try:
            found = Path(f"/proc/{process:.0f}/stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        user, system, pages = int(found[11]), int(found[12]), int(found[21])
        cpu.add_metric((str(slot),), (user + system) / _TICKS)
        memory.add_metric((str(slot),), pages * _PAGE)
    yield cpu
    yield memory
