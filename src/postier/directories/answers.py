"""What a server means by its answer to a password (RFC 4511 4.2.2), in a few words."""

from __future__ import annotations

import enum
import re

from postier.ldap.wire.core import Result

__all__ = ["Standing", "standing"]


class Standing(enum.StrEnum):
    """RIGHT: this is the person. The others are not let in."""

    RIGHT = "right"
    WRONG = "wrong password"
    UNKNOWN = "unknown"
    EXPIRED = "the password has expired"
    MUST_CHANGE = "the password must be changed first"
    DISABLED = "the account is disabled"
    ENDED = "the account has expired"
    LOCKED = "the account is locked"
    NOT_NOW = "not allowed at this time or from here"
    NOT_OURS = "the entry is none of its people, or is not shown to its owner"


_WORD = re.compile(r"\bdata ([0-9a-fA-F]{3,4})\b")
_WINDOWS = {
    "525": Standing.UNKNOWN,
    "52e": Standing.WRONG,
    "530": Standing.NOT_NOW,
    "531": Standing.NOT_NOW,
    "532": Standing.EXPIRED,
    "533": Standing.DISABLED,
    "701": Standing.ENDED,
    "773": Standing.MUST_CHANGE,
    "775": Standing.LOCKED,
}
"""Active Directory says it in the text of error 49: the code of Windows behind "data"."""
_POLICY = {0: Standing.EXPIRED, 1: Standing.LOCKED, 2: Standing.MUST_CHANGE}
"""draft-behera-ldap-password-policy 6.2."""
_CODES = {
    0: Standing.RIGHT,
    19: Standing.LOCKED,
    32: Standing.UNKNOWN,
    34: Standing.UNKNOWN,
    48: Standing.WRONG,
    50: Standing.DISABLED,
    53: Standing.DISABLED,
}
"""19 and 53: 389 Directory Server after too many failures, and for accounts that are switched off."""


def standing(result: Result) -> Standing:
    if result.code == 0:
        return Standing.RIGHT
    if result.policy is not None and result.policy in _POLICY:
        return _POLICY[result.policy]
    found = _WORD.search(result.text)
    if found is not None and found[1].lower() in _WINDOWS:
        return _WINDOWS[found[1].lower()]
    return _CODES.get(result.code, Standing.WRONG)
