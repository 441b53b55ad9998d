"""From a stored message back to its trace: the Received field that we put on top names it."""

from __future__ import annotations

import re

__all__ = ["trace_of"]

_LOOKED_AT = 16 * 1024
_FIRST = re.compile(rb"(?:\A|\n)received:", re.IGNORECASE)
_OURS = re.compile(rb"[^\n]*\n[ \t]+by ([^ \r\n]+) with [^\r\n]* id ([0-9a-hjkmnp-tv-z]{16})[;\r\n]")


def trace_of(beginning: bytes, hostname: str) -> str:
    """`beginning`: the first octets of a blob. "" where this server, `hostname`, did not take the message in
    by SMTP. Only the uppermost Received counts: those below came with the message."""
    head = beginning[:_LOOKED_AT]
    first = _FIRST.search(head)
    found = _OURS.match(head, first.end()) if first is not None else None
    if found is None or found[1] != hostname.encode():
        return ""
    return found[2].decode()
