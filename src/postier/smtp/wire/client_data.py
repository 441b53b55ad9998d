"""What follows 354: the message, its lines ended by CRLF, its leading dots doubled (RFC 5321 4.5.2).

One writer does both, in this order, so that no byte sequence of a message can look like the end of data
to a host that is less strict about line ends than we are (SMTP smuggling): what leaves here holds no CR
and no LF outside CRLF, and no line that starts with a single dot. It does not matter how the message was
cut into chunks. The work is done by the bytes methods, a few passes over each chunk.

Lines longer than 998 octets (RFC 5321 4.5.3.1.6) pass as they are: breaking them would break signatures.
"""

from __future__ import annotations

import re

__all__ = ["DataWriter"]

_LINE_END = re.compile(rb"\r?\r?\n|\r")  # CRCRLF, CRLF, LF, CR: each is one line end


class DataWriter:
    """Turns the chunks of one message into what goes on the wire; `finish` ends it."""

    __slots__ = ("_at_line_start", "_held")

    def __init__(self) -> None:
        self._at_line_start = True
        self._held = b""  # up to two CRs at the end of a chunk: the next one says what they mean

    def feed(self, chunk: bytes) -> bytes:
        """The bytes to send for `chunk`; some of its last bytes may come with the next call."""
        if self._held:
            chunk = self._held + chunk
            self._held = b""
        if chunk.endswith(b"\r"):
            self._held = chunk[-2:] if chunk.endswith(b"\r\r") else b"\r"
            chunk = chunk[: -len(self._held)]
        return self._encode(chunk) if chunk else b""

    def finish(self) -> bytes:
        """The rest of the message, the end of its last line, and the final dot."""
        rest = self._encode(self._held) if self._held else b""
        self._held = b""
        return rest + (b".\r\n" if self._at_line_start else b"\r\n.\r\n")

    def _encode(self, text: bytes) -> bytes:
        pairs = text.count(b"\r\n")
        if text.count(b"\n") != pairs or text.count(b"\r") != pairs:
            text = _LINE_END.sub(b"\r\n", text)
        first_dot = b"." if self._at_line_start and text.startswith(b".") else b""
        self._at_line_start = text.endswith(b"\r\n")
        stuffed = text.replace(b"\r\n.", b"\r\n..")
        return first_dot + stuffed if first_dot else stuffed
