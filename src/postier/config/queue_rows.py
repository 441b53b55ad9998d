"""The settings of the outgoing queue: rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import BOOLEAN, COUNT, DURATION, Setting

__all__ = [
    "QUEUE_ROWS",
    "SRS_ROWS",
    "SUPPRESSION_ROWS",
    "QueueSettings",
    "SrsSettings",
    "SuppressionSettings",
]

QUEUE_ROWS = (
    Setting(
        "queue.retry_first", DURATION, "5m", "Wait after the first failed attempt; it doubles from there."
    ),
    Setting("queue.retry_max", DURATION, "8h", "The longest wait between two attempts."),
    Setting(
        "queue.give_up_after", DURATION, "5d", "Age at which an undelivered message goes back to its sender."
    ),
    Setting(
        "queue.delay_notice_after", DURATION, "4h", "Age at which the sender is told that a message waits."
    ),
    Setting(
        "queue.concurrency",
        COUNT,
        100,
        "Deliveries of one worker at a time, not counting those that wait for a silent host.",
    ),
)

SUPPRESSION_ROWS = (
    Setting(
        "suppression.bounces",
        COUNT,
        2,
        "So many answers that an address elsewhere is unknown stop mail to it; 0 never does.",
    ),
    Setting(
        "suppression.keep",
        DURATION,
        "30d",
        "How long such answers count, and mail to the address is stopped.",
    ),
)

SRS_ROWS = (
    Setting(
        "srs.enabled",
        BOOLEAN,
        True,
        "Give mail of strangers that an alias forwards a return address of ours, so that SPF holds (SRS).",
    ),
)


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """Times in seconds."""

    retry_first: int
    retry_max: int
    give_up_after: int
    delay_notice_after: int
    concurrency: int


@dataclass(frozen=True, slots=True)
class SuppressionSettings:
    """`keep` in seconds."""

    bounces: int
    keep: int


@dataclass(frozen=True, slots=True)
class SrsSettings:
    enabled: bool
