"""SMTP replies and the status codes that say why (RFC 5321 4.2, RFC 3463, RFC 5248)."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Reply", "is_reply"]

_REPLY = re.compile(r"[2-5]\d\d(?: |$)")


def is_reply(text: str) -> bool:
    """True if `text` is a host's own words, code and all, and not what we have to say of it."""
    return _REPLY.match(text) is not None


@dataclass(frozen=True, slots=True)
class Reply:
    """One SMTP reply.

    `code` is the three-digit reply code, 200 to 599; `enhanced` the status code of RFC 3463
    ("5.7.1"), "" where RFC 2034 gives none (greeting, HELO and EHLO, 3yz); `text` has one line for each
    "\\n"-separated part, without codes. CR and NUL can't stand in it.
    """

    code: int
    enhanced: str
    text: str

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"not a reply code: {self.code}")
        if "\r" in self.text or "\0" in self.text:
            raise ValueError("a reply's text holds CR or NUL")
        if self.enhanced and self.enhanced[0] != str(self.code)[0]:
            raise ValueError(f"reply {self.code} contradicts its status {self.enhanced}")

    @property
    def is_positive(self) -> bool:
        return self.code < 400

    @property
    def is_transient(self) -> bool:
        return 400 <= self.code < 500

    @property
    def is_permanent(self) -> bool:
        return self.code >= 500

    def __str__(self) -> str:
        return " ".join(part for part in (str(self.code), self.enhanced, self.text) if part)
