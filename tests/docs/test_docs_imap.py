"""docs/imap.md names what the server announces: all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path

from postier.imap.wire.capabilities import CAPABILITIES
from postier.sasl.mechanisms import MECHANISMS

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "imap.md").read_text(encoding="utf-8")
ANNOUNCED = {re.sub(r"^(RIGHTS)=.*", r"\1=", row.name) for row in CAPABILITIES}


def test_the_page_names_what_is_announced() -> None:
    cells = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    named = [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]
    assert len(set(named)) == len(named)
    valued = {"APPENDLIMIT", "MESSAGELIMIT", "SAVELIMIT"} | {f"AUTH={name}" for name in MECHANISMS}
    assert set(named) == ANNOUNCED | valued


def test_what_is_left_out_is_not_announced() -> None:
    left_out = PAGE.partition("## Left out")[2].partition("\n## ")[0]
    names = re.findall(r"^\| ([A-Z][A-Z0-9, -]+) \|", left_out, re.MULTILINE)
    assert names
    assert not {name for cell in names for name in cell.split(", ")} & ANNOUNCED
