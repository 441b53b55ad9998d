"""Whose turn it is, and what is kept in view."""

from __future__ import annotations

from collections import Counter

import pytest

from postier.queue.destinations import Standing
from postier.queue.turns import DESTINATIONS_KEPT, KEPT, Turns
from postier.store.api import Due


class Places:
    """So many places for each site."""

    def __init__(self, each: int) -> None:
        self.each = each
        self.taken: Counter[str] = Counter()

    def claim(self, site: str) -> bool:
        if self.taken[site] >= self.each:
            return False
        self.taken[site] += 1
        return True


def standing(site: str) -> Standing:
    return {"live": Standing.PROVEN, "dead": Standing.FAILED}.get(site, Standing.NEW)


def filled(*sites: tuple[str, int]) -> Turns:
    turns = Turns(standing)
    number = 0
    for site, count in sites:
        for _ in range(count):
            number += 1
            turns.add(site, Due(0, number, f"{site}.example"))
    return turns


def shares(new: int = 100, failed: int = 100) -> dict[Standing, int]:
    return {Standing.PROVEN: 100, Standing.NEW: new, Standing.FAILED: failed}


def sites(turns: Turns, places: Places, limit: int = 100, new: int = 100, failed: int = 100) -> str:
    return "".join(turn.site for turn in turns.take(limit, shares(new, failed), places.claim))


def test_sites_take_turns() -> None:
    turns = filled(("a", 4), ("b", 2), ("c", 1))
    assert sites(turns, Places(9)) == "abcabaa"
    assert len(turns) == 0


def test_a_site_without_room_is_asked_again_when_it_is_freed() -> None:
    turns, places = filled(("a", 3), ("b", 3)), Places(2)
    assert sites(turns, places) == "abab"
    assert sites(turns, places) == ""
    places.taken["a"] -= 1
    turns.freed("a")
    turns.freed("nobody")
    assert sites(turns, places) == "a"
    assert len(turns) == 1


def test_an_entry_is_known_until_it_is_forgotten() -> None:
    turns, due = Turns(standing), Due(0, 1, "a.example")
    turns.add("a", due)
    turns.add("a", due)
    assert sites(turns, Places(9)) == "a"
    turns.add("a", due)
    assert len(turns) == 0
    turns.forget(1)
    turns.add("a", due)
    assert len(turns) == 1


def test_those_that_may_never_answer_leave_places_to_the_living() -> None:
    turns = filled(("dead", 9), ("a", 9), ("b", 9), ("live", 9))
    assert sites(turns, Places(9), limit=20, new=2, failed=1) == "live" * 9 + "ab" + "dead"
    assert sites(turns, Places(9), new=0, failed=0) == ""
    assert sites(turns, Places(9), new=-3, failed=-1) == ""
    assert sites(turns, Places(9), limit=3, new=2, failed=2) == "ab" + "dead"


def test_a_site_that_answers_gets_the_places_of_the_living() -> None:
    state = {"a": Standing.FAILED}
    turns = Turns(lambda site: state[site])
    turns.add("a", Due(0, 1, "a.example"))
    assert sites(turns, Places(9), failed=0) == ""
    state["a"] = Standing.PROVEN
    turns.freed("a")
    assert sites(turns, Places(9), failed=0) == "a"


@pytest.mark.parametrize("site", ["live", "a", "dead"])
def test_of_a_site_no_more_is_kept_than_it_can_use_and_the_rest_is_remembered(site: str) -> None:
    kept = KEPT[standing(site)]
    turns = filled((site, kept + 1), ("b", KEPT[Standing.NEW]))
    assert len(turns) == kept + KEPT[Standing.NEW]
    assert turns.short() == []
    left = kept // 4
    places = Places(kept - left - 1)
    assert sites(turns, places).count(site) == kept - left - 1
    assert turns.short() == []
    places.each += 1
    turns.freed(site)
    assert sites(turns, places) == site
    assert turns.short() == [(site, f"{site}.example")]
    assert turns.short() == []
    turns.exhausted(site, f"{site}.example")


def test_what_is_remembered_of_a_site_is_bounded() -> None:
    turns = filled(("a", KEPT[Standing.NEW]))
    for number in range(DESTINATIONS_KEPT):
        turns.add("a", Due(0, 1000 + number, f"{number}.example"))
    assert not turns.overlooked
    turns.add("a", Due(0, 5000, "0.example"))
    assert not turns.overlooked
    turns.add("a", Due(0, 5001, "more.example"))
    assert turns.overlooked
