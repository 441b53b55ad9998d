"""Who may do what with a mailbox (RFC 4314): a letter for each right, in the order of RIGHTS.

An account owns its mailboxes and has all rights there, unless an entry for itself says otherwise; those of
OWNERS it never loses. Everybody else has what the entries for the account and for anyone give, without what
negative entries take. Whoever may not see a mailbox hears that there is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from postier.accounts.mailboxes import INBOX, BadMailboxName, parents
from postier.accounts.namespaces import (
    Whereabouts,
    may_begin_foreign,
    may_begin_own,
    shown_name,
    whereabouts,
)
from postier.store.api import (
    ANYONE,
    Account,
    AccountId,
    Flag,
    Grant,
    Mailbox,
    MailboxId,
    NoSuchMailbox,
    Reader,
)

__all__ = [
    "ANYONE_NAME",
    "OWNERS",
    "RIGHTS",
    "ROLES",
    "NoPermission",
    "Place",
    "allowed_flags",
    "changeable_flags",
    "effective",
    "find",
    "find_any",
    "find_parent",
    "is_changing",
    "normal",
    "place_of",
    "rights_in",
    "visible",
]

ANYONE_NAME = "anyone"
"""The identifier of ANYONE (RFC 4314 2)."""

RIGHTS = "lrswipkxtea"
OWNERS = "la"
"""The rights that an owner always has."""
ROLES = {
    "see": "l",
    "read": "lrs",
    "file": "lrswi",
    "work": "lrswipkxte",
    "all": RIGHTS,
}
"""What people mean when they let somebody in: to know that it is there, to read, to add and mark, to do all
that changes mail and mailboxes, and to let others in."""

_CHANGING = frozenset("ieswt")
_ASKING = frozenset("lrikxa")

_FLAG_RIGHTS = {"s": int(Flag.SEEN), "t": int(Flag.DELETED), "w": ~int(Flag.SEEN | Flag.DELETED)}
"""The flags that each right lets change, keywords among those of "w"."""


class NoPermission(Exception):
    """The account sees the mailbox and may not do that with it."""


class Place(NamedTuple):
    """A mailbox as an account sees it: its name there, the account's rights, and whether it is its own."""

    mailbox: Mailbox
    name: str
    rights: str
    is_own: bool

    @property
    def account_id(self) -> AccountId:
        """Whose it is."""
        return self.mailbox.account_id

    @property
    def mailbox_id(self) -> MailboxId:
        return self.mailbox.mailbox_id

    @property
    def tells_uids(self) -> bool:
        """Its UIDs are told to those who may select it, and to nobody else (RFC 4315 3)."""
        return "r" in self.rights

    @property
    def special_use(self) -> str:
        """Others' mailboxes are not for what their owner uses them for."""
        return self.mailbox.special_use if self.is_own else ""


def normal(letters: Iterable[str]) -> str:
    """The rights among `letters`, in order."""
    given = set(letters)
    return "".join(right for right in RIGHTS if right in given)


def effective(viewer: AccountId, owner: AccountId, grants: Sequence[Grant]) -> str:
    """The rights of `viewer` by the entries that concern it; others may be among them."""
    if viewer == owner and not grants:
        return RIGHTS
    given, taken = set[str](), set[str]()
    is_said = False
    for grant in grants:
        if grant.grantee in (ANYONE, viewer):
            (taken if grant.negative else given).update(grant.letters)
            is_said |= grant.grantee == viewer and not grant.negative
    if viewer != owner:
        return normal(given - taken)
    return normal(((given if is_said else set(RIGHTS)) - taken).union(OWNERS))


def is_changing(rights: str) -> bool:
    """Whoever has none of these can only look (RFC 4314 5.2: READ-ONLY)."""
    return not _CHANGING.isdisjoint(rights)


def changeable_flags(rights: str) -> int:
    """The bits of the flags that these rights let change (RFC 4314 4: STORE, APPEND, COPY)."""
    bits = 0
    for right, flags in _FLAG_RIGHTS.items():
        if right in rights:
            bits |= flags
    return bits


