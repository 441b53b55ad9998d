"""`postier search`: the index is thrown away, and made anew by whoever keeps it."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow  # each command is a process of its own


def test_the_index_is_thrown_away(postier: Any) -> None:
    assert postier("search", "rebuild").stdout.startswith("the index is made anew")
