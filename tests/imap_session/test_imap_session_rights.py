"""RFC 4314 4, its table: what each command needs, by giving just that, and by taking one of it away."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from postier.accounts import acl
from postier.accounts.mailboxes import create, create_defaults
from postier.accounts.rights import RIGHTS
from postier.store.api import Account, AccountKind, Tx

BOX = b'"Other Users/alice@b.example/Box"'
BELOW = b'"Other Users/alice@b.example/Box/Below"'
MOVED = b'"Other Users/alice@b.example/Box2/Moved"'


class Case(NamedTuple):
    """`needed`: in Box, which is selected before they are given if `select` says so; `elsewhere`: in Box2."""

    command: bytes
    needed: str
    select: bool = False
    elsewhere: str = "l"


CASES = (
    Case(b"SUBSCRIBE " + BOX, "l"),
    Case(b"SELECT " + BOX, "r"),
    Case(b"EXAMINE " + BOX, "r"),
    Case(b"STATUS " + BOX + b" (MESSAGES)", "r"),
    Case(b"CREATE " + BELOW, "k"),
    Case(b"DELETE " + BOX, "x"),
    Case(b"RENAME " + BOX + b" " + MOVED, "x", elsewhere="lk"),
    Case(b"GETACL " + BOX, "a"),
    Case(b"SETACL " + BOX + b" carol l", "a"),
    Case(b"DELETEACL " + BOX + b" carol", "a"),
    Case(b"LISTRIGHTS " + BOX + b" carol", "a"),
    Case(b"APPEND " + BOX + b" {3+}\r\nabc", "i"),
    Case(b"GETQUOTAROOT " + BOX, "r"),
    Case(b"COPY 1 INBOX", "r", select=True),
    Case(b"FETCH 1 BODY[]", "r", select=True),
    Case(b"SEARCH ALL", "r", select=True),
    Case(b"EXPUNGE", "re", select=True),
    Case(b"UID EXPUNGE 1", "re", select=True),
    Case(b"MOVE 1 INBOX", "rte", select=True),
    Case(b"STORE 1 +FLAGS \\Seen", "rs", select=True),
    Case(b"STORE 1 +FLAGS \\Deleted", "rt", select=True),
    Case(b"STORE 1 -FLAGS (\\Flagged $Work)", "rw", select=True),
    Case(b"UID STORE 1 FLAGS (\\Answered)", "rw", select=True),
)


async def add_account(world: Any, name: str) -> Account:
    async def work(tx: Tx) -> Account:
        account_id = await tx.add_account(name, AccountKind.PERSON, "")
        await create_defaults(tx, account_id)
        return await tx.account(account_id)

    return await world.store.transact(work)


async def give(world: Any, alice: Account, box: str, rights: str) -> None:
    await acl.change_rights(world.store, alice, box, "bob@b.example", lambda before: rights)


async def answer(world: Any, case: Case, rights: str) -> bytes:
    """What bob hears to the command when he has these rights in alice's Box."""
    alice = await world.store.reader.account_named("alice@b.example") or await add_account(
        world, "alice@b.example"
    )
    for box in ("Box", "Box2"):
        if await world.store.reader.mailbox_named(alice.account_id, box) is None:
            await create(world.store, alice.account_id, box)
    owner = await world.client(b"APPEND Box {3+}\r\nabc", as_="alice@b.example")
    await give(world, alice, "Box2", case.elsewhere)
    await give(world, alice, "Box", RIGHTS)
    bob = await world.client(*([b"SELECT " + BOX] if case.select else []))
    await give(world, alice, "Box", rights)
    said: bytes = await bob.attempt(case.command)
    await bob.command(b"LOGOUT") if b"BYE" in said else None
    await owner.attempt(b"LOGOUT")
    return next(line for line in reversed(said.splitlines()) if not line.startswith(b"* BYE"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.command[:24].decode()} {case.needed}")
def test_what_a_command_needs(case: Case, in_world: Any) -> None:
    async def enough(world: Any) -> None:
        await add_account(world, "carol@b.example")
        said = await answer(world, case, case.needed)
        assert b" OK " in said, said

    async def without(world: Any) -> None:
        await add_account(world, "carol@b.example")
        for right in case.needed:
            rights = RIGHTS.replace(right, "")
            said = await answer(world, case, rights)
            code = b"NONEXISTENT" if right == "l" else b"NOPERM"
            assert b" NO [%b]" % code in said, (right, said)

    in_world(enough)
    in_world(without)


def test_rename_needs_a_right_at_both_ends(in_world: Any) -> None:
    async def test(world: Any) -> None:
        case = Case(b"RENAME " + BOX + b" " + MOVED, "x", elsewhere="lrswipxtea")
        assert b" NO [NOPERM]" in await answer(world, case, RIGHTS)

    in_world(test)


@pytest.mark.parametrize("right", "lrikxa")
def test_any_of_these_lets_ask_for_ones_rights(right: str, in_world: Any) -> None:
    async def test(world: Any) -> None:
        assert b" OK " in await answer(world, Case(b"MYRIGHTS " + BOX, ""), right)

    in_world(test)


@pytest.mark.parametrize("rights", ["", "swpte"])
def test_else_nobody_is_told(rights: str, in_world: Any) -> None:
    async def test(world: Any) -> None:
        assert b" NO [NONEXISTENT]" in await answer(world, Case(b"MYRIGHTS " + BOX, ""), rights)

    in_world(test)


def test_close_without_the_right_to_expunge_is_ok_and_keeps_all(in_world: Any) -> None:
    async def test(world: Any) -> None:
        case = Case(b"CLOSE", "", select=True)
        assert b" OK " in await answer(world, case, "rt")
        alice = await world.client(b"SELECT Box", b"STORE 1 +FLAGS \\Deleted", as_="alice@b.example")
        assert b" OK " in await answer(world, case, "rt")
        assert b"VANISHED" not in await alice.command(b"NOOP")
        assert b"EXPUNGE" not in await alice.command(b"NOOP")

    in_world(test)


def test_rights_that_are_taken_while_a_message_comes(in_world: Any) -> None:
    """Those count that are there when it is put into the mailbox, flags included."""

    async def test(world: Any) -> None:
        alice = await add_account(world, "alice@b.example")
        await create(world.store, alice.account_id, "Box")
        await give(world, alice, "Box", "lris")
        bob = await world.client()
        append = b"a APPEND %b (\\Seen) {3}\r\n" % BOX
        assert (await bob.send(append)).startswith(b"+ ")
        await give(world, alice, "Box", "lri")
        assert b"a OK [APPENDUID " in await bob.send(b"abc\r\n")
        assert (await bob.send(append)).startswith(b"+ ")
        await give(world, alice, "Box", "lr")
        assert (await bob.send(b"abc\r\n")).startswith(b"a NO [NOPERM] ")
        assert b"(MESSAGES 1 UNSEEN 1)" in await bob.command(b"STATUS %b (MESSAGES UNSEEN)" % BOX)

    in_world(test)
