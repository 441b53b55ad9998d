"""Message-IDs as threads compare them (RFC 5256 3, THREAD): quoting undone, case kept."""

from __future__ import annotations

import re
from typing import NamedTuple

from postier.message.headers import FIELD_KEPT, unfold

__all__ = ["ANCESTORS_KEPT", "ThreadIds", "message_ids", "thread_ids"]

ANCESTORS_KEPT = 1000
"""References of one message; the nearest ancestors, which stand last (RFC 5322 3.6.4)."""

_FIELD = re.compile(
    rb"^(message-id|references|in-reply-to)[ \t]*:([^\n]*+(?:\n[ \t][^\n]*+)*+)", re.IGNORECASE | re.MULTILINE
)
_PLAIN = re.compile(rb"<([^<>@\"\s\x00-\x1f]++@[^<>@\"\s\x00-\x1f]++)>")
_ANY = re.compile(rb"<((?:[^<>\"\\]|\"(?:[^\"\\]|\\.)*+\"|\\.)*+)(>?)", re.DOTALL)
"""Where a Message-ID begins, as far as it could go on, and its end if it has one: nothing is read twice."""
_QUOTED = re.compile(rb"\"((?:[^\"\\]|\\.)*+)\"", re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_SPACE = re.compile(rb"[ \t\r\n]++")


class ThreadIds(NamedTuple):
    """`message_id`: b"" where there is no valid one. `references`: the oldest first."""

    message_id: bytes
    references: list[bytes]


def thread_ids(section: bytes) -> ThreadIds:
    """What a header section says of a message's place in a thread: References, else the first Message-ID of
    In-Reply-To."""
    fields: dict[bytes, bytes] = {}
    for name, value in _FIELD.findall(section):
        fields.setdefault(name.lower(), value)
    own = message_ids(fields.get(b"message-id", b""))
    references = message_ids(fields.get(b"references", b""))[-ANCESTORS_KEPT:]
    if not references and b"in-reply-to" in fields:
        references = message_ids(fields[b"in-reply-to"])[:1]
    return ThreadIds(own[0] if own else b"", references)


def message_ids(value: bytes) -> list[bytes]:
    """The valid Message-IDs of a field's value, without brackets: there is something on both sides of "@"."""
    value = value[:FIELD_KEPT]
    found = _PLAIN.findall(value)
    if len(found) == value.count(b"<"):
        return found
    normal = [_normalised(raw) for raw, end in _ANY.findall(unfold(value)) if end]
    return [message_id for message_id in normal if message_id]


def _normalised(raw: bytes) -> bytes:
    """`raw` without white space and needless quotes; b"" if it is no msg-id of RFC 5322 3.6.4."""
    local, at, domain = raw.rpartition(b"@")
    local = _QUOTED.sub(_without_quotes, local) if b'"' in local else _SPACE.sub(b"", local)
    domain = _SPACE.sub(b"", domain)
    return b"%b@%b" % (local, domain) if at and local and domain else b""


def _without_quotes(quoted: re.Match[bytes]) -> bytes:
    return _ESCAPE.sub(rb"\1", quoted[1])
