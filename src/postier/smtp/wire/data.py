"""The text after DATA (RFC 5321 4.5.2) and the octets after BDAT (RFC 3030), read in whatever pieces come.

Only CRLF "." CRLF ends the text, and a CR or LF by itself ends the connection: mail readers, filters and
other servers take such bytes for a line end, so that one message could be made to look like two (SMTP
smuggling). A megabyte costs a search, a split and, where lines begin with a dot, one replacement.
"""

from __future__ import annotations

__all__ = ["BareNewline", "DotReader", "OctetReader"]

_END = b"\r\n.\r\n"
_DOT = b"\r\n."


class BareNewline(Exception):
    """A CR without LF or an LF without CR."""


class DotReader:
    """The text of one message, until the line that is a single dot.

    What could still become the end is held back (at most four bytes), so every other byte is seen once.
    Before the first byte stands a line end, for the text may begin with the final dot or a stuffed one.
    """

    __slots__ = ("_held", "_pretended")

    def __init__(self) -> None:
        self._held = b"\r\n"
        self._pretended = 2

    def feed(self, data: bytes) -> tuple[bytes, bytes | None]:
        """The next piece of text, unstuffed, and what follows the end of it (None while it has not come).

        Raises BareNewline.
        """
        data = self._held + data
        dot = data.find(_DOT)  # the first line that begins with one: mostly there is none before the last
        end = dot if dot < 0 or data.startswith(_END, dot) else data.find(_END, dot)
        if end >= 0:
            text, rest = data[: end + 2], data[end + len(_END) :]
        else:
            keep = _held_back(data)
            text, rest = data[: len(data) - keep], None
            self._held = data[len(data) - keep :]
        if not text:
            return text, rest
        if not _lines_end_in_crlf(text):
            raise BareNewline
        if dot >= 0 and dot != end:
            text = text.replace(_DOT, b"\r\n")
        if self._pretended:
            text, self._pretended = text[self._pretended :], 0
        return text, rest


class OctetReader:
    """The octets of the chunks of one message. `after_cr`: the last of them so far is a CR, whose LF must
    come with the next chunk. `binary`: from the body on they are no lines (RFC 3030 3); the header is.
    """

    __slots__ = ("_free", "_tail", "after_cr", "remaining")

    def __init__(self, *, binary: bool = False) -> None:
        self.remaining = 0
        self.after_cr = False
        self._free = False
        self._tail = b"\r\n" if binary else None

    def begin(self, size: int) -> None:
        """A chunk of `size` octets follows."""
        self.remaining = size

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The next octets of the chunk, and what lies behind the chunk. Raises BareNewline."""
        piece, rest = data[: self.remaining], data[self.remaining :]
        self.remaining -= len(piece)
        self._look_at(piece)
        return piece, rest

    def _look_at(self, piece: bytes) -> None:
        """Raises BareNewline for what is to be lines, and is none."""
        if self._free:
            return
        if self._tail is not None:
            seen = self._tail + piece
            end = seen.find(b"\r\n\r\n")
            if end >= 0:
                self._free = True
                piece = piece[: end + 4 - len(self._tail)]
            self._tail = seen[-3:]
        text = b"\r" + piece if self.after_cr else piece
        self.after_cr = text.endswith(b"\r")
        if not _lines_end_in_crlf(text[:-1] if self.after_cr else text):
            raise BareNewline

    def skip(self, data: bytes) -> bytes:
        """As `feed`, for a chunk that nobody wants: only what lies behind it."""
        rest = data[self.remaining :]
        self.remaining -= len(data) - len(rest)
        return rest


def _held_back(data: bytes) -> int:
    """How many bytes at the end of `data` are the beginning of what ends the text."""
    for count in (4, 3, 2, 1):
        if data.endswith(_END[:count]):
            return count
    return 0


def _lines_end_in_crlf(text: bytes) -> bool:
    """Half the time of counting CRs, LFs and CRLFs, where lines are as long as those of mail."""
    without = b"".join(text.split(b"\r\n"))
    return b"\r" not in without and b"\n" not in without
