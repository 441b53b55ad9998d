"""What a server said it can do: the lines of its reply to EHLO (RFC 5321 4.1.1.1) as a value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Capabilities"]


@dataclass(frozen=True, slots=True)
class Capabilities:
    """A server without EHLO has none of them.

    `size`: the largest message in octets, 0 for no stated limit (RFC 1870). `auth`: mechanisms, upper case.
    `rcpt_max`, `mail_max`: recipients a transaction and transactions a session, 0 for no stated limit
    (RFC 9422). `eight_bit_mime`: RFC 6152. `chunking`, `binary_mime`: RFC 3030. `dsn`: RFC
    3461. `name`: how the server calls itself.
    """

    name: str = ""
    pipelining: bool = False
    starttls: bool = False
    eight_bit_mime: bool = False
    chunking: bool = False
    binary_mime: bool = False
    smtputf8: bool = False
    dsn: bool = False
    requiretls: bool = False
    size: int = 0
    rcpt_max: int = 0
    mail_max: int = 0
    auth: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, lines: Sequence[str]) -> Capabilities:
        """From the reply's lines; the first is the server's name. What we don't know is passed over."""
        offered: dict[str, list[str]] = {}
        for line in lines[1:]:
            keyword, *parameters = line.upper().replace("AUTH=", "AUTH ", 1).split() or [""]
            offered.setdefault(keyword, []).extend(parameters)
        limits = dict(word.partition("=")[::2] for word in offered.get("LIMITS", ()))
        return cls(
            name=lines[0].partition(" ")[0] if lines else "",
            pipelining="PIPELINING" in offered,
            starttls="STARTTLS" in offered,
            eight_bit_mime="8BITMIME" in offered,
            chunking="CHUNKING" in offered,
            binary_mime="BINARYMIME" in offered,
            smtputf8="SMTPUTF8" in offered,
            dsn="DSN" in offered,
            requiretls="REQUIRETLS" in offered,
            size=_number(next(iter(offered.get("SIZE", ())), "")),
            rcpt_max=_number(limits.get("RCPTMAX", "")),
            mail_max=_number(limits.get("MAILMAX", "")),
            auth=frozenset(offered.get("AUTH", ())),
        )


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else 0
