"""When a certificate is renewed, and when to try again: functions of moments, in seconds since 1970.

A certificate is renewed at two thirds of its life, whatever that is: 30 days before the end of 90, two days
before the end of 6. An authority that says when it wants to be asked (RFC 9773) is obeyed as far as that lies
before a last moment of ours.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "MAX_TRIES",
    "ask_again_at",
    "counting_tries",
    "may_begin_at",
    "renewal_time",
    "retry_time",
    "suggested_time",
    "wait_told",
]

DAY = 86_400
MAX_TRIES = 5
"""Orders that are begun for one subject within DAY; authorities stop after about as many failures an hour."""
_RETRIES = (900, 3600, 4 * 3600, 12 * 3600, DAY)
_JITTER = 1 / 30
_LATEST = 7 / 8
_LONGEST_TOLD = 7 * DAY
_ASK_LEAST, _ASK_MOST = 600, DAY


def renewal_time(begins: int, ends: int, chance: float) -> int:
    """Two thirds of the life from `begins` to `ends`, and up to a thirtieth more by `chance` (0 to 1), so
    that not all servers of the world ask at once."""
    life = ends - begins
    return begins + life * 2 // 3 + int(life * _JITTER * chance)


def suggested_time(window: tuple[int, int], begins: int, ends: int, chance: float) -> int:
    """A moment of the window that the authority suggests (RFC 9773 4.2), by `chance` (0 to 1).

    A window that ends before it starts means nothing: then it is renewal_time. Nor is the certificate
    left to run out: the latest is seven eighths of its life.
    """
    start, end = window
    if end <= start:
        return renewal_time(begins, ends, chance)
    return min(start + int((end - start) * chance), begins + int((ends - begins) * _LATEST))


def ask_again_at(now: int, told: int) -> int:
    """When to ask for the suggestion again, `told` seconds from now by the authority, 0 if it does not say
    (RFC 9773 4.3)."""
    return now + min(max(told or 6 * 3600, _ASK_LEAST), _ASK_MOST)


def retry_time(now: int, failures: int, chance: float) -> int:
    """After so many failures in a row (from 1): growing, and a quarter more by `chance`."""
    pause = _RETRIES[min(failures, len(_RETRIES)) - 1]
    return now + pause + int(pause / 4 * chance)


def wait_told(now: int, seconds: int) -> int:
    """Until when an authority that says Retry-After is left alone; 0 for no such word. A week is the most."""
    return now + min(seconds, _LONGEST_TOLD) if seconds > 0 else 0


def counting_tries(now: int, tries: Sequence[int]) -> tuple[int, ...]:
    """Those of the last day; what lies in the future (a clock that was set back) counts as now."""
    return tuple(sorted(min(each, now) for each in tries if each > now - DAY))


def may_begin_at(now: int, tries: Sequence[int], most: int = MAX_TRIES) -> int:
    """When another order may be begun: now, or when the oldest of `most` tries is a day old."""
    counting = counting_tries(now, tries)
    return now if len(counting) < most else counting[-most] + DAY
