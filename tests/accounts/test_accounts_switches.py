"""Who a switched-off capability is off for."""

from __future__ import annotations

import pytest

from postier.accounts.switches import Program, Switch, names_off
from postier.store.api import AccountId

BOB, EVE = AccountId(1), AccountId(2)
FOO = Program("Foo Mail", "1.2.3")


@pytest.mark.parametrize(
    ("switch", "account", "program", "is_off"),
    [
        (Switch("X"), None, None, True),
        (Switch("X"), BOB, FOO, True),
        (Switch("X", BOB), BOB, None, True),
        (Switch("X", BOB), EVE, None, False),
        (Switch("X", BOB), None, FOO, False),
        (Switch("X", None, "foo mail"), BOB, FOO, True),
        (Switch("X", None, "FOO*"), None, FOO, True),
        (Switch("X", None, "foo"), BOB, FOO, False),
        (Switch("X", None, "foo*"), BOB, None, False),
        (Switch("X", None, "foo*", "1.2.*"), BOB, FOO, True),
        (Switch("X", None, "foo*", "1.2"), BOB, FOO, False),
        (Switch("X", None, "foo*", "1.?.3"), BOB, FOO, True),
        (Switch("X", BOB, "foo*"), BOB, FOO, True),
        (Switch("X", BOB, "foo*"), EVE, FOO, False),
        (Switch("X", BOB, "bar*"), BOB, FOO, False),
    ],
)
def test_whom_a_switch_is_for(
    switch: Switch, account: AccountId | None, program: Program | None, is_off: bool
) -> None:
    assert names_off([switch], account, program) == ({"X"} if is_off else frozenset())


def test_a_hostile_name_costs_no_time() -> None:
    name = Program("a" * 100, "")
    assert not names_off([Switch("X", None, "a*" * 50 + "b")], None, name)
