"""The story of `postier demo --check`, chapter by chapter."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Callable, Iterator

from postier.demo.chapters_access import let_in
from postier.demo.chapters_faults import survive, wait_in_queue
from postier.demo.chapters_hostile import repel
from postier.demo.chapters_mail import carry, push, take, verify, weigh
from postier.demo.chapters_reports import report
from postier.demo.chapters_story import trace
from postier.demo.rows import Chapter, Row
from postier.demo.world import DemoError, World

__all__ = ["CHAPTERS", "play"]

CHAPTERS = (
    Chapter("Alice writes to Bob and to a colleague", carry),
    Chapter("harbor checks who wrote", verify),
    Chapter("Bob reads on two devices", push),
    Chapter("Bob's old computer takes mail by POP3", take),
    Chapter("A stranger tries everything", repel),
    Chapter("The cost of a listing", weigh),
    Chapter("A partner is away; an address does not exist", wait_in_queue),
    Chapter("Both sides ask what became of a message", trace),
    Chapter("Harbor's report tells orchard who sends in its name", report),
    Chapter("Alice's devices set themselves up, and none takes from another", let_in),
    Chapter("A power cut in the middle of 500 messages", survive),
)


def play(world: World, tell: Callable[[int, Chapter, Row], None]) -> bool:
    """Play all chapters, telling each row as it is seen. True if all of them hold."""
    good = True
    for number, chapter in enumerate(CHAPTERS, start=1):
        for row in _rows(chapter, world):
            tell(number, chapter, row)
            good = good and row.holds
    return good


def _rows(chapter: Chapter, world: World) -> Iterator[Row]:
    began = time.monotonic()
    try:
        yield from chapter.play(world)
    except (DemoError, RuntimeError, EOFError, TimeoutError, OSError, smtplib.SMTPException) as error:
        yield Row(False, "the chapter ended early", f"{type(error).__name__}: {error}")
    else:
        yield Row(True, "done", f"{time.monotonic() - began:.1f} s")
