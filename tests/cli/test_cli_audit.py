"""`postier audit`: what it tells of what other verbs do."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow


def test_nothing_is_told_of_a_server_where_nothing_fits(postier: Any, listed: Any) -> None:
    assert postier("audit", "nobody@orchard.test").stdout == "no entry was found\n"
    assert postier("audit", "nobody@orchard.test", "--lang", "fr").stdout == "aucune entrée\n"
    assert listed("audit", "nobody@orchard.test") == []


def test_wrong_usage_is_refused(misused: Any) -> None:
    assert "invalid" in misused("audit", "--kind", "planet").lower()
    assert "expected 90s" in misused("audit", "--since", "yesterday")
    assert "range" in misused("audit", "--limit", "0")
    assert "range" in misused("audit", "--limit", "1001")
