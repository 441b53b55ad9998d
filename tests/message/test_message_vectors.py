"""164 messages, easy and awful: read whole and in pieces alike, and shown as sound IMAP lists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postier.message.analysis import Analyser, Analysis, analyse
from postier.message.body_structure import body_from_body_structure
from postier.message.parts import PartIndex, section_range
from postier.message.searched import body_sections, head_text, section_text
from postier.testing.vectors import vectors_dir

FILES = sorted(f for f in vectors_dir("mime").rglob("*") if f.suffix in (".eml", ".msg", ".raw"))
_TOKEN = re.compile(rb'"((?:[^"\\\r\n\0]|\\["\\])*)"|\{(\d+)\}\r\n|([()])|(NIL|\d+)| ')

Item = bytes | int | None | list["Item"]


def parse_list(text: bytes) -> Item:
    """An IMAP list as Python lists; fails on anything a strict client would not read."""
    stack: list[list[Item]] = [[]]
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        assert match is not None, text[position : position + 40]
        position = match.end()
        quoted, literal, parenthesis, atom = match.groups()
        if parenthesis == b"(":
            stack.append([])
        elif parenthesis == b")":
            closed = stack.pop()
            stack[-1].append(closed)
        elif quoted is not None:
            stack[-1].append(quoted)
        elif literal is not None:
            stack[-1].append(text[position : position + int(literal)])
            position += int(literal)
        elif atom is not None:
            stack[-1].append(None if atom == b"NIL" else int(atom))
    assert len(stack) == 1
    assert len(stack[0]) == 1
    return stack[0][0]


def in_pieces(data: bytes, piece: int, window: int) -> Analysis:
    analyser = Analyser(window)
    for start in range(0, len(data), piece):
        analyser.feed(data[start : start + piece])
    return analyser.finish()


def check_sound(data: bytes, analysis: Analysis) -> None:
    """What must hold of any bytes."""
    envelope = parse_list(analysis.envelope)
    assert isinstance(envelope, list)
    assert len(envelope) == 10
    check_body(parse_list(analysis.body_structure), extended=True)
    check_body(parse_list(body_from_body_structure(analysis.body_structure)), extended=False)
    index = PartIndex.decode(analysis.parts)
    for part in index:
        assert 0 <= part.header_start <= part.body_start <= part.end <= len(data)
        around = index.parts[part.parent]
        assert part.parent < 0 or around.body_start <= part.header_start
        assert part.parent < 0 or part.end <= around.end
    for number in index.numbers():
        for specifier in ("", "MIME", "HEADER", "TEXT"):
            section_range(index, number, specifier)
    assert section_range(index, ()) == (0, len(data))
    head_text(data[: index.parts[0].body_start])
    for start, end, part in body_sections(index.parts):
        assert "\0" not in section_text(data[start:end], part)
    assert "\0" not in analysis.subject + analysis.preview
    analysis.subject.encode()
    analysis.preview.encode()


def check_body(body: Item, *, extended: bool) -> None:
    """The grammar of body (RFC 3501 9), without recursion."""
    waiting = [body]
    while waiting:
        item = waiting.pop()
        assert isinstance(item, list)
        if isinstance(item[0], list):
            parts = [part for part in item if isinstance(part, list)]
            count = next(n for n, part in enumerate(item) if not isinstance(part, list))
            assert len(item) == count + (5 if extended else 1)
            waiting.extend(parts[:count])
            continue
        is_message = item[0] == b"message" and item[1] in (b"rfc822", b"global")
        length = 8 if item[0] == b"text" else 10 if is_message else 7
        assert len(item) == length + (4 if extended else 0)
        assert isinstance(item[6], int)
        if is_message:
            waiting.append(item[8])


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.parent.name}/{file.name}")
def test_every_message_is_read(file: Path) -> None:
    for data in (file.read_bytes(), re.sub(rb"\r?\n", b"\r\n", file.read_bytes())):
        whole = analyse(data)
        check_sound(data, whole)
        assert in_pieces(data, 7, 64) == whole
        assert in_pieces(data, 4096, 4096) == whole
        assert in_pieces(data, 4096, 65536) == whole
        if len(data) < 3000:
            assert in_pieces(data, 1, 1) == whole


def test_there_are_messages() -> None:
    assert len(FILES) == 164


_XML_TAG = re.compile(r"<(/?)(message|multipart|body-part|header|body|preamble|epilogue)[ >]")


def shape_of_xml(xml: str) -> list[str]:
    """The containers of mime4j's expectation, flattened: "multipart" for each, "body" for each leaf."""
    return [tag for slash, tag in _XML_TAG.findall(xml) if not slash and tag in ("multipart", "body")]


def shape_of(analysis: Analysis) -> list[str]:
    return [
        ("body", "multipart", "")[part.kind] for part in PartIndex.decode(analysis.parts) if part.kind != 2
    ]


EXPECTED = sorted(f for f in vectors_dir("mime").rglob("*.xml"))
# where we read otherwise: a boundary cannot end in a space (RFC 2046 5.1.1), so these that do are matched
# without it, and all three parts are found where mime4j sees one
OTHERWISE = {"weird-boundary", "very-long-boundary", "very-very-long-boundary"}
THREE_PARTS = ["multipart", "body", "body", "body"]


@pytest.mark.parametrize("file", EXPECTED, ids=lambda file: file.stem)
def test_the_tree_is_the_one_that_mime4j_sees(file: Path) -> None:
    theirs = shape_of_xml(file.read_text("latin-1"))
    ours = shape_of(analyse(file.with_suffix(".msg").read_bytes()))
    assert ours == (THREE_PARTS if file.stem in OTHERWISE else theirs)


def test_what_is_read_otherwise_is_there() -> None:
    assert {file.stem for file in EXPECTED} >= OTHERWISE
