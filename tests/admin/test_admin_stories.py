"""How a story is found, and how it is told: in words, in both languages, whatever strangers wrote into it."""

from __future__ import annotations

import asyncio
import re
import string
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from postier.admin.stories import Story, Wanted, find_stories, story_named
from postier.admin.story_words import LANGUAGES, LINES
from postier.admin.telling import meaning_of, printable, tell
from postier.store.api import NoSuchAccount, Step, StepKey, StepKind
from postier.story.facts import FACTS

NOW = 1_764_155_045.0  # 2025-11-26 11:04:05 UTC
EVERYTHING = {name: f"<{name}>" for name in FACTS} | {"status": "4.2.0", "next_attempt": str(int(NOW) + 60)}


@pytest.fixture(autouse=True)
def paris(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Paris")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def step(kind: StepKind, when: float = NOW, **facts: str) -> Step:
    return Step("0abcdefghjkmnpqr", when, kind, facts)


def told(*steps: Step, language: str = "en", width: int = 0) -> str:
    story = Story("0abcdefghjkmnpqr", steps, {"7": "bob@orchard.test"})
    return "\n".join(line.text for line in tell(story, language, width))


class FakeReader:
    """Steps in a list, of which the last is the latest."""

    def __init__(self, *steps: Step) -> None:
        self._steps = steps

    async def steps(self, trace_id: str) -> list[Step]:
        return [each for each in self._steps if each.trace_id == trace_id]

    async def traces(self, key: Any, value: str, *, since=0.0, until=2.0**53, limit=100) -> list[str]:
        def matches(each: Step) -> bool:
            found = each.trace_id if key is StepKey.TRACE else each.facts.get(key, "") if key else ""
            return since <= each.when < until and (key is None or found == value)

        return list(dict.fromkeys(each.trace_id for each in reversed(self._steps) if matches(each)))[:limit]

    async def account(self, account_id: int) -> Any:
        if account_id != 7:
            raise NoSuchAccount(str(account_id))
        return SimpleNamespace(name="bob@two.test")


# ---------------------------------------------------------------------- finding


def of(trace_id: str, when: float, **facts: str) -> Step:
    return Step(trace_id, when, StepKind.ACCEPTED, facts)


READER = FakeReader(
    of("t1", 1, sender="ann@one.test", message_id="1@one.test", session="s"),
    of("t1", 2, recipient="bob@two.test"),
    of("t2", 3, sender="ann@one.test", recipient="eve@two.test", session="s"),
    of("t3", 4, sender="eve@two.test", recipient="bob@two.test", account="7"),
    of("t3", 3.5, recipient="gone@two.test", account="8"),
)


@pytest.mark.parametrize(
    ("wanted", "limit", "expected"),
    [
        (Wanted(), 9, ["t1", "t2", "t3"]),
        (Wanted(), 2, ["t2", "t3"]),
        (Wanted(sender="ann@one.test"), 9, ["t1", "t2"]),
        (Wanted(sender="ann@one.test"), 1, ["t2"]),
        (Wanted(sender="ann@one.test", recipient="bob@two.test"), 9, ["t1"]),
        (Wanted(sender="ann@one.test", recipient="bob@two.test"), 1, ["t1"]),
        (Wanted(sender="Ann@one.test", recipient="bob@two.test"), 1, ["t1"]),
        (Wanted(message_id="1@one.test", sender="eve@two.test"), 9, []),
        (Wanted(since=3), 9, ["t2", "t3"]),
        (Wanted(until=3), 9, ["t1"]),
    ],
)
def test_finding(wanted: Wanted, limit: int, expected: list[str]) -> None:
    found = asyncio.run(find_stories(READER, wanted, limit))  # type: ignore[arg-type]
    assert [story.trace_id for story in found] == expected


def test_a_trace_and_a_session_are_found_by_their_names() -> None:
    async def names(name: str) -> list[str]:
        return [story.trace_id for story in await story_named(READER, name)]  # type: ignore[arg-type]

    assert asyncio.run(names("t2")) == ["t2"]
    assert asyncio.run(names("s")) == ["t1", "t2"]
    assert asyncio.run(names("t")) == []


def test_steps_are_told_by_time_and_accounts_by_name() -> None:
    [story] = asyncio.run(story_named(READER, "t3"))  # type: ignore[arg-type]
    assert [each.when for each in story.steps] == [3.5, 4]
    assert story.accounts == {"7": "bob@two.test"}


# ---------------------------------------------------------------------- telling


def test_a_story_from_door_to_mailbox() -> None:
    assert told(
        step(
            StepKind.ACCEPTED,
            sender="alice@harbor.test",
            message_id="1@harbor.test",
            size="1234",
            role="mx",
            peer="192.0.2.1",
            helo="mail.harbor.test",
            tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
            spf="pass harbor.test",
            dkim="pass harbor.test",
            dmarc="pass harbor.test",
        ),
        step(StepKind.DELIVERED, recipient="bob@orchard.test", account="7", mailbox="INBOX"),
        step(StepKind.READ, NOW + 90_000, account="7", mailbox="INBOX", peer="192.0.2.9", role="pop3"),
    ) == (
        "trace    0abcdefghjkmnpqr\n"
        "from     alice@harbor.test\n"
        "to       bob@orchard.test\n"
        "message  <1@harbor.test>, 1234 octets\n"
        "\n"
        "  2025-11-26\n"
        "  12:04:05 CET  accepted\n"
        "    came from 192.0.2.1, which calls itself mail.harbor.test\n"
        "    encrypted: TLSv1.3 TLS_AES_256_GCM_SHA384\n"
        "    SPF pass harbor.test; DKIM pass harbor.test; DMARC pass harbor.test\n"
        "    We have taken the message and answer for it from here on.\n"
        "\n"
        "  12:04:05 CET  delivered  bob@orchard.test\n"
        "    It lies in the folder INBOX of bob@orchard.test.\n"
        "\n"
        "  2025-11-27\n"
        "  13:04:05 CET  read\n"
        "    fetched by 192.0.2.9\n"
        "    A mail program of bob@orchard.test has fetched it whole."
    )


BUSY = step(
    StepKind.ATTEMPTED,
    recipient="bob@far.test",
    remote="mx.far.test [192.0.2.7]:25",
    reply="450 4.2.0 busy",
    status="4.2.0",
    next_attempt=str(int(NOW) + 3600),
)


def test_an_attempt_says_when_the_next_one_is() -> None:
    assert "    mx.far.test [192.0.2.7]:25 said:\n      450 4.2.0 busy\n" in told(BUSY)
    refused = step(
        StepKind.ATTEMPTED, remote="mx.far.test [192.0.2.7]:25", reply="no connection", status="4.4.1"
    )
    assert "    with mx.far.test [192.0.2.7]:25:\n      no connection\n" in told(refused)
    assert told(BUSY).endswith(" We try again at 13:04.")
    assert told(BUSY, language="fr").endswith(" Nous réessayons à 13:04.")
    tomorrow = BUSY._replace(facts={**BUSY.facts, "next_attempt": str(int(NOW) + 86400)})
    assert told(tomorrow).endswith(" We try again at 2025-11-27 12:04.")


def test_neighbours_that_differ_in_the_recipient_only_are_one() -> None:
    steps = [step(StepKind.QUEUED, recipient=f"u{i}@far.test", destination="far.test") for i in range(9)]
    text = told(*steps)
    assert text.count("queued") == 1
    assert "queued  u0@far.test, u1@far.test, u2@far.test, u3@far.test and 5 more\n" in text
    here = [step(StepKind.DELIVERED, recipient="team@x.test", account=n, mailbox="INBOX") for n in "78"]
    assert told(*here).count("It lies in the folder INBOX of") == 2


@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_eighty_columns_are_enough(language: str) -> None:
    steps = [Step("t" * 16, NOW, kind, EVERYTHING) for kind in StepKind]
    long = step(StepKind.REFUSED, reply="550 5.7.1 " + "not here " * 40, reason="x" * 300, status="5.7.1")
    lines = told(*steps, long, language=language, width=80).split("\n")
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line != line.rstrip()] == []


