"""The base subject, by which threads and sorting know replies (RFC 5256 2.1)."""

from __future__ import annotations

import re

__all__ = ["base_subject", "is_reply_or_forward"]

_LONGEST = 2000
_SPACE = re.compile(r"[ \t\r\n]+")
_LEADER = re.compile(r"(?: |(?:\[[^\[\]]*+\] *+)*+(?:re|fwd?) *+(?:\[[^\[\]]*+\] *+)?:)", re.IGNORECASE)
_BLOB = re.compile(r"\[[^\[\]]*+\] *+")
_FORWARDED = re.compile(r"\[fwd:", re.IGNORECASE)
_TRAILER = "(fwd)"


def base_subject(subject: str) -> str:
    """`subject`, already decoded, without "Re:", "Fwd:", "[list]" and "(fwd)". Case is kept: compare
    by collation.unicode_casemap.

    Looks at the first 2,000 characters.
    """
    return _base(subject)[0]


def is_reply_or_forward(subject: str) -> bool:
    """Something was taken away that says so, not only white space and blobs (RFC 5256 3, REFERENCES)."""
    return _base(subject)[1]


def _base(subject: str) -> tuple[str, bool]:
    text = _SPACE.sub(" ", subject[:_LONGEST])
    start, end = 0, len(text)
    is_reply = False
    while True:
        end, trailed = _without_trailers(text, start, end)
        start, led = _without_leaders(text, start, end)
        is_reply |= trailed or led
        forwarded = _FORWARDED.match(text, start, end)
        if forwarded is None or text[end - 1] != "]":
            return text[start:end], is_reply
        start, end, is_reply = forwarded.end(), end - 1, True


def _without_trailers(text: str, start: int, end: int) -> tuple[int, bool]:
    """Step 2: the new end, and whether there was a "(fwd)"."""
    trailed = False
    while end > start:
        if text[end - 1] == " ":
            end -= 1
        elif end - start >= 5 and text[end - 5 : end].lower() == _TRAILER:
            end -= 5
            trailed = True
        else:
            break
    return end, trailed


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Steps 3 to 5: the new start, and whether there was a "Re:" or its like. Where no leader stands after a
    run of blobs none stands inside it, so the run goes at once."""
    led = False
    while True:
        leader = _LEADER.match(text, start, end)
        if leader is not None:
            start = leader.end()
            led |= leader.group() != " "
            continue
        blob = _BLOB.match(text, start, end)
        while blob is not None and blob.end() < end:
            start = blob.end()
            blob = _BLOB.match(text, start, end)
        return start, led
