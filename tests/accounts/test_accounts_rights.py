"""Who may do what, and whose mailbox a name means, as functions."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.accounts.namespaces import (
    _address,
    _level,
    may_begin_foreign,
    may_begin_own,
    shown_name,
)
from postier.accounts.rights import (
    RIGHTS,
    allowed_flags,
    changeable_flags,
    effective,
    is_changing,
    normal,
)
from postier.store.api import ANYONE, Account, AccountId, AccountKind, Flag, Grant, ModSeq

ALICE, BOB, CAROL = AccountId(1), AccountId(2), AccountId(3)


def grant(who: AccountId, letters: str, *, negative: bool = False) -> Grant:
    return Grant(who, "", letters, negative)


@pytest.mark.parametrize(
    ("viewer", "grants", "rights"),
    [
        (ALICE, [], RIGHTS),  # the owner
        (ALICE, [grant(BOB, "l"), grant(ANYONE, "l")], RIGHTS),
        (ALICE, [grant(ALICE, "r")], "lra"),
        (ALICE, [grant(ALICE, "")], "la"),
        (ALICE, [grant(ALICE, ""), grant(ANYONE, "r")], "lra"),
        (ALICE, [grant(ALICE, RIGHTS, negative=True)], "la"),
        (ALICE, [grant(ANYONE, "we", negative=True)], "lrsipkxta"),
        (BOB, [], ""),
        (BOB, [grant(CAROL, "lr")], ""),
        (BOB, [grant(BOB, "rl"), grant(CAROL, "s")], "lr"),
        (BOB, [grant(BOB, "l"), grant(ANYONE, "r")], "lr"),
        (BOB, [grant(ANYONE, "lrs"), grant(BOB, "s", negative=True)], "lr"),
        (BOB, [grant(BOB, "lrs"), grant(ANYONE, "s", negative=True)], "lr"),
        (BOB, [grant(BOB, "l"), grant(CAROL, "l", negative=True)], "l"),
    ],
)
def test_effective_rights(viewer: AccountId, grants: list[Grant], rights: str) -> None:
    assert effective(viewer, ALICE, grants) == rights


def test_rights_have_one_order() -> None:
    assert normal("aetxkpiwsrl") == RIGHTS
    assert normal("zrr") == "r"


def test_flags_by_rights() -> None:
    """RFC 4314 4."""
    keyword = 1 << 5
    assert changeable_flags("lr") == 0
    assert changeable_flags("s") == Flag.SEEN
    assert changeable_flags("t") == Flag.DELETED
    assert changeable_flags("w") & (Flag.SEEN | Flag.DELETED) == 0
    assert (
        changeable_flags("w") & (Flag.FLAGGED | Flag.DRAFT | keyword) == Flag.FLAGGED | Flag.DRAFT | keyword
    )
    assert allowed_flags("s", int(Flag.SEEN | Flag.DRAFT), ("$Work",)) == (Flag.SEEN, ())
    assert allowed_flags("wt", int(Flag.SEEN | Flag.DRAFT), ("$Work",)) == (Flag.DRAFT, ("$Work",))


@pytest.mark.parametrize(
    ("rights", "changing"), [("lrpkxa", False), ("", False), *((r, True) for r in "ieswt")]
)
def test_who_can_only_look(rights: str, changing: bool) -> None:
    assert is_changing(rights) is changing


def account(account_id: int, name: str, kind: AccountKind = AccountKind.PERSON) -> Account:
    return Account(AccountId(account_id), name, kind, "", 0, 0, 0, ModSeq(1), True)


def test_names_as_others_see_them() -> None:
    alice, bob = account(1, "alice@a.example"), account(2, "bob@a.example")
    sales = account(3, "sa/les%=2F@a.example", AccountKind.SHARED)
    assert shown_name(alice, alice, "Work") == "Work"
    assert shown_name(bob, alice, "Work/Now") == "Other Users/alice@a.example/Work/Now"
    assert shown_name(bob, sales, "INBOX") == "Shared/sa=2Fles=25=3D2F@a.example/INBOX"


@given(st.text())
def test_an_address_is_one_level_and_comes_back(address: str) -> None:
    level = _level(address)
    assert not set("/%*") & set(level)
    assert _address(level) == unicodedata.normalize("NFC", address).casefold()


def test_where_names_of_others_begin() -> None:
    assert all(map(may_begin_own, ("", "S", "Shared", "Work")))
    assert not may_begin_own("Shared/a")
    assert all(map(may_begin_foreign, ("", "S", "Shared", "Other Users/a")))
    assert not may_begin_foreign("Work")
    assert not may_begin_foreign("Shared Things")