@pytest.mark.parametrize("language", sorted(LANGUAGES))
@pytest.mark.parametrize("kind", list(StepKind))
def test_every_kind_means_something(kind: StepKind, language: str) -> None:
    story = Story("t", (), {})
    full = meaning_of(story, Step("t", NOW, kind, EVERYTHING), language)
    bare = meaning_of(story, Step("t", NOW, kind, {}), language)
    for sentence in (full, bare):
        assert re.search(r"[\w>?]\.$", sentence), sentence
        assert "{" not in sentence
    assert "?" not in full


@pytest.mark.parametrize("status", ["5.1.1", "4.2.2", "5.7.26", "5.7.99", "4.3.1", "5.9.9", "", "x", "5"])
@pytest.mark.parametrize("language", sorted(LANGUAGES))
def test_any_status_of_ours_or_others_is_told(status: str, language: str) -> None:
    for kind in (StepKind.REFUSED, StepKind.DEFERRED, StepKind.BOUNCED, StepKind.ATTEMPTED):
        assert told(step(kind, status=status, reply="550 no"), language=language)


def test_the_languages_have_the_same_words_about_the_same_facts() -> None:
    english = LANGUAGES["en"]

    def names(text: str) -> set[str]:
        return {name for _, name, _, _ in string.Formatter().parse(text) if name}

    for words in LANGUAGES.values():
        assert list(words) == list(english)
        for key, text in words.items():
            assert names(text) == names(english[key]), key
            assert names(text) <= {*FACTS, "count"}, key
    assert {name for lines in LINES.values() for name in lines} <= {*FACTS, "verdicts", "reader"}
    assert all(kind.value in english for kind in StepKind)


HOSTILE = [
    "\x1b]0;owned\x07\x1b[2J",
    "250 ok\r\n\r\n  12:00:00 CET  delivered  forged",
    "\u202egnp.exe",
    "{0.__class__} {peer} %s",
    "\N{REPLACEMENT CHARACTER}" * 3000,
    "x" * 100_000,
    "\u2028\u2029\x85\x00",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [0, 80])
def test_what_strangers_wrote_stays_one_harmless_line(text: str, width: int) -> None:
    plain = told(*(Step("t", NOW, kind, dict.fromkeys(FACTS, "x")) for kind in StepKind))
    hostile = told(*(Step("t", NOW, kind, dict.fromkeys(FACTS, text)) for kind in StepKind), width=width)
    assert all(line.isprintable() for line in hostile.split("\n"))
    if not width:
        assert len(hostile.split("\n")) == len(plain.split("\n"))
        assert max(map(len, hostile.split("\n"))) < 5000


def test_printable_at_its_bound() -> None:
    assert printable("x" * 400) == "x" * 400
    assert printable("x" * 401) == "x" * 399 + "…"
    assert printable("a\nb\tc\x00") == "a b\N{REPLACEMENT CHARACTER}c\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("when", [-1e18, 1e18, 2.0**53, float("inf"), float("nan")])
def test_a_moment_beyond_the_calendar(when: float) -> None:
    assert "accepted" in told(step(StepKind.ACCEPTED, when, next_attempt="9" * 30, until="²"))
