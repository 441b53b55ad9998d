"""THREAD: the algorithms against the RFC's steps taken literally, and what hostile mail can cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.imap.session import thread_links
from postier.imap.session.thread_links import Forest, Links
from postier.imap.session.thread_shape import (
    by_newest,
    by_subject,
    merge_subjects,
    sort_by_date,
    subjects_shared,
)
from postier.imap.session.turns import Turns
from postier.imap.wire.thread import thread_list

Reference = tuple[bytes, list[bytes]]


def result(work: Turns[Any]) -> Any:
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


def text(forest: Forest) -> str:
    numbers = range(1, 1_000_000)
    return b"".join(thread_list(top, forest.below, numbers) for top in forest.top).decode()


def by_references(
    messages: list[Reference], dates: list[int], subjects: list[str], replies: set[int]
) -> Forest:
    forest: Forest = result(links(messages).forest())
    result(sort_by_date(forest, dates))
    shared = subjects_shared(forest, subjects)
    merge_subjects(forest, subjects, (replies & shared).__contains__)
    result(sort_by_date(forest, dates))
    return forest


def by_refs(messages: list[Reference], dates: list[int]) -> Forest:
    forest: Forest = result(links(messages).forest())
    result(by_newest(forest, dates))
    return forest


def links(messages: list[Reference]) -> Links:
    made = Links()
    for message_id, references in messages:
        made.add(message_id, references)
    return made


# ---------------------------------------------------------------------- RFC 5256 3, step by step


@dataclass(eq=False)
class Node:
    """A message, or a dummy (`place` is -1)."""

    place: int = -1
    parent: Node | None = None
    children: list[Node] = field(default_factory=list)

    def is_under(self, other: Node) -> bool:
        node: Node | None = self
        while node is not None:
            if node is other:
                return True
            node = node.parent
        return False

    def set_parent(self, parent: Node | None) -> None:
        if self.parent is not None:
            self.parent.children.remove(self)
        self.parent = parent
        if parent is not None:
            parent.children.append(self)

    def text(self) -> str:
        number = "" if self.place < 0 else str(self.place + 1)
        if len(self.children) == 1:
            return f"{number} {self.children[0].text()}".strip()
        below = "".join(f"({child.text()})" for child in self.children)
        return f"{number} {below}".strip()


class Model:
    """The algorithm as the RFC tells it."""

    def __init__(self, dates: list[int], subjects: list[str], replies: set[int]) -> None:
        self.dates, self.subjects, self.replies = dates, subjects, replies

    def key(self, node: Node) -> tuple[int, int]:
        node = node.children[0] if node.place < 0 else node
        return self.dates[node.place], node.place

    def sort(self, nodes: list[Node]) -> None:
        for node in nodes:
            self.sort(node.children)
        nodes.sort(key=self.key)

    def roots(self, messages: list[Reference]) -> list[Node]:
        by_id: dict[bytes, Node] = {}
        nodes: list[Node] = []  # all, in the order they were made
        for place, (message_id, references) in enumerate(messages):
            node = by_id.get(message_id) if message_id else None
            if node is None or node.place >= 0:
                node = Node()
                nodes.append(node)
                if message_id and message_id not in by_id:
                    by_id[message_id] = node
            node.place = place
            chain = []
            for reference in references:
                if reference not in by_id:
                    by_id[reference] = Node()
                    nodes.append(by_id[reference])
                chain.append(by_id[reference])
            for above, below in pairwise(chain):  # 1.A
                if below.parent is None and not above.is_under(below):
                    below.set_parent(above)
            node.set_parent(None)  # 1.B
            if chain and not chain[-1].is_under(node):
                node.set_parent(chain[-1])
        top = [node for node in nodes if node.parent is None]
        return [kept for node in top for kept in self.pruned(node, at_top=True)]

    def pruned(self, node: Node, *, at_top: bool) -> list[Node]:
        """Step 3."""
        node.children = [kept for child in node.children for kept in self.pruned(child, at_top=False)]
        if node.place >= 0 or (at_top and len(node.children) > 1):
            return [node]
        return node.children

    def references(self, messages: list[Reference]) -> str:
        roots = self.roots(messages)
        self.sort(roots)
        roots = self.merged(roots)
        self.sort(roots)
        return "".join(f"({root.text()})" for root in roots)

    def subject(self, node: Node) -> str:
        return self.subjects[node.place if node.place >= 0 else node.children[0].place]

    def merged(self, roots: list[Node]) -> list[Node]:
        """Step 5."""
        table: dict[str, Node] = {}
        for node in roots:
            subject = self.subject(node)
            known = table.get(subject)
            if subject and (
                known is None
                or (
                    known.place >= 0
                    and (node.place < 0 or (known.place in self.replies and node.place not in self.replies))
                )
            ):
                table[subject] = node
        left = list(roots)
        for node in roots:
            subject = self.subject(node)
            if not subject or table[subject] is node:
                continue
            known = table[subject]
            left.remove(node)
            if known.place < 0:
                known.children += node.children if node.place < 0 else [node]
            elif node.place in self.replies and known.place not in self.replies:
                known.children.append(node)
            else:
                dummy = table[subject] = Node(children=[known, node])
                left[left.index(known)] = dummy
        return left


ids = st.sampled_from([b"a@x", b"b@x", b"c@x", b"d@x", b"e@x", b"f@x", b"g@x"])
mailboxes = st.lists(
    st.tuples(
        st.one_of(st.just(b""), ids),
        st.lists(ids, max_size=4),
        st.integers(0, 3),  # date
        st.sampled_from(["", "S", "T"]),
        st.booleans(),  # a reply
    ),
    max_size=9,
)
Mailbox = list[tuple[bytes, list[bytes], int, str, bool]]


@settings(max_examples=500)
@given(mailboxes)
def test_references_is_what_the_rfc_says(mailbox: Mailbox) -> None:
    messages = [(message_id, references) for message_id, references, *_ in mailbox]
    dates = [date for _, _, date, _, _ in mailbox]
    subjects = [subject for _, _, _, subject, _ in mailbox]
    replies = {place for place, (*_, reply) in enumerate(mailbox) if reply}
    model = Model(dates, subjects, replies)
    assert text(by_references(messages, dates, subjects, replies)) == model.references(messages)


@settings(max_examples=500)
@given(mailboxes)
def test_refs_sorts_threads_by_their_newest_message(mailbox: Mailbox) -> None:
    messages = [(message_id, references) for message_id, references, *_ in mailbox]
    dates = [date for _, _, date, _, _ in mailbox]
    model = Model(dates, [""] * len(mailbox), set())
    roots = model.roots(messages)
    model.sort(roots)

    def newest(node: Node) -> int:
        own = dates[node.place] if node.place >= 0 else -1
        return max([own, *map(newest, node.children)])

    roots.sort(key=lambda root: (newest(root), root.place if root.place >= 0 else root.children[0].place))
    expected = "".join(f"({root.text()})" for root in roots)
    assert text(by_refs(messages, dates)) == expected


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([], ""),
        ([(b"a@b", []), (b"b@b", [b"c@b", b"a@b"]), (b"c@b", [b"b@b"])], "(3 1 2)"),
        ([(b"a@b", [b"x@b"]), (b"b@b", [b"x@b"])], "((1)(2))"),  # siblings of one that is not there
        ([(b"a@b", [b"x@b"])], "(1)"),
        ([(b"a@b", [b"a@b"])], "(1)"),
        ([(b"a@b", [b"b@b"]), (b"b@b", [b"a@b"])], "(2 1)"),
        ([(b"a@b", []), (b"a@b", []), (b"c@b", [b"a@b"])], "(1 3)(2)"),  # a Message-ID that comes twice
        ([(b"c@b", [b"a@b", b"b@b"]), (b"b@b", []), (b"a@b", [])], "(2 1)(3)"),  # 1.B breaks what 1.A guessed
        ([(b"", [b"a@b", b"b@b", b"c@b"]), (b"", [b"a@b", b"d@b"])], "((1)(2))"),
    ],
)
def test_small_mailboxes(messages: list[Reference], expected: str) -> None:
    count = len(messages)
    assert text(by_references(messages, [0] * count, [""] * count, set())) == expected


def test_ordered_subject() -> None:
    dates = [5, 1, 3, 2, 4, 2]
    subjects = ["A", "B", "A", "", "B", "A"]
    assert text(result(by_subject(dates, subjects))) == "(2 5)(4)(6 (3)(1))"
    assert text(result(by_subject([], []))) == ""


def test_the_rfcs_thread_response() -> None:
    below = {3: [6], 6: [4, 44], 4: [23], 44: [7], 7: [96], -1: [3, 5]}
    numbers = range(100)
    assert thread_list(2, below, numbers) == b"(2)"
    assert thread_list(3, below, numbers) == b"(3 6 (4 23)(44 7 96))"
    assert thread_list(-1, {-1: [3, 5]}, numbers) == b"((3)(5))"


# ---------------------------------------------------------------------- bounds


def chain(count: int, order: Callable[[int], int]) -> list[Reference]:
    """Messages 0, 1, ... each a reply to the one before, in some order."""
    return [
        (b"%d@x" % number, [b"%d@x" % (number - 1)] if number else []) for number in map(order, range(count))
    ]


@pytest.mark.slow
@pytest.mark.parametrize("order", ["upwards", "downwards", "mixed"])
def test_a_chain_of_100_000_messages(order: str) -> None:
    count = 100_000
    orders: dict[str, Callable[[int], int]] = {
        "upwards": lambda n: n,
        "downwards": lambda n: count - 1 - n,
        "mixed": lambda n: n * 7919 % count,
    }
    messages = chain(count, orders[order])
    start = time.process_time()
    found = by_references(messages, [0] * count, [""] * count, set())
    written = thread_list(found.top[0], found.below, range(1, count + 1))
    assert time.process_time() - start < 20
    assert written.count(b"(") == 1
    assert len(written.split()) == count


@pytest.mark.slow
def test_a_comb_of_100_000_messages_nests_as_deep() -> None:
    count = 50_000
    messages = chain(count, lambda n: n) + [(b"", [b"%d@x" % n]) for n in range(count - 1)]
    forest = by_refs(messages, [0] * len(messages))
    written = thread_list(forest.top[0], forest.below, range(1, len(messages) + 1))
    assert written.count(b"(") == written.count(b")") == 2 * (count - 1) + 1


def test_one_message_with_100_000_references(in_world: Any) -> None:
    async def test(world: Any) -> None:
        references = b"\r\n ".join(b"<%d@x>" % n for n in range(100_000))
        for _ in range(2):
            await world.deliver(b"References: " + references + b"\r\nSubject: x\r\n\r\n")
        client = await world.client(b"SELECT INBOX")
        assert await client.command(b"THREAD REFERENCES UTF-8 ALL") == b"* THREAD ((1)(2))\r\n"
        assert await client.command(b"THREAD REFS UTF-8 ALL") == b"* THREAD ((1)(2))\r\n"

    in_world(test)


def test_dummies_have_a_bound(monkeypatch: Any) -> None:
    monkeypatch.setattr(thread_links, "DUMMIES", 10)
    made = links([(b"", [b"%d.%d@x" % (place, n) for n in range(1000)]) for place in range(50)])
    assert len(made._parents) <= 50 + 10 + 50 * thread_links.DUMMIES_EACH
    assert len(result(made.forest()).top) == 50


def test_looking_for_loops_has_a_bound() -> None:
    """A long thread, and messages that say again and again that its root answers its end."""
    count = 3000
    messages = chain(count, lambda n: n)
    messages += [(b"", [b"%d@x" % (count - 1), b"0@x"] * 500) for _ in range(200)]
    start = time.process_time()
    forest = result(links(messages).forest())
    assert time.process_time() - start < 20
    assert len(forest.top) == 1
