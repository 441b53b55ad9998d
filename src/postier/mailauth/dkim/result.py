"""What the verification of one signature found."""

from __future__ import annotations

import enum
from dataclasses import dataclass

__all__ = ["Dkim", "DkimResult"]


class Dkim(enum.Enum):
    """The results of RFC 8601 2.7.1."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DkimResult:
    """One signature. What could not be read of it is "".

    `domain`: d=, A-labels; `selector`: s=; `identity`: i=, "@" and d= where it is absent; `algorithm`: a=;
    `signature`: the first 8 characters of b= (RFC 6008). `reason`: for people, why it is no pass.
    `body_length_short`: it passed, but l= leaves the end of the body unsigned, so it says nothing about the
    message as a whole.
    """

    result: Dkim
    domain: str = ""
    selector: str = ""
    identity: str = ""
    algorithm: str = ""
    reason: str = ""
    body_length_short: bool = False
    signature: str = ""
