"""A worker whose store refuses everything makes room for a new one."""

from __future__ import annotations

import asyncio

import pytest

from postier import app
from postier.store.api import StoreUnavailable


class Refusing:
    """A store that fails after it was asked a few times."""

    def __init__(self) -> None:
        self.asked = 0

    @property
    def refusal(self) -> str:
        self.asked += 1
        return "a pack cannot be synced" if self.asked > 3 else ""


def test_the_watch_ends_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "STORE_WATCH_SECONDS", 0)
    store = Refusing()
    with pytest.raises(StoreUnavailable, match="a pack cannot be synced"):
        asyncio.run(app.wait_for_refusal(store))  # type: ignore[arg-type]
    assert store.asked > 3
