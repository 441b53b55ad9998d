"""Cells of an export, which strangers wrote and a spreadsheet opens."""

from __future__ import annotations

import pytest

from postier.cli.dmarc import _tab_cell


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        (" \t@SUM(1)\n2", "'@SUM(1) 2"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ([{"domain": "=1", "result": "pass"}], "'=1 pass"),
        ({"=a": "b"}, "'=a: b"),
        (12, "12"),
        ("a=b", "a=b"),
    ],
)
def test_no_cell_is_a_formula(value: object, cell: str) -> None:
    assert _tab_cell(value) == cell
