"""From a stored message back to its trace: the Received field that we put on top names it."""

from __future__ import annotations

import re

__all__ = ["trace_of"]

_LOOKED_AT = 16 * 1024
_FIELD = b"\nreceived:"
_OURS = re.compile(rb"[^\n]*\n[ \t]+by ([^ \r\n]+) with [^\r\n]* id ([0-9a-hjkmnp-tv-z]{16})[;\r\n]")


def trace_of(beginning: bytes, hostname: str) -> str:
    """`beginning`: the first octets of a blob. "" where this server, `hostname`, did not take the message in
    by SMTP. Only the uppermost Received counts: those below came with the message."""
    head = b"\n" + beginning[:_LOOKED_AT]
    end = head.find(b"\n\r\n")
    first = head.lower().find(_FIELD, 0, end if end >= 0 else len(head))
    found = _OURS.match(head, first + len(_FIELD)) if first >= 0 else None
    if found is None or found[1] != hostname.encode():
        return ""
    return found[2].decode()
