"""How many may connect, at a time and in a minute."""

from __future__ import annotations

import pytest

from postier.base.shared_counts import SharedCounts
from postier.net.limits import Gate, Limits, address_key, network_key


class Clock:
    now = 1000.0

    def monotonic(self) -> float:
        return self.now


def fill(gate: Gate, addresses: list[str]) -> list[str]:
    """Who was let in."""
    inside = []
    for address in addresses:
        if not gate.why_not(address):
            gate.enter(address)
            inside.append(address)
    return inside


def test_ipv6_counts_by_64_and_its_network_by_48():
    assert address_key("2001:db8:1:2::1") == address_key("2001:db8:1:2:ffff::9")
    assert address_key("2001:db8:1:2::1") != address_key("2001:db8:1:3::1")
    assert address_key("192.0.2.1") == "192.0.2.1"
    assert network_key("2001:db8:1:2::1") == network_key("2001:db8:1:3::1")
    assert network_key("2001:db8:1:2::1") != network_key("2001:db8:2:2::1")
    assert network_key("192.0.2.1") == network_key("192.0.2.200") != network_key("192.0.3.1")


@pytest.mark.parametrize("tries", [3, 4, 400])
@pytest.mark.parametrize(
    ("limits", "address"),
    [
        (Limits(3, 0), "192.0.2.{}"),
        (Limits(0, 3), "192.0.2.1"),
        (Limits(0, 3), "2001:db8::{}"),
        (Limits(0, 0, 3), "192.0.2.{}"),
        (Limits(0, 0, 3), "2001:db8:0:{}::1"),
        (Limits(0, 0, 0, 3), "192.0.2.1"),
        (Limits(0, 0, 0, 3), "2001:db8::{}"),
    ],
)
def test_three_are_let_in(limits: Limits, address: str, tries: int):
    gate = Gate(limits, 10_000)
    assert len(fill(gate, [address.format(number % 250) for number in range(tries)])) == 3
    others = [] if limits.connections else ["198.51.100.1", "2001:db8:ffff:ffff::1"]
    assert fill(gate, others) == others


def test_who_leaves_makes_room_and_is_forgotten():
    gate = Gate(Limits(2, 2, 2), 10_000)
    for _ in range(3):
        assert fill(gate, ["192.0.2.1"] * 3) == ["192.0.2.1"] * 2
        for _ in range(2):
            gate.leave("192.0.2.1")
    assert not gate._by_key


def test_the_next_minute_begins_anew():
    clock = Clock()
    gate = Gate(Limits(0, 0, 0, 2), 10_000, monotonic=clock.monotonic)
    for _ in range(2):
        assert len(fill(gate, ["192.0.2.1"] * 5)) == 2
        clock.now += 60


def test_workers_count_the_new_ones_together():
    counts = SharedCounts()
    gates = [Gate(Limits(0, 0, 0, 4), 10_000, counts) for _ in range(2)]
    assert [len(fill(gate, ["192.0.2.1"] * 3)) for gate in gates] == [3, 1]


def test_this_machine_may_be_hasty():
    gate = Gate(Limits(0, 0, 0, 2), 10_000)
    assert len(fill(gate, ["127.0.0.1"] * 10)) == len(fill(gate, ["::1"] * 10)) == 10


def test_no_limit_lets_everybody_in():
    assert len(fill(Gate(Limits(0, 0), 100), ["192.0.2.1"] * 101)) == 100


def test_many_networks_do_not_fill_memory():
    counts = SharedCounts(64)
    gate = Gate(Limits(0, 5, 5, 5), 10_000, counts)
    for number in range(5000):
        gate.why_not(f"2001:db8:{number:x}::1")
    assert len(counts._memory) == 64 * 12
    assert not +gate._by_key
    assert len(gate._by_key) == 0
