"""`postier user second-factor`: what an administrator sees of them, and lets in who has lost them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from postier.backend import open_backend
from postier.config.settings import load_settings
from postier.store.api import Tx

WHO = "anna@orchard.test"


def enrol(data: Path) -> None:
    async def whole() -> None:
        async with open_backend(load_settings(data), "test") as backend:
            account = await backend.store.reader.account_named(WHO)
            assert account is not None

            async def work(tx: Tx) -> None:
                for confirmed in (True, False):
                    await tx.add_second_factor(
                        account.account_id, "totp", "phone", secret=b"x", confirmed=confirmed
                    )
                await tx.set_recovery_codes(account.account_id, [b"a", b"b"])
                await tx.set_second_factor(account.account_id, True)

            await backend.store.transact(work)

    asyncio.run(whole())


def test_who_has_lost_the_telephone_is_let_in_again(
    postier: Any, listed: Any, fails: Any, data: Path
) -> None:
    postier("user", "add", WHO, "--password-stdin")
    assert postier("user", "second-factor", WHO).stdout == "no second factor\n"
    enrol(data)
    shown = postier("user", "second-factor", WHO).stdout
    assert "phone" in shown
    assert "recovery codes left: 2" in shown
    found = listed("user", "second-factor", WHO)
    assert found["second_factor"] is True
    assert [one["name"] for one in found["factors"]] == ["phone"]
    assert "Aborted" in postier("user", "second-factor", WHO, "--reset", stdin="n\n", ends=1).stderr
    assert "password alone" in postier("user", "second-factor", WHO, "--reset", "--yes").stdout
    found = listed("user", "second-factor", WHO)
    assert (found["second_factor"], found["factors"], found["recovery_codes"]) == (False, [], 0)
    assert "second factor removed: TOTP phone" in postier("audit", WHO, "--lang", "en").stdout
    assert "nobody@orchard.test" in fails("user", "second-factor", "nobody@orchard.test")
