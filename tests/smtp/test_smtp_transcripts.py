"""Every dialogue of transcripts/, each cut into packets in three ways.

A line `# session: role=submission tls max_errors=2` at the top sets the session up.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from postier.base.networks import Networks
from postier.smtp.inbound.dialogue import Role
from postier.testing.connection import MemoryConnection
from postier.testing.transcript import play

FILES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))


def setup_of(text: str) -> tuple[Role, bool, dict[str, int | bool | Networks]]:
    role, tls, settings = Role.MX, False, {}
    first = text.partition("\n")[0]
    words = first.removeprefix("# session:").split() if first.startswith("# session:") else []
    for word in words:
        name, _, value = word.partition("=")
        if name == "role":
            role = Role(value)
        elif name == "tls":
            tls = True
        else:
            settings[name] = True if not value else Networks([value]) if "/" in value else int(value)
    return role, tls, settings


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_transcript(file: Path, world):
    text = file.read_text(encoding="utf-8")
    role, tls, settings = setup_of(text)
    play(text, world.make_session(role, **settings), connect=lambda: MemoryConnection(tls=tls))
