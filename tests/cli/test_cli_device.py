"""`postier device` on a ledger that was filled by hand: what is shown, and why a message is not."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from postier.accounts.delivery import deliver, new_message
from postier.admin.device_words import LANGUAGES, readable
from postier.backend import Backend, open_backend
from postier.config.settings import load_settings
from postier.message.analysis import analyse
from postier.store.api import AccountId, DeviceCounts, DeviceNote, Flag, KeepDevices, SyncPoint, Tx, Uid

NOW = int(time.time()) + 3600  # later than any message of these tests
TODAY = NOW // 86_400
LETTER = b"From: a@b.test\r\nSubject: Hi\r\nMessage-ID: <one@b.test>\r\n\r\nHello\r\n"


@pytest.fixture
def on_backend(data: Path) -> Callable[[Callable[[Backend], Any]], Any]:
    def run(work: Callable[[Backend], Any]) -> Any:
        async def whole() -> Any:
            async with open_backend(load_settings(data), "test") as backend:
                return await work(backend)

        return asyncio.run(whole())

    return run


def note(account_id: AccountId, identity: str, **changes: Any) -> DeviceNote:
    plain = DeviceNote(account_id, identity, 0, 1, "", "", "", "", "TLSv1.3", "192.0.2.7", NOW - 99, NOW)
    return plain._replace(**changes)


async def add_notes(backend: Backend, *notes: DeviceNote) -> None:
    keep = KeepDevices(100, 200, TODAY - 29)
    await backend.store.transact(lambda tx: tx.note_devices(notes, NOW, keep))


async def alice(backend: Backend) -> AccountId:
    found = await backend.store.reader.account_named("alice@orchard.test")
    assert found is not None
    return found.account_id


async def letters(backend: Backend, count: int, mailbox: str = "INBOX", flags: int = 0) -> list[Uid]:
    account_id = await alice(backend)

    async def work(tx: Tx) -> list[Uid]:
        uids = []
        for _ in range(count):
            blob_id, _ = await tx.add_blob(b"", LETTER)
            message = new_message(analyse(LETTER), blob_id, prefix=b"", internal_date=NOW, flags=flags)
            uids.append(await deliver(tx, account_id, message, mailbox=mailbox))
        return uids

    return await backend.store.transact(work)


async def three_devices(backend: Backend) -> None:
    """A phone by IMAP that is 2 behind, an office program by POP3 that is 4 behind, one that only sends."""
    account_id = await alice(backend)
    await letters(backend, 5)
    inbox = await backend.store.reader.mailbox_named(account_id, "INBOX")
    assert inbox is not None
    number = await backend.store.transact(lambda tx: tx.add_app_password(account_id, "Alice's phone", b"v"))
    place = (account_id, inbox.mailbox_id, inbox.uidvalidity)
    counts = DeviceCounts(
        100,
        2_000_000,
        3_000,
        50,
        60,
        30,
        2_000_000,
        3_000,
        40,
        60,
        sessions=2,
        deleted=3,
        deleted_octets=9_000,
    )
    await add_notes(
        backend,
        note(
            account_id,
            f"app:{number}",
            app_password=number,
            protocols=5,
            name="Mail",
            version="1.2",
            os="Some OS",
            days={TODAY: counts},
            points=(SyncPoint(*place, inbox.modseq, 5, 2, 3, 2, NOW - 10),),
        ),
        note(
            account_id,
            "net:pop3:192.0.2.0/24",
            protocols=2,
            tls="",
            last_seen=NOW - 5,
            days={TODAY: counts},
            points=(SyncPoint(*place, 0, 5, 1, 5, 1, NOW - 10),),
        ),
        note(
            account_id,
            "net:submission:192.0.2.0/24",
            protocols=4,
            last_seen=NOW - 6,
            last_sent=NOW - 7,
            last_trace="0abc",
        ),
    )


def test_without_devices_there_is_a_sentence(postier: Callable[..., Result], listed: Any) -> None:
    assert postier("device", "list", "alice@orchard.test", "--lang", "en").stdout == (
        "no device of alice@orchard.test is known\n"
    )
    assert listed("device", "list", "alice@orchard.test") == []


def test_the_list_tells_names_protocols_and_how_far_each_has_come(
    postier: Callable[..., Result], listed: Any, on_backend: Any
) -> None:
    on_backend(three_devices)
    lines = postier("device", "list", "alice@orchard.test", "--lang", "en").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["DEVICE", "1", "2", "3"]
    assert "Alice's phone" in lines[1]
    assert "imap submission" in lines[1]
    assert "INBOX: 2 behind" in lines[1]
    assert all(text in lines[1] for text in ("TLSv1.3", "110 B", "100 B", "2.0 MB", "3.0 kB"))
    assert "POP3 192.0.2.0/24" in lines[2]
    assert "INBOX: 4 behind" in lines[2]
    assert "none" in lines[2]
    assert "sent at " in lines[3]
    french = postier("device", "list", "alice@orchard.test", "--lang", "fr").stdout
    assert "INBOX : 2 de retard" in french
    assert "2,0 Mo" in french
    first = listed("device", "list", "alice@orchard.test")[0]
    assert first["protocols"] == ["imap", "submission"]
    assert first["moved"]["bodies"] == 2_000_000
    assert first["mailboxes"][0]["behind"] == 2
    assert first["days"][0]["sessions"] == 2


def test_one_device_is_told_by_mailbox_and_day(postier: Callable[..., Result], on_backend: Any) -> None:
    on_backend(three_devices)
    shown = postier("device", "show", "alice@orchard.test", "1", "--lang", "en").stdout
    assert shown.startswith("1: Alice's phone\nsays of itself: Mail 1.2 Some OS\napp password: Alice's phone")
    assert "UID 2 to 3" in shown
    assert "compression saved 80 B" in shown
    assert "removed 3 messages over POP3 (9.0 kB)" in shown
    sender = postier("device", "show", "alice@orchard.test", "3", "--lang", "en").stdout
    assert "(trace 0abc)" in sender


WHY = (
    ("1", "1", "The device lists newer messages only, from UID 2 on"),
    ("1", "2", "The device knows it and has fetched messages as new"),
    ("1", "3", "The device was shown its line"),
    ("1", "5", "The device was told that something came"),
    ("2", "1", "The device knows it and has fetched messages as new"),
    ("2", "3", "The message waits in INBOX and the device has not fetched it"),
    ("3", "3", "The device only sends"),
)


def test_why_a_device_does_not_show_a_message(postier: Callable[..., Result], on_backend: Any) -> None:
    on_backend(three_devices)
    for device, uid, beginning in WHY:
        words = ("device", "show", "alice@orchard.test", device, "--message", uid, "--lang", "en")
        where, why = postier(*words).stdout.splitlines()
        assert where.startswith(f"INBOX, UID {uid}, there since ")
        assert why.startswith(beginning), (device, uid)


def test_a_message_is_found_by_its_message_id_in_any_mailbox(
    postier: Callable[..., Result], listed: Any, on_backend: Any
) -> None:
    async def fill(backend: Backend) -> None:
        await three_devices(backend)
        await letters(backend, 1, "Archive")
        await letters(backend, 1, "Drafts", flags=Flag.DELETED)

    on_backend(fill)
    found = listed("device", "show", "alice@orchard.test", "1", "--message", "<one@b.test>", "--lang", "en")
    assert [one["mailbox"] for one in found] == ["Archive", "Drafts", *["INBOX"] * 5]
    assert [one["why"] for one in found[:2]] == ["never opened", "marked"]
    by_pop = listed("device", "show", "alice@orchard.test", "2", "--message", "one@b.test")
    assert by_pop[0]["why"] == "pop folder"


def test_a_device_that_was_not_here_since_is_told_so(listed: Any, on_backend: Any) -> None:
    async def fill(backend: Backend) -> None:
        account_id = await alice(backend)
        await letters(backend, 1)
        await add_notes(backend, note(account_id, "id:imap:x", last_seen=NOW - 7200))
        await add_notes(backend, note(account_id, "id:imap:y", last_seen=NOW + 60))

    on_backend(fill)
    words = ("device", "show", "alice@orchard.test", "1", "--message", "1")
    assert listed(*words)[0]["why"] == "not since"


def test_what_is_not_there_is_said_in_one_line(fails: Any, misused: Any, on_backend: Any) -> None:
    on_backend(three_devices)
    show = ("device", "show", "alice@orchard.test")
    assert "no device 9" in fails(*show, "9", "--lang", "en")
    assert "holds such a message" in fails(*show, "1", "--message", "99", "--lang", "en")
    assert "holds such a message" in fails(*show, "1", "--message", "9" * 40, "--lang", "en")
    assert "holds such a message" in fails(*show, "1", "--message", "no@where", "--lang", "en")
    assert "no mailbox 'Nowhere'" in fails(*show, "1", "--message", "1", "--mailbox", "Nowhere")
    assert "eve@orchard.test" in fails("device", "list", "eve@orchard.test")
    misused(*show, "0")
    misused(*show, "phone")


def test_a_device_is_forgotten_and_its_app_password_revoked(
    postier: Callable[..., Result], listed: Any, fails: Any, on_backend: Any
) -> None:
    on_backend(three_devices)
    assert "has no device" not in postier("device", "forget", "alice@orchard.test", "3").stdout
    assert [one["device"] for one in listed("device", "list", "alice@orchard.test")] == [1, 2]
    assert "own password" in fails("device", "revoke", "alice@orchard.test", "2", "--lang", "en")
    postier("device", "revoke", "alice@orchard.test", "1")
    assert "before" in fails("device", "revoke", "alice@orchard.test", "1", "--lang", "en")
    shown = postier("device", "show", "alice@orchard.test", "1", "--lang", "en").stdout
    assert shown.startswith("1: Alice's phone (revoked)\n")
    assert "number 1, revoked" in shown
    (entry,) = listed("audit", "alice@orchard.test", "--kind", "password")
    assert "Alice's phone" in str(entry)


def test_nothing_that_a_program_says_reaches_the_terminal_as_a_command(
    postier: Callable[..., Result], on_backend: Any
) -> None:
    async def fill(backend: Backend) -> None:
        await add_notes(backend, note(await alice(backend), "id:imap:x", name="\x1b[2Jowned\x07", os="a\nb"))

    on_backend(fill)
    shown = postier("device", "list", "alice@orchard.test").stdout
    assert "\x1b" not in shown
    assert "\x07" not in shown


@pytest.mark.parametrize("language", LANGUAGES)
def test_both_languages_know_the_same_words(language: str) -> None:
    assert LANGUAGES[language].keys() == LANGUAGES["en"].keys()


def test_sizes_are_readable() -> None:
    sizes = (0, 999, 1000, 99_499, 99_500, 999_499, 999_500, 10**9, 10**15)
    assert [readable("en", octets) for octets in sizes] == [
        "0 B", "999 B", "1.0 kB", "99.5 kB", "100 kB", "999 kB", "1.0 MB", "1.0 GB", "1000 TB",
    ]  # fmt: skip
    assert readable("fr", 1500) == "1,5 ko"
