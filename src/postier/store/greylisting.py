"""What the store keeps of senders that are new here: values and interfaces, part of store.api."""

from __future__ import annotations

from typing import NamedTuple, Protocol

__all__ = ["GreylistEntry", "GreylistReader", "GreylistTx"]


class GreylistEntry(NamedTuple):
    """`first`: when it came first; `passed`: it came again in its time; `expires`: from when on the entry
    means nothing. Seconds since 1970."""

    first: int
    passed: bool
    expires: int


class GreylistReader(Protocol):
    async def greylist_entry(self, key: int) -> GreylistEntry | None:
        """Also one that has expired, while it is there. `key`: 63 bits."""
        ...


class GreylistTx(GreylistReader, Protocol):
    async def set_greylist_entry(self, key: int, entry: GreylistEntry) -> None: ...

    async def forget_greylist(self, before: int, limit: int) -> int:
        """Remove at most `limit` entries that expired earlier than `before`. Returns how many."""
        ...
