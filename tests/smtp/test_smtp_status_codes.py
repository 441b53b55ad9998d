"""RFC 2034 4: every reply says a status of its class, but greetings, answers to EHLO, and 3yz."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from postier.base.status import Reply
from postier.smtp.inbound.dialogue import Role
from postier.smtp.wire.replies import render
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


@pytest.mark.parametrize(
    "text",
    [
        "x" * 495,
        "x" * 496,
        "x" * 497,
        "x" * 10_000,
        "word " * 300,
        f"<{'a' * 64}@{'b' * 63}.example> is unknown " * 4,
        "short\n" + "word " * 120 + "\nlast",
        "\u00fc" * 130,
        "",
    ],
)
@pytest.mark.parametrize(("code", "enhanced"), [(550, "5.7.123"), (250, "")])
def test_no_line_of_a_reply_is_longer_than_the_standard_lets(text: str, code: int, enhanced: str):
    """RFC 5321 4.5.3.1.5."""
    octets = render(Reply(code, enhanced, text))
    lines = octets.split(b"\r\n")
    assert lines.pop() == b""
    assert all(len(line) + 2 <= 512 for line in lines)
    assert all(line.startswith(f"{code}-{enhanced}".encode()) for line in lines[:-1])
    assert lines[-1].startswith(f"{code} {enhanced}".encode())
    said = "".join(line.decode()[4:].removeprefix(enhanced) for line in lines)
    assert said.replace(" ", "") == text.encode("ascii", "backslashreplace").decode().replace(
        "\n", ""
    ).replace(" ", "")
