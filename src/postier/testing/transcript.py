r"""Dialogues as text, played over the real driver.

    play('''
        S: 220
        C: EHLO a.example
        S: 250-...PIPELINING
        S: 250
        C: RCPT TO:<bob@b.example>          # RFC 5321 4.1.4: MAIL first
        S: 503 5.5.1
        C: QUIT
        S: 221
        S: <EOF>
    ''', make_session)

Each dialogue is played three times, and each time must match: every C line as one packet; byte by byte;
and everything between two answers in one packet.

`C: text` is sent with CRLF. A line that ends in one `\` is sent without CRLF.
Actions: `C: <TLS>` shakes hands, `C: <EOF>` ends the input, `C: <RESET>` breaks the connection,
`C: <WAIT 600>` lets 600 seconds go by, `C: <WAKE>` calls `wake()`.

`S: text` matches one line of the answer that starts so; `$` at the end makes it the whole line; `...`
stands for any bytes within the line. A text that starts with three digits (and no hyphen behind them)
also takes the continuation lines `250-...` before it. `S: <ANY>` takes any number of lines, until the
next S line matches; `S: <EOF>` says that the server has closed. What no S line takes is a failure, and so
is an end of the server that no `S: <EOF>` tells (except after the last line).

In both: `\r \n \t \0 \xHH` as in Python, `\\` is one backslash, `\{a*1000}` is a thousand a's, any other
backslash stands for itself (`\Seen`). Comments: a line that starts with #, and behind two spaces and #
on any line. Leading white space is dropped.
"""

from __future__ import annotations

import asyncio
import enum
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path

from postier.net.api import Session
from postier.testing.connection import MemoryConnection

__all__ = ["Cut", "Transcript", "TranscriptError", "play", "play_file"]

MakeSession = Callable[[], "Session | AbstractAsyncContextManager[Session]"]

_COMMENT = re.compile(r"(?:^|\s\s)\s*#(?:\s.*)?$")
_ESCAPE = re.compile(rb"\\(?:([rnt0\\])|x([0-9a-fA-F]{2})|\{([^*}]+)\*([0-9]{1,8})\})")
_PLAIN_ESCAPES = {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"0": b"\0", b"\\": b"\\"}
_REPLY_CODE = re.compile(rb"[0-9]{3}(?!-)")


class TranscriptError(AssertionError):
    """The answer is not what the transcript says; the message shows where, and both."""


class Cut(enum.Enum):
    """Where the client's bytes are cut into packets."""

    LINES = "each line a packet"
    BYTES = "byte by byte"
    TURNS = "one packet between two answers"


@dataclass(frozen=True, slots=True)
class Action:
    """`TLS`, `EOF`, `RESET`, `WAIT` or `WAKE`; `seconds` only for WAIT."""

    name: str
    seconds: float = 0.0


@dataclass(slots=True)
class Turn:
    """What the client does, then what it must see; `line` is where the turn starts, from 1."""

    line: int
    sends: list[bytes | Action] = field(default_factory=list)
    expects: list[bytes] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Transcript:
    turns: tuple[Turn, ...]

    @classmethod
    def parse(cls, text: str) -> Transcript:
        """Raises ValueError for a line that is none of `C:`, `S:`, comment and empty."""
        turns = [Turn(1)]
        for number, raw in enumerate(text.splitlines(), 1):
            line = _COMMENT.sub("", raw).strip()
            if not line:
                continue
            side, said = line[:2], line[2:].removeprefix(" ").encode()
            if side not in ("C:", "S:"):
                raise ValueError(f"line {number}: neither C: nor S: {line!r}")
            if side == "S:":
                turns[-1].expects.append(said)
                continue
            if turns[-1].expects:
                turns.append(Turn(number))
            turns[-1].sends.append(_sent(said))
        return cls(tuple(turns))


def play(
    text: str, make_session: MakeSession, *, connect: Callable[[], MemoryConnection] = MemoryConnection
) -> None:
    """Play `text` three times, each on a new connection with a new session. Raises TranscriptError.

    `make_session` is called inside a running event loop and gives the session, or an async context
    manager around it (for a store that must be closed).
    """
    transcript = Transcript.parse(text)
    for cut in Cut:
        asyncio.run(_play_once(transcript, cut, make_session, connect))


def play_file(
    path: Path, make_session: MakeSession, *, connect: Callable[[], MemoryConnection] = MemoryConnection
) -> None:
    """`play` for a file of tests/*/transcripts."""
    play(path.read_text(encoding="utf-8"), make_session, connect=connect)


# ---------------------------------------------------------------------- playing


