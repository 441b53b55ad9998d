"""Mailboxes that several people see (RFC 4314): dialogues in a world where alice@b.example and the shared
account sales@b.example have let bob@b.example in, and two of them at once."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from postier.accounts import acl, annotations
from postier.accounts.mailboxes import create, create_defaults
from postier.imap.session import mailboxes
from postier.net.api import Session
from postier.store.api import Account, AccountKind, Tx
from postier.testing.transcript import play_file

FOLDER = Path(__file__).parent / "transcripts_shared"
GRANTS = (
    ("alice@b.example", "INBOX", "bob@b.example", "lrs"),
    ("alice@b.example", "INBOX/Team", "bob@b.example", "lrwik"),
    ("alice@b.example", "Look", "anyone", "l"),
    ("alice@b.example", "Private", "carol@b.example", "lrswipkxtea"),
    ("sales@b.example", "INBOX", "bob@b.example", "lrswipkxte"),
)


async def add_account(world: Any, name: str, kind: AccountKind = AccountKind.PERSON) -> Account:
    async def work(tx: Tx) -> Account:
        account_id = await tx.add_account(name, kind, "")
        await create_defaults(tx, account_id)
        return await tx.account(account_id)

    return await world.store.transact(work)


async def grant(world: Any, owner: str, mailbox: str, identifier: str, rights: str) -> None:
    account = await world.store.reader.account_named(owner)
    await acl.change_rights(world.store, account, mailbox, identifier, lambda before: rights)


async def neighbours(world: Any) -> None:
    """Three more accounts, alice's with a message, and what they let others do."""
    alice = await add_account(world, "alice@b.example")
    for name in ("INBOX/Team", "Look", "Private"):
        await create(world.store, alice.account_id, name)
    await add_account(world, "carol@b.example")
    await add_account(world, "sales@b.example", AccountKind.SHARED)
    root = await add_account(world, "root@b.example")
    await world.store.transact(lambda tx: tx.set_administrator(root.account_id, True))
    for entry in GRANTS:
        await grant(world, *entry)


@pytest.fixture
def sessions_among_neighbours(worlds: Any) -> Any:
    @contextlib.asynccontextmanager
    async def make() -> AsyncIterator[Session]:
        async with worlds() as world:
            await world.fill()
            await neighbours(world)
            alice = await world.client(as_="alice@b.example")
            await alice.command(b"APPEND INBOX {3+}\r\nabc")
            await alice.command(b"LOGOUT")
            yield world.session

    return make


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_transcript(path: Path, sessions_among_neighbours: Any) -> None:
    play_file(path, sessions_among_neighbours)


async def among_neighbours(world: Any) -> tuple[Any, Any]:
    """Alice with her INBOX selected, in which a message lies, and bob with the same mailbox."""
    await neighbours(world)
    alice = await world.client(b"APPEND INBOX {3+}\r\nabc", b"SELECT INBOX", as_="alice@b.example")
    bob = await world.client(b'SELECT "Other Users/alice@b.example/INBOX"')
    return alice, bob


def test_rights_that_are_given_and_taken_hold_from_the_next_command_on(in_world: Any) -> None:
    async def test(world: Any) -> None:
        alice, bob = await among_neighbours(world)
        assert b"NO [NOPERM]" in await bob.attempt(b"STORE 1 +FLAGS \\Deleted")
        await alice.command(b"SETACL INBOX bob +te")
        answer = await bob.command(b"STORE 1 +FLAGS \\Deleted")
        told, changed = answer.split(b"* 1 FETCH")
        assert b"[PERMANENTFLAGS (\\Seen \\Deleted)]" in told  # RFC 4314 5.1.1
        assert b"\\Deleted" in changed
        await alice.command(b"SETACL INBOX bob -e")
        assert b"NO [NOPERM]" in await bob.attempt(b"EXPUNGE")
        await alice.command(b"SETACL INBOX -bob r")
        assert b"NO [NOPERM]" in await bob.attempt(b"FETCH 1 FLAGS")
        assert b"NO [NOPERM]" in await bob.attempt(b"SEARCH ALL")
        await alice.command(b"APPEND INBOX {3+}\r\ndef")
        assert b"EXISTS" not in await bob.command(b"NOOP")  # who may not read it hears nothing of it
        await alice.command(b"DELETEACL INBOX -bob")
        assert b"* 2 EXISTS\r\n" in await bob.command(b"NOOP")

    in_world(test)