def allowed_flags(rights: str, flags: int, keywords: tuple[str, ...]) -> tuple[int, tuple[str, ...]]:
    """Those flags and keywords that these rights let a new message have."""
    bits = changeable_flags(rights)
    return flags & bits, keywords if "w" in rights else ()


async def rights_in(reader: Reader, viewer: AccountId, account_id: AccountId, mailbox_id: MailboxId) -> str:
    """The rights of `viewer` in one mailbox; none where there is none."""
    return effective(viewer, account_id, await reader.grants(account_id, mailbox_id))


async def find(reader: Reader, viewer: Account, name: str, needed: str = "l") -> Place:
    """The mailbox that `viewer` calls `name`, whether or not it can be selected, with all rights of `needed`.

    Raises NoPermission where it is seen and one of them is missing, NoSuchMailbox where it is not seen.
    """
    try:
        where = await whereabouts(reader, viewer, name)
    except BadMailboxName as error:
        raise NoSuchMailbox(str(error)) from None
    mailbox = await reader.mailbox_named(where.owner.account_id, where.name)
    if mailbox is None:
        raise NoSuchMailbox(f"account {where.owner.account_id} has no mailbox of that name")
    return _with(await place_of(reader, viewer, where.owner, mailbox), needed)


async def find_any(reader: Reader, viewer: Account, name: str) -> Place:
    """The mailbox, if `viewer` has one of the rights that let it ask for its rights (RFC 4314 4: MYRIGHTS).

    Raises NoSuchMailbox.
    """
    place = await find(reader, viewer, name, "")
    if _ASKING.isdisjoint(place.rights):
        raise NoSuchMailbox(f"{place.account_id}/{place.mailbox_id} is not seen")
    return place


async def visible(reader: Reader, viewer: Account, prefix: str = "") -> list[Place]:
    """Every mailbox that `viewer` sees and whose name begins so: its own, then those of others. A few queries
    however many."""
    mine, places = viewer.account_id, []
    if may_begin_own(prefix):
        entries = await reader.grants_in(mine)
        for mailbox in await reader.mailboxes(mine, prefix):
            rights = effective(mine, mine, entries.get(mailbox.mailbox_id, ()))
            places.append(Place(mailbox, mailbox.name, rights, True))
    if may_begin_foreign(prefix):
        for owner, mailbox, grants in await reader.shared_with(mine):
            rights = effective(mine, owner.account_id, grants)
            name = shown_name(viewer, owner, mailbox.name)
            if "l" in rights and name.startswith(prefix):
                places.append(Place(mailbox, name, rights, False))
    return places


async def find_parent(reader: Reader, viewer: Account, where: Whereabouts, needed: str) -> Place | None:
    """The nearest mailbox above a name, with `needed` rights: it decides who may make that name (RFC 4314 4).
    In another's account INBOX stands above the first level; in one's own nothing does.

    Raises NoPermission, NoSuchMailbox.
    """
    owner = where.owner
    above = parents(where.name)
    if owner.account_id != viewer.account_id and INBOX not in above:
        above.insert(0, INBOX)
    for name in reversed(above):
        mailbox = await reader.mailbox_named(owner.account_id, name)
        if mailbox is not None:
            return _with(await place_of(reader, viewer, owner, mailbox), needed)
    if owner.account_id != viewer.account_id:
        raise NoSuchMailbox(f"account {owner.account_id} has no INBOX")
    return None


async def place_of(reader: Reader, viewer: Account, owner: Account, mailbox: Mailbox) -> Place:
    """The mailbox of `owner` as `viewer` would see it, whether or not it may."""
    rights = await rights_in(reader, viewer.account_id, mailbox.account_id, mailbox.mailbox_id)
    is_own = owner.account_id == viewer.account_id
    return Place(mailbox, shown_name(viewer, owner, mailbox.name), rights, is_own)


def _with(place: Place, needed: str) -> Place:
    if set(needed) <= set(place.rights):
        return place
    if "l" in place.rights:
        raise NoPermission(f"{needed!r} is needed in {place.account_id}/{place.mailbox_id}")
    raise NoSuchMailbox(f"{place.account_id}/{place.mailbox_id} is not seen")
