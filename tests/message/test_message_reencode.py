"""Parts with NUL in base64: nothing is lost, and nothing else changes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.message.analysis import analyse
from postier.message.parts import PartIndex
from postier.message.reencode import CannotEncode, NulFinder, Reencoder
from postier.message.transfer import decode_transfer


def reencoded(data: bytes, size: int = 7) -> bytes:
    parts = PartIndex.decode(analyse(data).parts)
    chunks = [data[start : start + size] for start in range(0, len(data), size)]
    finder = NulFinder(parts)
    for chunk in chunks:
        finder.feed(chunk)
    encoder = Reencoder(parts, finder.found, len(data))
    return b"".join(map(encoder.feed, chunks))


def mixed(*bodies: bytes, header: bytes = b"Content-Transfer-Encoding: binary\r\n") -> bytes:
    top = b"Subject: s\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n"
    return top + b"".join(b"--x\r\n%b\r\n%b\r\n" % (header, body) for body in bodies) + b"--x--\r\n"


def bodies_of(data: bytes) -> list[bytes]:
    return [
        decode_transfer(data[part.body_start : part.end], part.encoding)
        for part in PartIndex.decode(analyse(data).parts)
        if not part.content_type.startswith("multipart/")
    ]


def test_one_part_of_two() -> None:
    data = mixed(b"plain", b"a\0b")
    expected = data.replace(b"a\0b", b"YQBi").replace(b"binary", b"base64")
    assert reencoded(data) == expected.replace(b"base64", b"binary", 1)


def test_a_message_without_parts() -> None:
    made = reencoded(b"Subject: s\r\n\r\na\0b")
    assert made == (b"Subject: s\r\nMIME-Version: 1.0\r\nContent-Transfer-Encoding: base64\r\n\r\nYQBi\r\n")
    data = b"mime-version: 1.0\r\ncontent-transfer-ENCODING : \r\n 8bit\r\nX: y\r\n\r\n\0"
    assert (
        reencoded(data) == b"mime-version: 1.0\r\nX: y\r\nContent-Transfer-Encoding: base64\r\n\r\nAA==\r\n"
    )


def test_long_lines_are_cut() -> None:
    made = reencoded(mixed(b"\0" * 200, header=b""))
    assert max(map(len, made.splitlines())) == 76
    assert bodies_of(made) == [b"\0" * 200]


@pytest.mark.parametrize(
    "data",
    [
        b"Subject: \0\r\n\r\nx",
        b"Content-Transfer-Encoding: base64\r\n\r\nAA\0AA",
        b"Content-Transfer-Encoding: x-odd\r\n\r\n\0",
        mixed(b"a").replace(b"preamble", b"pre\0amble"),
    ],
)
def test_what_cannot_be_encoded(data: bytes) -> None:
    with pytest.raises(CannotEncode):
        reencoded(data)


@given(
    st.lists(
        st.lists(st.sampled_from([b"\0", b"a", b"\r\n", b"\xff"]), max_size=90).map(b"".join), max_size=4
    ),
    st.integers(1, 300),
)
def test_no_octet_is_lost(bodies: list[bytes], size: int) -> None:
    data = mixed(*bodies)
    made = reencoded(data, size)
    assert b"\0" not in made
    assert bodies_of(made) == bodies_of(data)
    assert made == reencoded(data, 1)
