"""The audit log: who logged in, who changed rights, who administered, and when; and who may read of it.

An audited change calls `note` in its own transaction, so that there is no change without an entry and no
entry without a change. Entries stay when their account goes. Whom an entry concerns reads it; administrators
read all.
Logins are counted instead (see login_journal): there may be more of them than anybody wants to read.
"""

from __future__ import annotations

from typing import NamedTuple

from postier.accounts.audit_kinds import FACTS, AuditKind
from postier.store.api import (
    SERVER,
    Account,
    AccountId,
    Actor,
    AuditEntry,
    AuditPlace,
    AuditTx,
    NewAuditEntry,
    Reader,
    Store,
)

__all__ = [
    "BY_SERVER",
    "FACT_LENGTH",
    "MOST",
    "Actor",
    "AuditKind",
    "NotYours",
    "Wanted",
    "audit_log",
    "expire_audit",
    "fact_text",
    "note",
]

BY_SERVER = Actor("server")
"""What nobody did but the server itself."""
FACT_LENGTH = 300
"""Characters of one fact; longer ones are cut."""
MOST = 1000
"""Entries of one page."""
_AT_ONCE = 1000


class NotYours(Exception):
    """Only administrators read what concerns others."""


class Wanted(NamedTuple):
    """Which entries: of the account of this name, of these kinds (names or groups), since then."""

    name: str = ""
    kinds: tuple[str, ...] = ()
    since: int = 0


def fact_text(value: str) -> str:
    """As the log takes it: bounded, Unicode, one line."""
    text = value[: FACT_LENGTH + 1].encode(errors="replace").decode()
    text = "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in text)
    return text if len(text) <= FACT_LENGTH else text[: FACT_LENGTH - 1] + "\N{HORIZONTAL ELLIPSIS}"


async def note(
    tx: AuditTx, by: Actor, kind: AuditKind, concerned: Account | None = None, **facts: str
) -> None:
    """Write down what this transaction makes true. `concerned`: None for the server as a whole. The facts
    must be those of the kind (ValueError)."""
    if facts.keys() != FACTS[kind]:
        raise ValueError(f"{kind} has the facts {sorted(FACTS[kind])}, not {sorted(facts)}")
    account_id, name = (SERVER, "") if concerned is None else (concerned.account_id, concerned.name)
    said = {key: fact_text(value) for key, value in facts.items()}
    who = Actor(by.via, fact_text(by.name))
    await tx.add_audit_entry(NewAuditEntry(account_id, name, kind.value, who, said))


async def audit_log(
    reader: Reader, viewer: Account | None, wanted: Wanted, limit: int, before: AuditPlace | None = None
) -> list[AuditEntry]:
    """The latest first, those before a place where one is given. `viewer`: who asks; None is whoever has the
    server's own files in hand. Who is no administrator gets what concerns the own account.

    Raises NotYours where that one asks for another's.
    """
    account_id: AccountId | None = None
    name = wanted.name
    if viewer is not None and not viewer.administrator:
        if name not in ("", viewer.name):
            raise NotYours(name)
        account_id, name = viewer.account_id, ""  # not those of an earlier owner of the name
    return await reader.audit_entries(
        min(limit, MOST),
        account_id=account_id,
        name=name,
        kinds=wanted.kinds,
        since=wanted.since,
        before=before,
    )


async def expire_audit(store: Store, before: float) -> int:
    """Forget entries older than that. Returns how many."""
    forgotten = 0
    while True:
        batch = await store.transact(lambda tx: tx.forget_audit(int(before), _AT_ONCE), durable=False)
        forgotten += batch
        if batch < _AT_ONCE:
            return forgotten
