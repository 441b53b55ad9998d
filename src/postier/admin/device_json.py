"""Devices as JSON: for `postier device --json` and the management API alike."""

from __future__ import annotations

import datetime

from postier.accounts.device_view import DeviceView
from postier.store.api import DeviceCounts

__all__ = ["device_facts"]


def device_facts(view: DeviceView) -> dict[str, object]:
    device = view.device
    return {
        "device": device.device_id,
        "name": view.label,
        "protocols": list(view.protocols),
        "tls": device.tls,
        "peer": device.peer,
        "first_seen": _when(device.first_seen),
        "last_seen": _when(device.last_seen),
        "last_sent": _when(device.last_sent) if device.last_sent else None,
        "last_trace": device.last_trace or None,
        "app_password": device.app_password or None,
        "revoked": view.revoked,
        "program": {"name": device.name, "version": device.version, "vendor": device.vendor, "os": device.os},
        "moved": _counts(device.counts),
        "moved_lately": _counts(view.recent),
        "days": [
            {"day": str(datetime.date.fromordinal(day + _EPOCH)), **_counts(counts)}
            for day, counts in sorted(view.days.items())
        ],
        "mailboxes": [
            {
                "mailbox": one.name,
                "uidvalidity": one.point.uidvalidity,
                "told_modseq": one.point.told_modseq,
                "told_uid": one.point.told_uid,
                "listed_low": one.point.listed_low,
                "listed_high": one.point.listed_high,
                "fetched_high": one.point.fetched_high,
                "behind": one.behind,
                "changes_behind": one.changes,
                "as_of": _when(one.point.at),
            }
            for one in view.mailboxes
        ],
    }


_EPOCH = datetime.date(1970, 1, 1).toordinal()


def _counts(counts: DeviceCounts) -> dict[str, int]:
    return counts._asdict()


def _when(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
