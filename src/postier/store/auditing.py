"""What the store keeps of logins, changes of rights, and administration: values and interfaces, part of
store.api."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from postier.store.values import AccountId

__all__ = ["Actor", "AuditEntry", "AuditPlace", "AuditReader", "AuditTx", "NewAuditEntry"]


class Actor(NamedTuple):
    """Who did it. `via`: the door they came through ("cli", "api", "imap", ..., "server" for the server by
    itself); `name`: the account's, or on the command line that of the system's user."""

    via: str
    name: str = ""


class NewAuditEntry(NamedTuple):
    """`account_id`: whom it concerns, SERVER for the server as a whole; `name`: what that account is called.
    `at`: 0 for the moment of the transaction. Entries of one account with the same `mark` are told together:
    their counts added, from the first `at` to the last `last`."""

    account_id: AccountId
    name: str
    kind: str
    actor: Actor
    facts: Mapping[str, str]
    at: int = 0
    last: int = 0
    times: int = 1
    mark: str = ""


class AuditEntry(NamedTuple):
    """As it is stored. `entry` grows with each one."""

    entry: int
    account_id: AccountId
    name: str
    kind: str
    actor: Actor
    facts: Mapping[str, str]
    at: int
    last: int
    times: int

    @property
    def place(self) -> AuditPlace:
        return AuditPlace(self.at, self.entry)


class AuditPlace(NamedTuple):
    """Where a page ends: the next one begins before it."""

    at: int
    entry: int


class AuditReader(Protocol):
    async def audit_entries(
        self,
        limit: int,
        *,
        account_id: AccountId | None = None,
        name: str = "",
        kinds: Sequence[str] = (),
        since: int = 0,
        before: AuditPlace | None = None,
    ) -> list[AuditEntry]:
        """The latest first: those that concern the account, or accounts that were called so, of one of these
        kinds, not earlier than `since`."""
        ...

    async def audit_marks(self, account_id: AccountId, kind: str, since: int) -> int:
        """How many entries of this kind with a mark there are about the account since then."""
        ...

    async def has_audit_mark(self, account_id: AccountId, mark: str) -> bool: ...


class AuditTx(AuditReader, Protocol):
    async def add_audit_entry(self, new: NewAuditEntry) -> None: ...

    async def forget_audit(self, before: int, limit: int) -> int:
        """Remove at most `limit` entries that began earlier than `before`, the oldest. Returns how many."""
        ...
