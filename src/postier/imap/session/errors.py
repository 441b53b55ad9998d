"""What the client is told when something cannot be done: one table from errors to response codes (RFC 5530).

Handlers raise No (or Bad) for what only they can judge; errors of the store and of accounts come through
as they are and are translated here. Texts are ours, or those of BadMailboxName, whose words may be shown.
"""

from __future__ import annotations

from postier.accounts.acl import NoSuchIdentifier, TooManyGrants
from postier.accounts.annotations import TooManyAnnotations
from postier.accounts.mailboxes import BadMailboxName, HasChildren, TooManyMailboxes
from postier.accounts.quota import NoSuchRoot, UnknownResource
from postier.accounts.rights import NoPermission
from postier.accounts.special_use import UnsuitableUse
from postier.blobs.api import BlobUnreadable
from postier.imap.session.view import NoSuchSequence
from postier.store import api as store

__all__ = ["Bad", "No", "refusal"]


class Bad(Exception):
    """A tagged BAD: the client does what the protocol forbids. The text is shown; `code` as in No."""

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class No(Exception):
    """A tagged NO. `code` is a response code without brackets, or ""; `text` is shown as it is."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


REFUSALS: dict[type[Exception], tuple[str, str]] = {
    store.StoreUnavailable: ("UNAVAILABLE", "The mail store is not available at the moment"),
    store.NoSuchMailbox: ("NONEXISTENT", "No such mailbox"),
    store.NoSuchAccount: ("UNAVAILABLE", "The account is gone"),
    store.AlreadyExists: ("ALREADYEXISTS", "That name is taken"),
    store.OverQuota: ("OVERQUOTA", "The quota would be exceeded"),
    store.OutOfKeywords: ("LIMIT", "The mailbox has as many different keywords as it can"),
    NoPermission: ("NOPERM", "You lack the right to do that there"),
    UnsuitableUse: ("USEATTR", "The mailbox cannot be used for that"),
    TooManyAnnotations: ("METADATA TOOMANY", "There are as many annotations as there can be"),
    NoSuchRoot: ("NONEXISTENT", "No such quota root"),
    UnknownResource: ("CANNOT", "That resource cannot be limited"),
    NoSuchIdentifier: ("CANNOT", "Nobody here has that identifier"),
    TooManyGrants: ("LIMIT", "The access control list is as long as it can be"),
    BlobUnreadable: ("CORRUPTION", "A message cannot be read"),
}

NAME_CODES: dict[type[BadMailboxName], str] = {HasChildren: "HASCHILDREN", TooManyMailboxes: "LIMIT"}
"""Codes of RFC 9051 and RFC 5530 for names that are refused; the others are CANNOT."""


def refusal(error: Exception) -> bytes | None:
    """The tagged response without its tag; None if no session expects `error`: a fault of ours."""
    if isinstance(error, Bad):
        return _line("BAD", error.code, str(error))
    if isinstance(error, NoSuchSequence):
        return _line("BAD", "", "There is no message of that sequence number")
    if isinstance(error, No):
        return _line("NO", error.code, error.text)
    if isinstance(error, BadMailboxName):
        return _line("NO", NAME_CODES.get(type(error), "CANNOT"), str(error))
    for kind, (code, text) in REFUSALS.items():
        if isinstance(error, kind):
            return _line("NO", code, text)
    return None


def _line(status: str, code: str, text: str) -> bytes:
    line = f"{status} [{code}] {text}" if code else f"{status} {text}"
    return line.encode("ascii", "replace")
