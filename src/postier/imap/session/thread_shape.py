"""What the THREAD algorithms make of messages: ORDEREDSUBJECT and steps 4 to 6 of REFERENCES (RFC 5256), and
REFS, which threads by references alone and sorts threads by their newest message.

A message is its place among those that were found, in the order of the mailbox; see thread_links.Forest for
dummies. Equal dates are decided by that order.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postier.imap.session.thread_links import PIECE, Forest
from postier.imap.session.turns import Turns

__all__ = ["by_newest", "by_subject", "merge_subjects", "sort_by_date", "subjects_shared"]

Dates = Sequence[int]
IsReply = Callable[[int], bool]
"""Whether the message at a place is a reply or forward, to judge by its subject."""


def by_subject(dates: Dates, subjects: Sequence[str]) -> Turns[Forest]:
    """ORDEREDSUBJECT: the first of each subject, the others below it."""
    threads: dict[str, list[int]] = {}
    for place, subject in enumerate(subjects):
        if place % PIECE == 0:
            yield
        threads.setdefault(subject, []).append(place)
    forest = Forest([], {})
    for thread in threads.values():
        thread.sort(key=dates.__getitem__)
        forest.top.append(thread[0])
        if len(thread) > 1:
            forest.below[thread[0]] = thread[1:]
    yield
    forest.top.sort(key=lambda place: (dates[place], place))
    return forest


def by_newest(forest: Forest, dates: Dates) -> Turns[None]:
    """REFS: siblings by their dates, threads by the latest date in them."""
    yield from sort_by_date(forest, dates)
    newest: dict[int, int] = {}
    for count, top in enumerate(forest.top, 1):
        if count % PIECE == 0:
            yield
        newest[top] = max(dates[place] for place in _whole_thread(forest, top) if place >= 0)
    forest.top.sort(key=lambda top: (newest[top], _first(forest, top)))


def sort_by_date(forest: Forest, dates: Dates) -> Turns[None]:
    """Steps 4 and 6: every set of siblings by the sent date; a dummy by its first child's."""

    def key(place: int) -> tuple[int, int]:
        return dates[place], place

    for count, siblings in enumerate(forest.below.values(), 1):
        if count % PIECE == 0:
            yield
        if len(siblings) > 1:
            siblings.sort(key=key)
    yield
    forest.top.sort(key=lambda top: key(_first(forest, top)))


def subjects_shared(forest: Forest, subjects: Sequence[str]) -> set[int]:
    """The messages that stand at the top, sorted, with a subject that another has as well: where it matters
    who is a reply."""
    seen: dict[str, int] = {}
    shared: set[int] = set()
    for top in forest.top:
        first = _first(forest, top)
        if subjects[first]:
            other = seen.setdefault(subjects[first], first)
            if other != first:
                shared.update((first, other))
    return shared


def _first(forest: Forest, top: int) -> int:
    """The message that stands for what stands at the top: itself, or a dummy's first child."""
    return top if top >= 0 else forest.below[top][0]


def _whole_thread(forest: Forest, top: int) -> list[int]:
    found = [top]
    for node in found:  # which grows meanwhile
        found += forest.below.get(node, ())
    return found


def merge_subjects(forest: Forest, subjects: Sequence[str], is_reply: IsReply) -> None:
    """Step 5: what stands at the top with the same base subject becomes one thread. `is_reply` is asked of
    `subjects_shared` only."""
    table: dict[str, int] = {}
    for top in forest.top:  # 5.B
        subject = subjects[_first(forest, top)]
        if not subject:
            continue
        known = table.setdefault(subject, top)
        if known != top and known >= 0 and (top < 0 or (is_reply(known) and not is_reply(top))):
            table[subject] = top
    merged: dict[int, None] = {}  # the new top, in order
    dummy = min(0, min(forest.below, default=0))
    for top in forest.top:  # 5.C
        subject = subjects[_first(forest, top)]
        known = table.get(subject, top)
        if known == top:
            merged[top] = None
        elif known < 0:
            forest.below[known].extend([top] if top >= 0 else forest.below.pop(top))
        elif is_reply(top) and not is_reply(known):
            forest.below.setdefault(known, []).append(top)
        else:
            dummy -= 1
            table[subject] = dummy
            forest.below[dummy] = [known, top]
            merged.pop(known, None)
            merged[dummy] = None
    forest.top[:] = merged