def test_idle_in_anothers_mailbox_hears_of_it_until_the_right_is_taken(in_world: Any) -> None:
    async def test(world: Any) -> None:
        alice, bob = await among_neighbours(world)
        await bob.send(b"i IDLE\r\n")
        await alice.command(b"APPEND INBOX {3+}\r\ndef")
        assert b"* 2 EXISTS" in await bob.news()
        await alice.command(b"DELETEACL INBOX bob")
        await alice.command(b"APPEND INBOX {3+}\r\nghi")
        assert b"EXISTS" not in await bob.news()
        await alice.command(b"SETACL INBOX bob lr")
        assert b"* 3 EXISTS" in await bob.news()

    in_world(test)


def test_a_mailbox_that_its_owner_deletes_ends_the_sessions_of_others(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await neighbours(world)
        alice = await world.client(as_="alice@b.example")
        bob = await world.client(b'SELECT "Other Users/alice@b.example/INBOX/Team"')
        await alice.command(b"DELETE INBOX/Team")
        assert b"* BYE" in await bob.attempt(b"NOOP")

    in_world(test)


def test_messages_move_between_accounts_in_one_step(in_world: Any) -> None:
    """RFC 6851 4.2; flags go along as far as the rights in the target allow (RFC 4314 4)."""

    async def test(world: Any) -> None:
        await world.fill()
        await neighbours(world)
        bob = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS (\\Flagged $Work)")
        told = await bob.command(b'MOVE 1:2 "Shared/sales@b.example/INBOX"')
        assert b"[COPYUID " in told
        assert told.endswith(b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 RECENT\r\n")
        await bob.command(b'MOVE 1 "Other Users/alice@b.example/INBOX/Team"')
        await bob.command(b'SELECT "Shared/sales@b.example/INBOX"')
        flags = await bob.command(b"FETCH 1:* FLAGS")
        assert flags == (
            b"* 1 FETCH (FLAGS (\\Seen \\Flagged $Work \\Recent))\r\n* 2 FETCH (FLAGS (\\Recent))\r\n"
        )
        await bob.command(b"MOVE 1 INBOX")
        assert b"(MESSAGES 1)" in await bob.command(b"STATUS INBOX (MESSAGES)")
        await bob.command(b"EXAMINE INBOX")
        assert b"{" in await bob.command(b"FETCH 1 BODY[]")
        for account in await world.store.reader.accounts():
            mailboxes = await world.store.reader.mailboxes(account.account_id)
            assert account.used == sum(mailbox.size for mailbox in mailboxes)

    in_world(test)


def test_a_full_account_takes_no_copy_from_another(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        await neighbours(world)

        async def fill(tx: Tx) -> None:
            small = await tx.add_account("small@b.example", AccountKind.SHARED, "", quota=10)
            await create_defaults(tx, small)

        await world.store.transact(fill)
        await grant(world, "small@b.example", "INBOX", "bob@b.example", "lrite")
        bob = await world.client(b"SELECT INBOX")
        for command in (b"COPY", b"MOVE"):
            answer = await bob.attempt(command + b' 1 "Shared/small@b.example/INBOX"')
            assert b"NO [OVERQUOTA]" in answer
        assert b"* 3 " not in await bob.command(b"NOOP")

    in_world(test)


def test_what_is_made_in_anothers_account_can_be_seen_by_who_made_it(in_world: Any) -> None:
    """RFC 4314 4: INBOX stands above the first level of another's account."""

    async def test(world: Any) -> None:
        await neighbours(world)
        bob = await world.client()
        sales = b'"Shared/sales@b.example/%b"'
        await bob.command(b"CREATE " + sales % b"Offers/2026")
        assert b"lrswipkxtecd" in await bob.command(b"MYRIGHTS " + sales % b"Offers")
        assert b"NO [ALREADYEXISTS]" in await bob.attempt(b"CREATE " + sales % b"Offers")
        await bob.command(b"RENAME " + sales % b"Offers" + b" " + sales % b"Bids")
        assert b"Bids/2026" in await bob.command(b'LIST "" "Shared/*"')
        await bob.command(b"DELETE " + sales % b"Bids/2026")
        assert b"NO [CANNOT]" in await bob.attempt(b"DELETE " + sales % b"INBOX")
        assert b"NO [CANNOT]" in await bob.attempt(b"RENAME " + sales % b"INBOX" + b" " + sales % b"Old")

    in_world(test)


def test_the_account_of_a_removed_person_has_no_rights_left(in_world: Any) -> None:
    """A new person with the old address begins with nothing."""

    async def test(world: Any) -> None:
        await neighbours(world)
        carol = await world.store.reader.account_named("carol@b.example")
        await world.store.transact(lambda tx: tx.remove_account(carol.account_id))
        await add_account(world, "carol@b.example")
        client = await world.client(as_="carol@b.example")
        assert b"Private" not in await client.command(b'LIST "" *')

    in_world(test)


def test_a_list_of_rights_has_an_end(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        await neighbours(world)
        bob = await world.client(b"SETACL INBOX alice l", b"SETACL INBOX -alice r")
        assert b"NO [LIMIT]" in await bob.attempt(b"SETACL INBOX carol l")
        await bob.command(b"SETACL INBOX alice +r")
        await bob.command(b"DELETEACL INBOX -alice")
        await bob.command(b"SETACL INBOX carol l")

    monkeypatch.setattr(acl, "MAX_GRANTS", 2)
    in_world(test)


def test_another_workers_grant_is_seen_without_the_bus(in_world: Any) -> None:
    """Rights in others' mailboxes are read with each command: the bus may be late."""

    async def test(world: Any) -> None:
        _, bob = await among_neighbours(world)
        noted = world.services.bus.publish
        world.services.bus.publish = lambda topic, number: None
        await grant(world, "alice@b.example", "INBOX", "bob@b.example", "l")
        world.services.bus.publish = noted
        assert b"NO [NOPERM]" in await bob.attempt(b"FETCH 1 FLAGS")

    in_world(test)


def test_notes_in_anothers_mailbox(in_world: Any) -> None:
    """RFC 5464 3.3: private ones are one's own, wherever; "l" and one of "rswip" let see and set them."""

    async def test(world: Any) -> None:
        alice, bob = await among_neighbours(world)
        inbox = b'"Other Users/alice@b.example/INBOX"'
        await bob.command(b"SETMETADATA " + inbox + b' (/shared/comment "all" /private/comment "bob")')
        await alice.command(b'SETMETADATA INBOX (/private/comment "alice")')
        asked = b" (/shared/comment /private/comment)"
        assert b'"all" /private/comment "bob")' in await bob.command(b"GETMETADATA " + inbox + asked)
        assert b'"all" /private/comment "alice")' in await alice.command(b"GETMETADATA INBOX" + asked)
        listed = await bob.command(b'LIST "" "Other Users/*" RETURN (METADATA (/shared/comment))')
        assert listed.count(b"* METADATA ") == 2  # Look is only seen
        assert b'* METADATA "Other Users/alice@b.example/INBOX" (/shared/comment "all")' in listed
        look = b'"Other Users/alice@b.example/Look" '
        assert b"NO [NOPERM]" in await bob.attempt(b"GETMETADATA " + look + b"/shared/comment")
        assert b"NO [NOPERM]" in await bob.attempt(b"SETMETADATA " + look + b'(/shared/comment "x")')
        private = b'"Other Users/alice@b.example/Private" '
        assert b"NO [NONEXISTENT]" in await bob.attempt(b"GETMETADATA " + private + b"/shared/comment")
        use = b' (/private/specialuse "\\\\Junk")'
        assert b"NO [USEATTR]" in await bob.attempt(b"SETMETADATA " + inbox + use)
        await alice.command(b"CREATE Spam (USE (\\Junk))")
        await alice.command(b"SETACL Spam bob lr")
        assert b"Junk" not in await bob.command(b'LIST "" "Other Users/*/Spam"')
        assert b"(/private/specialuse NIL)" in await bob.command(
            b'GETMETADATA "Other Users/alice@b.example/Spam" /private/specialuse'
        )
        new = b'CREATE "Other Users/alice@b.example/INBOX/Team/New" (USE (\\Junk))'
        assert b"NO [USEATTR]" in await bob.attempt(new)

    in_world(test)


def test_an_administrator_notes_for_the_whole_server(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await neighbours(world)
        bob, alice = await world.client(), await world.client(as_="alice@b.example")
        command = b'SETMETADATA "" (/private/vendor/x/y "mine" /shared/comment "Hello")'
        assert b"NO [NOPERM]" in await bob.attempt(command)
        assert b"NIL" in await bob.command(b'GETMETADATA "" /private/vendor/x/y')  # all or nothing
        await world.store.transact(lambda tx: tx.set_administrator(world.account_id, True))
        await bob.command(command)
        assert b'"Hello"' in await alice.command(b'GETMETADATA "" /shared/comment')
        assert b"NIL" in await alice.command(b'GETMETADATA "" /private/vendor/x/y')
        assert b"NO [NOPERM]" in await bob.attempt(b'SETMETADATA "" (/shared/admin "mailto:me@b.example")')

    in_world(test)


def test_notes_have_an_end(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        bob = await world.client(b'SETMETADATA INBOX (/shared/a "1" /shared/b "1" /private/a "1")')
        assert b"NO [METADATA TOOMANY]" in await bob.attempt(b'SETMETADATA INBOX (/shared/c "1")')
        await bob.command(b'SETMETADATA INBOX (/shared/b NIL /shared/c "1")')
        await bob.command(b'SETMETADATA Sent (/shared/a "1" /private/a "22")')
        assert b"NO [METADATA TOOMANY]" in await bob.attempt(b'SETMETADATA Junk (/shared/a "1")')
        assert b"NO [METADATA TOOMANY]" in await bob.attempt(b'SETMETADATA Junk (/private/a "1234")')
        await bob.command(b'SETMETADATA Junk (/private/a "123")')
        await bob.command(b"RENAME INBOX Old")  # then nothing goes along
        assert b"NIL" in await bob.command(b"GETMETADATA Old /private/a")

    monkeypatch.setattr(annotations, "MAX_ENTRIES", 2)
    monkeypatch.setattr(annotations, "MAX_ALL_ENTRIES", 3)
    monkeypatch.setattr(annotations, "MAX_ALL_OCTETS", 6)
    in_world(test)


def test_notes_of_inbox_stay_and_go_along_when_it_is_renamed(in_world: Any) -> None:
    """RFC 5464 4.1."""

    async def test(world: Any) -> None:
        bob = await world.client(
            b'SETMETADATA INBOX (/shared/a "1")', b"RENAME INBOX Old", b"RENAME Old Older"
        )
        assert b'"1"' in await bob.command(b"GETMETADATA INBOX /shared/a")
        assert b'"1"' in await bob.command(b"GETMETADATA Older /shared/a")
        await bob.command(b"DELETE Older")
        await bob.command(b"CREATE Older")
        assert b"NIL" in await bob.command(b"GETMETADATA Older /shared/a")

    in_world(test)


def test_subscriptions_have_an_end(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        bob = await world.client(b"CREATE more", b"CREATE most", b"SUBSCRIBE more")
        assert b"NO [LIMIT]" in await bob.attempt(b"SUBSCRIBE most")
        await bob.command(b"UNSUBSCRIBE more")
        await bob.command(b"SUBSCRIBE most")

    monkeypatch.setattr(mailboxes, "MAX_SUBSCRIPTIONS", 7)  # six from the beginning
    in_world(test)
