"""The settings of what our people may send (see docs/submission.md): rows of the table in settings.py."""

from __future__ import annotations

from postier.config.kinds import BOOLEAN, COUNT, DURATION, Setting

__all__ = ["SUBMISSION_ROWS"]

SUBMISSION_ROWS = (
    Setting(
        "smtp.daily_recipients",
        COUNT,
        1000,
        "Recipients that one account may write to in a day (UTC); 0 for no limit.",
    ),
    Setting(
        "smtp.daily_new_recipients",
        COUNT,
        200,
        "Those among them that the account has never written to before; 0 for no limit.",
    ),
    Setting(
        "smtp.max_hold",
        DURATION,
        "30d",
        "How long a message may wait that its sender wants to leave later; 0s offers no such thing.",
    ),
    Setting(
        "smtp.undo_send",
        DURATION,
        "0s",
        "How long every message that people send waits first, so that it can be taken back.",
    ),
    Setting(
        "smtp.submission_hides_client",
        BOOLEAN,
        True,
        "Leave out of what people send from which address and machine; its story still says it.",
    ),
)
