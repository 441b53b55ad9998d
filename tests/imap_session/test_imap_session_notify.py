"""NOTIFY (RFC 5465): who is told what, and when, without asking."""

from __future__ import annotations

from typing import Any

import pytest

from postier.imap.session import watch
from postier.store.api import StoreUnavailable
from postier.store.sql.journal import EVENT_SECONDS

ALL = b"MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange MailboxMetadataChange"


def test_other_mailboxes_are_told_with_status(in_world: Any) -> None:
    """RFC 5465 5.1 to 5.3, without CONDSTORE."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge FlagChange))")
        two = await world.client(b"SELECT INBOX")
        await world.deliver(world.plain)
        assert await one.news() == b"* STATUS INBOX (UIDNEXT 5 MESSAGES 4 UNSEEN 3)\r\n"
        await world.deliver(world.plain, mailbox="Sent")
        assert await one.news() == b""
        await two.command(b"STORE 2 +FLAGS.SILENT \\Seen")
        assert await one.news() == b"* STATUS INBOX (UNSEEN 2)\r\n"
        await two.command(b"STORE 2 +FLAGS.SILENT \\Deleted")
        assert await one.news() == b""  # nothing that these items could tell
        await two.command(b"EXPUNGE")
        assert await one.news() == b"* STATUS INBOX (UIDNEXT 5 MESSAGES 3)\r\n"
        await two.command(b"MOVE 1 INBOX")
        assert await one.news() == b"* STATUS INBOX (UIDNEXT 6 MESSAGES 3)\r\n"
        await one.command(b"NOTIFY NONE")
        await world.deliver(world.plain)
        assert await one.news() == b""

    in_world(test)


def test_other_mailboxes_with_modseqs(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(
            b"ENABLE QRESYNC", b"NOTIFY SET (inboxes (MessageNew MessageExpunge FlagChange))"
        )
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 2 +FLAGS.SILENT \\Flagged")
        assert await one.news() == b"* STATUS INBOX (UIDVALIDITY 1700000000 HIGHESTMODSEQ 6)\r\n"
        await two.command(b"STORE 2 +FLAGS.SILENT (\\Seen \\Deleted)")
        assert await one.news() == b"* STATUS INBOX (UIDVALIDITY 1700000000 UNSEEN 1 HIGHESTMODSEQ 7)\r\n"
        await two.command(b"EXPUNGE")
        assert await one.news() == b"* STATUS INBOX (UIDNEXT 4 MESSAGES 2 HIGHESTMODSEQ 8)\r\n"

    in_world(test)


def test_only_what_was_asked_for(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"NOTIFY SET (mailboxes INBOX (MessageNew MessageExpunge))")
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 2 +FLAGS.SILENT \\Seen")
        assert await one.news() == b""
        await two.command(b"CREATE INBOX/below")
        await two.command(b"SUBSCRIBE INBOX/below")
        assert await one.news() == b""
        await world.deliver(world.plain)
        assert await one.news() == b"* STATUS INBOX (UIDNEXT 5 MESSAGES 4)\r\n"

    in_world(test)


def test_the_selected_mailbox_at_once(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX")
        events = b"MessageNew (UID BODY.PEEK[HEADER.FIELDS (Subject)]) MessageExpunge FlagChange"
        await one.command(b"NOTIFY SET (selected (%b))" % events)
        await world.deliver(world.mixed)
        assert await one.news() == (
            b"* 4 EXISTS\r\n* 4 RECENT\r\n"
            b"* 4 FETCH (UID 4 BODY[HEADER.FIELDS (Subject)] {22}\r\nSubject: Two parts\r\n\r\n)\r\n"
        )
        await two.command(b"STORE 2 +FLAGS.SILENT \\Deleted")
        assert await one.news() == b"* 2 FETCH (UID 2 FLAGS (\\Deleted \\Recent))\r\n"
        await two.command(b"EXPUNGE")
        assert await one.news() == b"* 2 EXPUNGE\r\n* 3 RECENT\r\n"
        assert b"FETCH" not in await one.command(b"APPEND INBOX {1+}\r\nx")
        assert await one.news() == b""
        await one.command(b"UNSELECT")
        await world.deliver(world.plain)
        assert await one.news() == b""

    in_world(test)


def test_reading_for_a_notification_marks_nothing_as_seen(in_world: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(
            b"SELECT INBOX", b"NOTIFY SET (selected (MessageNew (BODY[TEXT]<0.1>) MessageExpunge))"
        )
        await world.deliver(world.plain)
        assert b"* 1 FETCH (UID 1 BODY[TEXT]<0> {1}\r\nH)\r\n" in await one.news()
        assert b"FLAGS ()" in (await one.command(b"FETCH 1 FLAGS")).replace(b"\\Recent", b"")

    in_world(test)


def test_selected_delayed_keeps_sequence_numbers(in_world: Any) -> None:
    """RFC 5465 6.1.2."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(
            b"SELECT INBOX", b"NOTIFY SET (selected-delayed (MessageNew MessageExpunge FlagChange))"
        )
        two = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT \\Deleted")
        assert await one.news() == b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted \\Recent))\r\n"
        await two.command(b"EXPUNGE")
        assert await one.news() == b""
        await world.deliver(world.plain)
        assert await one.news() == b"* 4 EXISTS\r\n* 4 RECENT\r\n"
        assert await one.command(b"FETCH 4 UID") == b"* 4 FETCH (UID 4)\r\n"
        assert await one.command(b"NOOP") == b"* 1 EXPUNGE\r\n* 3 RECENT\r\n"
        await two.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        assert await one.news() == b"* 1 FETCH (UID 2 FLAGS (\\Deleted \\Recent))\r\n"
        assert await one.send(b"i IDLE\r\n") == b"+ idling\r\n"
        await two.command(b"EXPUNGE")
        assert await one.news() == b"* 1 EXPUNGE\r\n* 2 RECENT\r\n"
        await one.send(b"DONE\r\n")
        await world.deliver(world.plain)
        assert await one.news() == b"* 3 EXISTS\r\n* 3 RECENT\r\n"

    in_world(test)


