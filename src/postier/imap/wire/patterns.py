"""LIST's patterns (RFC 3501 6.3.8): "*" stands for anything, "%" for anything within a level.

A pattern is a set of positions that advances with each character of a name, all positions at once as the bits
of one integer. There is nothing to go back to, so a name of n characters costs n steps whatever the pattern.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

__all__ = ["Pattern", "matcher"]

_WILDCARDS = re.compile(r"[*%]{2,}+")


def _collapse(found: re.Match[str]) -> str:
    return "*" if "*" in found.group() else "%"


class Pattern:
    """One pattern, the reference name already in front of it. INBOX matches in any case (RFC 3501 5.1)."""

    __slots__ = ("_any", "_characters", "_end", "_level", "_match", "separator", "text")

    def __init__(self, pattern: str, separator: str = "/") -> None:
        self.text = _WILDCARDS.sub(_collapse, pattern)
        self.separator = separator
        self._characters: dict[str, int] = {}
        self._any = 0  # positions before a "*"
        self._level = 0  # positions before a "%"
        self._end = 1 << len(self.text)
        self._match = self._chosen()

    def __call__(self, name: str) -> bool:
        if name[:5] == "INBOX" and name[5:6] in ("", self.separator):
            return self._advance(name, len("INBOX"))
        return self._match(name)

    def _chosen(self) -> Callable[[str], bool]:
        """The cheapest way to match: most patterns are a text, or a wildcard behind one."""
        self._compile()
        plain = self.text[:-1]
        if "*" in plain or "%" in plain:
            return self._advance
        if self.text.endswith("*"):
            return lambda name: name.startswith(plain)
        if self.text.endswith("%"):
            return lambda name: name.startswith(plain) and self.separator not in name[len(plain) :]
        return self.text.__eq__

    def _compile(self) -> None:
        for position, character in enumerate(self.text):
            if character == "*":
                self._any |= 1 << position
            elif character == "%":
                self._level |= 1 << position
            else:
                self._characters[character] = self._characters.get(character, 0) | 1 << position

    def _advance(self, name: str, any_case: int = 0) -> bool:
        """Bit i stands for "the first i tokens are matched"; wildcards keep theirs and let it pass on.

        The first `any_case` characters of `name`, capitals, also match their small letters.
        """
        wild = self._any | self._level
        positions = 1 | (1 & wild) << 1
        for index, character in enumerate(name):
            steps = self._characters.get(character, 0)
            if index < any_case:
                steps |= self._characters.get(character.lower(), 0)
            stays = self._any if character == self.separator else wild
            positions = (positions & steps) << 1 | positions & stays
            positions |= (positions & wild) << 1
            if not positions:
                return False
        return bool(positions & self._end)


def matcher(patterns: Iterable[str], separator: str = "/") -> Callable[[str], bool]:
    """True for names that any of `patterns` matches."""
    compiled = [Pattern(pattern, separator) for pattern in patterns]
    if len(compiled) == 1:
        return compiled[0]
    return lambda name: any(pattern(name) for pattern in compiled)
