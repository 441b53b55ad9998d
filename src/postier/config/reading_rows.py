"""The settings of IMAP, POP3 and search: rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import BOOLEAN, COUNT, DURATION, Setting

__all__ = [
    "DEVICES_ROWS",
    "IMAP_ROWS",
    "POP3_ROWS",
    "SEARCH_ROWS",
    "DevicesSettings",
    "ImapSettings",
    "Pop3Settings",
    "SearchSettings",
]

IMAP_ROWS = (
    Setting(
        "imap.idle_timeout",
        DURATION,
        "30m",
        "Silence after which a client is disconnected; 30 min is the least.",
    ),
    Setting(
        "imap.message_limit",
        COUNT,
        1_000_000,
        "Messages that one IMAP command works on, the newest of those it names; 0 for no limit.",
    ),
    Setting(
        "imap.save_limit",
        COUNT,
        1_000_000,
        "Messages that one IMAP command copies or appends; 0 for no limit.",
    ),
)

DEVICES_ROWS = (
    Setting(
        "devices.ledger",
        BOOLEAN,
        True,
        "Keep which devices use an account, what they move and how far they have come (see devices.md).",
    ),
    Setting(
        "devices.write_every",
        DURATION,
        "1m",
        "How often each worker writes down what devices did; a crash loses what came since.",
    ),
)

POP3_ROWS = (
    Setting(
        "pop3.idle_timeout",
        DURATION,
        "10m",
        "Silence after which a client is disconnected; 10 min is the least.",
    ),
    Setting(
        "pop3.rest",
        DURATION,
        "30d",
        "How long messages that a POP3 program deletes can be brought back; 0s for not at all (see pop3.md).",
    ),
    Setting(
        "pop3.expire",
        DURATION,
        "0s",
        "How long the inbox of who reads by POP3 keeps a message; 0s for ever (EXPIRE, see pop3.md).",
    ),
    Setting(
        "pop3.login_delay",
        DURATION,
        "0s",
        "Least time between two logins of a POP3 device; 0s for any (LOGIN-DELAY).",
    ),
)

SEARCH_ROWS = (
    Setting(
        "search.index",
        BOOLEAN,
        True,
        "Keep an index of texts, so that searching large mailboxes is fast (see search.md).",
    ),
)


@dataclass(frozen=True, slots=True)
class ImapSettings:
    idle_timeout: int
    message_limit: int
    save_limit: int


@dataclass(frozen=True, slots=True)
class Pop3Settings:
    idle_timeout: int
    rest: int
    expire: int
    login_delay: int


@dataclass(frozen=True, slots=True)
class SearchSettings:
    index: bool


@dataclass(frozen=True, slots=True)
class DevicesSettings:
    """The device ledger; seconds between two writes."""

    ledger: bool
    write_every: int
