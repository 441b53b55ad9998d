"""The MIME tree of a message, by offsets (RFC 2046 5.1).

Goal: one pass over bytes that come in any pieces, in time linear in them, with results that do not depend
on the pieces. Rules of reading:
- A delimiter is a line that starts with "--" and the boundary of a multipart that is open; what follows on
  that line is not looked at, but for "--" at once after the boundary, which closes (RFC 2046 5.1.1). Where
  several boundaries fit, the longest wins, then the innermost.
- The line break before a delimiter belongs to it. A delimiter also ends a header section and everything
  deeper.
- A multipart without a boundary, a container deeper than DEPTH, and whatever comes after PARTS parts are
  opaque.
Cost: each open boundary is searched for with bytes.find, an inner one only up to where an outer one stands.
As "\\n" stands only at the start of what is searched, no input makes that search more than linear.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from postier.message.envelope import render_envelope
from postier.message.headers import HEADER_KEPT, HeaderFields
from postier.message.mime_header import EMBEDDED, PLAIN_TEXT, MimeHeader, parse_mime_header

__all__ = ["DEPTH", "PARTS", "Kind", "Node", "Scanner"]

DEPTH = 100
PARTS = 10_000
PART_HEADERS_KEPT = 1 << 20  # of all parts together; what is past it counts as no fields
ENVELOPES_KEPT = 1 << 20  # rendered octets, of all messages inside together; what is past it counts as empty
BOUNDARY_KEPT = 1000
SAMPLE = 16 * 1024  # bytes kept of a text part, for the preview
SAMPLES = 3


class Kind(IntEnum):
    LEAF = 0
    MULTIPART = 1
    MESSAGE = 2  # message/rfc822 or message/global: its one child is the message inside


class Node:
    """One MIME entity. Offsets count from the start of the message: the header section lies at
    header_start:body_start with its empty line, the body at body_start:end. `lines` counts the body's LF.
    """

    __slots__ = (
        "body_start", "children", "depth", "end", "envelope", "header", "header_start", "kind", "lines",
        "parent",
    )  # fmt: skip

    def __init__(self, parent: int, depth: int, header_start: int, header: MimeHeader) -> None:
        self.parent = parent  # index in the list of nodes, -1 for the message itself
        self.depth = depth
        self.header_start = header_start
        self.body_start = header_start
        self.end = header_start
        self.lines = 0  # until the body has ended: those before it
        self.kind = Kind.LEAF
        self.header = header
        self.envelope = b""  # rendered, for the message inside a MESSAGE
        self.children: list[int] = []


class _Level:
    """An open multipart: what to search for, and how far that was done."""

    __slots__ = ("found", "needle", "node", "searched")

    def __init__(self, node: int, boundary: bytes, searched: int) -> None:
        self.node = node
        self.needle = b"\n--" + boundary
        self.found = -1  # offset of the next occurrence, if it is at or after `searched`
        self.searched = searched


_NO_FIELDS = HeaderFields(b"")
_NO_HEADER = parse_mime_header(_NO_FIELDS)


class Scanner:
    """Feed it the message in pieces, the last with `feed_last`. After that `nodes` has the tree in
    pre-order, `fields` and `header` the message's own header section, `samples` the first bytes of up to
    SAMPLES text parts."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.fields = _NO_FIELDS
        self.header = b""
        self.samples: list[tuple[MimeHeader, bytes]] = []
        self.headers_eight_bit = False
        self._buffer = b""
        self._base = 0  # offset of the buffer's first byte
        self._position = 0  # offset up to which everything is decided and counted
        self._final = False
        self._lines = 0  # LFs before _position
        self._levels: list[_Level] = []
        self._open: list[int] = []  # nodes from the message down to the current one
        self._longest = 0
        self._closed = False  # the delimiter read last was a closing one
        self._budget = PART_HEADERS_KEPT
        self._envelope_room = ENVELOPES_KEPT
        self._cut_header: bytes | None = None  # of a header section past HEADER_KEPT
        self._sampling: list[bytes] | None = None
        self._sample_room = 0
        self._step: Callable[[], bool] = self._header_section
        self._begin(-1, 0)

    # --- feeding

    def feed(self, chunk: bytes) -> None:
        self._buffer = self._buffer + chunk if self._buffer else chunk
        self._run()
        if self._step == self._header_section and self._cut_header is None:
            keep = self.nodes[-1].header_start - self._base
        else:
            keep = self._position - self._base
        cut = keep - 2  # the CR and LF before a delimiter may still be needed
        if cut > 0:
            self._buffer = self._buffer[cut:]
            self._base += cut

    def feed_last(self, chunk: bytes) -> None:
        """The last piece, perhaps the only one; afterwards the results are there."""
        self._buffer = self._buffer + chunk if self._buffer else chunk
        self._final = True
        self._run()
        self._close_down_to(-1, self._base + len(self._buffer))
        self._buffer = b""

    def _run(self) -> None:
        while self._step():
            pass

    def _count(self, offset: int) -> None:
        """Decide everything up to `offset`."""
        start, end = self._position - self._base, offset - self._base
        if end <= start:
            return
        self._lines += self._buffer.count(b"\n", start, end)
        if self._sampling is not None and self._sample_room > 0:
            piece = self._buffer[start : min(end, start + self._sample_room)]
            self._sampling.append(piece)
            self._sample_room -= len(piece)
        self._position = offset

    # --- the steps: each returns False when it needs more bytes (or, at the end, when there are none)

    def _header_section(self) -> bool:
        """Find the empty line, or the delimiter that cuts the section short."""
        node = self.nodes[-1]
        horizon = self._horizon()
        delimiter = self._next_delimiter(horizon)
        limit = horizon if delimiter is None else delimiter[0]
        found = self._empty_line(node.header_start, limit)
        if found is not None:
            section_end, body_start = found
        elif delimiter is not None:
            section_end = body_start = self._before_break(delimiter[0], node.header_start)
        elif self._final:
            section_end = body_start = horizon
        else:
            self._pass_over_header(node.header_start, horizon)
            return False
        if self._cut_header is None:
            first = node.header_start - self._base
            section = self._buffer[first : first + min(section_end - node.header_start, HEADER_KEPT)]
            if len(section) == HEADER_KEPT:
                section = section[: section.rfind(b"\n") + 1]
        else:
            section, self._cut_header = self._cut_header, None
        self._count(body_start)
        self._header_read(node, section, body_start)
        return True

    def _pass_over_header(self, start: int, horizon: int) -> None:
        """The section is not complete: decide what can be, and stop keeping it once it is too long."""
        if self._cut_header is None and horizon - start > HEADER_KEPT:
            first = start - self._base
            section = self._buffer[first : first + HEADER_KEPT]
            self._cut_header = section[: section.rfind(b"\n") + 1]
        self._count(horizon - 4)

    def _empty_line(self, start: int, limit: int) -> tuple[int, int] | None:
        """(end of the section, start of the body) if the empty line starts before `limit`."""
        buffer, base = self._buffer, self._base
        if self._position == start:
            first = start - base
            if buffer.startswith(b"\r\n", first):
                return start, start + 2
            if buffer.startswith(b"\n", first):
                return start, start + 1
        low = max(self._position - 2, start) - base
        high = limit - base
        if high <= low:
            return None
        crlf = buffer.find(b"\n\r\n", low, high + 2)
        lf = buffer.find(b"\n\n", low, high + 1 if crlf < 0 else crlf + 1)
        if lf >= 0:
            return lf + 1 + base, lf + 2 + base
        if crlf >= 0:
            return crlf + 1 + base, crlf + 3 + base
        return None

    def _body(self) -> bool:
        """Content of a leaf, a preamble or an epilogue: only a delimiter ends it."""
        horizon = self._horizon()
        delimiter = self._next_delimiter(horizon)
        if delimiter is None:
            self._count(horizon)
            return False
        at, level = delimiter
        self._count(at)
        self._delimiter(at, level)
        return True

    def _rest_of_line(self) -> bool:
        """What follows a boundary on its line."""
        base = self._base
        found = self._buffer.find(b"\n", self._position - base)
        if found < 0:
            self._count(base + len(self._buffer))
            if not self._final:
                return False
        else:
            self._count(base + found + 1)
        return self._after_line()

    def _after_line(self) -> bool:
        owner = self._open[-1]
        if self._closed:
            self._step = self._body
        else:
            self._begin(owner, self._position)
        return True

    # --- delimiters

    def _horizon(self) -> int:
        """The offset up to which a delimiter can be told for sure, and whether it closes."""
        end = self._base + len(self._buffer)
        return end if self._final else end - self._longest - 4

    def _next_delimiter(self, horizon: int) -> tuple[int, _Level] | None:
        """The first delimiter that starts at or before `horizon` and not before the last line break
        passed."""
        buffer, base = self._buffer, self._base
        low = self._position - 1
        limit, best = horizon, None
        for level in self._levels:
            if level.found < low:
                start = max(level.searched, low)
                if start > limit:
                    continue
                at = buffer.find(level.needle, start - base, limit - base + len(level.needle))
                if at < 0:
                    level.searched = limit + 1
                    continue
                level.found = at + base
                level.searched = level.found
            if level.found > limit:
                continue
            if best is None or level.found < limit or len(level.needle) >= len(best.needle):
                limit, best = level.found, level
        return None if best is None else (limit, best)

    def _before_break(self, at: int, start: int) -> int:
        """Where the content ends whose delimiter's LF is at `at`: before its CRLF or LF."""
        index = at - self._base
        if at > start and index > 0 and self._buffer[index - 1] == 13:
            at -= 1
        return max(at, start)

    def _delimiter(self, at: int, level: _Level) -> None:
        if len(self.nodes) >= PARTS:
            self._levels.clear()
            return
        self._close_down_to(level.node, at)
        after = at + len(level.needle)
        self._closed = self._buffer.startswith(b"--", after - self._base)
        del self._levels[self._levels.index(level) + (not self._closed) :]
        self._longest = max((len(open_level.needle) for open_level in self._levels), default=0)
        self._count(after)
        self._step = self._rest_of_line

    # --- the tree

    def _begin(self, parent: int, start: int) -> None:
        """A new entity whose header section starts at `start`."""
        depth = self.nodes[parent].depth + 1 if parent >= 0 else 0
        index = len(self.nodes)
        self.nodes.append(Node(parent, depth, start, _NO_HEADER))
        if parent >= 0:
            self.nodes[parent].children.append(index)
        self._open.append(index)
        self._step = self._header_section

    def _header_read(self, node: Node, section: bytes, body_start: int) -> None:
        index = self._open[-1]
        parent = self.nodes[node.parent] if node.parent >= 0 else None
        if parent is None:
            self.header = section
        else:
            section = section[: self._budget]
            self._budget -= len(section)
        if not section.isascii():
            self.headers_eight_bit = True
        fields = HeaderFields(section)
        in_digest = parent is not None and parent.header.content_type.value == b"multipart/digest"
        node.header = parse_mime_header(fields, EMBEDDED if in_digest else PLAIN_TEXT)
        node.body_start = body_start
        node.lines = self._lines
        if parent is None:
            self.fields = fields
        elif parent.kind is Kind.MESSAGE:
            node.envelope = render_envelope(fields if self._envelope_room > 0 else _NO_FIELDS)
            self._envelope_room -= len(node.envelope)
        self._enter_body(node, index)

    def _enter_body(self, node: Node, index: int) -> None:
        self._step = self._body
        value = node.header.content_type.value
        if value.startswith(b"multipart/"):
            boundary = _boundary(node.header)
            if boundary and node.depth < DEPTH:
                node.kind = Kind.MULTIPART
                level = _Level(index, boundary, self._position - 1)
                self._levels.append(level)
                self._longest = max(self._longest, len(level.needle))
        elif value in (b"message/rfc822", b"message/global"):
            if node.depth < DEPTH and len(self.nodes) < PARTS:
                node.kind = Kind.MESSAGE
                self._begin(index, node.body_start)
        elif value in (b"text/plain", b"text/html") and len(self.samples) < SAMPLES:
            self._sampling, self._sample_room = [], SAMPLE

    def _close_down_to(self, keep: int, at: int) -> None:
        """End every open entity below node `keep`, the delimiter's LF (or the end) being at `at`."""
        inner_end = (
            0  # an entity reaches as far as what it holds, be it only the empty line of a header section
        )
        while self._open and self._open[-1] != keep:
            node = self.nodes[self._open.pop()]
            node.end = at if keep < 0 else max(self._before_break(at, node.body_start), inner_end)
            passed = self._position > at >= node.end  # the LF at `at` is counted already, and not its content
            node.lines = max(0, self._lines - passed - node.lines)
            inner_end = node.end
            if self._sampling is not None:
                self.samples.append((node.header, b"".join(self._sampling)))
                self._sampling = None


def _boundary(header: MimeHeader) -> bytes:
    for name, octets in header.content_type.wire:
        if name == b"boundary":
            return octets.rstrip(b" \t")[:BOUNDARY_KEPT]
    return b""
