"""Finding the stories of messages: by trace or session, or by what is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from postier.store.api import AccountId, NoSuchAccount, Reader, Step, StepKey

__all__ = ["Story", "Wanted", "find_stories", "story_named"]

_LOOKED_THROUGH = 10_000
"""Traces with the first thing wanted that are tried for the others, the latest first."""

_KEYS = (StepKey.MESSAGE_ID, StepKey.RECIPIENT, StepKey.SENDER)
"""The most telling first."""


@dataclass(frozen=True, slots=True)
class Story:
    """`steps` by time. `accounts`: names of those that its steps number."""

    trace_id: str
    steps: tuple[Step, ...]
    accounts: Mapping[str, str] = field(default_factory=dict)

    def first(self, name: str) -> str:
        """The fact of the first step that has it, "" where none has."""
        return next((step.facts[name] for step in self.steps if step.facts.get(name)), "")

    def has(self, key: StepKey, value: str) -> bool:
        return any(step.facts.get(key, "").casefold() == value.casefold() for step in self.steps)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of a message; "" for what is not. Times in seconds since 1970."""

    message_id: str = ""
    sender: str = ""
    recipient: str = ""
    since: float = 0.0
    until: float = 2.0**53

    def criteria(self) -> list[tuple[StepKey, str]]:
        return [(key, value) for key in _KEYS if (value := str(getattr(self, key.value)))]


async def story_named(reader: Reader, name: str) -> list[Story]:
    """Those of a trace id, or of all messages of a session; the oldest first. Raises StoreError."""
    traces = dict.fromkeys(await reader.traces(StepKey.SESSION, name))
    traces.update(dict.fromkeys(await reader.traces(StepKey.TRACE, name)))
    stories = [await _story(reader, trace_id) for trace_id in traces]
    return sorted(stories, key=lambda story: story.steps[0].when)


async def find_stories(reader: Reader, wanted: Wanted, limit: int) -> list[Story]:
    """The latest, at most `limit` of them, the oldest of these first. Raises StoreError."""
    criteria = wanted.criteria()
    key, value = criteria[0] if criteria else (None, "")
    most = limit if len(criteria) <= 1 else _LOOKED_THROUGH
    found: list[Story] = []
    for trace_id in await reader.traces(key, value, since=wanted.since, until=wanted.until, limit=most):
        story = await _story(reader, trace_id)
        if all(story.has(*each) for each in criteria[1:]):
            found.append(story)
        if len(found) == limit:
            break
    return found[::-1]


async def _story(reader: Reader, trace_id: str) -> Story:
    steps = sorted(await reader.steps(trace_id), key=lambda step: step.when)
    accounts: dict[str, str] = {}
    for step in steps:
        number = step.facts.get("account", "")
        if number not in accounts and number.isdecimal() and number.isascii():
            try:
                accounts[number] = (await reader.account(AccountId(int(number)))).name
            except NoSuchAccount:
                continue  # removed since
    return Story(trace_id, tuple(steps), accounts)
