"""`postier advise` on a server that does not run, and `doctor`, which names who loses mail."""

from __future__ import annotations

import asyncio
import string
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from postier.accounts.advice import DEVICE, PERSON
from postier.accounts.delivery import deliver, new_message
from postier.accounts.people import find_person
from postier.admin.advice_facts import gather_facts
from postier.admin.advice_words import LANGUAGES, duration
from postier.admin.diagnosis import check_devices
from postier.backend import Backend, open_backend
from postier.base.address import Address
from postier.config.settings import load_settings
from postier.message.analysis import analyse
from postier.store.api import DeviceCounts, DeviceNote, KeepDevices, Tx

NOW = int(time.time())
TODAY = NOW // 86_400
ALICE = Address.parse("alice@orchard.test")
LETTER = b"From: a@b.test\r\nSubject: Hi %d\r\n\r\n.Hello\r\n..\r\nlast"


@pytest.fixture
def on_backend(data: Path) -> Callable[[Callable[[Backend], Any]], Any]:
    def run(work: Callable[[Backend], Any]) -> Any:
        async def whole() -> Any:
            async with open_backend(load_settings(data), "test") as backend:
                return await work(backend)

        return asyncio.run(whole())

    return run


async def fill(backend: Backend, count: int, mailbox: str = "INBOX") -> None:
    account = await find_person(backend.store.reader, ALICE)

    async def work(tx: Tx) -> None:
        for number in range(count):
            blob_id, _ = await tx.add_blob(b"", LETTER % number)
            message = new_message(analyse(LETTER % number), blob_id, prefix=b"", internal_date=NOW)
            await deliver(tx, account.account_id, message, mailbox=mailbox)

    await backend.store.transact(work)


async def losing(backend: Backend) -> None:
    account_id = (await find_person(backend.store.reader, ALICE)).account_id
    plain = DeviceNote(account_id, "app:1", 1, 1, "Phone", "", "", "", "TLSv1.3", "192.0.2.1", NOW, NOW)
    takes = {TODAY: DeviceCounts(deleted=7, deleted_octets=70_000)}
    office = plain._replace(identity="app:2", app_password=2, protocols=2, name="Office", days=takes)
    keep = KeepDevices(100, 200, TODAY - 29)
    await backend.store.transact(lambda tx: tx.note_devices([plain, office], NOW, keep))


def test_a_new_person_is_advised(postier: Callable[..., Result], listed: Any) -> None:
    shown = postier("advise", str(ALICE), "--language", "en").stdout
    assert shown.startswith("alice@orchard.test: use IMAP.\n\nWhy:\n- IMAP keeps the mail here")
    assert "MBIT/S" in shown
    advice = listed("advise", str(ALICE), "--devices", "1", "--offline")
    assert (advice["protocol"], advice["reasons"][0]["reason"]) == ("either", "offline")
    assert advice["mailbox"]["pop_octets"] == 2 * len("+OK\r\n.\r\n")


def test_who_loses_mail_is_named_everywhere(
    postier: Callable[..., Result], listed: Any, on_backend: Any
) -> None:
    assert postier("advise", "--all", "--language", "en").stdout.startswith("nobody loses mail")
    assert listed("advise", "--all") == []
    on_backend(losing)
    for language in LANGUAGES:
        rows = postier("advise", "--all", "--language", language).stdout
        assert "alice@orchard.test" in rows
        assert "Office" in rows
        assert "Phone" in rows
    (one,) = listed("advise", "--all")
    assert one["loses_mail"][0]["deleted"] == 7
    shown = postier("advise", str(ALICE), "--language", "fr").stdout
    assert "prenez IMAP" in shown
    assert "passez-le à IMAP" in shown
    (finding,) = on_backend(lambda backend: check_devices(backend.store, NOW))
    assert finding.state == "warning"
    assert "postier advise alice@orchard.test" in finding.detail
    assert not on_backend(lambda backend: check_devices(backend.store, NOW + 40 * 86_400))


def test_the_numbers_are_those_of_the_mailbox(listed: Any, on_backend: Any) -> None:
    async def two_places(backend: Backend) -> None:
        await fill(backend, 120)
        await fill(backend, 3, "Archive")

    on_backend(two_places)
    advice = listed("advise", str(ALICE), "--devices", "1")
    facts = advice["mailbox"]
    assert advice["reasons"][0] == advice["reasons"][0] | {"reason": "folders", "folders": 1, "messages": 3}
    assert (facts["inbox"], facts["listed"], facts["is_estimated"]) == (120, 100, False)
    assert facts["all_listing"] > facts["listing"] > 100 * 150
    assert facts["listing"] > 4 * facts["listing_packed"]
    octets = sum(len(LETTER % number) for number in range(120))
    framing = sum(len(f"+OK {len(LETTER % n)} octets\r\n.\r\n") for n in range(120))
    lists = sum(len(f"{n + 1} {len(LETTER % n)}\r\n") + len(f"{n + 1} {'0' * 16}\r\n") for n in range(120))
    dots_and_ends = 120 * (2 + 2)
    assert facts["pop_octets"] == octets + framing + lists + dots_and_ends + 16


def test_a_large_mailbox_is_estimated_from_its_newest(on_backend: Any, monkeypatch: Any) -> None:
    async def both(backend: Backend) -> tuple[Any, Any]:
        await fill(backend, 60)
        account = await find_person(backend.store.reader, ALICE)
        exact = await gather_facts(backend.store.reader, backend.blobs, account, NOW)
        monkeypatch.setattr("postier.admin.advice_facts.MOST_LISTED", 30)
        monkeypatch.setattr("postier.admin.advice_facts.MOST_READ", 7)
        return exact, await gather_facts(backend.store.reader, backend.blobs, account, NOW)

    exact, guessed = on_backend(both)
    assert (exact.is_estimated, guessed.is_estimated) == (False, True)
    assert guessed.pop_octets == exact.pop_octets
    assert abs(guessed.all_listing - exact.all_listing) < exact.all_listing / 50


def test_wrong_usage(misused: Any, fails: Any) -> None:
    assert "--all" in misused("advise")
    assert "everybody" in misused("advise", "--all", "--mobile")
    assert "everybody" in misused("advise", "--all", str(ALICE))
    misused("advise", str(ALICE), "--devices", "-1")
    assert "eve@orchard.test" in fails("advise", "eve@orchard.test")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_rule_has_its_sentence(language: str) -> None:
    assert LANGUAGES[language].keys() == LANGUAGES["en"].keys()
    assert {rule.key for rule in PERSON} | {rule.key for rule in DEVICE} <= LANGUAGES[language].keys()
    for key, text in LANGUAGES[language].items():
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert names == {name for _, name, _, _ in string.Formatter().parse(LANGUAGES["en"][key]) if name}


def test_durations_are_readable() -> None:
    assert [duration("en", seconds) for seconds in (0, 9.94, 12.4, 119, 121, 7199, 7200)] == [
        "<0.1 s", "9.9 s", "12 s", "119 s", "2 min", "120 min", "2 h",
    ]  # fmt: skip
    assert duration("fr", 0.42) == "0,4 s"
