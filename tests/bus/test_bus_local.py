from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postier.bus.api import Bus
from postier.bus.local import LocalBus
from postier.testing.bus_contract import BusContract, turns


class TestLocalBus(BusContract):
    @pytest.fixture
    def make_bus(self, tmp_path: Path) -> Iterator[Callable[[], Bus]]:
        made: list[LocalBus] = []

        def make() -> LocalBus:
            made.append(LocalBus(tmp_path, "w0"))
            return made[-1]

        yield make
        for bus in made:
            bus._socket.close()  # its loop has ended, so that close() would find none


def two_workers(folder: Path, check: Callable[[LocalBus, LocalBus], object]) -> None:
    async def run() -> None:
        one, two = LocalBus(folder, "w0"), LocalBus(folder, "w1")
        try:
            await check(one, two)  # type: ignore[misc]
        finally:
            one.close()
            two.close()
            two.close()

    asyncio.run(run())


def listener(bus: LocalBus, topic: int, last: int) -> tuple[list[int], asyncio.Event]:
    """What the topic's subscriber hears, and an event for when it heard `last`."""
    heard: list[int] = []
    done = asyncio.Event()

    def hear(number: int) -> None:
        heard.append(number)
        if number == last:
            done.set()

    bus.subscribe(topic, hear)
    return heard, done


def test_workers_hear_each_other(tmp_path: Path) -> None:
    async def check(one: LocalBus, two: LocalBus) -> None:
        heard, done = listener(two, 5, 9)
        one.publish(5, 9)
        await done.wait()
        assert heard == [9]

    two_workers(tmp_path, check)


def test_topics_of_one_turn_go_out_together_with_their_highest_number(tmp_path: Path) -> None:
    async def check(one: LocalBus, two: LocalBus) -> None:
        heard, done = listener(two, 5, 3)
        for number in (1, 3, 2):
            one.publish(5, number)
        await done.wait()
        await turns()
        assert heard == [3]

    two_workers(tmp_path, check)


def test_a_peer_that_is_behind_gets_everything_later(tmp_path: Path) -> None:
    """Far more datagrams than the kernel queues for one socket, while its worker does not read."""

    async def check(one: LocalBus, two: LocalBus) -> None:
        two._loop.remove_reader(two._socket.fileno())
        events = [listener(two, topic, 700 + topic)[1] for topic in range(800)]
        for topic in range(800):
            one.publish(topic, 700 + topic)
            one._flush()
        two._loop.add_reader(two._socket.fileno(), two._receive)
        await asyncio.gather(*(event.wait() for event in events))

    two_workers(tmp_path, check)


def test_more_topics_than_one_datagram_holds(tmp_path: Path) -> None:
    async def check(one: LocalBus, two: LocalBus) -> None:
        _, done = listener(two, 4999, 1)
        for topic in range(5000):
            one.publish(topic, 1)
        await done.wait()

    two_workers(tmp_path, check)


def test_a_worker_that_died_is_forgotten_and_may_come_back(tmp_path: Path) -> None:
    async def check(one: LocalBus, two: LocalBus) -> None:
        dead = LocalBus(tmp_path, "w2")
        one.publish(1, 1)
        await turns()
        dead._loop.remove_reader(dead._socket.fileno())
        dead._socket.close()  # as a kill does: the file stays
        one.publish(1, 2)
        await turns()
        assert not (tmp_path / "w2.bus").exists()
        back = LocalBus(tmp_path, "w2")
        _, done = listener(back, 1, 3)
        one.publish(1, 3)
        await done.wait()
        back.close()

    two_workers(tmp_path, check)


def test_folders_with_long_names(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 40)

    async def check(one: LocalBus, two: LocalBus) -> None:
        _, done = listener(one, 1, 1)
        two.publish(1, 1)
        await done.wait()

    two_workers(folder, check)


def test_closing_removes_the_socket(tmp_path: Path) -> None:
    async def run() -> None:
        bus = LocalBus(tmp_path, "w0")
        assert [path.name for path in tmp_path.iterdir()] == ["w0.bus"]
        bus.close()
        bus.publish(1, 1)
        await turns()
        assert list(tmp_path.iterdir()) == []

    asyncio.run(run())
