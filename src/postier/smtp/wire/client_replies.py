"""Reading the replies of a server (RFC 5321 4.2), whatever it sends.

    Reply-line = *( Reply-code "-" [ textstring ] CRLF ) Reply-code [ SP textstring ] CRLF

Bounds: 4,096 octets a line (the RFC grants 512), 100 lines a reply, of which the first 8 KiB are kept: a
host answers a hundred recipients at a time, and what it said is written down for each of them. A line may
end with a bare LF.
"""

from __future__ import annotations

import re
from typing import NamedTuple

__all__ = ["MAX_KEPT", "MAX_LINE", "MAX_LINES", "MAX_TEXT", "MalformedReply", "PeerReply", "ReplyReader"]

MAX_LINE = 4096
MAX_LINES = 100
MAX_KEPT = 8192
"""Octets of a reply."""

MAX_TEXT = 1000
"""Characters of a reply that are quoted."""

_LINE = re.compile(rb"([2-5][0-9][0-9])(?:([ -])([^\r\n]*))?\r?")
_ENHANCED = re.compile(r"([245]\.[0-9]{1,3}\.[0-9]{1,3})(?: |$)")


class PeerReply(NamedTuple):
    """A whole reply. `enhanced` is its status code (RFC 2034) or "" where it has none or one that
    contradicts `code`; `lines` are the texts without codes, of printable characters."""

    code: int
    enhanced: str
    lines: tuple[str, ...]

    @property
    def text(self) -> str:
        """All lines as one, with the codes, as one would quote it; if it is long, how it begins."""
        words = " ".join(line for line in self.lines if line)
        return " ".join(part for part in (str(self.code), self.enhanced, words) if part)[:MAX_TEXT]

    @property
    def is_positive(self) -> bool:
        """2yz. Only the first digit counts, since hosts have codes of their own (RFC 5321 4.3.2)."""
        return self.code // 100 == 2

    @property
    def asks_for_more(self) -> bool:
        """3yz: 354 or the like."""
        return self.code // 100 == 3

    @property
    def status(self) -> str:
        """The enhanced code; where there is none, the class alone (RFC 3463 3.1: "other")."""
        return self.enhanced or f"{self.code // 100}.0.0"


class MalformedReply(NamedTuple):
    """What came is no reply; the connection can't be used any more. `detail` is a sentence for the log."""

    detail: str


class ReplyReader:
    """Bytes in, replies out."""

    __slots__ = ("_buffer", "_code", "_count", "_kept", "_lines", "_scanned")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._scanned = 0  # no LF before this position
        self._code = 0
        self._count = 0
        self._kept = 0
        self._lines: list[bytes] = []

    def receive(self, data: bytes) -> None:
        self._buffer += data

    def has_input(self) -> bool:
        """True while bytes wait that no reply has covered."""
        return bool(self._buffer) or bool(self._lines)

    def next_reply(self) -> PeerReply | MalformedReply | None:
        """The next whole reply, or None while more bytes are needed."""
        while True:
            end = self._buffer.find(b"\n", self._scanned, MAX_LINE + 1)
            if end < 0:
                self._scanned = min(len(self._buffer), MAX_LINE)
                if len(self._buffer) > MAX_LINE:
                    return MalformedReply(f"a reply line is longer than {MAX_LINE} octets")
                return None
            line = bytes(self._buffer[:end])
            del self._buffer[: end + 1]
            self._scanned = 0
            found = self._line(line)
            if found is not None:
                return found

    def _line(self, line: bytes) -> PeerReply | MalformedReply | None:
        match = _LINE.fullmatch(line)
        if match is None:
            return MalformedReply(f"not a reply: {line[:80]!r}")
        code = int(match[1])
        if self._lines and code != self._code:
            return MalformedReply(f"a reply of codes {self._code} and {code}")
        self._code = code
        self._count += 1
        self._kept += len(line)
        if self._kept <= MAX_KEPT or not self._lines:
            self._lines.append(match[3] or b"")
        if match[2] == b"-":
            if self._count >= MAX_LINES:
                return MalformedReply(f"a reply of more than {MAX_LINES} lines")
            return None
        lines, self._lines = self._lines, []
        self._count = self._kept = 0
        return _reply(code, lines)


def _reply(code: int, lines: list[bytes]) -> PeerReply:
    texts = [_printable(line.decode("utf-8", "replace")).strip() for line in lines]
    found = _ENHANCED.match(texts[0])
    if found is None or int(found[1][0]) != code // 100:
        return PeerReply(code, "", tuple(texts))
    enhanced = found[1]
    return PeerReply(code, enhanced, tuple(_without(enhanced, text) for text in texts))


def _printable(text: str) -> str:
    """Nothing that moves a terminal, and no line end of Unicode, for it is quoted in many places."""
    return text if text.isprintable() else "".join([c if c.isprintable() else " " for c in text])


def _without(enhanced: str, text: str) -> str:
    return text[len(enhanced) :].lstrip() if text.startswith(enhanced) else text
