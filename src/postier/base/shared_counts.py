"""How often something happened lately, counted for all worker processes of a machine together."""

from __future__ import annotations

import hashlib
import mmap
import secrets
import struct

__all__ = ["SharedCounts"]

_PLACE = struct.Struct("<HxxII")  # the period, a fingerprint of the key, the count
_WAYS = 8
_MOST = 0xFFFFFFFF
_PERIODS = 1 << 16


class SharedCounts:
    """Counts of keys within periods of time, in shared memory of all processes forked after it is made.

    It never grows, whoever invents keys: a key has eight places to look for, and where others of the same
    period hold them all it takes over that of the least count, so that those who come often stay. `places`
    is rounded to a power of two; a place takes 12 octets.

    Not exact: two processes that write to a place in the same microsecond count once, two keys in four
    thousand million share a fingerprint, and a period begins for all keys at the same moment, so somebody
    may use up two of them around it. A limit is meant for those who are far past it.
    """

    def __init__(self, places: int = 1 << 14) -> None:
        self._places = 1 << max(4, (places - 1).bit_length())
        self._key = secrets.token_bytes(16)
        self._memory = mmap.mmap(-1, self._places * _PLACE.size)

    def add(self, key: str, period: int, amount: int = 1) -> int:
        """Count `amount` more for `key` within `period` (any whole number that grows); the count with it."""
        who, start, before = self._find(key, period)
        count = min(before + amount, _MOST)
        _PLACE.pack_into(self._memory, start, period % _PERIODS, who, count)
        return count

    def get(self, key: str, period: int) -> int:
        """The count so far, 0 if it is not known."""
        return self._find(key, period)[2]

    def _find(self, key: str, period: int) -> tuple[int, int, int]:
        """The fingerprint of `key`, where it is counted or would be, and its count so far."""
        digest = hashlib.blake2b(key.encode(), digest_size=8, key=self._key).digest()
        fingerprint, first = int.from_bytes(digest[:4]), int.from_bytes(digest[4:])
        period %= _PERIODS
        best, least = 0, _MOST + 1
        for way in range(_WAYS):
            start = (first + way) % self._places * _PLACE.size
            when, who, count = _PLACE.unpack_from(self._memory, start)
            if when != period or not count:
                count = 0
            elif who == fingerprint:
                return fingerprint, start, count
            if count < least:
                best, least = start, count
        return fingerprint, best, 0
