"""What rests after it was deleted over POP3, as an administrator looks at it and brings it back."""

from __future__ import annotations

from typing import NamedTuple

from postier.message.encoded_words import decode_text
from postier.message.headers import HeaderFields
from postier.store.api import AccountId, Reader, RestingMessage

__all__ = ["RestingLetter", "resting_letters"]

_PIECE = 500


class RestingLetter(NamedTuple):
    """`number`: what it is called by to bring it back. `arrived`, `until`: seconds since 1970."""

    number: int
    size: int
    arrived: int
    until: int
    sender: str
    subject: str


async def resting_letters(reader: Reader, account_id: AccountId) -> list[RestingLetter]:
    """In the order in which they came into the inbox."""
    resting = await reader.resting_of(account_id)
    found: list[RestingLetter] = []
    for start in range(0, len(resting), _PIECE):
        found += await _letters(reader, resting[start : start + _PIECE])
    return found


async def _letters(reader: Reader, resting: list[RestingMessage]) -> list[RestingLetter]:
    columns = ("size", "internal_date", "header")
    known: dict[tuple[int, int], tuple[object, ...]] = {}
    account_id = resting[0].account_id
    for mailbox_id in {message.mailbox_id for message in resting}:
        uids = sorted(message.uid for message in resting if message.mailbox_id == mailbox_id)
        for uid, *facts in await reader.facts(account_id, mailbox_id, [(uid, uid) for uid in uids], columns):
            assert isinstance(uid, int)
            known[mailbox_id, uid] = tuple(facts)
    letters = [(message, known.get((message.mailbox_id, message.uid))) for message in resting]
    return [_letter(message, *facts) for message, facts in letters if facts is not None]


def _letter(message: RestingMessage, size: object, arrived: object, header: object) -> RestingLetter:
    assert isinstance(size, int)
    assert isinstance(arrived, int)
    assert isinstance(header, bytes)
    fields = HeaderFields(header)
    sender, subject = (
        decode_text(value) if (value := fields.first(name)) else "" for name in (b"from", b"subject")
    )
    return RestingLetter(message.origin, size, arrived, message.until, sender, subject)
