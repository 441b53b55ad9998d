from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from postier.accounts.delivery import LISTING_FIELDS
from postier.message.searched import TextQuery, Zone
from postier.search import indexer as indexer_module
from postier.search.fuzzy import FuzzyQuery, Term
from postier.search.ranking import Ranking
from postier.search.text_search import TextSearch


@pytest.mark.parametrize(
    ("word", "others"),
    [
        ("run", "run runs running runner"),
        ("running", "run runs"),
        ("delivery", "deliveries delivered delivering"),
        ("invoice", "invoices invoiced (invoice), 'invoice'"),
        ("rechnung", "rechnungen"),
        ("maison", "maisons"),
        ("helo", "hello help"),
        ("recieve", "receive"),
        ("meet", "meeting meetup"),
        ("port", "airport"),
        ("ab", "abc ab"),
    ],
)
def test_words_that_are_alike(word: str, others: str) -> None:
    assert [other for other in others.split() if not Term(word).likeness(other)] == []


@pytest.mark.parametrize(
    ("word", "others"),
    [
        ("run", "rum bring ru"),
        ("hello", "yellow halo help"),
        ("ab", "cab"),
        ("meet", "mean bet"),
        ("a", "ba"),
    ],
)
def test_words_that_are_not(word: str, others: str) -> None:
    assert [other for other in others.split() if Term(word).likeness(other)] == []


def test_the_same_word_is_best() -> None:
    likeness = [
        Term("helping").likeness(word) for word in ("helping", "helps", "helpings1", "helpung", "xhelpingx")
    ]
    assert likeness == sorted(likeness, reverse=True)
    assert len(set(likeness)) == 5


@pytest.mark.parametrize("word", ["ab", "abc", "abcd", "abcdefg"])
def test_whatever_is_alike_has_a_probe_in_it(word: str) -> None:
    term = Term(word)
    slips = {
        word[:at] + letter + word[at + cut :]
        for at in range(len(word))
        for letter in ("", "x")
        for cut in (0, 1)
    }
    for other in (*slips, word + "ing", word[:-1] + "ies", "x" + word):
        if term.likeness(other):
            assert any(probe in other for probe in term.probes), other


MAIL = [
    b"Subject: Invoice for May\r\n\r\nplease pay\r\n",
    b"Subject: Holidays\r\n\r\nthe invoices are late\r\n",
    b"Subject: Invioce\r\n\r\nnothing else\r\n",
    b"Subject: Dinner\r\n\r\nyes\r\n",
    b"Subject: invoices, invoiced\r\nX-Note: pay\r\n\r\ninvoice\r\n",
]


def test_ranks_and_is_the_same_with_and_without_an_index(
    open_house: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scores(house: Any, text: str, *zones: Zone, index: Any = None) -> dict[int, float]:
        place = await house.place()
        uids = list(await house.store.reader.uids(house.account_id, house.inbox))
        texts = TextSearch(house.store.reader, house.blobs, index, place, LISTING_FIELDS)
        return await Ranking(texts).scores(FuzzyQuery.of(text, TextQuery.of(text, *zones)), uids)

    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.add(*MAIL)
            found = await scores(house, "invoice", Zone.HEAD, Zone.BODY)
            assert sorted(found, key=lambda uid: -found[uid]) == [1, 5, 3, 2]
            assert set(await scores(house, "invoice", Zone.BODY)) == {2, 5}
            assert set(await scores(house, "invoice pay", Zone.HEAD, Zone.BODY)) == {1, 5}
            assert set(await scores(house, "", Zone.BODY)) == {1, 2, 3, 4, 5}
            for worth in (10, 2):
                monkeypatch.setattr(indexer_module, "_WORTH_A_SEGMENT", (worth, 10**9))
                await house.new_indexer().round()
                await house.add(MAIL[0])
                for text in ("invoice", "pay invoice", "nothing", "the", "i", "?"):
                    for zones in ((Zone.HEAD, Zone.BODY), (Zone.SUBJECT,), (Zone.BODY,)):
                        expected = await scores(house, text, *zones)
                        assert await scores(house, text, *zones, index=house.index) == pytest.approx(expected)

    asyncio.run(main())
