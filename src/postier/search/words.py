"""Every word of some messages, and in which of them it stands: a part of a segment (see segment.py).

A word is what white space separates, punctuation and all. So a text without white space stands in a message
just where it is part of one of its words: all words lie in one row of bytes, and looking for a text there is
looking for it in all messages at once, only that each word is there once. What is found is exact. Of a text
with white space the pieces are looked for: the first as the end of a word, the last as a beginning, those
between as words; a message that has all of them may have the text.

    vocabulary   LF, and each word followed by LF, in order
    block        of 256 words, as 16-bit numbers: how many words these are, how many messages have each, then
                 the places of their messages in the segment
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

__all__ = ["PackedWords", "Vocabulary", "by_block", "number_of", "pack_words", "pieces_of", "places_in"]

_BLOCK_WORDS = 256
_END = b"\n"


class PackedWords(NamedTuple):
    """`starts`: where in the vocabulary the LF before each block's first word lies, of type "I"."""

    vocabulary: bytes
    starts: bytes
    blocks: list[bytes]


def pack_words(texts: Iterable[bytes]) -> PackedWords:
    """Of the texts of a segment's messages, in their order; at most 65,536."""
    known: dict[bytes, int | list[int]] = {}
    for place, text in enumerate(texts):
        for word in set(text.split()):
            places = known.get(word)
            if places is None:
                known[word] = place
            elif isinstance(places, int):
                known[word] = [places, place]
            else:
                places.append(place)
    words = sorted(known)
    starts, blocks = array("I"), []
    offset = 0
    for first in range(0, len(words), _BLOCK_WORDS):
        chosen = words[first : first + _BLOCK_WORDS]
        starts.append(offset)
        offset += sum(map(len, chosen)) + len(chosen)
        blocks.append(_pack_block([known[word] for word in chosen]))
    vocabulary = _END + b"".join(word + _END for word in words)
    return PackedWords(vocabulary, starts.tobytes(), blocks)


def _pack_block(places_of: list[int | list[int]]) -> bytes:
    counts, places = array("H", (len(places_of),)), array("H")
    for found in places_of:
        if isinstance(found, int):
            counts.append(1)
            places.append(found)
        else:
            counts.append(len(found))
            places.extend(found)
    return counts.tobytes() + places.tobytes()


class Vocabulary:
    """The words of a segment, unpacked."""

    __slots__ = ("_starts", "words")

    def __init__(self, words: bytes, starts: bytes) -> None:
        self.words = words
        self._starts = array("I", starts)

    def having(self, piece: bytes) -> Iterator[tuple[int, bytes]]:
        """(number, word) of each word that `piece` is part of, ascending. LF before or behind `piece` stands
        for the beginning or the end of a word."""
        words, find = self.words, self.words.find
        at = find(piece)
        while at >= 0:
            start = at if words[at] == 10 else words.rfind(_END, 0, at)
            end = find(_END, start + 1)
            yield self._number(start), words[start + 1 : end]
            at = find(piece, end)

    def _number(self, start: int) -> int:
        block = bisect_right(self._starts, start) - 1
        return number_of(block, self.words.count(_END, self._starts[block], start))


def places_in(block: bytes, ordinals: Iterable[int]) -> Iterator[array[int]]:
    """For each of some words of a block (ascending, from 0) the places of the messages that have it."""
    packed = array("H", block)
    offset, done = 1 + packed[0], 1
    for ordinal in ordinals:
        offset += sum(packed[done : ordinal + 1])
        done = ordinal + 1
        yield packed[offset : offset + packed[done]]


def by_block(numbers: Iterable[int]) -> dict[int, list[int]]:
    """{block: which of its words} for numbers of words, ascending."""
    found: dict[int, list[int]] = {}
    for number in numbers:
        found.setdefault(number // _BLOCK_WORDS, []).append(number % _BLOCK_WORDS)
    return found


def number_of(block: int, ordinal: int) -> int:
    """The number of a word by its place in its block."""
    return block * _BLOCK_WORDS + ordinal


def pieces_of(text: bytes) -> list[bytes]:
    """What to look for in a vocabulary: see the top of the file. Nothing for mere white space."""
    pieces = text.split()
    if not pieces:
        return []
    lead, trail = text[:1].isspace(), text[-1:].isspace()
    last = len(pieces) - 1
    return [
        (_END if lead or place > 0 else b"") + piece + (_END if trail or place < last else b"")
        for place, piece in enumerate(pieces)
    ]
