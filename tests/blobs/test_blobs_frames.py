"""What is compressed, and what is left for speed."""

from __future__ import annotations

import base64
import random

import pytest

from postier.blobs.frames import compress, decompress

TEXT = b"A line of a letter that says much the same as the one before.\r\n"


def base64_of(size: int) -> bytes:
    return base64.encodebytes(random.Random(1).randbytes(size * 3 // 4)).replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("content", "least", "most"),
    [
        (base64_of(20_000), 0.7, 0.8),  # a letter: every octet counts
        (base64_of(100_000), 0.99, 1.01),  # an attachment: reading it is copying it
        (TEXT * 2000, 0.0, 0.1),
        (b"", 0.0, 1.0),
    ],
)
def test_frames(content: bytes, least: float, most: float) -> None:
    stored = compress(content)
    assert decompress(stored, len(content)) == content
    assert not content or least <= len(stored) / len(content) <= most
