"""python tests/fuzz/run.py TARGET [options of libFuzzer]: atheris drives one target, from its corpus on."""

from __future__ import annotations

import sys
from pathlib import Path

import atheris

ROOMS = [
    "postier.imap.wire",
    "postier.smtp.wire",
    "postier.message",
    "postier.base.cursor",
    "postier.net.proxy",
    "postier.mailauth",
]

with atheris.instrument_imports(include=ROOMS):
    from postier.testing.fuzz_targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    name = sys.argv[1]
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(CORPUS / name)], TARGETS[name])
    atheris.Fuzz()


main()
