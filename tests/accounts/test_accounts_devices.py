"""The ledger of one worker: when it writes, what becomes of a refusal, by what a device is known."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from postier.accounts.device_meter import Introduction
from postier.accounts.devices import DeviceLedger, harmless, identity_of, network_of, no_ledger, protocols_of
from postier.net.api import TlsInfo
from postier.store.api import AccountId, DeviceNote, MailboxId, Store, StoreUnavailable
from postier.testing.store_helpers import SettableClock

ANNA = cast(
    Any, type("Entry", (), {"app_password": 0, "account": type("A", (), {"account_id": AccountId(1)})})
)


class Line:
    """A connection as a meter sees it."""

    def __init__(self) -> None:
        self.bytes_in = self.bytes_out = 0
        self.peer = ("192.0.2.7", 1)
        self.tls = TlsInfo("TLSv1.3", "X", 256)


class Kept:
    """A store that notes what it is given, or refuses."""

    def __init__(self) -> None:
        self.notes: list[DeviceNote] = []
        self.refuses = False
        self.transactions = 0

    async def transact(self, work: Any, *, durable: bool) -> None:
        assert not durable
        if self.refuses:
            raise StoreUnavailable("disk full")
        self.transactions += 1
        await work(self)

    async def note_devices(self, notes: list[DeviceNote], now: int, keep: Any) -> None:
        self.notes += notes


def ledger(clock: SettableClock) -> tuple[Kept, DeviceLedger]:
    kept = Kept()
    return kept, DeviceLedger(cast(Store, kept), clock)


def open_meter(one: DeviceLedger, line: Line, protocol: str = "imap") -> Any:
    return one.open(cast(Any, line), ANNA, protocol)


def test_nothing_is_written_for_a_command_and_short_sessions_come_together() -> None:
    async def test() -> None:
        clock = SettableClock()
        kept, one = ledger(clock)
        for _ in range(1000):
            line = Line()
            meter = open_meter(one, line, "pop3")
            line.bytes_out += 100
            one.close(meter)
            one.close(meter)  # twice is once
        assert kept.transactions == 0
        await one.write()
        (note,) = kept.notes
        (counts,) = note.days.values()
        assert (kept.transactions, counts.sessions, counts.listing) == (1, 1000, 100_000)
        await one.write()
        assert kept.transactions == 1

    asyncio.run(test())


def test_what_a_store_refuses_is_written_later() -> None:
    async def test() -> None:
        clock = SettableClock()
        kept, one = ledger(clock)
        kept.refuses = True
        for moment in (0, 100_000):
            clock.seconds += moment
            line = Line()
            meter = open_meter(one, line)
            line.bytes_in += 7
            one.close(meter)
            await one.write()
        kept.refuses = False
        await one.write()
        (note,) = kept.notes
        assert [counts.commands for counts in note.days.values()] == [7, 7]  # each on its day
        assert note.last_seen - note.first_seen == 100_000

    asyncio.run(test())


def test_a_session_that_goes_on_is_noted_when_something_happened() -> None:
    async def test() -> None:
        clock = SettableClock()
        kept, one = ledger(clock)
        line = Line()
        meter = open_meter(one, line)
        line.bytes_out += 10_000
        await one.write()
        assert kept.notes == []  # it may still say who it is
        clock.seconds += 10
        await one.write()
        assert len(kept.notes) == 1
        line.bytes_out += 100
        clock.seconds += 10
        await one.write()
        assert len(kept.notes) == 1  # next to nothing
        clock.seconds += 900
        await one.write()
        assert len(kept.notes) == 2
        progress = meter.progress(AccountId(1), MailboxId(1), 7)
        progress.listed(3, 5)
        clock.seconds += 10
        await one.write()
        assert [(point.listed_low, point.listed_high) for point in kept.notes[2].points] == [(3, 5)]
        clock.seconds -= 86_400  # the clock goes back: nothing is lost and nothing raises
        await one.write()
        one.close(meter)
        await one.write()
        assert kept.notes[-1].first_seen <= kept.notes[-1].last_seen

    asyncio.run(test())


def test_a_ledger_that_is_off_keeps_nothing() -> None:
    async def test() -> None:
        one = no_ledger()
        line = Line()
        meter = open_meter(one, line)
        meter.whole(100, 10)
        line.bytes_out += 100
        one.close(meter)
        await one.write()
        await one.run()
        one.stop()

    asyncio.run(test())


def test_the_mailboxes_of_one_session_are_bounded() -> None:
    clock = SettableClock()
    _, one = ledger(clock)
    meter = open_meter(one, Line())
    for number in range(10_000):
        meter.progress(AccountId(1), MailboxId(number), 7).listed(1, 2)
    assert len(meter.drain(clock.now()).points) == 200


def test_octets_are_shared_out_by_what_went_over_the_wire() -> None:
    clock = SettableClock()
    _, one = ledger(clock)
    line = Line()
    meter = open_meter(one, line)
    savings = meter.savings = cast(Any, type("S", (), {"saved_in": 0, "saved_out": 0})())
    meter.whole(1000, 400)
    line.bytes_out, savings.saved_out = 500, 1500  # 2,000 of content
    meter.settle()
    line.bytes_in, savings.saved_in = 100, 100
    meter.settle()
    meter.uploads += 50  # known only after it was counted among the commands
    meter.settle()
    counts = meter.drain(clock.now()).counts
    assert counts[:5] == (1000, 600, 400, 150, 50)
    assert counts[5:10] == (250, 150, 100, 75, 25)


def test_a_device_is_known_by_the_best_that_there_is() -> None:
    said = Introduction("K-9 Mail", "6.1", "", "Android")
    assert identity_of(7, "imap", said, "192.0.2.1") == "app:7"
    assert identity_of(0, "imap", said, "192.0.2.1") == "id:imap:k-9 mail||android|"
    assert identity_of(0, "imap", said._replace(version="7"), "::1") == "id:imap:k-9 mail||android|"
    assert identity_of(0, "imap", Introduction("\x00\x1b", "6.1"), "192.0.2.1") == ("net:imap:192.0.2.0/24")
    assert identity_of(0, "pop3", Introduction(), "") == "net:pop3:"
    assert identity_of(0, "pop3", Introduction(), "2001:db8:1:2::3") == "net:pop3:2001:db8:1::/48"
    assert len(identity_of(0, "imap", Introduction(*["x" * 4000] * 5), "")) < 300


def test_networks_and_protocols_have_names() -> None:
    assert network_of("192.0.2.200") == "192.0.2.0/24"
    assert network_of("fe80::1%eth0") == "fe80::/48"
    assert network_of("nonsense") == network_of("") == ""
    assert protocols_of(0) == []
    assert protocols_of(7) == ["imap", "pop3", "submission"]


def test_what_strangers_say_is_made_harmless() -> None:
    assert harmless("a\r\n\x1b[2J b\u202e\u0000") == "a [2J b"
    assert len(harmless("é" * 5000)) == 60
    assert harmless("\x00" * 10_000) == ""
