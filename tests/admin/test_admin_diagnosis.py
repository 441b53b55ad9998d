"""What doctor says about a port, in words for whoever runs the server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import cast

import pytest

from postier.admin import diagnosis
from postier.admin.diagnosis import Finding, check_lists, check_port
from postier.filter.dnsbl import parse_list
from postier.store.api import QueueFigures, Store
from postier.testing.dns import ZoneResolver

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def found_at(serve: Serve, *, tls: bool = False) -> Finding:
    """With `serve` there; the server's side of the connection is closed when this returns."""
    closed = asyncio.Event()

    async def serve_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
            await writer.wait_closed()
        except OSError:
            pass  # the client has gone first
        finally:
            closed.set()

    server = await asyncio.start_server(serve_once, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        finding = await check_port("imap", "127.0.0.1", port, b"* OK", tls=tls)
        await closed.wait()
    return finding


def saying(line: bytes) -> Serve:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(line)
        writer.close()

    return serve


@pytest.mark.parametrize(
    ("line", "tls", "state", "said"),
    [
        (b"* OK Postier ready\r\n", False, "ok", "* OK Postier ready"),
        (b"SSH-2.0-OpenSSH_9.9\r\n", False, "failed", "something else answers there"),
        (b"* OK no TLS here\r\n", True, "failed", "no TLS there: "),
    ],
)
def test_who_answers(line: bytes, tls: bool, state: str, said: str) -> None:
    finding = asyncio.run(found_at(saying(line), tls=tls))
    assert (finding.state, finding.detail[: len(said)]) == (state, said)


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
        finding = asyncio.run(check_port("imap", "127.0.0.1", port, b"* OK", tls=False))
    assert finding.detail == "nothing listens there; is the server running?"


def test_somebody_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    monkeypatch.setattr(diagnosis, "CONNECT_SECONDS", 0.01)
    finding = asyncio.run(found_at(silent))
    assert (finding.state, finding.detail) == ("failed", "no answer within 0.01 s")


class QueueOf:
    """A store whose queue has these figures."""

    def __init__(self, figures: QueueFigures, late: list[tuple[str, int, int]]) -> None:
        self.reader = self
        self.figures = figures
        self.late = late

    async def queue_figures(self, now: int) -> QueueFigures:
        return self.figures

    async def late_destinations(self, arrived: int, limit: int) -> list[tuple[str, int, int]]:
        return [each for each in self.late if each[2] <= arrived][:limit]


@pytest.mark.parametrize(
    ("due", "oldest_due", "state", "words"),
    [
        (0, 0, "ok", "waiting: 7, held: 2"),
        (1, 99_401, "ok", "waiting: 7"),
        (1, 99_400, "warning", "due: 1, the first for 10 minutes"),
    ],
)
def test_a_queue_that_nobody_works_on(due: int, oldest_due: int, state: str, words: str) -> None:
    store = QueueOf(QueueFigures(7, 2, due, oldest_due, 5), [])
    (finding,) = asyncio.run(diagnosis.check_queue(cast(Store, store), 100_000))
    assert finding.state == state
    assert finding.detail.startswith(words)


def test_destinations_that_take_nothing() -> None:
    late = [("dead.test", 9, 100_000 - 5 * 3600), ("young.test", 1, 100_000 - 4 * 3600 + 1)]
    store = QueueOf(QueueFigures(9, 0, 0, 0, 5), late)
    _, finding = asyncio.run(diagnosis.check_queue(cast(Store, store), 100_000))
    assert (finding.state, finding.subject) == ("warning", "mail for dead.test")
    assert "the oldest for 5 h" in finding.detail


def test_lists_that_do_not_work_are_named() -> None:
    zone = {
        "2.0.0.127.well.example": [("A", "127.0.0.2")],
        "2.0.0.127.shy.example": [("A", "127.255.255.254")],
        "2.0.0.127.dead.example": ["TIMEOUT"],
    }
    lists = [parse_list(f"{name}.example=1") for name in ("well", "shy", "dead", "typo")]
    found = asyncio.run(check_lists(ZoneResolver(zone), lists))
    assert [finding.state for finding in found] == ["ok", "warning", "warning", "warning"]
    assert [finding.subject for finding in found] == [f"DNS list {each.zone}" for each in lists]
    said = ("it answers", "it refuses our resolver", "it does not answer", "is its name right?")
    assert all(words in finding.detail for words, finding in zip(said, found, strict=True))
