"""`postier trace`: which messages, in which language, for a person and for a program."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from postier.backend import open_backend
from postier.config.settings import load_settings
from postier.store.api import Step, StepKind

FIRST, SECOND = "0abcdefghjkmnpqr", "1abcdefghjkmnpqr"


def fill(data: Path, *steps: Step) -> None:
    async def work() -> None:
        async with open_backend(load_settings(data), "test") as backend:
            await backend.store.transact(lambda tx: tx.add_steps(steps))

    asyncio.run(work())


@pytest.fixture
def told(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One message that came in, one that is on its way out."""
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    now = time.time()
    place = {"recipient": "alice@orchard.test", "account": "1", "mailbox": "INBOX"}
    away = {"recipient": "bob@harbor.test", "status": "4.3.2", "reply": "421 later\x1b[2J", "entry": "1"}
    fill(
        data,
        Step(
            FIRST,
            now,
            StepKind.ACCEPTED,
            {"sender": "Bob@harbor.test", "message_id": "1@harbor.test", "session": "s1", "role": "mx"},
        ),
        Step(FIRST, now, StepKind.DELIVERED, place),
        Step(SECOND, now + 1, StepKind.ACCEPTED, {"sender": "alice@orchard.test", "role": "submission"}),
        Step(SECOND, now + 2, StepKind.ATTEMPTED, {**away, "remote": "mx [::1]:25", "next_attempt": "9"}),
    )


def test_nothing_has_happened_yet(postier: Any, listed: Any) -> None:
    assert postier("trace").stdout == "no message was found\n"
    assert listed("trace") == []


@pytest.mark.usefixtures("told")
def test_the_latest_messages_are_told_in_their_order(postier: Any) -> None:
    said = postier("trace").stdout
    assert said.index(f"trace    {FIRST}\n") < said.index(f"trace    {SECOND}\n")
    assert "It lies in the folder INBOX of alice@orchard.test.\n" in said
    assert "      421 later\N{REPLACEMENT CHARACTER}[2J\n" in said
    assert SECOND in postier("trace", "--limit", "1").stdout
    assert FIRST not in postier("trace", "--limit", "1").stdout


@pytest.mark.usefixtures("told")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([FIRST], [FIRST]),
        ([f"[trace {FIRST}]"], [FIRST]),
        ([FIRST.upper()], [FIRST]),
        (["s1"], [FIRST]),
        (["--message-id", "<1@Harbor.test>"], [FIRST]),
        (["--sender", "bob@HARBOR.test"], [FIRST]),
        (["--recipient", "<bob@harbor.test>"], [SECOND]),
        (["--recipient", "bob@harbor.test", "--sender", "bob@harbor.test"], []),
        (["--sender", "<>"], []),
        (["--since", "2h"], [FIRST, SECOND]),
        (["--since", "2001-01-01", "--until", "2002-01-01 10:00"], []),
        (["--until", "1h"], []),
    ],
)
def test_which_messages(listed: Any, words: list[str], expected: list[str]) -> None:
    assert [story["trace"] for story in listed("trace", *words)] == expected


@pytest.mark.usefixtures("told")
def test_a_program_gets_every_fact(listed: Any) -> None:
    [story] = listed("trace", SECOND)
    accepted, attempted = story["steps"]
    assert accepted["kind"] == "accepted"
    assert accepted["when"].endswith("+00:00")
    assert attempted["reply"] == "421 later\x1b[2J"  # JSON writes it as \u001b
    assert attempted["meaning"].startswith("The receiving server has a fault. We try again at ")


@pytest.mark.usefixtures("told")
def test_the_language_is_asked_for_or_the_environments(postier: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    french = "Il se trouve dans le dossier INBOX de alice@orchard.test."
    assert french in postier("trace", FIRST, "--lang", "fr").stdout
    assert french not in postier("trace", FIRST).stdout
    monkeypatch.setenv("LANG", "fr_FR.UTF-8")
    assert french in postier("trace", FIRST).stdout
    assert french not in postier("trace", FIRST, "--lang", "en").stdout
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert french not in postier("trace", FIRST).stdout


def test_a_trace_that_is_not_there(fails: Any) -> None:
    assert fails("trace", "nothing") == "there is no story of 'nothing'; those of the last 30 days are kept"


@pytest.mark.parametrize("moment", ["2", "2 h", "yesterday", "2026-13-01", "h", "9999999h", "-1h"])
def test_a_moment_that_is_none_is_wrong_usage(misused: Any, moment: str) -> None:
    assert "expected 90s, 5m, 2h, 3d, or a date" in misused("trace", f"--since={moment}")


def test_a_trace_and_a_choice_are_wrong_usage(misused: Any) -> None:
    assert misused("trace", "x", "--sender", "a@b.test") == "a trace needs no other choice beside it"
