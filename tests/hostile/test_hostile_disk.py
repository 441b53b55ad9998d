"""A disk that is full: temporary refusals, nothing lost, and it goes on by itself once there is space."""

from __future__ import annotations

import base64
import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

SIZE_MB = 40
FILLER_MB = 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of SIZE_MB."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0:
        pytest.skip("mounting a small file system needs root")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MB}m", "tmpfs", str(folder)], capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("this system does not let root mount a tmpfs")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def _message(number: int, size: int = 900_000) -> bytes:
    """That no compression makes smaller."""
    noise = base64.encodebytes(random.Random(number).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")
    head = f"From: zoe@elsewhere.test\r\nSubject: number {number}\r\nMessage-ID: <{number}@x.test>\r\n\r\n"
    return head.encode() + noise


def _deliver(house: Any, number: int) -> tuple[int, bytes]:
    """The reply to the first command that was refused, or to the end of the message."""
    with house.smtp() as client:
        client.ehlo()
        for code, text in (client.mail("zoe@elsewhere.test"), client.rcpt("bob@orchard.test")):
            if code >= 300:
                return code, text
        code, text = client.docmd("DATA")
        if code != 354:
            return code, text
        client.send(_message(number) + b".\r\n")
        return client.getreply()


def _stored(house: Any) -> list[bytes]:
    with house.imap("bob") as client:
        client.must("EXAMINE INBOX")
        return [
            message.partition(b"}\r\n")[2]
            for message in client.must("FETCH 1:* BODY.PEEK[]")
            if b"{" in message
        ]


@pytest.mark.parametrize("log_too", [False, True], ids=["log elsewhere", "log on the same disk"])
def test_nothing_is_lost_and_it_goes_on(small_disk: Path, own_house: Any, log_too: bool) -> None:
    house = own_house(small_disk / "data", logs=small_disk if log_too else None)
    filler = small_disk / "filler"
    filler.write_bytes(b"\0" * FILLER_MB * 1_000_000)
    accepted = []
    for number in range(SIZE_MB):
        code, text = _deliver(house, number)
        if code != 250:
            break
        accepted.append(number)
    assert 400 <= code < 500, (code, text)
    assert text.startswith((b"4.3.1 ", b"4.3.0 ")), text
    assert str(small_disk).encode() not in text
    assert accepted
    for _ in range(3):
        assert 400 <= _deliver(house, 1000)[0] < 500
    with house.imap("bob") as client:
        answer = client.command("APPEND INBOX", _message(1001))[1]
        assert b" NO [" in answer[:10], answer
        assert client.command("NOOP")[1].split()[1] == b"OK"
    for number, message in zip(accepted, _stored(house), strict=True):
        assert _message(number) in message
    filler.unlink()
    assert _deliver(house, 2000)[0] == 250
    with house.imap("bob") as client:
        assert b" OK [APPENDUID" in client.command("APPEND INBOX", _message(2001))[1]
    stored = _stored(house)
    for number, message in zip([*accepted, 2000, 2001], stored, strict=True):
        assert _message(number) in message
    house.stop()
    house.start()
    assert _stored(house) == stored
