"""A line of the log: one line whatever is in it, and never a reason for anything else to fail."""

from __future__ import annotations

import errno
import io
from collections.abc import Iterator

import pytest

from postier.base import log
from postier.base.log import Log, set_stream


class FullDisk(io.StringIO):
    """Takes text and can't write it."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    set_stream(stream)
    yield stream
    set_stream(None)


def test_a_peer_cannot_forge_a_line(lines: io.StringIO) -> None:
    Log("smtp").info("accepted", sender="x\r\n2026-01-01T00:00:00.000Z error smtp forged", size=3)
    text = lines.getvalue()
    assert text.count("\n") == 1
    assert "\r" not in text
    assert text.endswith(" size=3\n")


def test_an_exception_stays_on_its_line(lines: io.StringIO) -> None:
    Log("app").error("failed", exception=ValueError("two\nlines"), why="")
    assert lines.getvalue().count("\n") == 1
    assert ' why=""' in lines.getvalue()


def test_a_state_that_lasts_is_a_line_a_second(lines: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("postier.base.log.time.monotonic", lambda: now)
    for number in range(1000):
        Log("smtp").fault("put off", why=OSError("the disk is full"), session=number)
    Log("smtp").fault("put off", why="another cause")
    Log("imap").fault("put off", why=OSError("the disk is full"))
    now += 1
    for _ in range(2):
        Log("smtp").fault("put off", why=OSError("the disk is full"))
    said = [line.partition(" ")[2] for line in lines.getvalue().splitlines()]
    assert said == [
        'error smtp put off why="the disk is full" session=0',
        'error smtp put off why="another cause"',
        'error imap put off why="the disk is full"',
        'error smtp put off why="the disk is full" more=999',
    ]


def test_causes_without_end_do_not_fill_the_memory(lines: io.StringIO) -> None:
    for number in range(10_000):
        Log("smtp").fault("put off", why=number)
    assert len(log._faults) <= log._MOST_FAULTS


def test_a_log_that_cannot_be_written_fails_nobody() -> None:
    set_stream(FullDisk())
    try:
        Log("smtp").error("disk full")
    finally:
        set_stream(None)
