"""What every engine of the index of texts promises; an engine's tests inherit it and supply `open_index`.

class TestSqlite(TextIndexContract):
    @pytest.fixture
    def open_index(self, tmp_path): ...   # -> a TextIndexWriter, the same one's data each time it is called
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

from postier.message.searched import FIELD_ZONES, MessageText, TextQuery, Zone
from postier.search.api import Answer, Indexed, NewPlace, Place, TextIndexWriter
from postier.store.api import AccountId, BlobId, MailboxId, ModSeq, Uid

__all__ = ["OpenIndex", "TextIndexContract", "text"]

OpenIndex = Callable[[], TextIndexWriter]
Test = Callable[[Any, TextIndexWriter], Coroutine[Any, Any, None]]

INBOX = Place(AccountId(1), MailboxId(1), 7)
ARCHIVE = Place(AccountId(1), MailboxId(2), 7)
OTHERS = Place(AccountId(2), MailboxId(1), 7)
FIRST, LAST = Uid(1), Uid(2**32 - 1)
WORD = TextQuery.of("needle", Zone.BODY)


def text(body: str, subject: str = "", *, whole: bool = True) -> MessageText:
    fields = ["" for _ in FIELD_ZONES]
    if subject:
        fields[FIELD_ZONES.index(Zone.SUBJECT)] = "\0" + subject
    return MessageText(tuple(fields), f"subject: {subject}" if subject else "", body, whole)


def on_index(test: Test) -> Callable[[Any, OpenIndex], None]:
    def run(self: Any, open_index: OpenIndex) -> None:
        asyncio.run(test(self, open_index()))

    run.__name__ = test.__name__
    run.__doc__ = test.__doc__
    return run


async def place(index: TextIndexWriter, where: Place, *texts: MessageText | None, first: int = 1) -> None:
    """Messages from UID `first` on, each of a blob of that number."""
    messages = [NewPlace(Uid(uid), BlobId(uid), found) for uid, found in enumerate(texts, first)]
    await index.place(Indexed(where, ModSeq(1), messages[-1].uid, Uid(0)), messages)


async def found(index: TextIndexWriter, where: Place, query: TextQuery) -> list[Answer | None]:
    return [await index.ask(segment, query) for segment in await index.segments(where, FIRST, LAST)]


class TextIndexContract:
    @on_index
    async def test_placed_texts_are_kept_as_they_are(self, index: TextIndexWriter) -> None:
        await place(index, INBOX, text("one"), text("two \u6771\u4eac", "greetings", whole=False))
        kept = await index.texts(INBOX, [1, 2, 3])
        assert kept == {1: text("one"), 2: text("two \u6771\u4eac", "greetings", whole=False)}
        loose = await index.loose(INBOX)
        assert [uid for uid, _ in loose] == [1, 2]
        assert loose[0][1] < loose[1][1]

    @on_index
    async def test_a_segment_answers_for_its_messages(self, index: TextIndexWriter) -> None:
        bodies = ("a needle here", "nothing", "needles", "", "cut off")
        await place(index, INBOX, *(text(body, whole=body != "cut off") for body in bodies))
        await index.make_segment(INBOX, Uid(1), Uid(5))
        (answer,) = await found(index, INBOX, WORD)
        assert answer is not None
        assert (answer.found.tolist(), answer.unsure.tolist()) == ([1, 3], [5])
        (answer,) = await found(index, INBOX, TextQuery.of("needle here", Zone.BODY))
        assert answer is not None
        assert {1, 5} <= {*answer.found, *answer.unsure}
        assert 2 not in {*answer.found, *answer.unsure}
        assert await index.loose(INBOX) == []

    @on_index
    async def test_segments_are_joined(self, index: TextIndexWriter) -> None:
        await place(index, INBOX, text("needle"), text("x"))
        await index.make_segment(INBOX, Uid(1), Uid(2))
        (old,) = await index.segments(INBOX, FIRST, LAST)
        await place(index, INBOX, text("y"), text("needle"), first=3)
        assert [uid for uid, _ in await index.loose(INBOX)] == [3, 4]
        await index.make_segment(INBOX, Uid(1), Uid(4))
        (segment,) = await index.segments(INBOX, FIRST, LAST)
        assert segment[1:4] == (1, 4, 4)
        assert await index.ask(old, WORD) is None
        (answer,) = await found(index, INBOX, WORD)
        assert answer is not None
        assert answer.found.tolist() == [1, 4]
        assert await index.segments(INBOX, Uid(5), LAST) == []
        assert await index.segments(INBOX, Uid(2), Uid(2)) == [segment]

    @on_index
    async def test_what_is_gone_goes_with_its_text(self, index: TextIndexWriter) -> None:
        await place(index, INBOX, text("needle"), text("needle"), text("needle"))
        await place(index, ARCHIVE, None, first=2)
        await index.make_segment(INBOX, Uid(1), Uid(3))
        indexed = Indexed(INBOX, ModSeq(2), Uid(3), Uid(3))
        await index.forget(indexed, [Uid(1), Uid(2), Uid(9)])
        assert list(await index.texts(INBOX, [1, 2, 3])) == [3]
        assert list(await index.texts(ARCHIVE, [2])) == [2]  # a copy keeps it
        assert await index.kept_blobs(INBOX.account_id, [BlobId(1), BlobId(2)]) == {2}
        ((where, segment),) = await index.with_gone()
        assert (where, segment.gone) == (INBOX, 2)
        await index.make_segment(INBOX, segment.first, segment.last)
        assert await index.with_gone() == []
        (answer,) = await found(index, INBOX, WORD)
        assert answer is not None
        assert answer.found.tolist() == [3]
        await index.forget(indexed, [Uid(3)])
        await index.make_segment(INBOX, Uid(1), Uid(3))
        assert await index.segments(INBOX, FIRST, LAST) == []
        assert await index.uids(INBOX) == []

    @on_index
    async def test_mailboxes_and_accounts_are_apart(self, index: TextIndexWriter) -> None:
        await place(index, INBOX, text("needle"))
        await place(index, ARCHIVE, None)
        await place(index, OTHERS, text("another"))
        for where in (INBOX, ARCHIVE, OTHERS):
            await index.make_segment(where, Uid(1), Uid(1))
        assert await index.accounts() == [1, 2]
        assert list(await index.texts(OTHERS, [1])) == [1]
        (answer,) = await found(index, OTHERS, WORD)
        assert answer is not None
        assert answer.found.tolist() == []
        await index.forget_mailbox(INBOX.account_id, INBOX.mailbox_id)
        assert await found(index, INBOX, WORD) == []
        (answer,) = await found(index, ARCHIVE, WORD)
        assert answer is not None
        assert answer.found.tolist() == [1]
        assert await index.texts(ARCHIVE, [1]) == {1: text("needle")}
        await index.forget_account(INBOX.account_id)
        assert await index.accounts() == [2]
        assert await index.kept_blobs(INBOX.account_id, [BlobId(1)]) == set()
        assert list(await index.texts(OTHERS, [1])) == [1]

    @on_index
    async def test_of_another_uidvalidity_nothing_is_known(self, index: TextIndexWriter) -> None:
        await place(index, INBOX, text("needle"))
        await index.make_segment(INBOX, Uid(1), Uid(1))
        later = INBOX._replace(uidvalidity=8)
        assert await index.segments(later, FIRST, LAST) == []
        assert await index.texts(later, [1]) == {}

    @on_index
    async def test_how_things_stand(self, index: TextIndexWriter) -> None:
        await place(index, INBOX, text("x"), text("y"))
        await index.make_segment(INBOX, Uid(1), Uid(1))
        await index.forget(Indexed(INBOX, ModSeq(5), Uid(2), Uid(0)), ())
        assert await index.mailboxes(INBOX.account_id) == [Indexed(INBOX, ModSeq(5), Uid(2), Uid(1))]
        await index.reset("me")
        assert await index.owner() == "me"
        assert await index.mailboxes(INBOX.account_id) == []
        assert await index.texts(INBOX, [1]) == {}
        assert await index.segments(INBOX, FIRST, LAST) == []
