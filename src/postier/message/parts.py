"""The index of a message's parts: kept beside the message, it turns a section of IMAP into a byte range.

Sections are numbered as RFC 3501 6.4.5 has it: () is the whole message, (1,) the first part of a multipart
or the body of a message that has no parts, (2, 1) a part of part 2, whether that is a multipart or a
message.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import msgspec

from postier.message.structure import Kind, Node

__all__ = ["Part", "PartIndex", "encode_parts", "section_range", "shift_parts"]


class Part(NamedTuple):
    """One MIME entity. Offsets count from the start of the message: header_start:body_start is its header
    section with the empty line, body_start:end its body, still encoded. `parent` is the position in the
    index of the entity around it, -1 for the message itself; `kind` says what it holds (structure.Kind);
    `content_type` and `encoding` are in lower case; `charset` is as written, "" where there is none;
    `attached` says it asks to be an attachment.
    """

    parent: int
    kind: int
    header_start: int
    body_start: int
    end: int
    content_type: str
    encoding: str
    charset: str
    attached: bool

    @property
    def size(self) -> int:
        """Octets of the body as it stands in the message."""
        return self.end - self.body_start


_decoder = msgspec.msgpack.Decoder(list[Part])
_encoder = msgspec.msgpack.Encoder()


def encode_parts(nodes: Sequence[Node]) -> bytes:
    """The index of the tree `nodes`, for PartIndex.decode; some 50 bytes a part."""
    return _encoder.encode([_part(node) for node in nodes])


def _part(node: Node) -> Part:
    content_type, disposition = node.header.content_type, node.header.disposition
    return Part(
        node.parent,
        int(node.kind),
        node.header_start,
        node.body_start,
        node.end,
        content_type.value.decode("latin-1"),
        node.header.encoding.decode("latin-1"),
        content_type.parameters.get("charset", ""),
        disposition is not None and disposition.value == b"attachment",
    )


def shift_parts(encoded: bytes, octets: int) -> bytes:
    """The index of the same message with `octets` of header fields put on top of it."""
    parts = _decoder.decode(encoded)
    for index, part in enumerate(parts):
        start = part.header_start + octets if index else 0  # the message itself begins with the new fields
        parts[index] = part._replace(
            header_start=start, body_start=part.body_start + octets, end=part.end + octets
        )
    return _encoder.encode(parts)


class PartIndex:
    """The parts of one message in the order they stand in it."""

    __slots__ = ("_numbers", "parts")

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = tuple(parts)
        self._numbers: dict[tuple[int, ...], int] | None = None

    @classmethod
    def decode(cls, encoded: bytes) -> PartIndex:
        """From `encode_parts`. Raises msgspec.DecodeError for anything else."""
        return cls(_decoder.decode(encoded))

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def part(self, number: tuple[int, ...]) -> Part | None:
        """The part called `number`, or None. () is the message itself."""
        if not number:
            return self.parts[0]
        index = self.numbers().get(number)
        return self._only_part(number) if index is None else self.parts[index]

    def _only_part(self, number: tuple[int, ...]) -> Part | None:
        """The empty part that BODYSTRUCTURE shows in a multipart without parts; None in any other."""
        outer, last = number[:-1], number[-1]
        position = self.numbers().get(outer) if outer else 0
        if position is None or last != 1:
            return None
        if outer and self.parts[position].kind == Kind.MESSAGE:
            position += 1  # in pre-order its only child follows it
        around = self.parts[position]
        has_parts = any(part.parent == position for part in self.parts[position + 1 : position + 2])
        if around.kind != Kind.MULTIPART or has_parts:
            return None
        end = around.end
        return Part(position, Kind.LEAF, end, end, end, "text/plain", "7bit", "us-ascii", False)

    def message_in(self, number: tuple[int, ...]) -> Part | None:
        """The message that part `number` holds if it is message/rfc822; the message itself for ()."""
        if not number:
            return self.parts[0]
        index = self.numbers().get(number)
        if index is None or self.parts[index].kind != Kind.MESSAGE:
            return None
        return self.parts[index + 1]  # in pre-order its only child follows it

    def attached(self, start: int, end: int) -> int:
        """How many of the octets [start, end) are bodies of attachments: of parts that are no text, or ask to
        be attachments."""
        return sum(
            min(part.end, end) - max(part.body_start, start)
            for part in self.parts
            if part.kind == Kind.LEAF
            and (part.attached or not part.content_type.startswith("text/"))
            and part.body_start < end
            and part.end > start
        )

    def numbers(self) -> dict[tuple[int, ...], int]:
        """Every part's number and its position in `parts`. A multipart that is the whole content of a
        message has no number of its own."""
        if self._numbers is None:
            self._numbers = _number(self.parts)
        return self._numbers


def _number(parts: Sequence[Part]) -> dict[tuple[int, ...], int]:
    numbers: dict[tuple[int, ...], int] = {}
    inside: list[tuple[int, ...]] = []  # for each part, the number its children's numbers begin with
    count = [0] * len(parts)
    for index, part in enumerate(parts):
        parent = part.parent
        around = inside[parent] if parent >= 0 else ()
        if (parent < 0 or parts[parent].kind == Kind.MESSAGE) and part.kind == Kind.MULTIPART:
            inside.append(around)
            continue
        if parent >= 0:
            count[parent] += 1
        number = (*around, count[parent] if parent >= 0 else 1)
        numbers[number] = index
        inside.append(number)
    return numbers


def section_range(parts: PartIndex, number: tuple[int, ...], specifier: str = "") -> tuple[int, int] | None:
    """(start, end) in the message of BODY[number.specifier]; None where there is no such section.

    `specifier` is "", "HEADER", "TEXT" or "MIME". HEADER and MIME reach past the empty line. HEADER and
    TEXT of a number exist for message/rfc822 only; MIME needs a number.
    """
    if specifier in ("HEADER", "TEXT"):
        message = parts.message_in(number)
        if message is None:
            return None
        start, middle, end = message.header_start, message.body_start, message.end
        return (start, middle) if specifier == "HEADER" else (middle, end)
    part = parts.part(number)
    if part is None:
        return None
    if specifier == "MIME":
        return (part.header_start, part.body_start) if number else None
    return (part.body_start, part.end) if number else (part.header_start, part.end)
