"""RFC 2034 4: every reply says a status of its class, but greetings, answers to EHLO, and 3yz."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from postier.smtp.inbound.dialogue import Role
from postier.testing.connection import MemoryConnection
from postier.testing.transcript import Action, Transcript

FILES = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
STATUS = re.compile(r"([2-5])[0-9]{2}[ -]\1\.[0-9]{1,3}\.[0-9]{1,3} .+")


async def answers(world, text: str) -> list[tuple[bytes, str]]:
    """Each line the server says, with what it answers."""
    found: list[tuple[bytes, str]] = []
    role = next((role for role in Role if f"role={role.value}" in text), Role.MX)
    async with world.make_session(role)() as session:
        connection = MemoryConnection(tls="tls" in text.partition("\n")[0])
        connection.start(session)
        await connection.quiet()
        found += [(b"", line) for line in connection.output().decode().splitlines()]
        for step in (step for turn in Transcript.parse(text).turns for step in turn.sends):
            if isinstance(step, Action):
                if step.name == "TLS":
                    connection.handshake()
                break
            connection.feed(step)
            await connection.quiet()
            found += [(step, line) for line in connection.output().decode().splitlines()]
        await connection.finish()
    return found


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_reply_bears_its_status(file: Path, world):
    heard = asyncio.run(answers(world, file.read_text(encoding="utf-8")))
    assert heard
    for command, line in heard:
        exempt = not command or command[:4].upper() in (b"EHLO", b"HELO", b"LHLO") or line.startswith("3")
        assert bool(STATUS.fullmatch(line)) != exempt, (command, line)
