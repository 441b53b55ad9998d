"""Macro strings of SPF: `%{i}._spf.%{d2}` and what they become (RFC 7208 7).

A string is compiled once into literal pieces and `Macro`s; expanding asks the caller for a letter's value,
since one of them (`p`) needs the DNS.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

__all__ = [
    "DOMAIN_LETTERS",
    "EXPLANATION_LETTERS",
    "Macro",
    "MacroString",
    "SpfSyntaxError",
    "fit_domain_name",
]

DOMAIN_LETTERS = frozenset("slodipvh")
EXPLANATION_LETTERS = DOMAIN_LETTERS | frozenset("crt")  # RFC 7208 7.2: c, r and t in "exp" text only

_LITERAL = re.compile(r"[ -$&-~]+")
_EXPAND = re.compile(r"%\{([A-Za-z])([0-9]{0,3})([rR]?)([.+,/_=-]*)\}")
_ESCAPES = {"%%": "%", "%_": " ", "%-": "%20"}
_TOPLABEL = re.compile(r"[A-Za-z0-9-]+")


class SpfSyntaxError(ValueError):
    """A record that does not follow the grammar: permerror (RFC 7208 4.6)."""


@dataclass(frozen=True, slots=True)
class Macro:
    """`%{` letter digits r delimiters `}` (RFC 7208 7.1). `keep` 0: all the parts."""

    letter: str
    keep: int
    reverse: bool
    delimiters: str
    escape: bool

    def transform(self, value: str) -> str:
        """`value` split, reversed, cut to its right-hand parts, joined with dots (RFC 7208 7.3)."""
        if self.keep or self.reverse or self.delimiters != ".":
            parts = re.split(f"[{re.escape(self.delimiters)}]", value)
            if self.reverse:
                parts.reverse()
            value = ".".join(parts[-self.keep :])
        return quote(value, safe="-._~") if self.escape else value


@dataclass(frozen=True, slots=True)
class MacroString:
    """A compiled macro-string; `constant` is its text where it has no macro."""

    parts: tuple[str | Macro, ...]
    constant: str | None

    @classmethod
    def parse(cls, text: str, letters: frozenset[str]) -> MacroString:
        """Raises SpfSyntaxError, also for a letter that is not in `letters`."""
        parts: list[str | Macro] = []
        position = 0
        while position < len(text):
            part, position = _next_part(text, position, letters)
            parts.append(part)
        literals = [part for part in parts if isinstance(part, str)]
        return cls(tuple(parts), "".join(literals) if len(literals) == len(parts) else None)

    @classmethod
    def parse_domain_spec(cls, text: str) -> MacroString:
        """domain-spec = macro-string domain-end (RFC 7208 7.1): ends in a macro, or in a top label."""
        if not text or " " in text:
            raise SpfSyntaxError("a domain is missing")
        spec = cls.parse(text, DOMAIN_LETTERS)
        if not isinstance(spec.parts[-1], Macro) and text[-2:] not in _ESCAPES:
            before, dot, toplabel = spec.parts[-1].removesuffix(".").rpartition(".")
            if not dot or not _is_toplabel(toplabel) or (not before and len(spec.parts) == 1):
                raise SpfSyntaxError("a domain has no proper top label")
        return spec

    def letters(self) -> frozenset[str]:
        return frozenset(part.letter for part in self.parts if isinstance(part, Macro))

    def expand(self, values: Mapping[str, str]) -> str:
        """The text; `values` has what each of `letters()` stands for."""
        if self.constant is not None:
            return self.constant
        return "".join(
            part if isinstance(part, str) else part.transform(values[part.letter]) for part in self.parts
        )


def _next_part(text: str, position: int, letters: frozenset[str]) -> tuple[str | Macro, int]:
    literal = _LITERAL.match(text, position)
    if literal:
        return literal.group(), literal.end()
    escape = _ESCAPES.get(text[position : position + 2])
    if escape is not None:
        return escape, position + 2
    found = _EXPAND.match(text, position)
    if not found:
        raise SpfSyntaxError("a % is not followed by a macro")
    letter, digits, reverse, delimiters = found.groups()
    if letter.lower() not in letters:
        raise SpfSyntaxError(f"macro letter {letter} is not allowed here")
    if digits and not int(digits):
        raise SpfSyntaxError("a macro keeps zero parts")
    macro = Macro(letter.lower(), int(digits or 0), bool(reverse), delimiters or ".", letter.isupper())
    return macro, found.end()


def _is_toplabel(label: str) -> bool:
    return bool(_TOPLABEL.fullmatch(label)) and not (
        label.isdigit() or label.startswith("-") or label.endswith("-")
    )


def fit_domain_name(name: str) -> str:
    """An expanded name as a query can carry it: no final dot, 253 octets of its right side (RFC 7208 7.3)."""
    name = name.removesuffix(".")
    while len(name) > 253 and "." in name:
        name = name.partition(".")[2]
    return name
