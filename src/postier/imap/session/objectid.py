"""Object identifiers as text (RFC 8474): a letter for the kind, the account that gave a number, the number.

Mailboxes are F2-7, messages M2-7, conversations T2-7: never the same text for two kinds, no text to be
taken for a number, the same wherever a client sees the object.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from postier.store.api import FOREIGN_ID, AccountId, Mailbox

__all__ = ["email_ids", "email_number", "mailbox_id", "thread_ids", "thread_number"]

_TEXT = re.compile(r"([MT])([1-9][0-9]{0,9})-([1-9][0-9]{0,9})")


def mailbox_id(mailbox: Mailbox) -> bytes:
    """MAILBOXID: stays when the mailbox is renamed."""
    return b"F%d-%d" % (mailbox.account_id, mailbox.mailbox_id)


def email_ids(account_id: AccountId, numbers: Iterable[int]) -> list[bytes]:
    """EMAILID of each: copies share it (RFC 8474 5.1). `numbers` as the account's facts have them."""
    return _texts(b"M%d-%d", account_id, numbers)


def thread_ids(account_id: AccountId, numbers: Iterable[int]) -> list[bytes]:
    """THREADID of each."""
    return _texts(b"T%d-%d", account_id, numbers)


def _texts(form: bytes, account_id: AccountId, numbers: Iterable[int]) -> list[bytes]:
    return [
        form % (account_id, number) if number < FOREIGN_ID else form % divmod(number, FOREIGN_ID)
        for number in numbers
    ]


def email_number(account_id: AccountId, text: str) -> int | None:
    """What the account's facts have for the EMAILID `text`; None for a text that no message has."""
    return _number("M", account_id, text)


def thread_number(account_id: AccountId, text: str) -> int | None:
    """The same for a THREADID."""
    return _number("T", account_id, text)


def _number(kind: str, account_id: AccountId, text: str) -> int | None:
    found = _TEXT.fullmatch(text)
    if found is None or found[1] != kind:
        return None
    origin, number = int(found[2]), int(found[3])
    if origin >= FOREIGN_ID // 2 or number >= FOREIGN_ID:
        return None
    return number if origin == account_id else origin * FOREIGN_ID + number
