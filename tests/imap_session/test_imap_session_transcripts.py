"""Dialogues, each played three ways, over a mailbox with three known messages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postier.testing.transcript import play_file

FOLDER = Path(__file__).parent / "transcripts"
STRICT = {"before_tls"}
"""Played on a server that takes no password in clear."""


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, sessions_over_three_messages: Any) -> None:
    strict = path.stem in STRICT
    play_file(path, lambda: sessions_over_three_messages(allow_plaintext=not strict))
