"""The device ledger: which devices use an account, what they move, and how far they have come.

What a device is known by, the first that there is:

1. its app password: then it is one device whatever network it is in and whatever protocols it speaks;
2. what its program says of itself (IMAP's ID, RFC 2971) without versions, and the protocol: a program that
   is updated or travels stays one device, but two of the same kind with the account's own password look
   like one;
3. its network (/24, in IPv6 /48) and the protocol.

Nothing is written while a command runs. A worker keeps what its sessions did and writes all of it together
every so many seconds, and when it stops; a crash loses what came since. Of an account MOST_DEVICES are kept,
of a device MOST_POINTS mailboxes and KEPT_DAYS days.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from functools import lru_cache

from postier.accounts.device_meter import MOST_POINTS, DeviceMeter, Introduction
from postier.accounts.login import Entry
from postier.base.clock import Clock
from postier.base.log import Log
from postier.net.api import Connection
from postier.store.api import (
    AccountId,
    DeviceCounts,
    DeviceNote,
    KeepDevices,
    Store,
    SyncPoint,
    Tx,
)
from postier.store.tally import MINUTE, Tally

__all__ = [
    "DAY",
    "KEPT_DAYS",
    "MOST_DEVICES",
    "PROTOCOLS",
    "DeviceLedger",
    "forget_device",
    "harmless",
    "identity_of",
    "network_of",
    "no_ledger",
    "protocols_of",
]

DAY = 86_400
KEPT_DAYS = 30
MOST_DEVICES = 100
AT_ONCE = 100
"""Devices of one transaction: some 15 ms."""
MOST_WAITING = 10_000
"""Devices of which something waits to be written, of one worker."""

PROTOCOLS = ("imap", "pop3", "submission")
"""As bits of Device.protocols, from the lowest."""

LONGEST = 60
"""Characters of what a program says of itself."""

log = Log("devices")


def protocols_of(bits: int) -> list[str]:
    return [name for number, name in enumerate(PROTOCOLS) if bits >> number & 1]


def harmless(text: str) -> str:
    """What a stranger said, in one short line without control characters, for a terminal or a page."""
    printable = "".join(c if c.isprintable() else " " for c in text[: 4 * LONGEST])
    return " ".join(printable.split())[:LONGEST].rstrip()


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """ "192.0.2.0/24" or "2001:db8:1::/48"; "" for what has no address, such as a Unix socket."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    return str(ipaddress.ip_network((parsed, 24 if parsed.version == 4 else 48), strict=False))


def identity_of(app_password: int, protocol: str, said: Introduction, peer: str) -> str:
    """What the device is known by (see above)."""
    if app_password:
        return f"app:{app_password}"
    named = [harmless(text).casefold() for text in (said.name, said.vendor, said.os, said.unique)]
    if any(named):
        return f"id:{protocol}:{'|'.join(named)}"
    return f"net:{protocol}:{network_of(peer)}"


class DeviceLedger:
    """Of one worker. `run` it as a task; `stop` makes it write what waits, and end. `pause`: seconds between
    two writes. Without a `store` nothing is kept."""

    def __init__(self, store: Store | None, clock: Clock, *, pause: float = MINUTE) -> None:
        self._clock = clock
        self._live: set[DeviceMeter] = set()
        self._tally: Tally[tuple[AccountId, str], DeviceNote] | None = None
        if store is not None:
            self._tally = Tally(
                store,
                log,
                self._write,
                _plus,
                most=MOST_WAITING,
                pause=pause,
                gather=self._gather,
                at_once=AT_ONCE,
            )

    def open(
        self,
        connection: Connection,
        entry: Entry,
        protocol: str,
        *,
        before: tuple[int, int] = (0, 0),
    ) -> DeviceMeter:
        """For a login that has just succeeded; `close` it when the session ends."""
        meter = DeviceMeter(
            connection,
            entry.account.account_id,
            protocol,
            began=self._clock.now(),
            app_password=entry.app_password,
            before=before,
        )
        if self._tally is not None:
            self._live.add(meter)
        return meter

    def close(self, meter: DeviceMeter) -> None:
        if meter in self._live:
            self._live.remove(meter)
            self._take(meter, self._clock.now())

    async def run(self) -> None:
        if self._tally is not None:
            await self._tally.run()

    def stop(self) -> None:
        if self._tally is not None:
            self._tally.stop()

    async def write(self) -> None:
        """What waits, now."""
        if self._tally is not None:
            await self._tally.write()

    def _gather(self) -> None:
        now = self._clock.now()
        for meter in self._live:
            if meter.is_due(now):
                self._take(meter, now)

    def _take(self, meter: DeviceMeter, now: float) -> None:
        assert self._tally is not None, "nothing is kept"
        note = _note(meter, now)
        self._tally.add((note.account_id, note.identity), note)

    async def _write(self, tx: Tx, notes: Mapping[tuple[AccountId, str], DeviceNote]) -> None:
        now = int(self._clock.now())
        keep = KeepDevices(MOST_DEVICES, MOST_POINTS, now // DAY - KEPT_DAYS + 1)
        await tx.note_devices(list(notes.values()), now, keep)


class _SystemClock:
    """Of a ledger that keeps nothing."""

    def now(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


def no_ledger() -> DeviceLedger:
    """Its meters count, and nobody hears of it."""
    return DeviceLedger(None, _SystemClock())


async def forget_device(store: Store, account_id: AccountId, device_id: int) -> bool:
    """Nothing is known of it any more; False where there was none."""
    return await store.transact(lambda tx: tx.forget_device(account_id, device_id))


def _note(meter: DeviceMeter, now: float) -> DeviceNote:
    said, drained = meter.introduction, meter.drain(now)
    return DeviceNote(
        meter.account_id,
        identity_of(meter.app_password, meter.protocol, said, meter.peer),
        meter.app_password,
        1 << PROTOCOLS.index(meter.protocol),
        harmless(said.name),
        harmless(said.version),
        harmless(said.vendor),
        harmless(said.os),
        meter.tls,
        meter.peer,
        min(int(meter.began), int(now)),
        int(now),
        int(drained.last_sent),
        drained.last_trace,
        {int(now // DAY): drained.counts},
        drained.points,
    )


def _plus(one: DeviceNote, later: DeviceNote) -> DeviceNote:
    """Two notes of one device."""
    days: dict[int, DeviceCounts] = dict(one.days)
    for day, counts in later.days.items():
        days[day] = days[day].plus(counts) if day in days else counts
    points: dict[tuple[int, int], SyncPoint] = {
        (point.owner, point.mailbox_id): point for point in one.points
    }
    for point in later.points:
        key = (point.owner, point.mailbox_id)
        points[key] = points[key].joined(point) if key in points else point
    return later._replace(
        protocols=one.protocols | later.protocols,
        name=later.name or one.name,
        version=later.version or one.version,
        vendor=later.vendor or one.vendor,
        os=later.os or one.os,
        tls=later.tls or one.tls,
        peer=later.peer or one.peer,
        first_seen=min(one.first_seen, later.first_seen),
        last_seen=max(one.last_seen, later.last_seen),
        last_sent=max(one.last_sent, later.last_sent),
        last_trace=later.last_trace or one.last_trace,
        days=days,
        points=tuple(points.values())[-MOST_POINTS:],
    )
