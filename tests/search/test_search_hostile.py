"""Messages made to be a burden: searched to the end, in pieces, with and without the index."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from postier.message.searched import TextQuery, Zone
from postier.search.message_text import KEPT_BODY, KEPT_HEAD

MANY_PARTS = (
    b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    + b"".join(b"--b\r\nContent-Type: text/plain; name=n%d\r\n\r\nword%d\r\n" % (n, n) for n in range(2000))
    + b"--b--\r\n"
)
LONG_LINE = (
    b"Content-Type: text/html\r\n\r\n" + b"<p>" + b"x" * (KEPT_BODY + 400_000) + b"needle" + b"y" * 300_000
)
LONG_WORDS = b"\r\n" + b" ".join(b"w%d" % number for number in range(60_000)) + b" needle\r\n"
LONG_HEADER = (
    b"X-Long: " + b"h" * 90_000 + b"\r\nX-More: " + b"i" * (KEPT_HEAD - 80_000) + b" needle\r\n\r\nbody"
)
UNKNOWN = (
    b"Content-Type: text/plain; charset=klingon\r\nSubject: =?klingon?q?needle=FF?=\r\n\r\nneedle \xff\xfe"
)


@pytest.mark.slow
def test_burdens(open_house: Any, tmp_path: Path) -> None:
    expected = {
        (Zone.BODY,): [2, 3, 5],
        (Zone.HEAD, Zone.BODY): [2, 3, 4, 5],
        (Zone.SUBJECT,): [5],
    }

    async def main() -> None:
        async with open_house(tmp_path) as house:
            await house.add(MANY_PARTS, LONG_LINE, LONG_WORDS, LONG_HEADER, UNKNOWN)
            for index in (None, house.index):
                if index is not None:
                    await house.indexer.round()
                    (place,) = [await house.place()]
                    kept = await house.index.texts(place, [1, 2, 3, 4, 5])
                    assert [text.whole for text in kept.values()] == [True, False, True, False, True]
                for zones, uids in expected.items():
                    assert await house.search(TextQuery.of("needle", *zones), index=index) == uids
                for text, uids in (("word1999", [1]), ("n1999", []), ("x" * 64_000, [2]), ("y y", [])):
                    assert await house.search(TextQuery.of(text, Zone.BODY), index=index) == uids
                assert await house.search(TextQuery.of("n1999", Zone.HEAD), index=index) == [1]
                field = TextQuery.of("needle", Zone.HEAD, field="x-more")
                assert await house.search(field, index=index) == [4]

    asyncio.run(main())
