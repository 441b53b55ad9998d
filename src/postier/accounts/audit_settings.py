"""Settings that are not what they were at the last start: told by name to the audit log.

What was written in the file is remembered by digests with a key, so that the store tells nobody a value.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import blake2b

import msgspec

from postier.accounts.audit import BY_SERVER, AuditKind, note
from postier.store.api import Store, Tx

__all__ = ["note_settings"]

_META = "audit-settings"


class _Remembered(msgspec.Struct, frozen=True):
    key: bytes
    digests: dict[str, str]


async def note_settings(store: Store, written: Mapping[str, str]) -> None:
    """`written`: the text of each value in the file, by name. The first time says nothing."""

    async def work(tx: Tx) -> None:
        before = _remembered(await tx.meta(_META))
        key = os.urandom(16) if before is None else before.key
        digests = {
            name: blake2b(value.encode(errors="replace"), key=key, digest_size=16).hexdigest()
            for name, value in written.items()
        }
        if before is not None and before.digests == digests:
            return
        await tx.set_meta(_META, msgspec.json.encode(_Remembered(key, digests)).decode())
        if before is not None:
            changed = {name for name, _ in before.digests.items() ^ digests.items()}
            await note(tx, BY_SERVER, AuditKind.SETTINGS, names=", ".join(sorted(changed)))

    await store.transact(work)


def _remembered(text: str | None) -> _Remembered | None:
    """None where nothing is remembered, or what is cannot be read: no start fails for it."""
    try:
        return msgspec.json.decode(text or "", type=_Remembered)
    except msgspec.MsgspecError:
        return None
