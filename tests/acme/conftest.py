"""A scene for each test: see postier.testing.acme_scene."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from postier.testing.acme_scene import Scene, acme_scene
from postier.testing.acme_server import FakeAuthority

SceneTest = Callable[[Scene], Awaitable[None]]


@pytest.fixture
def authority() -> Iterator[FakeAuthority]:
    with FakeAuthority() as made:
        yield made


@pytest.fixture
def on_scene(
    tmp_path: Path, authority: FakeAuthority
) -> Callable[[Callable[[Scene], Awaitable[None]]], None]:
    """Runs a test with a server that wants one certificate."""

    def run(test: SceneTest) -> None:
        async def whole() -> None:
            async with acme_scene(tmp_path, authority) as made:
                await test(made)

        asyncio.run(whole())

    return run
