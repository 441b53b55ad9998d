"""SORT against a plain model, in pieces and whole, and messages that vanish meanwhile."""

from __future__ import annotations

import random
from typing import Any

import pytest

from postier.imap.session import sorting
from postier.imap.session.sorting import SORTERS
from postier.imap.wire.sort import SORT_KEYS
from postier.message.collation import unicode_casemap

NAMES = ["Zoë", "zoe", "Émile", "adam", "Adam", "", "[b]"]
SUBJECTS = ["b", "Re: B", "ä", "Fwd: a", "", "[x] c", "[fwd: c]"]
HOUR = 3600


def test_every_key_of_the_grammar_sorts() -> None:
    assert {*SORTERS, "RELEVANCY"} == SORT_KEYS


def message(number: int, chance: random.Random) -> tuple[bytes, dict[str, Any]]:
    """A message and what it is sorted by."""
    name, subject = chance.choice(NAMES), chance.choice(SUBJECTS)
    size, day = chance.randrange(4), chance.randrange(1, 6)
    box = chance.choice("abAB")
    lines = [
        f"Subject: {subject}",
        f"Date: {day} Nov 2023 12:00:00 +0000",
        f"From: {name} <{box}@h.example>",
        "",
        "x" * size,
    ]
    base = {"Re: B": "B", "Fwd: a": "a", "[x] c": "c", "[fwd: c]": "c"}.get(subject, subject)
    facts = {
        "SUBJECT": unicode_casemap(base),
        "DATE": day,
        "FROM": box.upper(),
        "DISPLAYFROM": unicode_casemap(name or f"{box}@h.example"),
    }
    return "\r\n".join(lines).encode(), facts


@pytest.mark.parametrize("run", [1, 2, 7, 20_000])
def test_the_order_is_that_of_a_plain_model(run: int, in_world: Any, monkeypatch: Any) -> None:
    chance = random.Random(run)
    monkeypatch.setattr(sorting, "RUN", run)
    monkeypatch.setattr(sorting, "BATCH", max(run // 2, 1))

    async def test(world: Any) -> None:
        known: list[dict[str, Any]] = []
        for number in range(1, 31):
            data, facts = message(number, chance)
            await world.deliver(data)
            known.append(facts | {"SIZE": len(data), "number": number})
        client = await world.client(b"SELECT INBOX")
        for _ in range(20):
            names = chance.sample(["SUBJECT", "DATE", "FROM", "DISPLAYFROM", "SIZE"], chance.randint(1, 4))
            criteria = [(name, chance.random() < 0.5) for name in names]
            wanted = list(known)
            for name, reverse in reversed(criteria):
                wanted.sort(key=lambda facts: facts[name], reverse=reverse)
            text = " ".join(f"REVERSE {name}" if reverse else name for name, reverse in criteria)
            answer = await client.command(b"SORT (%b) UTF-8 ALL" % text.encode())
            assert answer.decode().split()[2:] == [str(facts["number"]) for facts in wanted], text

    in_world(test)


def test_a_message_that_vanished_has_no_keys_and_keeps_its_number(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        await client.command(b"SORT (SUBJECT) UTF-8 ALL")
        other = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE")
        assert await client.command(b"SORT (SUBJECT) UTF-8 ALL") == b"* SORT 1 3 2\r\n"
        assert await client.command(b"SORT (REVERSE DATE) UTF-8 ALL") == b"* SORT 3 2 1\r\n"
        assert b"* 1 EXPUNGE\r\n" in await client.command(b"UID SORT (DATE) UTF-8 ALL")
        await other.command(b"NOOP")

    in_world(test)
