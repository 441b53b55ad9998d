"""What a check may say of mail that comes in: nothing (go on), Mark, Defer or Refuse."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from postier.base.status import Reply

__all__ = ["NO_MARKS", "Defer", "Mark", "Marked", "Outcome", "Refuse", "RunCheck", "decide"]


@dataclass(frozen=True, slots=True)
class Mark:
    """Let through, and remembered with the message.

    `name`: the check; `value`: a word or two for the header field and the story; `reason`: for the log.
    `weight`: how much it speaks against the message, below 0 for it; what a message's marks weigh together
    decides whether it goes to the junk folder. `sets_aside`: it goes there for this mark alone.
    """

    name: str
    value: str
    reason: str
    weight: float = 0.0
    sets_aside: bool = False

    def __str__(self) -> str:
        return f"{self.name}={self.value}"


@dataclass(frozen=True, slots=True)
class Refuse:
    """For good: `reply` is a 5yz. `reason` for the log. `closes`: the connection ends with it."""

    reply: Reply
    reason: str
    closes: bool = False

    def __post_init__(self) -> None:
        if not self.reply.is_permanent:
            raise ValueError(f"a refusal needs a permanent reply, not {self.reply}")


@dataclass(frozen=True, slots=True)
class Defer:
    """For now: `reply` is a 4yz. The rest as in Refuse."""

    reply: Reply
    reason: str
    closes: bool = False

    def __post_init__(self) -> None:
        if not self.reply.is_transient:
            raise ValueError(f"a deferral needs a transient reply, not {self.reply}")


Outcome = Mark | Refuse | Defer | None
RunCheck = Callable[..., Awaitable[Outcome]]
"""Its arguments are those of its stage (see policy.Stage). May raise StoreError."""

NO_MARKS: tuple[Mark, ...] = ()


class Marked(Protocol):
    """What collects marks: a dialogue or a transaction. Never changed in place, so never shared."""

    marks: tuple[Mark, ...]


async def decide(checks: Iterable[RunCheck], marked: Marked, *subject: object) -> Refuse | Defer | None:
    """Run `checks` until one ends it; their marks go to `marked`, each once. Raises StoreError."""
    for check in checks:
        outcome = await check(*subject)
        if outcome is None:
            continue
        if not isinstance(outcome, Mark):
            return outcome
        if outcome not in marked.marks:
            marked.marks = (*marked.marks, outcome)
    return None