def test_expunges_are_not_told_during_a_command_that_counts(in_world: Any) -> None:
    """RFC 3501 7.4.1; what SELECTED wants at once comes right behind the tagged response."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(
            b"ENABLE QRESYNC",
            b"SELECT INBOX",
            b"NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))",
        )
        two = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT \\Deleted")
        await one.news()
        world.deafen()
        await two.command(b"EXPUNGE")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Flagged")
        answer = await one.attempt(b"FETCH 2 FLAGS")
        assert answer.splitlines() == [
            b"* 2 FETCH (FLAGS (\\Flagged \\Recent) MODSEQ (8))",
            b"* 2 FETCH (UID 2 MODSEQ (8) FLAGS (\\Flagged \\Recent))",
            b"* OK [HIGHESTMODSEQ 6] Highest",
            b"c5 OK Done",
            b"* VANISHED 1",
        ]

    in_world(test)


def test_who_does_not_want_to_hear_of_the_selected_mailbox(in_world: Any) -> None:
    """RFC 5465 3.1: from the first NOTIFY on only what was asked for; the next tells what has gathered."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX", b"NOTIFY NONE")
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        await two.command(b"EXPUNGE")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Flagged")
        await world.deliver(world.plain)
        for command in (b"NOOP", b"CHECK", b"UID FETCH 4 UID"):
            assert await one.command(command) == b""
        assert await one.send(b"i IDLE\r\n") == b"+ idling\r\n"
        assert await one.send(b"DONE\r\n") == b"i OK Done\r\n"
        assert await one.command(b"FETCH 2 UID") == b"* 2 FETCH (UID 2)\r\n"
        told = await one.command(b"STORE 2 +FLAGS \\Answered")
        assert told == b"* 2 FETCH (UID 2 FLAGS (\\Answered \\Flagged \\Recent))\r\n"
        await one.command(b"STORE 3 +FLAGS.SILENT \\Deleted")
        assert await one.command(b"EXPUNGE") == b"* 3 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 RECENT\r\n"
        assert await one.command(b"FETCH 1 UID") == b"* 1 FETCH (UID 2)\r\n"
        told = await one.command(b"NOTIFY SET (selected (MessageNew MessageExpunge))")
        assert told == (
            b"* 2 EXISTS\r\n* 2 RECENT\r\n* 1 FETCH (UID 2 FLAGS (\\Answered \\Flagged \\Recent))\r\n"
        )
        await two.command(b"NOOP")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Draft")
        await world.deliver(world.plain)
        assert await one.news() == b"* 3 EXISTS\r\n* 3 RECENT\r\n"
        told = await one.command(b"NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))")
        assert told.startswith(b"* 1 FETCH (UID 2 FLAGS (\\Answered \\Flagged \\Draft \\Recent))\r\n")

    in_world(test)


