"""Words that are alike: what FUZZY (RFC 6203) finds beside exact texts.

A word is like another if it is the same, another form of it (running, run), begins with it, is one slip of
the keyboard away, or contains it. Forms are told by what is left behind the common beginning: endings of
European languages, a table and no grammar.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from postier.message.fold import fold
from postier.message.searched import FIELD_ZONES, GAP, MessageText, TextQuery, Zone

__all__ = ["FuzzyQuery", "Term"]

SAME, FORM, BEGINNING, SLIP, PART = 1.0, 0.8, 0.7, 0.5, 0.4
TERMS = 16
"""Words of one query that count."""
_WORD = re.compile(r"\w+")
_LONGEST = 64
_REMEMBERED = 100_000
_ENDINGS = frozenset(
    [
        "a",
        "ado",
        "ados",
        "age",
        "ais",
        "ait",
        "al",
        "ally",
        "ant",
        "ar",
        "are",
        "as",
        "ation",
        "ations",
        "e",
        "ed",
        "em",
        "en",
        "ens",
        "ent",
        "er",
        "era",
        "eres",
        "ern",
        "ers",
        "es",
        "est",
        "et",
        "eur",
        "eurs",
        "ez",
        "i",
        "ia",
        "ial",
        "ied",
        "ier",
        "iers",
        "ies",
        "ing",
        "ings",
        "ion",
        "ions",
        "ir",
        "is",
        "ist",
        "ists",
        "it",
        "ity",
        "ive",
        "ly",
        "ment",
        "ments",
        "n",
        "nd",
        "ne",
        "nen",
        "ner",
        "o",
        "or",
        "ors",
        "os",
        "s",
        "se",
        "st",
        "sten",
        "t",
        "te",
        "ten",
        "ter",
        "tes",
        "tion",
        "tions",
        "ung",
        "ungen",
        "ur",
        "y",
    ]
) | {""}
_WEIGHTS = {Zone.SUBJECT: 3.0, Zone.FROM: 2.0, Zone.TO: 1.5, Zone.CC: 1.5, Zone.BCC: 1.5, Zone.BODY: 1.0}
_HEAD_WEIGHT = 0.5


class Term:
    """One word that is looked for. `probes`: whatever is like it has one of these in it."""

    __slots__ = ("_known", "probes", "word")

    def __init__(self, word: str) -> None:
        self.word = word
        half = len(word) // 2
        self.probes = {word} if len(word) < 3 else {word[:3], word[:half], word[half:]} - {word[:1]}
        self._known: dict[str, float] = {}

    def likeness(self, text: str) -> float:
        """Of the best word in a piece of text without white space, from 0 to 1."""
        known = self._known.get(text)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            words = _WORD.findall(text[: 16 * _LONGEST])
            known = self._known[text] = max((self._of(word) for word in words), default=0.0)
        return known

    def _of(self, other: str) -> float:
        word = self.word
        if word == other:
            return SAME
        if len(word) < 3:
            return BEGINNING if other.startswith(word) else 0.0
        if is_form(word, other):
            return FORM
        if other.startswith(word):
            return BEGINNING
        if len(word) >= 4 and is_slip(word, other):
            return SLIP
        return PART if word in other else 0.0


def is_form(one: str, other: str) -> bool:
    """The same beginning, with endings behind it that words of one stem have."""
    shared = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        shared += 1
    shorter = min(len(one), len(other))
    for stem in range(shared, max(3, -(-shorter * 3 // 5)) - 1, -1):
        if _is_ending(one[:stem], one[stem:]) and _is_ending(other[:stem], other[stem:]):
            return True
    return False


def _is_ending(stem: str, rest: str) -> bool:
    """Running: the last consonant may be doubled."""
    return rest in _ENDINGS or (len(rest) > 1 and rest[0] == stem[-1] and rest[1:] in _ENDINGS)


def is_slip(one: str, other: str) -> bool:
    """One letter more, less or another, or two that changed places."""
    if abs(len(one) - len(other)) > 1:
        return False
    start = 0
    limit = min(len(one), len(other))
    while start < limit and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        return a[1:] == b[1:] or (a[:2] == b[1::-1] and a[2:] == b[2:])
    return a[1:] == b or a == b[1:]


class FuzzyQuery(NamedTuple):
    """Every term must be like some word of the message; what counts is the best place of each."""

    terms: tuple[Term, ...]
    weights: tuple[tuple[Zone, float], ...]
    exact: TextQuery

    @classmethod
    def of(cls, text: str, exact: TextQuery) -> FuzzyQuery:
        """In the zones of `exact`. What stands in a field that people read counts more than what stands in
        another."""
        words = dict.fromkeys(word for word in _WORD.findall(fold(text)) if len(word) <= _LONGEST)
        weights = {zone: _WEIGHTS.get(zone, _HEAD_WEIGHT) for zone in exact.zones}
        if Zone.HEAD in weights and not exact.field:
            weights |= _WEIGHTS
        return cls(tuple(Term(word) for word in list(words)[:TERMS]), tuple(weights.items()), exact)

    def likeness(self, text: MessageText) -> list[dict[Zone, float]]:
        """Of each term, by the zones of a message's text."""
        words = {zone: _texts_of(text, zone).split() for zone, _ in self.weights}
        return [
            {zone: max(map(term.likeness, set(found)), default=0.0) for zone, found in words.items()}
            for term in self.terms
        ]

    def score(self, likeness: list[dict[Zone, float]]) -> float:
        """Of one message, from the likeness of each term by zones; 0 where a term is like nothing in it."""
        total = 0.0
        for by_zone in likeness:
            found = max((weight * by_zone.get(zone, 0.0) for zone, weight in self.weights), default=0.0)
            if not found:
                return 0.0
            total += found
        return total / len(likeness) if likeness else 0.0


def _texts_of(text: MessageText, zone: Zone) -> str:
    if zone is Zone.BODY:
        found = text.body
    elif zone is Zone.HEAD:
        found = text.head
    else:
        found = text.fields[FIELD_ZONES.index(zone)]
    return found.replace(GAP, " ")
