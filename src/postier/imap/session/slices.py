"""Some messages of a mailbox while a search looks at them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from postier.imap.session.view import Batch
from postier.store.api import Uid

__all__ = ["Slice", "Uids"]

Uids = list[int]
"""Ascending."""


class Slice(NamedTuple):
    """UIDs from `first` to `last` that the session counts. If it `is_whole` no other message of the store
    lies between."""

    first: Uid
    last: Uid
    uids: Uids
    is_whole: bool = True

    @classmethod
    def of(cls, batch: Batch) -> Slice:
        uids = batch.uids().tolist()
        return cls(Uid(uids[0]), Uid(uids[-1]), uids, len(batch.spans) == 1)

    def narrow(self, uids: Uids, found: Sequence[int]) -> Uids:
        """Those of `uids` that are in `found`, both of this slice."""
        if not found:
            return []
        if self.is_whole and len(uids) == len(self.uids):
            return list(found)
        wanted = set(found)
        return [uid for uid in uids if uid in wanted]
