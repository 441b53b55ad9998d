"""The settings of logging in: rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import COUNT, Setting, one_of

__all__ = ["LOGIN_LEAST", "LOGIN_ROWS", "LoginSettings"]

LOGIN_ROWS = (
    Setting(
        "login.scram",
        one_of("auto", "on", "off"),
        "auto",
        "Offer SCRAM-SHA-256, which shows no password; auto: once every password has the keys for it.",
    ),
    Setting(
        "login.scram_iterations",
        COUNT,
        50_000,
        "How dear a guess at a stolen key of SCRAM is, for new keys; some programs refuse more than 65536.",
    ),
    Setting(
        "login.concurrent_hashes",
        COUNT,
        0,
        "Passwords that are checked at once by all workers together; 0 means one for each core.",
    ),
    Setting(
        "login.waiting_hashes",
        COUNT,
        64,
        "Logins of one worker that may wait for that; whoever comes behind is asked to try later.",
    ),
)

LOGIN_LEAST = {
    "login.scram_iterations": (4096, "RFC 7677 4"),
    "login.waiting_hashes": (1, "0 would let nobody in who has to wait"),
}


@dataclass(frozen=True, slots=True)
class LoginSettings:
    """See accounts.login and accounts.hashing."""

    scram: str
    scram_iterations: int
    concurrent_hashes: int
    waiting_hashes: int

    @property
    def iterations_of_new_keys(self) -> int:
        """Of SCRAM; 0 where no keys are to be made."""
        return 0 if self.scram == "off" else self.scram_iterations
