"""A mailbox that a client may not see, and an account that lets it see nothing, answer every command just as
what is not there."""

from __future__ import annotations

import re
from typing import Any

import pytest

COMMANDS = (
    b"SELECT %b",
    b"EXAMINE %b",
    b"STATUS %b (MESSAGES UIDNEXT MAILBOXID SIZE RECENT)",
    b'LIST "" %b',
    b"LIST (SUBSCRIBED RECURSIVEMATCH) %b (* %%) RETURN (STATUS (MESSAGES) MYRIGHTS CHILDREN)",
    b'LSUB "" %b',
    b"SUBSCRIBE %b",
    b"UNSUBSCRIBE %b",
    b"CREATE %b",
    b"DELETE %b",
    b"RENAME %b another",
    b"RENAME Sent %b",
    b"COPY 1 %b",
    b"MOVE 1 %b",
    b"APPEND %b {3+}\r\nabc",
    b"APPEND %b CATENATE (TEXT {1+}\r\na)",
    b"REPLACE 1 %b {3+}\r\nabc",
    b"GETACL %b",
    b"SETACL %b carol@b.example lr",
    b"DELETEACL %b carol@b.example",
    b"LISTRIGHTS %b carol@b.example",
    b"MYRIGHTS %b",
    b"GETQUOTAROOT %b",
    b"GETMETADATA %b (/shared/comment /private/comment)",
    b'SETMETADATA %b (/shared/comment "x")',
    b"ESEARCH IN (mailboxes %b) ALL",
    b"ESEARCH IN (subtree %b) ALL",
    b"NOTIFY SET STATUS (mailboxes %b (MessageNew MessageExpunge MailboxName MailboxMetadataChange))",
    b"NOTIFY SET STATUS (subtree %b (MessageNew MessageExpunge MailboxName MailboxMetadataChange))",
)
PAIRS = {
    "mailbox": (b"Other Users/alice@b.example/Private", b"Other Users/alice@b.example/Nothing"),
    "below": (b"Other Users/alice@b.example/Private/Deep", b"Other Users/alice@b.example/Nothing/Deep"),
    "account": (b"Other Users/carol@b.example/INBOX", b"Other Users/nobody@b.example/INBOX"),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_what_is_not_seen_is_not_there(pair: tuple[bytes, bytes], in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        for name in ("alice@b.example", "carol@b.example"):
            await world.add_person(name)
        alice = await world.client(
            b"CREATE Private/Deep",
            b'SETMETADATA Private (/shared/comment "x" /private/comment "x")',
            b"APPEND Private {3+}\r\nabc",
            b"SETACL INBOX bob@b.example l",
            as_="alice@b.example",
        )
        for command in COMMANDS:
            answers = []
            for name in pair:
                bob = await world.client(b"SELECT INBOX")
                said = await bob.attempt(command % (b'"%b"' % name))
                await alice.command(b"APPEND Private {3+}\r\nabc")
                said += await bob.news()
                answers.append(re.sub(rb"(?m)^c\d+ ", b"", said.replace(name, b"NAME")))
                await bob.attempt(b"LOGOUT")
            assert answers[0] == answers[1], command

    in_world(test)
