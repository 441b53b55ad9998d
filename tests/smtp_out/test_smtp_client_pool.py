"""Sessions that wait for the next message: how many, and which is given up."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from postier.smtp.outbound import pool as pool_module
from postier.smtp.outbound.pool import PeerPool


class Waiting:
    """A session, as far as the pool looks at it."""

    def __init__(self) -> None:
        self.core = SimpleNamespace(capabilities=SimpleNamespace(mail_max=None))
        self.transactions = 1
        self.closed = False

    def is_idle(self) -> bool:
        return not self.closed

    def close(self) -> None:
        self.closed = True


async def suits(_: Any) -> bool:
    return True


def test_past_the_limit_the_session_that_waits_longest_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_module, "MAX_WAITING", 3)

    async def go() -> None:
        pool = PeerPool(60)
        peers: list[Any] = [Waiting() for _ in range(4)]
        for number, peer in enumerate(peers):
            pool.put(f"site{number % 2}", peer)
        assert [peer.closed for peer in peers] == [True, False, False, False]
        assert await pool.take("site0", suits) is peers[2]
        assert await pool.take("site0", suits) is None
        assert await pool.take("site1", suits) is peers[3]
        pool.put("site0", peers[2])
        pool.close()
        assert [peer.closed for peer in peers] == [True, True, True, False]

    asyncio.run(go())


def test_a_session_that_waited_too_long_is_closed() -> None:
    async def go() -> None:
        pool = PeerPool(0.01)
        peer: Any = Waiting()
        pool.put("site", peer)
        async with asyncio.timeout(5):
            while not peer.closed:
                await asyncio.sleep(0.01)
        assert await pool.take("site", suits) is None

    asyncio.run(go())
