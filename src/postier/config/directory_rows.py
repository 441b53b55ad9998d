"""The settings of directories elsewhere (see docs/directories.md): rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import COUNT, DURATION, Setting

__all__ = ["DIRECTORIES_LEAST", "DIRECTORIES_ROWS", "DirectoriesSettings"]

DIRECTORIES_ROWS = (
    Setting(
        "directories.sync_every",
        DURATION,
        "15m",
        "How often accounts are compared with the directories that they come from; 0s leaves it to you.",
    ),
    Setting(
        "directories.timeout", DURATION, "5s", "How long a directory's server may take to answer a login."
    ),
    Setting(
        "directories.remember",
        DURATION,
        "15m",
        "How long a password that was right goes on to work while no server of its directory answers.",
    ),
    Setting(
        "directories.guesses",
        COUNT,
        4,
        "Wrong passwords for one name, from where its owner never logged in, that reach the directory in an"
        " hour, before it locks its owner out; 0 for any number.",
    ),
)
DIRECTORIES_LEAST = {"directories.timeout": ("1s", "a server needs time")}


@dataclass(frozen=True, slots=True)
class DirectoriesSettings:
    """Times in seconds, 0 for never."""

    sync_every: int
    timeout: int
    remember: int
    guesses: int
