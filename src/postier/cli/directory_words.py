"""How directories are shown: facts for programs, words for people."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from postier.store.api import LdapDirectory, SyncState

__all__ = ["facts", "moment", "servers_of"]


def facts(directory: LdapDirectory, state: SyncState) -> dict[str, Any]:
    """All but the password."""
    known: dict[str, Any] = msgspec.to_builtins(directory)
    del known["password"]
    return {**known, "compared": state.at, "succeeded": state.succeeded, "found": state.words}


def servers_of(directory: LdapDirectory) -> str:
    return ", ".join(directory.servers) + (" (in clear)" if directory.clear else "")


def moment(seconds: int) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M") if seconds else "never"
