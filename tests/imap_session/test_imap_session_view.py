from __future__ import annotations

from array import array

from hypothesis import given
from hypothesis import strategies as st

from postier.imap.session.view import View
from postier.store.api import Uid

UIDS = st.lists(st.integers(1, 60).map(Uid), unique=True).map(sorted) | st.integers(1, 60).map(
    lambda last: [Uid(uid) for uid in range(1, last)]
)


@given(UIDS, UIDS)
def test_what_leaves_a_view_counts_from_the_highest_down(there: list[Uid], going: list[Uid]) -> None:
    view = View(array("I", there))
    here = [uid for uid in going if uid in there]
    assert list(view.those_here(going)) == here
    assert view.remove(going) == [there.index(uid) + 1 for uid in reversed(here)]
    assert list(view.uids) == [uid for uid in there if uid not in going]
