"""Where the marks of the checks end up: the header field that shows them, and the junk folder.

X-Postier-Policy stands beside Authentication-Results, which shows what was authenticated: it names each
check that noted something, with what, and the sum of their weights. People filter on it, so nobody else may
write it.
"""

from __future__ import annotations

from collections.abc import Sequence

from postier.mailauth import authentication_results
from postier.message.headers import HeaderFields
from postier.smtp.inbound.outcome import Mark
from postier.smtp.inbound.policy_settings import PolicySettings

__all__ = ["POLICY_FIELD", "junk_reason", "policy_field", "without_forged_fields"]

POLICY_FIELD = b"x-postier-policy"


def policy_field(marks: Sequence[Mark]) -> bytes:
    """The field with its CRLF, a line for each mark."""
    lines = [f"weight={_weight(marks):g}", *(f"{mark}" for mark in marks)]
    return ("X-Postier-Policy: " + ";\r\n\t".join(lines) + "\r\n").encode()


def junk_reason(marks: Sequence[Mark], settings: PolicySettings) -> str:
    """Why the message goes to the junk folder, "" if it does not."""
    for mark in marks:
        if mark.sets_aside:
            return mark.reason
    weight = _weight(marks)
    if settings.junk_weight and weight >= settings.junk_weight:
        return f"weight {weight:g}: {'; '.join(map(str, marks))}"
    return ""


def without_forged_fields(header: bytes, hostname: str) -> bytes:
    """`header` without what only we may say: Authentication-Results in our name (RFC 8601 5), our policy."""
    lowered = header.lower()
    if b"authentication-results" in lowered:
        header = authentication_results.remove_forged(header, hostname)
    if POLICY_FIELD in lowered:
        header = _without(header, POLICY_FIELD)
    return header


def _without(header: bytes, name: bytes) -> bytes:
    pieces, position = [], 0
    for field in HeaderFields(header):
        if field.name.lower() == name:
            pieces.append(header[position : field.start])
            position = field.end
    return b"".join([*pieces, header[position:]])


def _weight(marks: Sequence[Mark]) -> float:
    return sum(mark.weight for mark in marks)