def test_names_and_subscriptions(in_world: Any) -> None:
    """RFC 5465 5.4, 5.5."""

    async def test(world: Any) -> None:
        one = await world.client(b"NOTIFY SET (personal (MailboxName SubscriptionChange))")
        two = await world.client(b"CREATE a")
        assert await one.news() == b'* LIST (\\HasNoChildren) "/" "a"\r\n'
        await two.command(b"CREATE a/b")
        assert await one.news() == (
            b'* LIST (\\HasNoChildren) "/" "a/b"\r\n* LIST (\\HasChildren) "/" "a"\r\n'
        )
        await two.command(b"SUBSCRIBE a/b")
        assert await one.news() == b'* LIST (\\HasNoChildren \\Subscribed) "/" "a/b"\r\n'
        await two.command(b"RENAME a c")
        assert await one.news() == b'* LIST (\\HasChildren) "/" "c" ("OLDNAME" ("a"))\r\n'
        await two.command(b"DELETE c")  # has children: the name stays
        assert await one.news() == b'* LIST (\\Noselect \\HasChildren) "/" "c"\r\n'
        await two.command(b"DELETE c/b")
        assert await one.news() == (
            b'* LIST (\\NonExistent) "/" "c/b"\r\n* LIST (\\Noselect \\HasNoChildren) "/" "c"\r\n'
        )
        await two.command(b"UNSUBSCRIBE a/b")
        assert await one.news() == b'* LIST (\\NonExistent) "/" "a/b"\r\n'

    in_world(test)


def test_renaming_inbox_makes_a_mailbox(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"NOTIFY SET (personal (MailboxName MessageNew MessageExpunge))")
        two = await world.client(b"RENAME INBOX old")
        assert await one.news() == (
            b'* LIST (\\HasNoChildren) "/" "old"\r\n'
            b"* STATUS INBOX (UIDNEXT 4 MESSAGES 0)\r\n"
            b'* STATUS "old" (UIDNEXT 4 MESSAGES 3)\r\n'
        )
        await two.command(b"NOOP")

    in_world(test)


def test_trees_and_what_is_taken_out_of_them(in_world: Any) -> None:
    async def test(world: Any) -> None:
        two = await world.client(b"CREATE Lists/a", b"CREATE Lists/b", b"CREATE Listsx")
        one = await world.client(
            b"NOTIFY SET (subtree Lists (MessageNew MessageExpunge MailboxName)) (mailboxes Lists/b NONE)"
        )
        for name in ("Lists/a", "Lists/b", "Listsx", "INBOX"):
            await world.deliver(world.plain, mailbox=name)
        assert await one.news() == b'* STATUS "Lists/a" (UIDNEXT 2 MESSAGES 1)\r\n'
        await two.command(b"CREATE Lists/c/d")
        assert b'"Lists/c/d"' in await one.news()
        await two.command(b"CREATE other")
        assert await one.news() == b""
        await world.deliver(world.plain, mailbox="Lists/c/d")
        assert await one.news() == b'* STATUS "Lists/c/d" (UIDNEXT 2 MESSAGES 1)\r\n'
        await two.command(b"RENAME Lists Letters")  # no longer in the tree, but told as it leaves
        assert await one.news() == b'* LIST (\\HasChildren) "/" "Letters" ("OLDNAME" ("Lists"))\r\n'
        await world.deliver(world.plain, mailbox="Letters/a")
        assert await one.news() == b""

    in_world(test)


