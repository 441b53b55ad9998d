"""Who is whose reply: step 1 of the REFERENCES algorithm (RFC 5256 3, THREAD), and step 3, the pruning.

A node is a Message-ID that some message has or refers to. Links are made in the order of the RFC, so a loop
is looked for before each one. That walk is short in real mail: what has no children cannot be an ancestor.
Where it is made long on purpose, the walks of a command have a budget in proportion to its messages; when
that is spent, a link that needs a walk is not made.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from postier.imap.session.turns import Turns

__all__ = ["Forest", "Links"]

DUMMIES = 100_000
"""Nodes without a message that there may always be; more are made in proportion to the messages."""
DUMMIES_EACH = 4
STEPS = 1_000_000
"""Steps of all walks that are always free; more are in proportion to the messages."""
STEPS_EACH = 100
PIECE = 20_000
"""Nodes that are looked at before others get their turn."""


class Forest(NamedTuple):
    """What stands at the `top` of all, and the children of each that has any. Messages are their places;
    dummies, which only stand at the top and have two children or more, are numbers below 0. Nothing is
    sorted."""

    top: list[int]
    below: dict[int, list[int]]


class Links:
    """Messages are added in the order of their sequence numbers; each gets the next place, from 0."""

    __slots__ = ("_children", "_dummies", "_ids", "_parents", "_places", "_steps", "_total")

    def __init__(self) -> None:
        self._ids: dict[bytes, int] = {}  # Message-ID: node
        self._parents: list[int] = []  # by node; -1: none
        self._children: list[int] = []  # by node, how many
        self._places: list[int] = []  # by node; -1: a dummy
        self._total = 0  # messages
        self._dummies = DUMMIES  # that may still be made
        self._steps = STEPS  # that may still be walked

    def add(self, message_id: bytes, references: Iterable[bytes]) -> None:
        """`message_id`: b"" where it has none. Step 1.A links the references, 1.B the message."""
        self._dummies += DUMMIES_EACH
        self._steps += STEPS_EACH
        node = self._message(message_id)
        previous = -1
        for reference in references:
            current = self._ids.get(reference, -1)
            if current < 0:
                if self._dummies <= 0:
                    continue
                self._dummies -= 1
                current = self._ids[reference] = self._new(-1)
            if previous >= 0 and self._parents[current] < 0:
                self._link(previous, current)
            previous = current
        if self._parents[node] != previous:
            self._cut(node)
            if previous >= 0:
                self._link(previous, node)

    def _message(self, message_id: bytes) -> int:
        """The node of the next message: a dummy that waited for it, or a new one. A second message with the
        same Message-ID counts as one without."""
        place = self._total
        self._total += 1
        node = self._ids.get(message_id, -1) if message_id else -1
        if node < 0:
            node = self._new(place)
            if message_id:
                self._ids[message_id] = node
        elif self._places[node] < 0:
            self._places[node] = place
            self._dummies += 1
        else:
            node = self._new(place)
        return node

    def _new(self, place: int) -> int:
        self._parents.append(-1)
        self._children.append(0)
        self._places.append(place)
        return len(self._parents) - 1

    def _link(self, parent: int, child: int) -> None:
        """Unless that would make a loop. `child` has no parent."""
        if child == parent or (self._children[child] and self._is_above(child, parent)):
            return
        self._parents[child] = parent
        self._children[parent] += 1

    def _is_above(self, node: int, other: int) -> bool:
        """`node`, which stands at the top, is an ancestor of `other`; also where nobody may find out."""
        parents = self._parents
        while self._steps > 0 and parents[other] >= 0:
            other = parents[other]
            self._steps -= 1
        return other == node or parents[other] >= 0

    def _cut(self, node: int) -> None:
        parent = self._parents[node]
        if parent >= 0:
            self._parents[node] = -1
            self._children[parent] -= 1

    # ------------------------------------------------------------------ steps 2 and 3

    def forest(self) -> Turns[Forest]:
        """What stays when dummies have gone: their children take their place, but at the top only where there
        is one child."""
        forest = Forest([], {})
        kept: dict[int, list[int]] = {}  # by node: what of its children stays
        dummies = 0
        order = yield from self._from_the_top()
        for count, node in enumerate(reversed(order), 1):
            if count % PIECE == 0:
                yield
            place, parent = self._places[node], self._parents[node]
            children = kept.pop(node, [])
            if place >= 0:
                if children:
                    forest.below[place] = children
                children = [place]
            elif parent < 0 and len(children) > 1:
                dummies += 1
                forest.below[-dummies] = children
                children = [-dummies]
            if parent < 0:
                forest.top.extend(children)
            elif children:
                kept[parent] = _together(kept.get(parent, []), children)
        return forest

    def _from_the_top(self) -> Turns[list[int]]:
        """Every node, parents before their children."""
        children: dict[int, list[int]] = {}
        order: list[int] = []
        for node, parent in enumerate(self._parents):
            if node % PIECE == 0:
                yield
            if parent < 0:
                order.append(node)
            elif parent in children:
                children[parent].append(node)
            else:
                children[parent] = [node]
        for count, node in enumerate(order):  # which grows meanwhile
            if count % PIECE == 0:
                yield
            order += children.get(node, ())
        return order


def _together(some: list[int], more: list[int]) -> list[int]:
    """The shorter list goes into the longer one, so that chains of dummies cost no more than their nodes."""
    if len(some) < len(more):
        some, more = more, some
    some += more
    return some
