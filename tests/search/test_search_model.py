"""Random mail, changes and states of the index: what is found with the index is what the messages say."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.message.searched import FIELD_ZONES, TextQuery, Zone
from postier.search import indexer as indexer_module
from postier.store.api import MailboxId, Tx, Uid

WORDS = ["ab", "abc", "b", "Ä", "straße", "cab", "x=?y", "c.b", "ba" * 30, "东京"]
TEXT = st.lists(st.sampled_from(WORDS), max_size=6)
LINES = st.lists(TEXT.map(" ".join), max_size=4).map("\r\n".join)
NEEDLES = st.one_of(
    st.sampled_from(["", "a", "b", "AB", "bc", "strasse", "京", "?", " ", "missing", "b c", ": "]),
    TEXT.map(" ".join).map(lambda text: text[1:]),
)


@st.composite
def messages(draw: Any) -> bytes:
    fields = [
        f"{name}: {draw(TEXT.map(' '.join))}"
        for name in draw(st.lists(st.sampled_from(["Subject", "From", "To", "Cc", "X-B", "x-b"]), max_size=4))
    ]
    body = draw(LINES)
    if draw(st.booleans()):
        fields.append("Content-Type: multipart/mixed; boundary=cut")
        inner = draw(
            st.sampled_from(["text/html", "text/plain; name=ab", "application/pdf", "message/rfc822"])
        )
        body = f"--cut\r\n\r\n{body}\r\n--cut\r\nContent-Type: {inner}\r\n\r\n{draw(LINES)}\r\n--cut--"
    return ("\r\n".join(fields) + "\r\n\r\n" + body + "\r\n").encode()


QUERIES = st.one_of(
    st.builds(TextQuery.of, NEEDLES, st.sampled_from(list(FIELD_ZONES))),
    st.builds(TextQuery.of, NEEDLES, st.just(Zone.BODY)),
    st.builds(TextQuery.of, NEEDLES, st.just(Zone.HEAD), st.just(Zone.BODY)),
    st.builds(TextQuery.of, NEEDLES, st.just(Zone.HEAD), field=st.sampled_from(["x-b", "subject", "b"])),
)
PICK = st.integers(0, 30)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.lists(messages(), min_size=1, max_size=5)),
        st.tuples(st.just("expunge"), st.lists(PICK, max_size=5)),
        st.tuples(st.just("copy"), st.lists(PICK, max_size=5)),
        st.tuples(st.just("move"), st.lists(PICK, max_size=5)),
        st.tuples(st.just("index"), st.none()),
        st.tuples(st.just("tidy"), st.none()),
        st.tuples(st.just("stop"), st.none()),
        st.tuples(st.just("reset"), st.none()),
        st.tuples(st.just("drop"), st.none()),
    ),
    min_size=3,
    max_size=25,
)


async def change(house: Any, step: tuple[str, Any], other: MailboxId) -> None:
    kind, argument = step
    place = house.account_id, house.inbox
    match kind:
        case "add":
            await house.add(*argument)
        case "expunge" | "copy" | "move":
            there = await house.store.reader.uids(*place)
            chosen = [Uid(there[pick]) for pick in sorted(set(argument)) if pick < len(there)]

            async def work(tx: Tx) -> None:
                if kind == "expunge":
                    await tx.expunge(*place, chosen)
                elif kind == "copy":
                    await tx.copy(*place, chosen, house.account_id, other)
                else:
                    await tx.move(*place, chosen, other)

            await house.store.transact(work)
        case "index":
            await house.indexer.round()
        case "tidy":
            await house.indexer.tidy()
        case "stop":  # killed after the first transaction
            house.indexer.stopping.set()
            await house.indexer.round()
            house.indexer = house.new_indexer()
        case "reset":
            await house.index.reset("another")
            house.indexer = house.new_indexer()
        case "drop":
            await house.store.transact(lambda tx: tx.delete_mailbox(house.account_id, other))


async def run(open_house: Any, folder: Path, steps: list[Any], queries: list[TextQuery]) -> None:
    async with open_house(folder) as house:
        other = (
            await house.store.transact(lambda tx: tx.create_mailbox(house.account_id, "Other"))
        ).mailbox_id
        for step in steps:
            await change(house, step, other)
            if step[0] == "drop":
                made = await house.store.transact(lambda tx: tx.create_mailbox(house.account_id, "Other"))
                other = made.mailbox_id
            for query in queries:
                for mailbox_id in (house.inbox, other):
                    expected = await house.search(query, mailbox_id=mailbox_id)
                    assert await house.search(query, mailbox_id=mailbox_id, index=house.index) == expected


@pytest.mark.parametrize("worth", [1, 3])
@settings(max_examples=40, deadline=None)
@given(steps=STEPS, queries=st.lists(QUERIES, min_size=1, max_size=6))
def test_the_index_changes_no_answer(open_house: Any, worth: int, steps: Any, queries: Any) -> None:
    """With segments of a few messages, so that they are made, joined and made anew all the time."""
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patched:
        patched.setattr(indexer_module, "_WORTH_A_SEGMENT", (worth, 10**9))
        patched.setattr(indexer_module, "_LARGEST_SEGMENT", (8, 10**9))
        patched.setattr(indexer_module, "_AT_ONCE", 3)
        asyncio.run(run(open_house, Path(folder), steps, queries))
