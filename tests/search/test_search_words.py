from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from postier.message.searched import FIELD_ZONES, MessageText
from postier.search.segment import pack_segment, places_with_value
from postier.search.words import Vocabulary, by_block, pack_words, pieces_of, places_in

LETTERS = st.text("abä \n\t", max_size=40)


def places_with(texts: list[bytes], piece: bytes) -> set[int]:
    packed = pack_words(texts)
    numbers = [number for number, _ in Vocabulary(packed.vocabulary, packed.starts).having(piece)]
    found: set[int] = set()
    for block, ordinals in by_block(numbers).items():
        found.update(*places_in(packed.blocks[block], ordinals))
    return found


@settings(max_examples=300, deadline=None)
@given(st.lists(LETTERS, max_size=8), st.text("abä", min_size=1, max_size=4))
def test_a_text_without_white_space_is_found_where_it_stands_and_nowhere_else(
    texts: list[str], needle: str
) -> None:
    expected = {place for place, text in enumerate(texts) if needle in text}
    assert places_with([text.encode() for text in texts], needle.encode()) == expected


@settings(max_examples=300, deadline=None)
@given(st.lists(LETTERS, max_size=8), st.text("ab \n", min_size=1, max_size=5))
def test_where_a_text_stands_all_its_pieces_do(texts: list[str], needle: str) -> None:
    octets = [text.encode() for text in texts]
    expected = {place for place, text in enumerate(texts) if needle in text}
    for piece in pieces_of(needle.encode()):
        assert expected <= places_with(octets, piece)


def test_many_blocks() -> None:
    """Words in every block, and in all messages."""
    texts = [b" ".join(b"w%dx" % (number % 3000 + place) for number in range(2000)) for place in range(50)]
    for piece in (b"w17x", b"\nw2048x\n", b"999x", b"w", b"w2999x", b"w3049x", b"\n17"):
        whole = [b"\n" + b"\n".join(text.split()) + b"\n" for text in texts]
        assert places_with(texts, piece) == {place for place, text in enumerate(whole) if piece in text}


def test_pieces_of_a_text() -> None:
    assert pieces_of(b"one") == [b"one"]
    assert pieces_of(b"one two  three") == [b"one\n", b"\ntwo\n", b"\nthree"]
    assert pieces_of(b" one\t") == [b"\none\n"]
    assert pieces_of(b" \r\n") == []


VALUES = st.lists(st.text("ab ", max_size=5).map(lambda value: "\0" + value), max_size=3).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, min_size=1, max_size=6), st.text("ab \n", max_size=3))
def test_values_of_a_field(values: list[str], needle: str) -> None:
    texts = [(uid, MessageText((value, "", "", "", ""), "", "")) for uid, value in enumerate(values, 1)]
    column = pack_segment(texts).fields[0]
    if needle:
        expected = [place for place, value in enumerate(values) if needle in value]
    else:
        expected = [place for place, value in enumerate(values) if value]
    assert list(places_with_value(column, needle.encode())) == expected


def test_a_segment_knows_whose_text_is_not_all_there() -> None:
    nothing = ("",) * len(FIELD_ZONES)
    packed = pack_segment([(3, MessageText(nothing, "", "x")), (9, MessageText(nothing, "", "", False))])
    assert packed.uids.tolist() == [3, 9]
    assert packed.partial.tolist() == [9]
