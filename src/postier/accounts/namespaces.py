"""Whose mailbox a name means: one's own, another person's below "Other Users/", a shared account's below
"Shared/" (RFC 2342). The level behind those is the account's main address."""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR, RESERVED, BadMailboxName, canonical_name
from postier.store.api import Account, AccountKind, NoSuchMailbox, Reader

__all__ = [
    "OTHER_USERS",
    "PREFIXES",
    "SHARED",
    "Whereabouts",
    "may_begin_foreign",
    "may_begin_own",
    "shown_name",
    "whereabouts",
]

OTHER_USERS, SHARED = RESERVED
PREFIXES = {AccountKind.PERSON: OTHER_USERS, AccountKind.SHARED: SHARED}

_BEGINNINGS = tuple(name + HIERARCHY_SEPARATOR for name in PREFIXES.values())
_UNFIT = re.compile(r"[/%*]|=(?=[0-9A-F]{2})")
_ESCAPED = re.compile(r"=([0-9A-F]{2})")


class Whereabouts(NamedTuple):
    """An account and the canonical name of one of its mailboxes, existing or not."""

    owner: Account
    name: str


def may_begin_foreign(prefix: str) -> bool:
    """Names in a namespace of others may begin so."""
    return any(name.startswith(prefix) or prefix.startswith(name) for name in _BEGINNINGS)


def may_begin_own(prefix: str) -> bool:
    """Names of one's own mailboxes may begin so."""
    return not prefix.startswith(_BEGINNINGS)


async def whereabouts(reader: Reader, viewer: Account, name: str) -> Whereabouts:
    """What `viewer` means by `name`. Raises BadMailboxName, and NoSuchMailbox for what is nobody's: the
    namespaces themselves, and accounts that are not there or are the viewer's own."""
    prefix, _, rest = name.partition(HIERARCHY_SEPARATOR)
    if prefix not in PREFIXES.values():
        return Whereabouts(viewer, canonical_name(name))
    level, _, inside = rest.partition(HIERARCHY_SEPARATOR)
    owner = await reader.account_named(_address(level)) if inside else None
    if owner is None or PREFIXES[owner.kind] != prefix or owner.account_id == viewer.account_id:
        raise NoSuchMailbox("no account of that name")
    try:
        return Whereabouts(owner, canonical_name(inside))
    except BadMailboxName as error:
        raise NoSuchMailbox(str(error)) from None


def shown_name(viewer: Account, owner: Account, name: str) -> str:
    """What `viewer` calls the mailbox `name` of `owner`."""
    if owner.account_id == viewer.account_id:
        return name
    return HIERARCHY_SEPARATOR.join((PREFIXES[owner.kind], _level(owner.name), name))


def _level(address: str) -> str:
    """The address without the characters that mean something in names of mailboxes."""
    return _UNFIT.sub(lambda found: f"={ord(found.group()):02X}", address)


def _address(level: str) -> str:
    """Addresses have no case (base.address: lookup_key)."""
    plain = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), level)
    return unicodedata.normalize("NFC", plain).casefold()
