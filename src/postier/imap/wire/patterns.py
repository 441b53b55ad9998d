"""LIST's patterns (RFC 3501 6.3.8): "*" stands for anything, "%" for anything within a level.

The patterns of a command are one set of positions that advances with each character of a name, all positions
at once as the bits of one integer. There is nothing to go back to: a name of n characters costs n steps,
whatever the patterns. Their length together is bounded, and with it the cost of a step.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["LONGEST_NAME", "Pattern", "literal_prefix", "matcher"]

LONGEST_NAME = 1000
"""Characters; a pattern that needs more matches nothing."""

Matcher = Callable[[str], bool]

_WILDCARDS = re.compile(r"[*%]{2,}+")
_WILDCARD = re.compile(r"[*%]")


def _collapse(found: re.Match[str]) -> str:
    return "*" if "*" in found.group() else "%"


class _Positions:
    """Several patterns at once. Each has a bit for every character, and one behind them for "matched"."""

    __slots__ = ("_any", "_characters", "_ends", "_level", "_starts", "separator")

    def __init__(self, patterns: Iterable[str], separator: str) -> None:
        self.separator = separator
        self._characters: dict[str, int] = {}
        self._any = self._level = self._starts = self._ends = 0
        first = 1
        for pattern in patterns:
            self._starts |= first
            for character in pattern:
                self._compile(character, first)
                first <<= 1
            self._ends |= first
            first <<= 1

    def _compile(self, character: str, bit: int) -> None:
        if character == "*":
            self._any |= bit
        elif character == "%":
            self._level |= bit
        else:
            self._characters[character] = self._characters.get(character, 0) | bit

    def matches(self, name: str, any_case: int = 0) -> bool:
        """Bits stand for "what is before is matched"; wildcards keep theirs and let it pass on.

        The first `any_case` characters of `name`, capitals, also match their small letters.
        """
        wild = self._any | self._level
        positions = self._starts | (self._starts & wild) << 1
        for index, character in enumerate(name):
            steps = self._characters.get(character, 0)
            if index < any_case:
                steps |= self._characters.get(character.lower(), 0)
            stays = self._any if character == self.separator else wild
            positions = (positions & steps) << 1 | positions & stays
            positions |= (positions & wild) << 1
            if not positions:
                return False
        return bool(positions & self._ends)


class Pattern:
    """One pattern or several, the reference name already in front of each. INBOX matches in any case
    (RFC 3501 5.1)."""

    __slots__ = ("_match", "_positions", "separator", "texts")

    def __init__(self, *patterns: str, separator: str = "/") -> None:
        collapsed = (_WILDCARDS.sub(_collapse, pattern) for pattern in patterns)
        self.texts = tuple(dict.fromkeys(filter(_can_match, collapsed)))
        self.separator = separator
        self._positions = _Positions(self.texts, separator)
        self._match = self._chosen()

    def __call__(self, name: str) -> bool:
        if name[:5] == "INBOX" and name[5:6] in ("", self.separator):
            return self._positions.matches(name, len("INBOX"))
        return self._match(name)

    def _chosen(self) -> Matcher:
        """The cheapest way to match: most patterns are a text, or a wildcard behind one."""
        if len(self.texts) != 1:
            return self._positions.matches
        (text,) = self.texts
        plain = text[:-1]
        if "*" in plain or "%" in plain:
            return self._positions.matches
        if text.endswith("*"):
            return lambda name: name.startswith(plain)
        if text.endswith("%"):
            return lambda name: name.startswith(plain) and self.separator not in name[len(plain) :]
        return text.__eq__


def _can_match(pattern: str) -> bool:
    return len(pattern) - pattern.count("*") - pattern.count("%") <= LONGEST_NAME


def matcher(patterns: Iterable[str], separator: str = "/") -> Matcher:
    """True for names that any of `patterns` matches."""
    return Pattern(*patterns, separator=separator)


def literal_prefix(patterns: Iterable[str]) -> str:
    """What every name that one of `patterns` matches begins with, as it is kept; "" where that is unknown,
    since INBOX is written in any case."""
    plain = [_WILDCARD.split(pattern, maxsplit=1)[0] for pattern in patterns]
    low, high = min(plain, default=""), max(plain, default="")  # between them, whatever they share all share
    length = next((at for at, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), len(low))
    common = low[:length]
    start = common[: len("INBOX")]
    return "" if start.upper() == "INBOX"[: len(start)] != start else common
