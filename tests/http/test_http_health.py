"""What watchers ask, over a real socket."""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Awaitable, Callable

import pytest

from postier.http.documents import public_application
from postier.http.health import health_documents
from postier.testing.web import serving


def get(url: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(url, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read().decode()


def ask(path: str, probe: Callable[[], Awaitable[object]]) -> tuple[int, str]:
    async def figures() -> bytes:
        return b"letters 7.0\n"

    async def work(port: int, _: object) -> tuple[int, str]:
        return await asyncio.to_thread(get, f"http://127.0.0.1:{port}{path}")

    found = asyncio.run(serving(public_application(health_documents(probe, figures)), work))
    assert isinstance(found, tuple)
    return found


async def well() -> None:
    """The store answers."""


async def broken() -> None:
    raise OSError("/secret/path is gone")


@pytest.mark.parametrize("probe", [well, broken])
def test_it_is_alive_whatever_the_store_says(probe: Callable[[], Awaitable[object]]) -> None:
    status, body = ask("/health/live", probe)
    assert (status, json.loads(body)) == (200, {"status": "live"})


def test_ready_while_the_store_answers() -> None:
    status, body = ask("/health/ready", well)
    assert (status, json.loads(body)) == (200, {"status": "ready"})


def test_not_ready_says_no_more_than_that(capsys: pytest.CaptureFixture[str]) -> None:
    status, body = ask("/health/ready", broken)
    assert (status, json.loads(body)) == (503, {"status": "unavailable"})
    assert "/secret/path" in capsys.readouterr().err


def test_metrics_are_in_the_prometheus_format() -> None:
    status, body = ask("/metrics", well)
    assert status == 200
    assert "letters 7.0" in body


def test_there_is_nothing_else() -> None:
    assert ask("/", well)[0] == 404
