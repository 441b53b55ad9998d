"""The settings of what people do by the web: rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import BOOLEAN, DURATION, Setting

__all__ = ["PORTAL_LEAST", "PORTAL_ROWS", "PortalSettings"]

PORTAL_ROWS = (
    Setting(
        "portal.enabled",
        BOOLEAN,
        True,
        "Let people log in by HTTPS, for their app passwords, second factors and devices (docs/portal.md).",
    ),
    Setting("portal.idle_timeout", DURATION, "30m", "Pause after which somebody has to log in again."),
    Setting("portal.session_lifetime", DURATION, "12h", "How long a login lasts however it is used."),
)
PORTAL_LEAST = {
    "portal.idle_timeout": ("1m", "0 would let nobody stay"),
    "portal.session_lifetime": ("1m", "0 would let nobody stay"),
}


@dataclass(frozen=True, slots=True)
class PortalSettings:
    """Seconds."""

    enabled: bool
    idle_timeout: int
    session_lifetime: int
