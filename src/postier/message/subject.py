"""The base subject, by which threads and sorting know replies (RFC 5256 2.1)."""

from __future__ import annotations

import re

__all__ = ["base_subject"]

_LONGEST = 2000
_SPACE = re.compile(r"\s+")
_LEADER = re.compile(r"(?:\s|(?:\[[^\[\]]*+\]\s*+)*+(?:re|fwd?)\s*+(?:\[[^\[\]]*+\]\s*+)?:)", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\]\s*+")
_FORWARDED = re.compile(r"\[fwd:", re.IGNORECASE)


def base_subject(subject: str) -> str:
    """`subject`, already decoded, without "Re:", "Fwd:", "[list]" and "(fwd)". Case is kept: compare
    casefolded.

    Looks at the first 2,000 characters.
    """
    text = _SPACE.sub(" ", subject[:_LONGEST])
    start, end = 0, len(text)
    while True:
        end = _without_trailers(text, start, end)
        start = _without_leaders(text, start, end)
        forwarded = _FORWARDED.match(text, start, end)
        if forwarded is None or text[end - 1] != "]":
            return text[start:end]
        start, end = forwarded.end(), end - 1


def _without_trailers(text: str, start: int, end: int) -> int:
    while end > start:
        if text[end - 1].isspace():
            end -= 1
        elif end - start >= 5 and text[end - 5 : end].lower() == "(fwd)":
            end -= 5
        else:
            break
    return end


def _without_leaders(text: str, start: int, end: int) -> int:
    """Steps 3 to 5. Where no leader stands after a run of blobs none stands inside it, so the run goes at
    once."""
    while True:
        leader = _LEADER.match(text, start, end)
        if leader is not None:
            start = leader.end()
            continue
        blob = _BLOB.match(text, start, end)
        while blob is not None and blob.end() < end:
            start = blob.end()
            blob = _BLOB.match(text, start, end)
        return start
