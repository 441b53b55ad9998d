"""Line ends made right before anything is parsed, for submission from devices that know no better.

A CR or LF alone becomes CRLF. It is decided for the whole dialogue: who chose line by line would let a
message hold what looks like an end to one reader and not to another (SMTP smuggling).
"""

from __future__ import annotations

__all__ = ["NewlineNormaliser"]


class NewlineNormaliser:
    """For one dialogue. A CR at the end of a piece waits for the next one: its LF may come there."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = False

    def __bool__(self) -> bool:
        """True while a CR waits."""
        return self._held

    def clear(self) -> None:
        self._held = False

    def feed(self, data: bytes) -> bytes:
        """`data` with every line end as CRLF; the result does not depend on where pieces were cut."""
        if not data:
            return b""
        if self._held:
            data = b"\r" + data
        self._held = data.endswith(b"\r")
        if self._held:
            data = data[:-1]
        if data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r"):
            return data
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").replace(b"\n", b"\r\n")
