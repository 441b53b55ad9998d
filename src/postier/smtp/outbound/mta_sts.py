"""MTA-STS (RFC 8461) without any I/O: the record in the DNS, the policy document, the names of hosts.

Both are read by their grammar and nothing else: a record or a document that breaks it says nothing.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["MAX_AGE", "MAX_DOCUMENT", "PolicyError", "StsMode", "StsPolicy", "parse_policy", "record_id"]

MAX_DOCUMENT = 64 * 1024
"""Octets of a policy (RFC 8461 3.3 lets us choose)."""

MAX_AGE = 31_557_600
"""Seconds: the longest that a policy may live (3.2)."""

MAX_PATTERNS = 100

_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31})=([!-:<>-~]+)")
_ID = re.compile(r"[A-Za-z0-9]{1,32}")
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,31}")
_SECONDS = re.compile(r"[0-9]{1,10}")
_PATTERN = re.compile(r"(?:\*\.)?[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*")


class PolicyError(ValueError):
    """A document that is no policy; the message says why."""


class StsMode(enum.StrEnum):
    ENFORCE = "enforce"
    TESTING = "testing"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class StsPolicy:
    """`max_age` in seconds. `mx`: patterns in lower case, "*." for exactly one label (RFC 8461 3.2)."""

    mode: StsMode
    max_age: int
    mx: tuple[str, ...] = ()

    def allows(self, host: str) -> bool:
        """RFC 8461 4.1. `host`: an A-label name."""
        name = host.lower().removesuffix(".")
        parent = name.partition(".")[2]
        return any(
            pattern[2:] == parent if pattern.startswith("*.") else pattern == name for pattern in self.mx
        )


def record_id(records: Iterable[bytes]) -> str | None:
    """The id in the TXT records of `_mta-sts.domain`; None where there is no one record that is good.

    RFC 8461 3.1: records that do not begin with the version are left aside; of the others there must be one.
    """
    ours = [record for record in records if re.match(rb"v=STSv1[ \t]*;", record)]
    if len(ours) != 1 or len(ours[0]) > 4096 or not ours[0].isascii():
        return None
    fields = [field.strip(" \t") for field in ours[0].decode().split(";")][1:]
    if fields[-1] == "":
        fields.pop()
    found = ""
    for field in fields:
        match = _FIELD.fullmatch(field)
        if match is None:
            return None
        if match[1] == "id":
            if found or not _ID.fullmatch(match[2]):
                return None
            found = match[2]
    return found or None


def parse_policy(document: bytes) -> StsPolicy:
    """RFC 8461 3.2. Of a key that comes twice the first counts, but for mx. Raises PolicyError."""
    if len(document) > MAX_DOCUMENT:
        raise PolicyError("the policy is too long")
    try:
        text = document.decode()
    except UnicodeDecodeError:
        raise PolicyError("the policy is not UTF-8") from None
    values: dict[str, str] = {}
    patterns: list[str] = []
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    for line in lines:
        key, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _KEY.fullmatch(key) or any(ord(c) < 32 or ord(c) == 127 for c in value):
            raise PolicyError(f"not a field: {line[:60]!r}")
        if key == "mx":
            patterns.append(_pattern(value))
        else:
            values.setdefault(key, value)
    return _checked(values, patterns)


def _pattern(value: str) -> str:
    pattern = value.lower()
    if len(pattern) > 255 or not _PATTERN.fullmatch(pattern):
        raise PolicyError(f"not a name of hosts: {value[:60]!r}")
    return pattern


def _checked(values: dict[str, str], patterns: list[str]) -> StsPolicy:
    if values.get("version") != "STSv1":
        raise PolicyError("the version is not STSv1")
    try:
        mode = StsMode(values.get("mode", ""))
    except ValueError:
        raise PolicyError("the mode is none of enforce, testing and none") from None
    age = values.get("max_age", "")
    if not _SECONDS.fullmatch(age):
        raise PolicyError("max_age is not a number of seconds")
    if not patterns and mode is not StsMode.NONE:
        raise PolicyError("no mx is named")
    if len(patterns) > MAX_PATTERNS:
        raise PolicyError(f"more than {MAX_PATTERNS} mx are named")
    return StsPolicy(mode, min(int(age), MAX_AGE), tuple(dict.fromkeys(patterns)))
