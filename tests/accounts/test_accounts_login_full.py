"""Logging in while the store takes nothing, such as with a full disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postier.accounts.app_passwords import add_app_password
from postier.base.address import Address
from postier.store.api import StoreUnavailable
from postier.testing.login_world import ALICE, World, in_world


@pytest.mark.parametrize("by_app_password", [False, True])
def test_who_is_right_gets_in_to_make_room(tmp_path: Path, by_app_password: bool) -> None:
    async def work(world: World) -> None:
        password = "right"
        if by_app_password:
            _, password = await add_app_password(world.store, Address.parse(ALICE), "phone")
        taken = world.store.transact

        async def full(*_: Any, **__: Any) -> None:
            raise StoreUnavailable("the disk is full")

        world.store.transact = full  # type: ignore[assignment, method-assign]
        entry = await world.enter(password)
        assert entry.account.name == ALICE
        with pytest.raises(StoreUnavailable):  # a guess that can't be counted is not answered
            await world.enter("wrong")
        world.store.transact = taken  # type: ignore[method-assign]

    in_world(tmp_path, work)
