"""What searching commands answer: SEARCH, SORT and ESEARCH (RFC 3501 7.2.5, RFC 4466 2.6.2, RFC 5256 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postier.imap.wire.numbers import sequence_set_text
from postier.imap.wire.pieces import mailbox_name
from postier.imap.wire.values import PartialRange

__all__ = ["CHARSETS", "Correlator", "bad_charset_code", "esearch", "search", "sort"]

CHARSETS = ("US-ASCII", "UTF-8")
"""What BADCHARSET names; message.charsets knows more."""


def bad_charset_code() -> bytes:
    """RFC 3501 7.1, for the answer to BadCharset."""
    return b"BADCHARSET (" + " ".join(CHARSETS).encode() + b")"


def search(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """RFC 3501 7.2.5; with the highest MODSEQ found where MODSEQ was searched for (RFC 7162 3.1.5)."""
    return _numbers(b"SEARCH", numbers, modseq)


def sort(numbers: Iterable[int], modseq: int | None = None) -> bytes:
    """RFC 5256 4, RFC 7162 3.1.6."""
    return _numbers(b"SORT", numbers, modseq)


def _numbers(name: bytes, numbers: Iterable[int], modseq: int | None) -> bytes:
    found = " ".join(map(str, numbers)).encode()
    if not found:
        return b"* %b\r\n" % name
    return b"* %b %b%b\r\n" % (name, found, b"" if modseq is None else b" (MODSEQ %d)" % modseq)


@dataclass(frozen=True, slots=True)
class Correlator:
    """Which command an ESEARCH belongs to, and for the ESEARCH command which mailbox (RFC 7377 2.1)."""

    tag: bytes
    mailbox: str = ""
    uidvalidity: int = 0
    utf8: bool = False

    def text(self) -> bytes:
        tag = b'(TAG "%b"' % self.tag  # a tag holds neither quotes nor backslashes
        if not self.uidvalidity:
            return tag + b")"
        name = mailbox_name(self.mailbox, self.utf8)
        return b"%b MAILBOX %b UIDVALIDITY %d)" % (tag, name, self.uidvalidity)


def esearch(
    correlator: Correlator,
    *,
    by_uid: bool,
    lowest: int | None = None,
    highest: int | None = None,
    count: int | None = None,
    found: Iterable[int] | None = None,
    partial: tuple[PartialRange, Iterable[int]] | None = None,
    modseq: int | None = None,
    relevancy: Sequence[int] | None = None,
) -> bytes:
    """RFC 4731 3.1: what was asked for, None for the rest. MIN, MAX and ALL are left out where nothing
    was found. `found` is in the order of the answer; `relevancy` goes beside it (RFC 6203 4)."""
    numbers = b"" if found is None else sequence_set_text(found)
    return b"".join(
        (
            b"* ESEARCH " + correlator.text(),
            b" UID" if by_uid else b"",
            b"" if lowest is None else b" MIN %d" % lowest,
            b"" if highest is None else b" MAX %d" % highest,
            b" ALL " + numbers if numbers else b"",
            b"" if partial is None else _partial(*partial),
            b"" if count is None else b" COUNT %d" % count,
            b"" if modseq is None else b" MODSEQ %d" % modseq,
            b"" if relevancy is None else b" RELEVANCY (%b)" % " ".join(map(str, relevancy)).encode(),
            b"\r\n",
        )
    )


def _partial(asked: PartialRange, numbers: Iterable[int]) -> bytes:
    """RFC 9394 4: the range that was asked for, and NIL where it holds nothing."""
    form = b" PARTIAL (-%d:-%d %b)" if asked.from_end else b" PARTIAL (%d:%d %b)"
    return form % (asked.first, asked.last, sequence_set_text(numbers) or b"NIL")
