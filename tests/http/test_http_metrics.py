"""The page of /metrics: what Prometheus can read, the queue by age, and each figure in the documentation."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from postier.base.metrics import (
    ACCEPTANCE,
    COUNTERS,
    GAUGES,
    HISTOGRAMS,
    MESSAGES,
    WORKER_PROCESS,
    tls_version,
)
from postier.http.metrics import AGES, Metrics
from postier.store.api import QueueTotal, StoreUnavailable

PAGE = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


class FakeStore:
    """Entries as (state, age in seconds); counted in pages of two."""

    def __init__(self, *entries: tuple[str, int]) -> None:
        self.entries = entries
        self.asked = 0
        self.broken = False

    @property
    def reader(self) -> Any:
        if self.broken:
            raise StoreUnavailable("gone")
        return SimpleNamespace(queue_totals=self._totals)

    async def _totals(self, ages: Any, now: int, after: int, limit: int) -> tuple[list[QueueTotal], int]:
        self.asked += 1
        page = self.entries[after : after + 2]
        return [
            QueueTotal(state, sum(age >= bound for bound in ages), 1, now - age) for state, age in page
        ], after + len(page)


class Clock:
    seconds = 1_000_000.0

    def now(self) -> float:
        return self.seconds

    def monotonic(self) -> float:
        return self.seconds


def families(store: FakeStore) -> dict[str, Any]:
    text = asyncio.run(Metrics(store, Clock()).text()).decode()  # type: ignore[arg-type]
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(family: Any, **labels: str) -> float:
    (found,) = (sample.value for sample in family.samples if sample.labels == labels)
    return float(found)


def test_counters_go_on_and_histograms_add_up() -> None:
    before = families(FakeStore())
    MESSAGES.add("mx", "accepted")
    ACCEPTANCE.observe(0.004, "mx")
    after = families(FakeStore())
    assert (
        value(after["postier_messages"], role="mx", verdict="accepted")
        == value(before["postier_messages"], role="mx", verdict="accepted") + 1
    )
    samples = after["postier_acceptance_seconds"].samples
    buckets = [s.value for s in samples if s.name.endswith("_bucket") and s.labels["role"] == "mx"]
    (count,) = (s.value for s in samples if s.name.endswith("_count") and s.labels["role"] == "mx")
    assert buckets == sorted(buckets)
    assert buckets[-1] == count > 0


def test_the_queue_by_state_and_age() -> None:
    store = FakeStore(("waiting", 10), ("waiting", 299), ("waiting", 300), ("later", 10), ("held", 90_000))
    found = families(store)
    entries = found["postier_queue_entries"]
    assert value(entries, state="waiting", age="5m") == 2
    assert value(entries, state="waiting", age="1h") == 1
    assert value(entries, state="waiting", age="older") == 0
    assert value(entries, state="held", age="older") == 1
    assert value(entries, state="later", age="5m") == 1
    assert value(found["postier_queue_oldest_seconds"], state="waiting") == 300
    assert value(found["postier_queue_oldest_seconds"], state="held") == 90_000


def test_an_empty_queue_is_zero_not_missing() -> None:
    found = families(FakeStore())
    assert value(found["postier_queue_entries"], state="waiting", age="1d") == 0
    assert value(found["postier_queue_oldest_seconds"], state="held") == 0


def test_the_queue_is_counted_once_in_a_while() -> None:
    store, clock = FakeStore(("waiting", 1)), Clock()

    async def run() -> None:
        metrics = Metrics(store, clock)  # type: ignore[arg-type]
        await asyncio.gather(metrics.text(), metrics.text())
        first = store.asked
        await metrics.text()
        assert store.asked == first == 2
        clock.seconds += 10
        await metrics.text()
        assert store.asked == 4

    asyncio.run(run())


def test_the_rest_is_shown_while_the_store_is_gone() -> None:
    store = FakeStore(("waiting", 1))
    store.broken = True
    assert value(families(store)["postier_queue_entries"], state="waiting", age="5m") == 0


def test_workers_show_their_memory_and_time(monkeypatch: pytest.MonkeyPatch) -> None:
    WORKER_PROCESS.set(os.getpid())
    try:
        found = families(FakeStore())
        assert value(found["postier_worker_resident_bytes"], worker="0") > 1e6
        assert value(found["postier_worker_cpu_seconds"], worker="0") > 0
        WORKER_PROCESS.set(2**22 + 1)  # no process has that number
        assert families(FakeStore())["postier_worker_resident_bytes"].samples == []
    finally:
        WORKER_PROCESS.set(0)


def test_names_follow_the_conventions() -> None:
    for figure in (*COUNTERS, *GAUGES, *HISTOGRAMS):
        assert re.fullmatch(r"postier_[a-z_]+", figure.name)
        assert figure.doc.endswith(".")
        assert not figure.name.endswith(("_total", "_count", "_sum", "_bucket"))
    assert len(AGES) + 1 == len(set(AGES) | {"older"})


def test_the_page_explains_every_figure_and_no_other() -> None:
    shown = set()
    for family in families(FakeStore()).values():
        shown.add(family.name + ("_total" if family.type == "counter" else ""))
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `(postier_\w+)` \|", text, re.MULTILINE)) == shown
    parts = {name + part for name in shown for part in ("", "_bucket", "_sum", "_count")}
    assert set(re.findall(r"\bpostier_\w+", text)) <= parts


def test_the_version_of_tls_words() -> None:
    assert tls_version("TLSv1.3 TLS_AES_256_GCM_SHA384") == "TLSv1.3"
    assert tls_version("") == "none"
