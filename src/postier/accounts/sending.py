"""How much an account may send in a day: whoever takes an account over can't use all of our good name.

Counted are the recipients of accepted messages, each once for each message, and among them those that the
account had never written to before. The count is part of the transaction that accepts, so it is exact however
many workers there are. A day is one of UTC.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.store.api import Account, AccountId, Reader, Sent, Store, Tx

__all__ = [
    "USUAL_LIMITS",
    "WARNINGS",
    "DailyLimits",
    "LimitReached",
    "Usage",
    "count_recipients",
    "note_warning",
    "set_limits",
    "usage_of",
]

DAY = 86_400
WARNINGS = (100, 80)
"""The percentages of a limit at which the administrator is told, once a day each."""


@dataclass(frozen=True, slots=True)
class DailyLimits:
    """`recipients` of one account in a day, `strangers` among them; 0 for no limit."""

    recipients: int = 1000
    strangers: int = 200


USUAL_LIMITS = DailyLimits()


class Usage(NamedTuple):
    """What was sent on the day of `sent`, under `limits`."""

    sent: Sent
    limits: DailyLimits

    @property
    def percent(self) -> int:
        """Of the limit that is nearer, 0 where there is none."""
        pairs = ((self.sent.recipients, self.limits.recipients), (self.sent.strangers, self.limits.strangers))
        return max((used * 100 // limit for used, limit in pairs if limit), default=0)

    @property
    def warning(self) -> int:
        """The one of WARNINGS that is due now, 0 for none."""
        reached = next((level for level in WARNINGS if self.percent >= level), 0)
        return reached if reached > self.sent.warned else 0


class LimitReached(Exception):
    """The message would go past a limit. `usage`: without it. `asked`: so many that count towards the limit,
    which is that of strangers or of all recipients."""

    def __init__(self, usage: Usage, asked: int, *, strangers: bool) -> None:
        self.usage, self.asked, self.strangers = usage, asked, strangers
        sent, limits = usage.sent, usage.limits
        self.used = sent.strangers if strangers else sent.recipients
        self.limit = limits.strangers if strangers else limits.recipients
        what = "recipients never written to before" if strangers else "recipients"
        super().__init__(f"{self.limit} {what} a day, {self.used} so far, {asked} more asked for")


async def count_recipients(
    tx: Tx, account_id: AccountId, paths: Iterable[str], usual: DailyLimits, now: float
) -> Usage | None:
    """Count a message that is being accepted; None where there is no limit. `paths`: as on the wire, without
    <>. Raises LimitReached: then the transaction is to be given up."""
    usage = await usage_of(tx, account_id, usual, now)
    sent, limits = usage.sent, usage.limits
    if not limits.recipients and not limits.strangers:
        return None
    keys = set(map(_key, paths))
    total = sent.recipients + len(keys)
    if limits.recipients and total > limits.recipients:
        raise LimitReached(usage, len(keys), strangers=False)
    new = await tx.add_correspondents(account_id, sorted(keys)) if limits.strangers else 0
    if limits.strangers and sent.strangers + new > limits.strangers:
        raise LimitReached(usage, new, strangers=True)
    sent = sent._replace(recipients=total, strangers=sent.strangers + new)
    await tx.set_sent(account_id, sent)
    return Usage(sent, limits)


async def usage_of(reader: Reader, account_id: AccountId, usual: DailyLimits, now: float) -> Usage:
    """What the account sent on the day of `now`, and what it may."""
    sent, day = await reader.sent(account_id), int(now // DAY)
    if sent.day != day:
        sent = sent._replace(day=day, recipients=0, strangers=0, warned=0)
    limits = DailyLimits(
        usual.recipients if sent.max_recipients is None else sent.max_recipients,
        usual.strangers if sent.max_strangers is None else sent.max_strangers,
    )
    return Usage(sent, limits)


async def note_warning(tx: Tx, account_id: AccountId, level: int, usual: DailyLimits, now: float) -> bool:
    """The administrator is being told of `level` percent; False where that was done today."""
    sent = (await usage_of(tx, account_id, usual, now)).sent
    if sent.warned >= level:
        return False
    await tx.set_sent(account_id, sent._replace(warned=level))
    return True


async def set_limits(
    store: Store,
    account: Account,
    *,
    recipients: int | None = None,
    strangers: int | None = None,
    reset: bool = False,
    by: Actor = BY_SERVER,
) -> None:
    """Limits of its own for an account, 0 for no limit; None leaves one as it is. `reset`: it has none.
    `by`: who does it, for the audit log."""

    async def work(tx: Tx) -> None:
        sent = await tx.sent(account.account_id)
        if reset:
            sent = sent._replace(max_recipients=None, max_strangers=None)
        if recipients is not None:
            sent = sent._replace(max_recipients=recipients)
        if strangers is not None:
            sent = sent._replace(max_strangers=strangers)
        await tx.set_sent(account.account_id, sent)
        said = {"recipients": sent.max_recipients, "new": sent.max_strangers}
        if reset:
            await note(tx, by, AuditKind.SENDING_LIMIT_ENDED, account)
        else:
            words = {name: "default" if limit is None else str(limit) for name, limit in said.items()}
            await note(tx, by, AuditKind.SENDING_LIMIT, account, **words)

    await store.transact(work)


def _key(path: str) -> int:
    """63 bits for an address: whoever reads the table does not learn whom somebody knows."""
    same = path.lower() if path.isascii() else unicodedata.normalize("NFC", path).casefold()
    return int.from_bytes(blake2b(same.encode(), digest_size=8).digest()) >> 1
