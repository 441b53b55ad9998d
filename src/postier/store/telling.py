"""What the store keeps of the story of each message: values and interfaces, part of store.api."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

__all__ = [
    "Step",
    "StepKey",
    "StepKind",
    "StoryReader",
    "StoryTx",
]


class StepKind(enum.StrEnum):
    """What happened to a message, or to one of its recipients.

    REFUSED: for good, DEFERRED: for the moment, both by us while it came. FILTERED: taken, but marked or put
    elsewhere. DELIVERED: into a mailbox, or to a host that took responsibility. DELAYED, BOUNCED: the sender
    was told so. DROPPED, HELD, RELEASED: by an administrator. CANCELLED: by who sent it. READ: fetched whole.
    """

    ACCEPTED = "accepted"
    REFUSED = "refused"
    DEFERRED = "deferred"
    FILTERED = "filtered"
    QUEUED = "queued"
    ATTEMPTED = "attempted"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    DELAYED = "delayed"
    HELD = "held"
    RELEASED = "released"
    DROPPED = "dropped"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    READ = "read"


class Step(NamedTuple):
    """One step of the story of a message. `when`: seconds since 1970. `facts`: names are those of
    postier.story.facts, values as they came; empty ones are left out by whoever makes the step."""

    trace_id: str
    when: float
    kind: StepKind
    facts: Mapping[str, str]


class StepKey(enum.StrEnum):
    """The facts that steps are found by, whatever their case; SESSION is a connection of ours."""

    TRACE = "trace_id"
    SESSION = "session"
    SENDER = "sender"
    RECIPIENT = "recipient"
    MESSAGE_ID = "message_id"


class StoryReader(Protocol):
    async def steps(self, trace_id: str) -> list[Step]:
        """The story of one message, in the order it was written down."""
        ...

    async def traces(
        self, key: StepKey | None, value: str, *, since: float = 0.0, until: float = 2.0**53, limit: int = 100
    ) -> list[str]:
        """Trace ids of which a step has `value` (in any case) as the fact `key`, and of which one was written
        in [since, until): the latest first. `key` None: of any steps."""
        ...


class StoryTx(StoryReader, Protocol):
    async def add_steps(self, steps: Sequence[Step]) -> None:
        """Write down what this transaction makes true. Facts of more than 1,000 characters are cut."""
        ...
