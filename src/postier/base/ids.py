"""Identifiers that say nothing and collide with nothing."""

from __future__ import annotations

import os

__all__ = ["new_id"]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u to misread aloud
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_OCTETS = 10
_POOL = 1000 * _OCTETS


class _Pool:
    """Random octets fetched many at a time, since asking the kernel costs more than the rest together."""

    __slots__ = ("_octets", "_used")

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """After a fork both processes would hand out the same."""
        self._octets = b""
        self._used = 0

    def take(self) -> int:
        if self._used == len(self._octets):
            self._octets = os.urandom(_POOL)
            self._used = 0
        start = self._used
        self._used = start + _OCTETS
        return int.from_bytes(self._octets[start : self._used])


_pool = _Pool()
os.register_at_fork(after_in_child=_pool.forget)


def new_id() -> str:
    """16 characters, 80 random bits, fit for a log line, a reply and a Message-ID; not a secret."""
    number = _pool.take()
    return "".join([_PAIRS[(number >> shift) & 1023] for shift in range(70, -1, -10)])
