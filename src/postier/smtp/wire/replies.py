"""Replies as bytes, and those that the server core gives by itself (RFC 5321 4.2.2, RFC 3463, RFC 5248)."""

from __future__ import annotations

from postier.base.status import Reply

__all__ = ["CommandError", "SmtpViolation", "render"]


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
    """`reply` as it goes over the wire; characters beyond ASCII are escaped (RFC 6531 3.7.4.1)."""
    status = f"{reply.enhanced} " if reply.enhanced else ""
    if "\n" not in reply.text:
        return f"{reply.code} {status}{reply.text}\r\n".encode("ascii", "backslashreplace")
    *before, last = reply.text.split("\n")
    text = "".join([f"{reply.code}-{status}{line}\r\n" for line in before])
    return f"{text}{reply.code} {status}{last}\r\n".encode("ascii", "backslashreplace")