def test_subscribed_is_looked_at_again(in_world: Any) -> None:
    """RFC 5465 6.4."""

    async def test(world: Any) -> None:
        two = await world.client(b"CREATE a")
        one = await world.client(b"NOTIFY SET (subscribed (MessageNew MessageExpunge))")
        await world.deliver(world.plain, mailbox="a")
        assert await one.news() == b""
        await two.command(b"SUBSCRIBE a")
        await world.deliver(world.plain, mailbox="a")
        assert b'* STATUS "a" (UIDNEXT 3 MESSAGES 2)\r\n' in await one.news()
        await two.command(b"UNSUBSCRIBE a")
        await world.deliver(world.plain, mailbox="a")
        assert await one.news() == b""

    in_world(test)


def test_annotations(in_world: Any) -> None:
    """RFC 5465 5.6, 5.7: names of entries, without ENABLE METADATA."""

    async def test(world: Any) -> None:
        one = await world.client(b"NOTIFY SET (personal (MailboxMetadataChange ServerMetadataChange))")
        two = await world.client(b'SETMETADATA INBOX (/private/comment "x" /shared/comment "y")')
        told = await one.news()
        assert sorted(told.split()[3:]) == [b"/private/comment", b"/shared/comment"]
        assert told.startswith(b"* METADATA INBOX /")
        await two.command(b"SETMETADATA INBOX (/private/comment NIL)")
        assert await one.news() == b"* METADATA INBOX /private/comment\r\n"
        await two.command(b'SETMETADATA "" (/private/vendor/x/y "1")')
        assert await one.news() == b'* METADATA "" /private/vendor/x/y\r\n'

    in_world(test)


