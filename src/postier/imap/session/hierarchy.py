"""Which names a LIST tells of (RFC 3501 6.3.8, RFC 5258 3)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR
from postier.accounts.rights import Place
from postier.imap.wire.listing import ListSelection

__all__ = ["Hierarchy", "names_above"]

CRITERIA = ListSelection.SUBSCRIBED | ListSelection.SPECIAL_USE


class Hierarchy(NamedTuple):
    """What one LIST looks at.

    `places`: the mailboxes that are seen, by name. `subscribed`: names, existing or not. `matched`: names
    that a pattern matches. `above`: names with a mailbox below them. `chosen_above`: names with something
    below that meets the selection criteria; `untold_above`: the same where no pattern matches it, so that
    only the parent can tell of it.
    """

    places: dict[str, Place]
    subscribed: frozenset[str]
    selection: ListSelection
    matched: frozenset[str]
    above: frozenset[str]
    chosen_above: frozenset[str] = frozenset()
    untold_above: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        places: dict[str, Place],
        subscribed: frozenset[str],
        selection: ListSelection,
        matched: frozenset[str],
    ) -> Hierarchy:
        """`matched`: which of the names in `places` and `subscribed`, and above them, a pattern matches."""
        made = cls(places, subscribed, selection, matched, names_above(places))
        if ListSelection.RECURSIVEMATCH not in selection:
            return made
        chosen = list(filter(made.is_chosen, places.keys() | subscribed))
        untold = (name for name in chosen if name not in matched)
        return made._replace(chosen_above=names_above(chosen), untold_above=names_above(untold))

    def is_chosen(self, name: str) -> bool:
        """It meets the selection criteria, every one of them (RFC 5258 3.1)."""
        if ListSelection.SUBSCRIBED in self.selection and name not in self.subscribed:
            return False
        if ListSelection.SPECIAL_USE in self.selection:
            place = self.places.get(name)
            return place is not None and bool(place.special_use)
        return True

    def names(self, levels: Iterable[str]) -> list[str]:
        """Those to tell of, in order. `levels`: names that patterns which end in "%" match: these find levels
        of the hierarchy as well that are no mailboxes (RFC 3501 6.3.8)."""
        candidates = self.places.keys() | self.untold_above
        if ListSelection.SUBSCRIBED in self.selection:
            candidates |= self.subscribed
        if self.selection & CRITERIA:
            candidates = {name for name in candidates if name in self.untold_above or self.is_chosen(name)}
            return sorted(candidates & self.matched)
        return sorted((candidates & self.matched).union(self.above.intersection(levels) - self.places.keys()))

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
