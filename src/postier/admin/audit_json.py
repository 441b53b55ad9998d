"""Entries of the audit log for programs: `postier audit --json` and the management API."""

from __future__ import annotations

import datetime

from postier.accounts.audit_kinds import sentence
from postier.store.api import AuditEntry

__all__ = ["entry_facts"]


def entry_facts(entry: AuditEntry, language: str) -> dict[str, object]:
    return {
        "at": _utc(entry.at),
        "last": _utc(entry.last),
        "times": entry.times,
        "account": entry.name or None,
        "kind": entry.kind,
        "via": entry.actor.via,
        "by": entry.actor.name or None,
        "facts": dict(entry.facts),
        "text": sentence(language, entry.kind, entry.facts),
    }


def _utc(moment: int) -> str:
    return datetime.datetime.fromtimestamp(moment, datetime.UTC).isoformat().replace("+00:00", "Z")
