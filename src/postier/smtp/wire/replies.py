"""Replies as bytes, and those that the server core gives by itself (RFC 5321 4.2.2, RFC 3463, RFC 5248)."""

from __future__ import annotations

from collections.abc import Iterator

from postier.base.status import Reply

__all__ = ["CommandError", "SmtpViolation", "render"]


LINE_LIMIT = 512
"""Octets of a line of a reply, its code and CRLF included (RFC 5321 4.5.3.1.5)."""


class CommandError(Exception):
    """A command that the core answers by itself, with `reply`; the dialogue goes on."""

    def __init__(self, code: int, enhanced: str, text: str) -> None:
        super().__init__(text)
        self.reply = Reply(code, enhanced, text)


class SmtpViolation(Exception):
    """Input after which nothing can be trusted: the core answers `reply` and reads no more.

    The message says for the log what it was.
    """

    def __init__(self, reason: str, reply: Reply) -> None:
        super().__init__(reason)
        self.reply = reply


def render(reply: Reply) -> bytes:
    """`reply` as it goes over the wire; characters beyond ASCII are escaped (RFC 6531 3.7.4.1), and what is
    longer than a line goes on in the next."""
    status = f"{reply.enhanced} " if reply.enhanced else ""
    line = f"{reply.code} {status}{reply.text}\r\n".encode("ascii", "backslashreplace")
    if len(line) <= LINE_LIMIT and "\n" not in reply.text:
        return line
    room = LINE_LIMIT - len(f"{reply.code} {status}\r\n")
    text = reply.text.encode("ascii", "backslashreplace").decode()
    *before, last = [piece for line in text.split("\n") for piece in _pieces(line, room)]
    return "".join(
        [*(f"{reply.code}-{status}{line}\r\n" for line in before), f"{reply.code} {status}{last}\r\n"]
    ).encode()


def _pieces(line: str, room: int) -> Iterator[str]:
    """`line` in pieces of at most `room` characters, cut at blanks where there are some."""
    while len(line) > room:
        cut = line.rfind(" ", 1, room + 1)
        cut = cut if cut > 0 else room
        yield line[:cut]
        line = line[cut:].lstrip(" ")
    yield line