async def _play_once(
    transcript: Transcript, cut: Cut, make_session: MakeSession, connect: Callable[[], MemoryConnection]
) -> None:
    async with AsyncExitStack() as stack:
        made = make_session()
        session = (
            await stack.enter_async_context(made) if isinstance(made, AbstractAsyncContextManager) else made
        )
        connection = connect()
        connection.start(session)
        await connection.quiet()
        for index, turn in enumerate(transcript.turns):
            for step in _packets(turn.sends, cut):
                await _take_step(connection, step)
            is_last = index == len(transcript.turns) - 1
            _compare(turn, connection.output(), connection.closed, is_last, cut)
        await connection.finish()


def _packets(sends: list[bytes | Action], cut: Cut) -> Iterator[bytes | Action]:
    if cut is not Cut.TURNS:
        for item in sends:
            if cut is Cut.BYTES and isinstance(item, bytes):
                yield from (item[i : i + 1] for i in range(len(item)))
            else:
                yield item
        return
    packet = b""
    for item in sends:
        if isinstance(item, bytes):
            packet += item
            continue
        if packet:
            yield packet
        packet = b""
        yield item
    if packet:
        yield packet


async def _take_step(connection: MemoryConnection, step: bytes | Action) -> None:
    match step:
        case bytes():
            connection.feed(step)
        case Action("TLS"):
            connection.handshake()
        case Action("EOF"):
            connection.feed_eof()
        case Action("RESET"):
            connection.reset()
        case Action("WAIT", seconds):
            await connection.elapse(seconds)
        case Action("WAKE"):
            connection.wake()
    await connection.quiet()


# ---------------------------------------------------------------------- matching


def _compare(turn: Turn, output: bytes, closed: bool, is_last: bool, cut: Cut) -> None:
    lines = output.split(b"\r\n")
    unfinished = lines.pop()
    position = 0
    told_end = False
    for index, expected in enumerate(turn.expects):
        if expected == b"<EOF>":
            told_end = True
        elif expected == b"<ANY>":
            following = turn.expects[index + 1] if index + 1 < len(turn.expects) else b"<EOF>"
            while position < len(lines) and not _matches(following, lines, position):
                position += 1
        else:
            after = _matches(expected, lines, position)
            if not after:
                raise _difference(turn, cut, lines, position, _unescaped(expected))
            position = after
    if position < len(lines) or unfinished:
        raise _difference(turn, cut, [*lines, unfinished], position, b"nothing more")
    if told_end and not closed:
        raise _difference(turn, cut, lines, position, b"<EOF>")
    if closed and not told_end and not is_last:
        raise _difference(turn, cut, [*lines, b"<EOF>"], len(lines), b"an open connection")


def _matches(expected: bytes, lines: list[bytes], position: int) -> int:
    """The position behind what `expected` takes, or 0."""
    if expected.startswith(b"<EOF>"):
        return 0
    if _REPLY_CODE.match(expected):
        while position < len(lines) and lines[position].startswith(expected[:3] + b"-"):
            position += 1
    if position >= len(lines) or not _pattern(expected).fullmatch(lines[position]):
        return 0
    return position + 1


def _pattern(expected: bytes) -> re.Pattern[bytes]:
    whole = expected.endswith(b"$")
    pieces = [re.escape(_unescaped(piece)) for piece in expected.removesuffix(b"$").split(b"...")]
    return re.compile(b".*".join(pieces) + (b"" if whole else b".*"), re.DOTALL)


def _difference(turn: Turn, cut: Cut, lines: list[bytes], position: int, expected: bytes) -> TranscriptError:
    sent = "".join(f"  C: {item!r}\n" for item in turn.sends)
    got = "".join(f"{'> ' if i == position else '  '}S: {line!r}\n" for i, line in enumerate(lines))
    return TranscriptError(f"line {turn.line} ({cut.value}): expected {expected!r}, got\n{sent}{got}")


# ---------------------------------------------------------------------- reading


def _sent(said: bytes) -> bytes | Action:
    action = re.fullmatch(rb"<(TLS|EOF|RESET|WAKE|WAIT ([0-9.]+))>", said)
    if action:
        return Action(action[1].decode().partition(" ")[0], float(action[2] or 0))
    if said.endswith(b"\\") and not said.endswith(b"\\\\"):
        return _unescaped(said[:-1])
    return _unescaped(said) + b"\r\n"


def _unescaped(said: bytes) -> bytes:
    def replace(found: re.Match[bytes]) -> bytes:
        plain, digits, repeated, times = found.groups()
        if plain:
            return _PLAIN_ESCAPES[plain]
        return bytes.fromhex(digits.decode()) if digits else _unescaped(repeated) * int(times)

    return _ESCAPE.sub(replace, said)
