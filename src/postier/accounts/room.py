"""Whether an account has room: what rests after it was deleted over POP3 gives way to whatever comes."""

from __future__ import annotations

from dataclasses import replace

from postier.store.api import Account, Reader

__all__ = ["has_room", "room_of"]


async def has_room(reader: Reader, account: Account, octets: int, messages: int = 1) -> bool:
    """So much more would not go past its quotas, once what rests has given way."""
    if account.has_room(octets, messages):
        return True
    resting = await reader.resting_total(account.account_id)
    left = replace(account, used=account.used - resting.octets, messages=account.messages - resting.messages)
    return left.has_room(octets, messages)


async def room_of(reader: Reader, account: Account, enough: int) -> int | None:
    """Octets that may still come; None for any number. Those of what rests are among them, unless there is
    `enough` without."""
    if not account.quota:
        return None
    room = account.quota - account.used
    return room if room >= enough else room + (await reader.resting_total(account.account_id)).octets