def test_a_mailbox_that_was_selected_goes_on_where_it_was_told(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(
            b"SELECT INBOX", b"NOTIFY SET (selected NONE) (personal (MessageNew MessageExpunge))"
        )
        await world.deliver(world.plain)
        assert await one.news() == b""
        answer = await one.attempt(b"UNSELECT")
        assert answer.endswith(b"OK Unselected\r\n* STATUS INBOX (UIDNEXT 5 MESSAGES 4)\r\n")
        await one.command(
            b"NOTIFY SET (selected (MessageNew MessageExpunge)) (personal (MessageNew MessageExpunge))"
        )
        await one.command(b"SELECT INBOX")
        await world.deliver(world.plain)
        assert b"* 5 EXISTS" in await one.news()
        assert b"STATUS" not in await one.attempt(b"UNSELECT")

    in_world(test)


def test_idle_tells_the_same(in_world: Any) -> None:
    """RFC 5465 4."""

    async def test(world: Any) -> None:
        one = await world.client(b"NOTIFY SET (personal (MessageNew MessageExpunge MailboxName))")
        assert await one.send(b"i IDLE\r\n") == b"+ idling\r\n"
        two = await world.client(b"CREATE a")
        assert await one.news() == b'* LIST (\\HasNoChildren) "/" "a"\r\n'
        await world.deliver(world.plain)
        assert await one.news() == b"* STATUS INBOX (UIDNEXT 2 MESSAGES 1)\r\n"
        assert await one.send(b"DONE\r\n") == b"i OK Done\r\n"
        await two.command(b"DELETE a")
        assert await one.news() == b'* LIST (\\NonExistent) "/" "a"\r\n'

    in_world(test)


def test_three_sessions_with_uids_only(in_world: Any) -> None:
    """NOTIFY beside QRESYNC and UIDONLY: VANISHED and UIDFETCH."""

    async def test(world: Any) -> None:
        await world.fill()
        select, both = (
            b"SELECT INBOX",
            b"NOTIFY SET (selected (MessageNew (FLAGS) MessageExpunge FlagChange))",
        )
        one = await world.client(b"ENABLE UIDONLY", select, both)
        two = await world.client(b"ENABLE QRESYNC", select, both)
        three = await world.client(select, b"STORE 2 +FLAGS.SILENT \\Deleted")
        assert await one.news() == b"* 2 UIDFETCH (FLAGS (\\Deleted \\Recent))\r\n"
        assert await two.news() == b"* 2 FETCH (UID 2 MODSEQ (6) FLAGS (\\Deleted))\r\n"
        await three.command(b"EXPUNGE")
        assert await one.news() == await two.news() == b"* VANISHED 2\r\n"
        await world.deliver(world.plain)
        assert (await one.news()).endswith(b"* 4 UIDFETCH (FLAGS (\\Recent))\r\n")
        assert (await two.news()).endswith(b"* 3 FETCH (UID 4 FLAGS () MODSEQ (8))\r\n")

    in_world(test)


def test_a_client_that_was_away_too_long_from_its_own_session(in_world: Any) -> None:
    """RFC 5465 5.8: what cannot be told any more ends the notifications."""

    async def test(world: Any) -> None:
        one = await world.client(b"NOTIFY SET (personal (MailboxName))")
        publish = world.services.bus.publish
        world.deafen()
        two = await world.client(b"CREATE a")
        world.clock.moment += EVENT_SECONDS + 10
        world.services.bus.publish = publish
        await two.command(b"CREATE b")
        assert (await one.news()).startswith(b"* OK [NOTIFICATIONOVERFLOW] ")
        await two.command(b"CREATE c")
        assert await one.news() == b""

    in_world(test)


def test_what_others_open_and_close(in_world: Any) -> None:
    """RFC 5465 5.4, 5.9: the right to see a mailbox comes and goes."""

    async def test(world: Any) -> None:
        await world.add_person("carol@b.example")
        carol = await world.client(as_="carol@b.example")
        name = b'"Other Users/carol@b.example/INBOX"'
        one = await world.client(b"NOTIFY SET (mailboxes %b (MailboxName MessageNew MessageExpunge))" % name)
        await carol.command(b"SETACL INBOX bob@b.example lr")
        assert await one.news() == b'* LIST (\\HasNoChildren) "/" %b\r\n' % name
        await carol.command(b"APPEND INBOX {1+}\r\nx")
        assert await one.news() == b"* STATUS %b (UIDNEXT 2 MESSAGES 1)\r\n" % name
        await carol.command(b"DELETEACL INBOX bob@b.example")
        assert await one.news() == b'* LIST (\\NonExistent) "/" %b\r\n' % name
        await carol.command(b"APPEND INBOX {1+}\r\nx")
        assert await one.news() == b""
        await carol.command(b"CREATE secret")
        assert await one.news() == b""

    in_world(test)


def test_a_mailbox_that_is_seen_and_may_not_be_read(in_world: Any) -> None:
    """RFC 5465 3.1."""

    async def test(world: Any) -> None:
        await world.add_person("carol@b.example")
        carol = await world.client(as_="carol@b.example")
        await carol.command(b"SETACL INBOX bob@b.example l")
        one = await world.client()
        told = await one.command(b'NOTIFY SET (subtree "Other Users" (MessageNew MessageExpunge))')
        assert told == b'* LIST (\\NoAccess) "/" "Other Users/carol@b.example/INBOX"\r\n'

    in_world(test)


def test_to_what_others_subscribe_is_not_told(in_world: Any) -> None:
    """Names of theirs are none of ours, though we may have one that is written the same."""

    async def test(world: Any) -> None:
        await world.add_person("carol@b.example")
        carol = await world.client(b"SETACL INBOX bob@b.example lr", b"CREATE secret", as_="carol@b.example")
        one = await world.client(
            b'NOTIFY SET (mailboxes (secret "Other Users/carol@b.example/INBOX")'
            b" (MailboxName SubscriptionChange))"
        )
        await carol.command(b"SUBSCRIBE secret")
        await carol.command(b"UNSUBSCRIBE secret")
        assert await one.news() == b""
        two = await world.client(b"CREATE secret")
        assert await one.news() == b'* LIST (\\HasNoChildren) "/" "secret"\r\n'
        await two.command(b"SUBSCRIBE secret")
        assert await one.news() == b'* LIST (\\HasNoChildren \\Subscribed) "/" "secret"\r\n'

    in_world(test)


def test_what_fails_listens_to_nothing(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        listeners = world.services.bus._subscribers._calls

        async def down(*_: object) -> object:
            raise StoreUnavailable("disk full")

        client = await world.client()
        with monkeypatch.context() as patched:
            patched.setattr(type(world.store.reader), "mailboxes", down)
            answer = await client.attempt(b"NOTIFY SET (personal (MessageNew MessageExpunge))")
        assert answer.startswith(b"c2 NO [UNAVAILABLE] ")
        assert not listeners
        await client.command(b"NOTIFY SET (personal (MessageNew MessageExpunge))")
        assert len(listeners) == 1

    in_world(test)


def test_subscriptions_are_read_once(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        reader, reads = type(world.store.reader), list[int]()
        subscriptions = reader.subscriptions

        async def counting(self: Any, account_id: Any) -> Any:
            reads.append(account_id)
            return await subscriptions(self, account_id)

        client = await world.client()
        monkeypatch.setattr(reader, "subscriptions", counting)
        told = await client.command(b"NOTIFY SET STATUS (subscribed (MessageNew MessageExpunge))")
        assert told.count(b"* STATUS ") == 6
        assert len(reads) == 2  # when it begins, and for what is told then

    in_world(test)


def test_idle_outlives_a_store_that_fails(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be told is told with what comes next, and DONE ends IDLE."""

    async def test(world: Any) -> None:
        async def down(*_: object) -> object:
            raise StoreUnavailable("disk full")

        await world.fill()
        one = await world.client(b"SELECT INBOX", b"NOTIFY SET (selected (MessageNew MessageExpunge))")
        assert await one.send(b"i IDLE\r\n") == b"+ idling\r\n"
        with monkeypatch.context() as patched:
            patched.setattr(type(world.store.reader), "changes_since", down)
            await world.deliver(world.plain)
            assert await one.news() == b""
        await world.deliver(world.plain)
        assert b"* 5 EXISTS\r\n" in await one.news()
        assert await one.send(b"DONE\r\n") == b"i OK Done\r\n"
        assert await one.command(b"NOOP") == b""

    in_world(test)


def test_flags_that_wait_are_told_after_a_fault(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """RFC 5465 3.1: what gathered while the client did not want to hear of flags."""

    async def test(world: Any) -> None:
        async def down(*_: object) -> object:
            raise StoreUnavailable("disk full")

        await world.fill()
        one = await world.client(b"SELECT INBOX", b"NOTIFY SET (selected (MessageNew MessageExpunge))")
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Flagged")
        assert await one.news() == b""
        everything = b"NOTIFY SET (selected (MessageNew MessageExpunge FlagChange))"
        with monkeypatch.context() as patched:
            patched.setattr(type(world.store.reader), "changes_since", down)
            assert b" NO [UNAVAILABLE] " in await one.attempt(everything)
        await world.deliver(world.plain)
        assert await one.news() == b"* 4 EXISTS\r\n* 4 RECENT\r\n"  # what was asked for before goes on
        told = b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged \\Recent))\r\n"
        assert told in await one.command(everything)

    in_world(test)


def test_what_is_remembered_of_others_is_bounded(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where nothing of their messages is watched; of one's own mailboxes nothing need be."""

    async def test(world: Any) -> None:
        monkeypatch.setattr(watch, "MAX_MAILBOXES", 1)
        await world.add_person("carol@b.example")
        carol = await world.client(b"SETACL INBOX bob@b.example l", as_="carol@b.example")
        one = await world.client(b"NOTIFY SET (personal (MailboxName))")
        await one.command(b'NOTIFY SET (subtree "Other Users" (MailboxName))')
        await carol.command(b"SETACL Sent bob@b.example l")
        answer = await one.attempt(b'NOTIFY SET (subtree "Other Users" (MailboxName))')
        assert b" NO [NOTIFICATIONOVERFLOW] " in answer

    in_world(test)
