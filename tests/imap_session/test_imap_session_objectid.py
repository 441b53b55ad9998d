"""Object identifiers of RFC 8474: numbers to text and back."""

from __future__ import annotations

import re

import pytest

from postier.imap.session.objectid import email_ids, email_number, thread_ids, thread_number
from postier.store.api import FOREIGN_ID, AccountId

OWN, OTHER = AccountId(3), AccountId(12)


@pytest.mark.parametrize(
    "number", [1, 2**32 - 1, OTHER * FOREIGN_ID + 1, (2**31 - 1) * FOREIGN_ID + 2**32 - 1]
)
def test_there_and_back(number: int) -> None:
    (email,) = email_ids(OWN, [number])
    (thread,) = thread_ids(OWN, [number])
    assert email_number(OWN, email.decode()) == number
    assert thread_number(OWN, thread.decode()) == number
    assert re.fullmatch(rb"[A-Za-z0-9_-]{1,255}", email)
    assert email != thread


def test_a_copy_has_the_text_of_what_it_was_copied_from() -> None:
    assert email_ids(OWN, [7]) == email_ids(OTHER, [OWN * FOREIGN_ID + 7]) == [b"M3-7"]


@pytest.mark.parametrize(
    "text", ["", "M", "M3", "M3-", "M3-0", "M03-7", "m3-7", "T3-7", "M3-7 ", "M3-99999999999"]
)
def test_what_no_message_has(text: str) -> None:
    assert email_number(OWN, text) is None
