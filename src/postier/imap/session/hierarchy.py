"""Which names a LIST tells of (RFC 3501 6.3.8, RFC 5258 3)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR
from postier.accounts.rights import Place
from postier.imap.wire.listing import ListSelection

__all__ = ["Hierarchy", "names_above"]

Matches = Callable[[str], bool]

CRITERIA = ListSelection.SUBSCRIBED | ListSelection.SPECIAL_USE


class Hierarchy(NamedTuple):
    """What one LIST looks at.

    `places`: the mailboxes that are seen, by name. `subscribed`: names, existing or not. `above`: names with
    a mailbox below them. `chosen_above`: names with something below that meets the selection criteria;
    `untold_above`: the same where no pattern matches it, so that only the parent can tell of it.
    """

    places: dict[str, Place]
    subscribed: frozenset[str]
    selection: ListSelection
    above: frozenset[str]
    chosen_above: frozenset[str] = frozenset()
    untold_above: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, places: Iterable[Place], subscribed: Iterable[str], selection: ListSelection, matches: Matches
    ) -> Hierarchy:
        known = {place.name: place for place in places}
        made = cls(known, frozenset(subscribed), selection, names_above(known))
        if ListSelection.RECURSIVEMATCH not in selection:
            return made
        chosen = list(filter(made.is_chosen, known.keys() | made.subscribed))
        untold = (name for name in chosen if not matches(name))
        return made._replace(chosen_above=names_above(chosen), untold_above=names_above(untold))

    def is_chosen(self, name: str) -> bool:
        """It meets the selection criteria, every one of them (RFC 5258 3.1)."""
        if ListSelection.SUBSCRIBED in self.selection and name not in self.subscribed:
            return False
        if ListSelection.SPECIAL_USE in self.selection:
            place = self.places.get(name)
            return place is not None and bool(place.special_use)
        return True

    def names(self, matches: Matches, matches_levels: Matches) -> list[str]:
        """Those to tell of, in order. `matches_levels`: of the patterns that end in "%", which find levels of
        the hierarchy as well that are no mailboxes (RFC 3501 6.3.8)."""
        candidates = self.places.keys() | self.untold_above
        if ListSelection.SUBSCRIBED in self.selection:
            candidates |= self.subscribed
        found = {
            name
            for name in candidates
            if (name in self.untold_above or self.is_chosen(name)) and matches(name)
        }
        if not self.selection & CRITERIA:
            found.update(name for name in self.above - self.places.keys() if matches_levels(name))
        return sorted(found)

    def child_info(self, name: str) -> tuple[bytes, ...]:
        """The criteria that something below it meets, for CHILDINFO (RFC 5258 3.5)."""
        if name not in self.chosen_above:
            return ()
        return tuple(word for option, word in _CRITERIA_WORDS.items() if option in self.selection)


_CRITERIA_WORDS = {ListSelection.SUBSCRIBED: b"SUBSCRIBED", ListSelection.SPECIAL_USE: b"SPECIAL-USE"}


def names_above(names: Iterable[str]) -> frozenset[str]:
    """Every name above one of `names`."""
    found = set()
    for name in names:
        above, separator, _ = name.rpartition(HIERARCHY_SEPARATOR)
        while separator and above not in found:
            found.add(above)
            above, separator, _ = above.rpartition(HIERARCHY_SEPARATOR)
    return frozenset(found)
