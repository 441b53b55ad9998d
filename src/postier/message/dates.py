"""Dates of mail: the date-time of RFC 5322 3.3 and 4.3, and the one of IMAP (RFC 3501 9: date-time)."""

from __future__ import annotations

import calendar
import functools
import re
from datetime import date, datetime, timedelta, timezone
from typing import NamedTuple

__all__ = ["DateTime", "format_date_time", "format_internal_date", "parse_date_time", "parse_internal_date"]

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTH_NUMBER = {name.lower().encode(): number for number, name in enumerate(_MONTHS, 1)}
_ZONES = {
    **dict.fromkeys((b"ut", b"gmt", b"utc", b"z"), 0),
    b"edt": -240,
    b"est": -300,
    b"cdt": -300,
    b"cst": -360,
    b"mdt": -360,
    b"mst": -420,
    b"pdt": -420,
    b"pst": -480,
    b"cet": 60,
    b"cest": 120,
    b"met": 60,
    b"mest": 120,
    b"bst": 60,
    b"jst": 540,
}
_YEARS = (1900, 9998)  # one year of room on each side, so that no zone leaves what datetime can hold
_LONGEST = 200
_EPOCH_DAY = date(1970, 1, 1).toordinal()

_COMMENT = re.compile(rb"\([^()]*+\)")
_COLON = rb"(?:[ \t]*+:[ \t]*+|\.)"  # obs-hour and obs-minute stand between white space
_DATE_TIME = re.compile(
    rb"(?<!\d)(\d{1,2})[ \t-]*+([A-Za-z]{3})[A-Za-z]*+[., \t-]*+(\d{2,5})(?!\d)"
    rb"(?:[ \t,]*+(\d{1,2})" + _COLON + rb"(\d{1,2})(?:" + _COLON + rb"(\d{1,2}))?)?(?:\.\d*+)?"
    rb"[ \t]*+([+-]\d{4}|[A-Za-z]{1,5}(?![A-Za-z]))?"
)
_CTIME = re.compile(
    rb"([A-Za-z]{3})[ \t]++(\d{1,2})[ \t]++(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?[ \t]++"
    rb"(?:([A-Za-z]{1,5}|[+-]\d{4})[ \t]++)?(\d{4})"
)
_INTERNAL = re.compile(
    rb"([ \d]\d)-([A-Za-z]{3})-(\d{4}) (\d\d):(\d\d):(\d\d) ([+-]\d{4})",
)


class DateTime(NamedTuple):
    """A moment and how it was written: `epoch` in seconds since 1970-01-01T00:00:00Z (negative before that),
    `offset` in minutes east of UTC. The date a person wrote is that of epoch + 60 * offset.
    """

    epoch: int
    offset: int


def parse_date_time(raw: bytes) -> DateTime | None:
    """A Date field's value in any form that ever was common; None if there is no date in it.

    Days and times out of range are drawn to the nearest that exists, years into 1900 to 9998, and unknown
    zones count as UTC (RFC 5322 4.3). Two-digit years below 50 lie in the 2000s.
    """
    raw = raw[:_LONGEST]
    if b"(" in raw:
        raw = _COMMENT.sub(b" ", raw)
    if b"\n" in raw:
        raw = raw.replace(b"\r", b"").replace(b"\n", b"")
    found = _DATE_TIME.search(raw)
    if found is not None and found[2].lower() in _MONTH_NUMBER:
        day, month, year, hour, minute, second, zone = found.groups()
    else:
        found = _CTIME.search(raw)
        if found is None or found[1].lower() not in _MONTH_NUMBER:
            return None
        month, day, hour, minute, second, zone, year = found.groups()
    return _moment(year, month, day, (hour or b"0", minute or b"0", second or b"0"), zone)


def parse_internal_date(raw: bytes) -> DateTime | None:
    """`17-Jul-1996 02:44:25 -0700` without its quotes, exactly as the grammar has it; None if it is not that
    or names a day or time that does not exist (a leap second counts as second 59)."""
    found = _INTERNAL.fullmatch(raw)
    if found is None or found[2].lower() not in _MONTH_NUMBER:
        return None
    day, month, year, hour, minute, second, zone = found.groups()
    last = calendar.monthrange(min(max(int(year), 1), 9999), _MONTH_NUMBER[month.lower()])[1]
    if not (1 <= int(day) <= last and int(hour) < 24 and int(minute) < 60 and int(second) <= 60):
        return None
    return _moment(year, month, day, (hour, minute, second), zone)


def _moment(year: bytes, month: bytes, day: bytes, time: tuple[bytes, ...], zone: bytes | None) -> DateTime:
    y = int(year)
    if len(year) < 4:  # RFC 5322 4.3
        y += 2000 if len(year) == 2 and y < 50 else 1900
    y = min(max(y, _YEARS[0]), _YEARS[1])
    m = _MONTH_NUMBER[month.lower()]
    d = max(int(day), 1)
    if d > 28:
        d = min(d, calendar.monthrange(y, m)[1])
    hour, minute, second = min(int(time[0]), 23), min(int(time[1]), 59), min(int(time[2]), 59)
    offset = _offset(zone)
    days = date(y, m, d).toordinal() - _EPOCH_DAY
    return DateTime(days * 86400 + hour * 3600 + minute * 60 + second - offset * 60, offset)


def _offset(zone: bytes | None) -> int:
    """Minutes east of UTC. Numbers beyond a day are no zone (RFC 5322 4.3: as -0000)."""
    if zone is None:
        return 0
    if zone[0] in b"+-":
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        return 0 if minutes >= 1440 or int(zone[3:5]) > 59 else -minutes if zone[0] == 45 else minutes
    return _ZONES.get(zone.lower(), 0)


def _local(epoch: float, offset: int) -> tuple[datetime, str]:
    """Raises ValueError or OverflowError for an epoch outside the years 1 to 9999."""
    moment = datetime.fromtimestamp(int(epoch), timezone(timedelta(minutes=offset)))
    hours, minutes = divmod(abs(offset), 60)
    return moment, f"{'-' if offset < 0 else '+'}{hours:02}{minutes:02}"


def format_date_time(epoch: float, offset: int = 0) -> str:
    """`Fri, 21 Nov 1997 09:55:06 -0600` (RFC 5322 3.3), for a Date field."""
    return _date_time(int(epoch), offset)


@functools.lru_cache(maxsize=4)
def _date_time(epoch: int, offset: int) -> str:
    """Kept, since all that comes within a second bears the same."""
    at, zone = _local(epoch, offset)
    day, month = _DAYS[at.weekday()], _MONTHS[at.month - 1]
    return f"{day}, {at.day} {month} {at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} {zone}"


def format_internal_date(epoch: float, offset: int = 0) -> str:
    """`17-Jul-1996 02:44:25 -0700` (RFC 3501 9: date-time), the day padded with a space, without quotes."""
    at, zone = _local(epoch, offset)
    month = _MONTHS[at.month - 1]
    return f"{at.day:2}-{month}-{at.year:04} {at.hour:02}:{at.minute:02}:{at.second:02} {zone}"
