"""A mailbox as a search looks at it: the selected one as the session counts it, or any other as it is now."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Protocol

from postier.imap.session.recents import Recents
from postier.imap.session.view import View
from postier.store.api import AccountId, Mailbox, MailboxId, Reader

__all__ = ["Scope", "StoredScope"]


class Scope(Protocol):
    """`Selected` is one, once it is loaded. `saved`: what "$" stands for (RFC 5182)."""

    @property
    def account_id(self) -> AccountId: ...

    @property
    def mailbox_id(self) -> MailboxId: ...

    @property
    def uidvalidity(self) -> int: ...

    @property
    def view(self) -> View: ...

    @property
    def keywords(self) -> tuple[str, ...]: ...

    @property
    def recents(self) -> Recents: ...

    @property
    def saved(self) -> array[int] | None: ...


@dataclass(frozen=True, slots=True)
class StoredScope:
    """A mailbox that is not selected: nothing in it is \\Recent for this session, and "$" is empty."""

    account_id: AccountId
    mailbox_id: MailboxId
    uidvalidity: int
    view: View
    keywords: tuple[str, ...]
    recents: Recents
    saved: array[int] | None = None

    @classmethod
    async def read(cls, reader: Reader, mailbox: Mailbox) -> StoredScope:
        """With the messages that are there now."""
        uids = await reader.uids(mailbox.account_id, mailbox.mailbox_id)
        account_id, mailbox_id, validity = mailbox.account_id, mailbox.mailbox_id, mailbox.uidvalidity
        return cls(account_id, mailbox_id, validity, View(uids), mailbox.keywords, Recents())
