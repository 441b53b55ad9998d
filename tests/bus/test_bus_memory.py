from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from postier.bus.api import Bus
from postier.bus.memory import MemoryBus
from postier.testing.bus_contract import BusContract


class TestMemoryBus(BusContract):
    @pytest.fixture
    def make_bus(self) -> Callable[[], Bus]:
        return MemoryBus


def test_publishing_after_the_loop_ended_is_harmless() -> None:
    async def make() -> MemoryBus:
        return MemoryBus()

    asyncio.run(make()).publish(1, 1)
