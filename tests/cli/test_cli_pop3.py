"""`postier pop3`: rules for one person, and what a POP3 program has deleted."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from postier.accounts.pop3_rules import Pop3Usual
from postier.accounts.resting import remove_over_pop3
from postier.backend import open_backend
from postier.config.settings import load_settings
from postier.store.api import Tx
from postier.testing.store_helpers import letter

ALICE = "alice@orchard.test"
DAY = 24 * 3600


def delete_two(data: Path) -> None:
    """Of three messages in Alice's inbox the first and the third are deleted over POP3."""

    async def main() -> None:
        async with open_backend(load_settings(data), "test") as backend:

            async def work(tx: Tx) -> None:
                account = await tx.account_named(ALICE)
                assert account is not None
                inbox = await tx.mailbox_named(account.account_id, "INBOX")
                assert inbox is not None
                uids = []
                for number in range(3):
                    blob_id, _ = await tx.add_blob(b"", b"x")
                    header = b"From: =?utf-8?q?Zo=C3=AB?= <zoe@far.test>\r\nSubject: \x1b[2J%d\r\n" % number
                    uids += await tx.append(
                        account.account_id, inbox.mailbox_id, [letter(blob_id, header=header)]
                    )
                now = backend.clock.now()
                await remove_over_pop3(tx, inbox, [uids[0], uids[2]], 0, now, Pop3Usual())

            await backend.store.transact(work)

    asyncio.run(main())


def test_rules_of_a_person(listed: Any, postier: Any, fails: Any, misused: Any) -> None:
    before = listed("pop3", "show", ALICE)
    assert (before["rest"], before["expire"], before["login_delay"]) == (30 * DAY, 0, 0)
    after = listed("pop3", "set", ALICE, "--rest", "off", "--expire", "90", "--login-delay", "60")
    assert (after["rest"], after["expire"], after["login_delay"]) == (0, 90 * DAY, 60)
    said = postier("pop3", "show", ALICE).stdout
    assert said == (
        f"{ALICE}: what is deleted over POP3 is gone at once; the inbox keeps mail for 90 days;"
        " 60 s between two logins; 0 messages (0.0 MB) rest now\n"
    )
    listed("pop3", "set", ALICE, "--expire", "never")
    assert listed("pop3", "show", ALICE)["expire"] == 0
    listed("pop3", "set", ALICE, "--rest", "default", "--expire", "default", "--login-delay", "default")
    assert listed("pop3", "show", ALICE) == before
    assert "POP3 rules: rest False, expire" in postier("audit", ALICE).stdout
    assert fails("pop3", "show", "nobody@orchard.test") == "there is nobody called nobody@orchard.test"
    for wrong in ("0", "-1", "1.5", "36501", "forever", "٣"):
        assert misused("pop3", "set", ALICE, "--expire", wrong)
    assert misused("pop3", "set", ALICE, "--login-delay", "86401")
    assert "say what to set" in misused("pop3", "set", ALICE)


def test_what_rests_is_listed_and_brought_back(
    data: Path, listed: Any, postier: Any, fails: Any, misused: Any
) -> None:
    assert postier("pop3", "resting", ALICE).stdout == f"nothing of {ALICE} rests\n"
    delete_two(data)
    first, third = listed("pop3", "resting", ALICE)
    assert (first["sender"], first["size"]) == ("Zoë <zoe@far.test>", 100)
    table = postier("pop3", "resting", ALICE).stdout
    assert "Zoë <zoe@far.test>" in table
    assert "\x1b" not in table
    assert fails("pop3", "bring-back", ALICE, "4000000000") == f"nothing of {ALICE} rests under that number"
    assert listed("pop3", "bring-back", ALICE, str(third["number"]))["brought_back"] == 1
    said = postier("pop3", "bring-back", ALICE, "--all").stdout
    assert said == f"1 message is in the inbox of {ALICE} again\n"
    assert listed("pop3", "resting", ALICE) == []
    assert "brought back" in postier("audit", ALICE).stdout
    assert misused("pop3", "bring-back", ALICE)
    assert misused("pop3", "bring-back", ALICE, "1", "--all")
    assert misused("pop3", "bring-back", ALICE, "0")
