"""Signing keys and the way each goes, on a clock that stands still and a DNS of words."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.accounts.dkim_keys import (
    MARGIN,
    SETTLE,
    DkimKey,
    KeyState,
    RotationUnderWay,
    Seen,
    advance,
    begin_rotation,
    first_keys,
    rotation_is_due,
)

NOON = 1_790_000_000
KEEP = 7 * 86_400
Keys = tuple[DkimKey, ...]
FIRST = first_keys(NOON)
ROTATING = begin_rotation(FIRST, NOON + 10)
NEW = [key.selector for key in ROTATING[2:]]


def go(keys: Keys, now: int, seen: Seen | None = None, oldest: int = 0) -> Keys:
    dns = {} if seen is None else {key.selector: seen for key in keys}
    return advance(keys, dns, now, oldest_waiting=oldest, keep=KEEP)


def states(keys: Keys) -> list[str]:
    return [key.state.value for key in keys]


def replaced() -> Keys:
    """The first keys retired at NOON + SETTLE."""
    return go(go(ROTATING, NOON, Seen.YES), NOON + SETTLE, Seen.YES)


def test_the_first_keys_sign_at_once_with_both_algorithms() -> None:
    assert [(key.selector, key.algorithm) for key in FIRST] == [
        ("postier2026r", "rsa"),
        ("postier2026e", "ed25519"),
    ]
    assert states(FIRST) == ["used", "used"]
    assert go(FIRST, NOON + 10 * KEEP, Seen.NO) == FIRST


def test_new_keys_have_names_of_their_own_and_wait() -> None:
    assert states(ROTATING) == ["used", "used", "announced", "announced"]
    assert NEW == ["postier20260921r", "postier20260921e"]
    with pytest.raises(RotationUnderWay, match="postier20260921r, postier20260921e"):
        begin_rotation(ROTATING, NOON + KEEP)
    again = begin_rotation(replaced(), NOON + 20)
    assert [key.selector for key in again[4:]] == ["postier20260921-2r", "postier20260921-2e"]


@pytest.mark.parametrize("seen", [Seen.NO, Seen.UNKNOWN])
def test_a_key_that_the_dns_does_not_show_is_never_used(seen: Seen) -> None:
    assert states(go(ROTATING, NOON + 100 * KEEP, seen)) == states(ROTATING)


def test_new_keys_sign_once_the_dns_has_shown_both_for_an_hour() -> None:
    shown = go(ROTATING, NOON, Seen.YES)
    assert states(shown) == states(ROTATING)
    assert states(go(shown, NOON + SETTLE - 1, Seen.YES)) == states(ROTATING)
    one = {NEW[0]: Seen.YES, NEW[1]: Seen.NO}
    assert states(advance(shown, one, NOON + SETTLE, oldest_waiting=0, keep=KEEP)) == states(ROTATING)
    used = go(shown, NOON + SETTLE, Seen.YES)
    assert states(used) == ["retired", "retired", "used", "used"]
    assert [key.private_key for key in used[:2]] == ["", ""]
    assert [key.text for key in used] == [key.text for key in ROTATING]


def test_a_key_that_vanishes_again_waits_anew() -> None:
    gone = go(go(ROTATING, NOON, Seen.YES), NOON + SETTLE, Seen.NO)
    back = go(gone, NOON + SETTLE + 1, Seen.YES)
    assert states(go(back, NOON + 2 * SETTLE, Seen.YES)) == states(ROTATING)
    assert states(go(back, NOON + 2 * SETTLE + 1, Seen.YES))[2:] == ["used", "used"]


def test_a_dns_that_does_not_answer_takes_nothing_back() -> None:
    shown = go(ROTATING, NOON, Seen.YES)
    assert go(shown, NOON + SETTLE, Seen.UNKNOWN) == shown
    assert states(go(shown, NOON + SETTLE, Seen.YES))[2:] == ["used", "used"]


def test_a_retired_key_stays_while_what_it_signed_is_on_its_way() -> None:
    keys, retired = replaced(), NOON + SETTLE
    assert states(go(keys, retired + KEEP - 1)) == states(keys)
    assert states(go(keys, retired + 100 * KEEP, oldest=retired + MARGIN)) == states(keys)
    assert states(go(keys, retired + KEEP, oldest=retired + MARGIN + 1))[:2] == ["withdrawn"] * 2
    assert states(go(keys, retired + KEEP))[:2] == ["withdrawn"] * 2


def test_a_withdrawn_key_is_forgotten_once_the_dns_shows_it_no_more() -> None:
    keys = go(replaced(), NOON + SETTLE + KEEP)
    for seen in (Seen.YES, Seen.UNKNOWN):
        assert len(go(keys, NOON + 100 * KEEP, seen)) == 4
    assert states(go(keys, NOON + 100 * KEEP, Seen.NO)) == ["used", "used"]


def test_keys_grow_due_by_age_unless_others_follow() -> None:
    assert not rotation_is_due(FIRST, NOON + KEEP - 1, KEEP)
    assert rotation_is_due(FIRST, NOON + KEEP, KEEP)
    assert not rotation_is_due(ROTATING, NOON + KEEP, KEEP)
    assert not rotation_is_due((), NOON, KEEP)


def test_keys_from_before_keys_had_states_sign_and_count_from_now() -> None:
    old = msgspec.json.encode(
        {"selector": "s", "algorithm": "rsa", "private_key": FIRST[0].private_key, "active": True}
    )
    keys = (msgspec.json.decode(old, type=DkimKey),)
    assert (keys[0].state, keys[0].text) == (KeyState.USED, FIRST[0].text)
    assert not rotation_is_due(keys, NOON, KEEP)
    assert rotation_is_due(go(keys, NOON), NOON + KEEP, KEEP)


@given(
    st.lists(st.tuples(st.integers(0, 2 * KEEP), st.sampled_from(Seen), st.sampled_from(Seen)), max_size=12)
)
def test_whatever_the_dns_does_something_signs_and_nothing_unseen(
    turns: list[tuple[int, Seen, Seen]],
) -> None:
    keys, now = ROTATING, NOON
    for wait, one, other in turns:
        now += wait
        dns = {NEW[0]: one, NEW[1]: other}
        keys = advance(keys, dns, now, oldest_waiting=0, keep=KEEP)
        used = {key.selector for key in keys if key.state is KeyState.USED}
        assert len(used) == 2
        assert used in ({"postier2026r", "postier2026e"}, set(NEW))
        assert all(key.private_key for key in keys if key.state is KeyState.USED)
    if not any(one is other is Seen.YES for _, one, other in turns):
        assert states(keys)[:4] == states(ROTATING)
