"""What the store keeps of what our people send: values and interfaces, part of store.api."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from postier.store.values import AccountId

__all__ = ["NOTHING_SENT", "SendAs", "Sent", "SentReader", "SentTx"]


class Sent(NamedTuple):
    """What an account sent on `day` (since 1970, UTC), the last on which it sent anything.

    `recipients`: how many in all, `strangers`: those it had never written to before. `warned`: the percentage
    of its limits that the administrator was told of that day. `max_recipients`, `max_strangers`: its own
    limits of a day, 0 for none, None for the usual one.
    """

    day: int = 0
    recipients: int = 0
    strangers: int = 0
    warned: int = 0
    max_recipients: int | None = None
    max_strangers: int | None = None


NOTHING_SENT = Sent()


class SendAs(NamedTuple):
    """An account may write as `pattern`: an address (its lookup key) of another, or "*@domain"."""

    account_id: AccountId
    pattern: str


class SentReader(Protocol):
    async def sent(self, account_id: AccountId) -> Sent:
        """NOTHING_SENT where nothing is known."""
        ...

    async def send_as(self, account_id: AccountId | None = None) -> list[SendAs]:
        """Of one account, or of all; by account and pattern."""
        ...


class SentTx(SentReader, Protocol):
    async def set_sent(self, account_id: AccountId, sent: Sent) -> None: ...

    async def add_correspondents(self, account_id: AccountId, addresses: Sequence[int]) -> int:
        """Note whom it wrote to (hashes of 63 bits). Returns how many of them were new, each once."""
        ...

    async def set_send_as(self, account_id: AccountId, pattern: str, allowed: bool) -> bool:
        """Let it write as `pattern`, or no longer. False where that was so before. What names an address or a
        domain goes with it."""
        ...
