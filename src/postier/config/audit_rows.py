"""The settings of the audit log: rows of the table in settings.py."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from postier.config.kinds import DURATION, Setting

__all__ = ["AUDIT_LEAST", "AUDIT_ROWS", "AuditSettings"]

AUDIT_ROWS = (
    Setting(
        "audit.keep",
        DURATION,
        "365d",
        "How long the audit log knows of logins, changes of rights and administration (see audit.md).",
    ),
)
AUDIT_LEAST: Mapping[str, tuple[Any, str]] = {"audit.keep": ("1d", "what is forgotten at once is no log")}


@dataclass(frozen=True, slots=True)
class AuditSettings:
    """In seconds."""

    keep: int
