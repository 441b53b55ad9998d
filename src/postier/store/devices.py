"""What the store keeps of the devices of our people: values and interfaces, part of store.api."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from postier.store.values import AccountId, MailboxId

__all__ = [
    "NOTHING_MOVED",
    "Device",
    "DeviceCounts",
    "DeviceDay",
    "DeviceNote",
    "DeviceReader",
    "DeviceTx",
    "KeepDevices",
    "SyncPoint",
]


class DeviceCounts(NamedTuple):
    """Octets by kind, and what happened how often.

    From us: `listing` (envelopes, flags, headers, lists and whatever is neither of the others), `bodies`
    (texts of messages), `attachments`. To us: `commands` and `uploads` (messages). `wire_…`: the same as
    they went over the wire, above TLS and below compression. `deleted`: messages that a POP3 client removed,
    and their octets. `sent`: messages submitted.
    """

    listing: int = 0
    bodies: int = 0
    attachments: int = 0
    commands: int = 0
    uploads: int = 0
    wire_listing: int = 0
    wire_bodies: int = 0
    wire_attachments: int = 0
    wire_commands: int = 0
    wire_uploads: int = 0
    sessions: int = 0
    deleted: int = 0
    deleted_octets: int = 0
    sent: int = 0

    def plus(self, other: DeviceCounts) -> DeviceCounts:
        return DeviceCounts(*[one + more for one, more in zip(self, other, strict=True)])

    @property
    def content_out(self) -> int:
        return self.listing + self.bodies + self.attachments

    @property
    def wire_out(self) -> int:
        return self.wire_listing + self.wire_bodies + self.wire_attachments

    @property
    def content_in(self) -> int:
        return self.commands + self.uploads

    @property
    def wire_in(self) -> int:
        return self.wire_commands + self.wire_uploads


NOTHING_MOVED = DeviceCounts()


class SyncPoint(NamedTuple):
    """How far a device has come in a mailbox of `owner`, as of `at`; 0 where nothing is known.

    `told_uid`, `told_modseq`: everything up to there was announced to it. `listed_low`, `listed_high`: the
    lowest and the highest UID of which it got a line. `fetched_high`: the highest of which it got the bytes.
    """

    owner: AccountId
    mailbox_id: MailboxId
    uidvalidity: int
    told_modseq: int = 0
    told_uid: int = 0
    listed_low: int = 0
    listed_high: int = 0
    fetched_high: int = 0
    at: int = 0

    def joined(self, later: SyncPoint) -> SyncPoint:
        """What is known after `later`, of the same mailbox, was learnt as well."""
        if later.uidvalidity != self.uidvalidity:
            return later
        lows = [low for low in (self.listed_low, later.listed_low) if low]
        return SyncPoint(
            self.owner,
            self.mailbox_id,
            self.uidvalidity,
            max(self.told_modseq, later.told_modseq),
            max(self.told_uid, later.told_uid),
            min(lows, default=0),
            max(self.listed_high, later.listed_high),
            max(self.fetched_high, later.fetched_high),
            max(self.at, later.at),
        )


class DeviceNote(NamedTuple):
    """What was learnt of a device: to be added to what is known of it. `identity` is what it is known by;
    texts that are "" say nothing new. `days`: what it moved, by day since 1970. `protocols`: a bit for each.
    """

    account_id: AccountId
    identity: str
    app_password: int
    protocols: int
    name: str
    version: str
    vendor: str
    os: str
    tls: str
    peer: str
    first_seen: int
    last_seen: int
    last_sent: int = 0
    last_trace: str = ""
    days: Mapping[int, DeviceCounts] = {}
    points: Sequence[SyncPoint] = ()


class Device(NamedTuple):
    """A device of an account, and what it moved in all. `device_id` is the account's own number for it;
    `label`: what its app password is called, or was."""

    account_id: AccountId
    device_id: int
    identity: str
    app_password: int
    protocols: int
    name: str
    version: str
    vendor: str
    os: str
    tls: str
    peer: str
    first_seen: int
    last_seen: int
    last_sent: int
    last_trace: str
    label: str
    counts: DeviceCounts


class DeviceDay(NamedTuple):
    device_id: int
    day: int
    counts: DeviceCounts


class KeepDevices(NamedTuple):
    """Of one account at most `devices`, of a device at most `points`, and its days from `first_day` on."""

    devices: int
    points: int
    first_day: int


class DeviceReader(Protocol):
    async def devices(self, account_id: AccountId) -> list[Device]:
        """Who was seen last comes first."""
        ...

    async def device_days(self, account_id: AccountId) -> list[DeviceDay]:
        """Of all its devices, by device and day."""
        ...

    async def device_points(self, account_id: AccountId, device_id: int) -> list[SyncPoint]:
        """By owner and mailbox. The mailbox may be gone."""
        ...

    async def accounts_deleting(self, first_day: int) -> list[AccountId]:
        """Those of which a POP3 client removed messages on that day or later."""
        ...


class DeviceTx(DeviceReader, Protocol):
    async def note_devices(self, notes: Sequence[DeviceNote], now: int, keep: KeepDevices) -> None:
        """Add counts, raise what only rises, and forget what is past `keep`: the devices seen longest ago,
        those without an app password first. Notes of accounts that are gone are dropped. A time later than
        `now` that was kept (a clock went back) gives way."""
        ...

    async def forget_device(self, account_id: AccountId, device_id: int) -> bool:
        """False where there was none."""
        ...
