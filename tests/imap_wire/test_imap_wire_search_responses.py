"""What searching commands answer, as the RFCs write it."""

from __future__ import annotations

import pytest

from postier.imap.wire import search_responses as r
from postier.imap.wire.search_responses import Correlator
from postier.imap.wire.values import PartialRange


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r.bad_charset_code(), b"BADCHARSET (US-ASCII UTF-8)"),
        (r.search([2, 3, 6]), b"* SEARCH 2 3 6\r\n"),
        (r.search([]), b"* SEARCH\r\n"),
        (r.search([2, 5], 917162500), b"* SEARCH 2 5 (MODSEQ 917162500)\r\n"),
        (r.search([], 917162500), b"* SEARCH\r\n"),
        (r.sort([5, 3, 4]), b"* SORT 5 3 4\r\n"),
        (r.sort([]), b"* SORT\r\n"),
        (r.sort([5, 3], 12), b"* SORT 5 3 (MODSEQ 12)\r\n"),
        (
            r.esearch(Correlator(b"A282"), by_uid=False, lowest=2, count=3),
            b'* ESEARCH (TAG "A282") MIN 2 COUNT 3\r\n',
        ),
        (
            r.esearch(Correlator(b"A285"), by_uid=True, found=[43], highest=43, modseq=12),
            b'* ESEARCH (TAG "A285") UID MAX 43 ALL 43 MODSEQ 12\r\n',
        ),
        (r.esearch(Correlator(b"A"), by_uid=False), b'* ESEARCH (TAG "A")\r\n'),
        (r.esearch(Correlator(b"A"), by_uid=False, found=[], count=0), b'* ESEARCH (TAG "A") COUNT 0\r\n'),
        (
            r.esearch(Correlator(b"E01"), by_uid=True, found=[23765, 23764, 23761, 23762, 23763]),
            b'* ESEARCH (TAG "E01") UID ALL 23765,23764,23761:23763\r\n',
        ),
        (
            r.esearch(Correlator(b"A03"), by_uid=True, partial=(PartialRange(1, 500), [1, 2, 3, 5])),
            b'* ESEARCH (TAG "A03") UID PARTIAL (1:500 1:3,5)\r\n',
        ),
        (
            r.esearch(Correlator(b"A04"), by_uid=True, partial=(PartialRange(24000, 24500), [])),
            b'* ESEARCH (TAG "A04") UID PARTIAL (24000:24500 NIL)\r\n',
        ),
        (
            r.esearch(Correlator(b"A"), by_uid=False, partial=(PartialRange(1, 100, True), [9]), count=1),
            b'* ESEARCH (TAG "A") PARTIAL (-1:-100 9) COUNT 1\r\n',
        ),
        (
            r.esearch(Correlator(b"B1"), by_uid=False, found=[1, 5, 10], relevancy=[4, 99, 42]),
            b'* ESEARCH (TAG "B1") ALL 1,5,10 RELEVANCY (4 99 42)\r\n',
        ),
        (
            r.esearch(Correlator(b"tag1", "folder2/banana", 503), by_uid=True, found=[3002, 4004]),
            b'* ESEARCH (TAG "tag1" MAILBOX "folder2/banana" UIDVALIDITY 503) UID ALL 3002,4004\r\n',
        ),
        (
            r.esearch(Correlator(b"t", "Gr\xfcn", 1), by_uid=True, count=1),
            b'* ESEARCH (TAG "t" MAILBOX "Gr&APw-n" UIDVALIDITY 1) UID COUNT 1\r\n',
        ),
    ],
    ids=repr,
)
def test_line(line: bytes, expected: bytes) -> None:
    assert line == expected
