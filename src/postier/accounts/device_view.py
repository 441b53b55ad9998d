"""What the ledger knows of an account's devices, put beside what its mailboxes hold now: how far behind each
device is, and why it does not show a message."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from postier.accounts.devices import DAY, KEPT_DAYS, network_of, protocols_of
from postier.accounts.mailboxes import INBOX
from postier.store.api import (
    AccountId,
    Device,
    DeviceCounts,
    Flag,
    Mailbox,
    MailboxId,
    ModSeq,
    NoSuchAccount,
    NoSuchMailbox,
    Reader,
    SyncPoint,
    Uid,
)

__all__ = [
    "DeviceView",
    "MailboxView",
    "Standing",
    "Wanted",
    "Why",
    "device_views",
    "find_message",
    "is_pop_only",
    "label_of",
    "why_not_shown",
]

HIGHEST = 0xFFFF_FFFF
PAGE = 2000


class MailboxView(NamedTuple):
    """How far a device has come in a mailbox. `name`: with the owner in front where that is another account.
    `behind`: messages it was not shown yet, or over POP3 did not fetch; `changes`: changes since it was told
    last."""

    name: str
    point: SyncPoint
    behind: int
    changes: int


class DeviceView(NamedTuple):
    """`label`: what a person calls it. `days`: what it moved, by day since 1970; `recent`: their sum.
    `revoked`: its app password is no more."""

    device: Device
    label: str
    protocols: tuple[str, ...]
    mailboxes: tuple[MailboxView, ...]
    days: Mapping[int, DeviceCounts]
    recent: DeviceCounts
    revoked: bool = False

    def is_active(self, now: float) -> bool:
        """Seen in the days that are kept."""
        return self.device.last_seen >= now - KEPT_DAYS * DAY


def is_pop_only(protocols: Sequence[str]) -> bool:
    """It reads mail by POP3 alone; it may submit some as well."""
    return set(protocols) - {"submission"} == {"pop3"}


def label_of(device: Device, app_passwords: Mapping[int, str]) -> str:
    """Its app password's name, also of one that was revoked; what its program says of itself, or where it
    comes from."""
    if named := app_passwords.get(device.app_password) or device.label:
        return named
    said = " ".join(part for part in (device.name, device.version) if part)
    if said or device.os:
        return f"{said or '?'} ({device.os})" if device.os else said
    spoken = "/".join(name.upper() for name in protocols_of(device.protocols))
    return f"{spoken} {network_of(device.peer)}".strip()


async def device_views(reader: Reader, account_id: AccountId) -> list[DeviceView]:
    """Who was seen last comes first."""
    devices = await reader.devices(account_id)
    app_passwords = {one.app_password_id: one.name for one in await reader.app_passwords(account_id)}
    days: dict[int, dict[int, DeviceCounts]] = {}
    for each in await reader.device_days(account_id):
        days.setdefault(each.device_id, {})[each.day] = each.counts
    views = []
    for device in devices:
        points = await reader.device_points(account_id, device.device_id)
        known = [await _mailbox_view(reader, account_id, device, point) for point in points]
        own = days.get(device.device_id, {})
        recent = DeviceCounts()
        for counts in own.values():
            recent = recent.plus(counts)
        views.append(
            DeviceView(
                device,
                label_of(device, app_passwords),
                tuple(protocols_of(device.protocols)),
                tuple(sorted((view for view in known if view), key=_inbox_first)),
                own,
                recent,
                bool(device.app_password) and device.app_password not in app_passwords,
            )
        )
    return views


def _inbox_first(view: MailboxView) -> tuple[bool, str]:
    return view.name != INBOX, view.name


async def _mailbox_view(
    reader: Reader, account_id: AccountId, device: Device, point: SyncPoint
) -> MailboxView | None:
    """None for a mailbox that is gone, or began anew."""
    try:
        mailbox = await reader.mailbox(point.owner, point.mailbox_id)
        name = mailbox.name
        if point.owner != account_id:
            name = f"{(await reader.account(point.owner)).name}: {name}"
    except (NoSuchMailbox, NoSuchAccount):
        return None
    if mailbox.uidvalidity != point.uidvalidity:
        return None
    has = point.fetched_high if is_pop_only(protocols_of(device.protocols)) else point.listed_high
    behind = await _count_above(reader, mailbox, has)
    changes = 0
    if point.told_modseq and mailbox.modseq > point.told_modseq:
        found = await reader.changes_since(point.owner, point.mailbox_id, ModSeq(point.told_modseq))
        changes = len(found.changed) + len(found.vanished)
    return MailboxView(name, point, behind, changes)


def _modseq(point: SyncPoint) -> int:
    return point.told_modseq


async def _count_above(reader: Reader, mailbox: Mailbox, uid: int) -> int:
    if uid + 1 >= mailbox.uidnext:
        return 0
    if not uid:
        return mailbox.messages
    first, last = Uid(uid + 1), Uid(mailbox.uidnext - 1)
    return len(await reader.uids_with_flags(mailbox.account_id, mailbox.mailbox_id, first, last, 0, 0))


# ---------------------------------------------------------------------- one message


class Wanted(NamedTuple):
    """A message somebody misses on a device: where it lies, when it came there, and whether it is marked as
    deleted."""

    mailbox: Mailbox
    uid: int
    saved: int
    is_deleted: bool


class Why(enum.StrEnum):
    """Why a device does not show a message, or that nothing known speaks against it."""

    FETCHED = "fetched"
    LISTED = "listed"
    OLDER = "older"
    MARKED = "marked"
    POP_FOLDER = "pop folder"
    NEVER_OPENED = "never opened"
    NOT_SINCE = "not since"
    NOT_OPENED_SINCE = "not opened since"
    TOLD = "told"
    POP_WAITS = "pop waits"
    ONLY_SENDS = "only sends"


class Standing(NamedTuple):
    """The answer for one message and one device."""

    why: Why
    wanted: Wanted


def why_not_shown(view: DeviceView, wanted: Wanted) -> Why:
    """Of what is known: the table is read from the top, the first line that holds is the answer."""
    device, mailbox = view.device, wanted.mailbox
    point = next(
        (
            one.point
            for one in view.mailboxes
            if (one.point.owner, one.point.mailbox_id) == (mailbox.account_id, mailbox.mailbox_id)
        ),
        SyncPoint(mailbox.account_id, mailbox.mailbox_id, mailbox.uidvalidity),
    )
    reads, pop_only, uid = set(view.protocols) - {"submission"}, is_pop_only(view.protocols), wanted.uid
    table = (
        (not reads, Why.ONLY_SENDS),
        (pop_only and mailbox.name != INBOX, Why.POP_FOLDER),
        (uid <= point.fetched_high and pop_only, Why.FETCHED),
        (wanted.is_deleted and not pop_only, Why.MARKED),
        (device.last_seen < wanted.saved, Why.NOT_SINCE),
        (pop_only, Why.POP_WAITS),
        (not point.told_uid and not point.listed_high, Why.NEVER_OPENED),
        (point.told_uid < uid and point.listed_high < uid, Why.NOT_OPENED_SINCE),
        (point.listed_high < uid, Why.TOLD),
        (uid < point.listed_low, Why.OLDER),
        (uid <= point.fetched_high, Why.FETCHED),
    )
    return next((why for holds, why in table if holds), Why.LISTED)


async def find_message(
    reader: Reader, account_id: AccountId, sought: str, mailbox_name: str = INBOX
) -> list[Wanted]:
    """By UID in a mailbox, or by Message-ID in all of the account's. Raises NoSuchMailbox."""
    if sought.isascii() and sought.isdigit():
        mailbox = await reader.mailbox_named(account_id, mailbox_name)
        if mailbox is None:
            raise NoSuchMailbox(mailbox_name)
        uid = int(sought[:12])
        return await _wanted(reader, mailbox, [uid] if uid <= HIGHEST else [])
    message_id = b"<%b>" % sought.strip("<> \t").encode("utf-8", "replace")
    found = []
    for mailbox in await reader.mailboxes(account_id):
        found += await _wanted(reader, mailbox, await _with_message_id(reader, mailbox, message_id))
    return found


async def _with_message_id(reader: Reader, mailbox: Mailbox, message_id: bytes) -> list[int]:
    """Its envelope holds it, last of all."""
    ending, found, first = b'"%b")' % message_id, list[int](), 1
    key: tuple[AccountId, MailboxId] = (mailbox.account_id, mailbox.mailbox_id)
    while rows := await reader.facts(*key, [(first, HIGHEST)], ("envelope",), PAGE):
        for uid, envelope in rows:
            assert isinstance(uid, int)
            assert isinstance(envelope, bytes)
            if envelope.endswith(ending):
                found.append(uid)
            first = uid + 1
    return found


async def _wanted(reader: Reader, mailbox: Mailbox, uids: Sequence[int]) -> list[Wanted]:
    found = []
    for uid in uids:
        key = (mailbox.account_id, mailbox.mailbox_id, [(uid, uid)])
        facts = await reader.facts(*key, ("saved_date",))
        messages = await reader.messages(*key)
        if facts and messages:
            saved = facts[0][1]
            assert isinstance(saved, int)
            found.append(Wanted(mailbox, uid, saved, bool(messages[0].flags & Flag.DELETED)))
    return found
