"""Two sessions on one mailbox: what the one does, the other is told, when it may be (RFC 3501 5.5, 7.4.1)."""

from __future__ import annotations

from typing import Any

import pytest

from postier.imap.session import store
from postier.store.api import StoreUnavailable


def test_expunge_waits_for_a_command_that_may_tell_it(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await one.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        assert await one.command(b"EXPUNGE") == b"* 1 EXPUNGE\r\n* 2 RECENT\r\n"
        assert b"EXPUNGE" not in await two.command(b"FETCH 2:3 UID")
        assert b"EXPUNGE" not in await two.command(b"SEARCH ALL")
        assert await two.command(b"SEARCH UNSEEN") == b"* SEARCH 2 3\r\n"  # its own numbers still hold
        gone = await two.attempt(b"FETCH 1:2 RFC822.SIZE")
        assert gone.startswith(b"* 2 FETCH (RFC822.SIZE 468)\r\nc6 OK [EXPUNGEISSUED] ")
        assert await two.command(b"NOOP") == b"* 1 EXPUNGE\r\n"
        assert await two.command(b"FETCH 1:* UID") == b"* 1 FETCH (UID 2)\r\n* 2 FETCH (UID 3)\r\n"

    in_world(test)


def test_uid_commands_tell_expunges_after_their_answer(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await one.command(b"UID STORE 2 +FLAGS.SILENT \\Deleted")
        await one.command(b"EXPUNGE")
        answer = await two.command(b"UID FETCH 1:* FLAGS")
        assert answer.splitlines() == [
            b"* 1 FETCH (UID 1 FLAGS (\\Seen))",
            b"* 3 FETCH (UID 3 FLAGS ())",
            b"* 2 EXPUNGE",
        ]

    in_world(test)


def test_flags_and_arrivals_are_told_at_any_command(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"EXAMINE INBOX")
        await one.command(b"STORE 2 +FLAGS (\\Flagged $Work)")
        told = await two.command(b"NOOP")
        assert told.startswith(b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Work)\r\n")
        assert told.endswith(b"* 2 FETCH (UID 2 FLAGS (\\Flagged $Work))\r\n")
        assert await one.command(b"NOOP") == b""
        await world.deliver(world.plain)
        assert b"* 4 EXISTS\r\n" in await two.command(b"SEARCH 1")
        assert await one.command(b"NOOP") == b"* 4 EXISTS\r\n* 4 RECENT\r\n"

    in_world(test)


def test_what_a_session_did_itself_is_not_told_twice(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await two.command(b"STORE 1 +FLAGS \\Answered")
        told = await one.command(b"STORE 2 +FLAGS.SILENT \\Answered")
        assert told == b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Answered \\Recent))\r\n"
        assert await one.command(b"NOOP") == b""
        told = await two.command(b"STORE 3 +FLAGS \\Answered")
        assert told.splitlines() == [
            b"* 3 FETCH (UID 3 FLAGS (\\Answered))",
            b"* 2 FETCH (UID 2 FLAGS (\\Answered))",
        ]
        assert await two.command(b"NOOP") == b""

    in_world(test)


def test_seen_by_reading_is_told_to_the_other(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        assert b"FLAGS (\\Seen \\Recent)" in await one.command(b"FETCH 2 BODY[]")
        assert b"FLAGS" not in (await one.command(b"FETCH 2 BODY.PEEK[]"))
        assert await one.command(b"NOOP") == b""
        assert await two.command(b"NOOP") == b"* 2 FETCH (UID 2 FLAGS (\\Seen))\r\n"
        reader = await world.client(b"EXAMINE INBOX")
        await reader.command(b"FETCH 3 BODY[]")
        assert await two.command(b"NOOP") == b""

    in_world(test)


def test_idle_hears_at_once(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        assert await one.send(b"i IDLE\r\n") == b"+ idling\r\n"
        await world.deliver(world.plain)
        assert await one.news() == b"* 4 EXISTS\r\n* 4 RECENT\r\n"
        await two.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        assert await one.news() == b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Deleted \\Recent))\r\n"
        await two.command(b"EXPUNGE")
        assert await one.news() == b"* 1 EXPUNGE\r\n* 3 RECENT\r\n"
        await world.deliver(world.plain, mailbox="Sent")
        assert await one.news() == b""
        assert await one.send(b"DONE\r\n") == b"i OK Done\r\n"

    in_world(test)


def test_a_session_between_commands_is_told_nothing(in_world: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX")
        await world.deliver(world.plain)
        assert await one.news() == b""
        assert await one.command(b"NOOP") == b"* 1 EXISTS\r\n* 1 RECENT\r\n"

    in_world(test)


def test_recent_belongs_to_the_first_session(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        assert b"* 3 RECENT\r\n" in await (await world.client()).command(b"EXAMINE INBOX")
        one = await world.client()
        assert b"* 3 RECENT\r\n" in await one.command(b"SELECT INBOX")
        assert b"* 0 RECENT\r\n" in await (await world.client()).command(b"SELECT INBOX")
        await world.deliver(world.plain)
        assert b"* 4 RECENT\r\n" in await one.command(b"NOOP")
        await one.command(b"CLOSE")
        assert b"* 0 RECENT\r\n" in await one.command(b"SELECT INBOX")

    in_world(test)


def test_a_mailbox_deleted_under_a_session_ends_it(in_world: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"CREATE Old", b"SELECT Old")
        idle = await world.client(b"SELECT Old", b"NOOP")
        await idle.send(b"i IDLE\r\n")
        two = await world.client(b"DELETE Old")
        assert await two.command(b"NOOP") == b""
        assert (await idle.news()).startswith(b"* BYE ")
        assert await one.attempt(b"NOOP") == b"c4 OK Done\r\n* BYE The selected mailbox was deleted\r\n"
        assert one.connection.closed

    in_world(test)


def test_deleting_what_one_has_selected(in_world: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"CREATE Old", b"SELECT Old")
        assert await one.command(b"DELETE Old") == b"* OK [CLOSED] The selected mailbox is gone\r\n"
        assert (await one.attempt(b"CHECK")).startswith(b"c5 BAD ")

    in_world(test)


def test_messages_moved_away_and_appended_in_the_same_mailbox(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        assert (await one.command(b"MOVE 1:2 Trash")).endswith(
            b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 1 RECENT\r\n"
        )
        assert await one.command(b"APPEND INBOX {5+}\r\nhello") == b"* 2 EXISTS\r\n* 2 RECENT\r\n"
        told = await two.command(b"NOOP")
        assert told == b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n* 0 RECENT\r\n"
        answer = await two.attempt(b"COPY 1:2 Sent")
        assert b"COPYUID" in answer
        await one.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        await one.command(b"EXPUNGE")
        answer = await two.attempt(b"COPY 1:2 Sent")
        assert b"NO [EXPUNGEISSUED]" in answer
        assert b"(MESSAGES 2)" in await two.command(b"STATUS Sent (MESSAGES)")

    in_world(test)


def test_only_what_a_session_has_seen_is_expunged(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.deliver(world.plain, flags=8)
        one = await world.client(b"SELECT INBOX")
        await world.deliver(world.mixed, flags=8)
        assert await one.command(b"EXPUNGE") == b"* 1 EXPUNGE\r\n* 1 EXISTS\r\n* 1 RECENT\r\n"
        assert await one.command(b"FETCH 1 UID") == b"* 1 FETCH (UID 2)\r\n"

    in_world(test)


def test_a_new_keyword_is_announced_before_reading_shows_it(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await one.command(b"STORE 2 +FLAGS.SILENT $Work")
        answer = await two.command(b"FETCH 2 (BODY[TEXT]<0.1>)")
        assert answer.startswith(b"* FLAGS (\\Seen \\Answered \\Flagged \\Deleted \\Draft $Work ")
        assert b"* 2 FETCH (FLAGS (\\Seen $Work) BODY[TEXT]<0> {1}\r\n" in answer
        assert await two.command(b"NOOP") == b""

    in_world(test)


def test_a_move_to_where_it_is_renumbers_for_everybody(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX")
        two = await world.client(b"ENABLE QRESYNC", b"SELECT INBOX")
        assert await one.command(b"MOVE 1:2 INBOX") == (
            b"* OK [COPYUID 1700000000 1:2 4:5] Moved\r\n"
            b"* 2 EXPUNGE\r\n* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 3 RECENT\r\n"
        )
        assert await two.command(b"NOOP") == b"* VANISHED 1:2\r\n* 3 EXISTS\r\n* 0 RECENT\r\n"
        assert await one.command(b"UID SEARCH ALL") == b"* SEARCH 3 4 5\r\n"
        assert b"FLAGS (\\Seen" in await one.command(b"UID FETCH 4 FLAGS")

    in_world(test)


def test_the_modseq_told_with_an_expunge_covers_what_others_did(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX (CONDSTORE)", b"STORE 1 +FLAGS.SILENT \\Deleted")
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 3 +FLAGS.SILENT \\Answered")
        assert (await one.attempt(b"EXPUNGE")).splitlines() == [
            b"* 1 EXPUNGE",
            b"* 2 RECENT",
            b"* 2 FETCH (UID 3 MODSEQ (7) FLAGS (\\Answered \\Recent))",
            b"c4 OK [HIGHESTMODSEQ 8] Expunged",
        ]

    in_world(test)


def test_silence_is_about_ones_own_change_only(in_world: Any) -> None:
    """RFC 3501 6.4.6: what another did to the flags meanwhile is told, .SILENT or not."""

    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await two.command(b"STORE 1:2 +FLAGS.SILENT \\Flagged")
        assert await one.command(b"STORE 2:3 +FLAGS.SILENT \\Answered") == (
            b"* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged \\Recent))\r\n"
            b"* 2 FETCH (UID 2 FLAGS (\\Answered \\Flagged \\Recent))\r\n"
        )
        await one.command(b"STORE 1 +FLAGS.SILENT \\Draft")
        await two.command(b"NOOP")
        await one.command(b"STORE 3 -FLAGS.SILENT \\Answered")
        told = await two.command(b"STORE 3 FLAGS (\\Draft)")
        assert told == b"* 3 FETCH (UID 3 FLAGS (\\Draft))\r\n"
        assert await one.command(b"NOOP") == b"* 3 FETCH (UID 3 FLAGS (\\Draft \\Recent))\r\n"

    in_world(test)


def test_the_modseq_a_client_may_come_back_with_waits_for_expunges(in_world: Any) -> None:
    """RFC 7162 6: while VANISHED is delayed, HIGHESTMODSEQ stays below its modseq."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"ENABLE QRESYNC", b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT \\Deleted")
        await one.command(b"NOOP")
        await two.command(b"EXPUNGE")
        assert (await one.command(b"STORE 2 +FLAGS.SILENT \\Answered")).splitlines() == [
            b"* 2 FETCH (UID 2 MODSEQ (8))",
            b"* OK [HIGHESTMODSEQ 6] Highest",
        ]
        await two.command(b"STORE 1 +FLAGS.SILENT \\Flagged")
        assert (await one.command(b"FETCH 2:3 MODSEQ")).splitlines() == [
            b"* 2 FETCH (MODSEQ (9))",
            b"* 3 FETCH (MODSEQ (5))",
            b"* 2 FETCH (UID 2 MODSEQ (9) FLAGS (\\Answered \\Flagged \\Recent))",
            b"* OK [HIGHESTMODSEQ 6] Highest",
        ]
        assert b"VANISHED" not in await one.command(b"UID SEARCH 1:2")  # sequence numbers among the keys
        assert (await one.command(b"UID SEARCH UID 1:2")).splitlines() == [
            b"* SEARCH 1 2",
            b"* VANISHED 1",
            b"* OK [HIGHESTMODSEQ 9] Highest",
        ]

    in_world(test)


def test_who_becomes_aware_of_modseqs_while_an_expunge_waits(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT \\Deleted", b"EXPUNGE")
        assert b"EXPUNGE" not in await one.command(b"FETCH 2 UID")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Flagged")
        assert (await one.command(b"FETCH 2 MODSEQ")).startswith(b"* OK [HIGHESTMODSEQ 5] Highest\r\n")

    in_world(test)


def test_a_modseq_is_not_shown_before_what_happened_up_to_it(in_world: Any) -> None:
    """Another process changed something, and the bus has not been heard yet."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"ENABLE QRESYNC", b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT \\Deleted")
        await one.command(b"NOOP")
        world.deafen()
        await two.command(b"EXPUNGE")
        await two.command(b"STORE 1 +FLAGS.SILENT \\Flagged")
        assert (await one.command(b"UID FETCH 2 FLAGS")).splitlines() == [
            b"* 2 FETCH (UID 2 FLAGS (\\Flagged \\Recent) MODSEQ (8))",
            b"* VANISHED 1",
            b"* 1 FETCH (UID 2 MODSEQ (8) FLAGS (\\Flagged \\Recent))",
        ]

    in_world(test)


def test_conditional_store_on_messages_of_which_some_are_gone(in_world: Any) -> None:
    """RFC 7162 3.1.3, example 11."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX (CONDSTORE)")
        two = await world.client(b"SELECT INBOX", b"STORE 2 +FLAGS.SILENT \\Answered")
        await two.command(b"STORE 3 +FLAGS.SILENT \\Deleted")
        await two.command(b"EXPUNGE")
        answer = await one.attempt(b"STORE 1:3 (UNCHANGEDSINCE 5) +FLAGS \\Flagged")
        assert answer.splitlines() == [
            b"* 1 FETCH (UID 1 MODSEQ (9) FLAGS (\\Seen \\Flagged \\Recent))",
            b"* 2 FETCH (UID 2 MODSEQ (6) FLAGS (\\Answered \\Recent))",
            b"* OK [HIGHESTMODSEQ 5] Highest",
            b"c3 NO [MODIFIED 2] Some of the messages no longer exist",
        ]
        told = await one.command(b"NOOP")
        assert told == b"* 3 EXPUNGE\r\n* 2 RECENT\r\n* OK [HIGHESTMODSEQ 9] Highest\r\n"

    in_world(test)


def test_seen_by_reading_comes_with_uid_and_modseq(in_world: Any) -> None:
    """RFC 7162 3.2.4."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"SELECT INBOX (CONDSTORE)")
        told = await one.command(b"FETCH 2 BODY[TEXT]<0.1>")
        assert told.startswith(b"* 2 FETCH (UID 2 FLAGS (\\Seen \\Recent) MODSEQ (6) BODY[TEXT]<0> {1}\r\n")

    in_world(test)


def test_refusals_come_with_news_where_the_command_may_tell_them(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        await one.command(b"STORE 1 +FLAGS.SILENT \\Deleted")
        await one.command(b"EXPUNGE")
        assert b"EXPUNGE\r\n" not in await two.attempt(b"FETCH 1 RFC822.SIZE")
        answer = await two.attempt(b"COPY 1 Sent")
        assert answer.startswith(b"* 1 EXPUNGE\r\n")
        assert b"c4 NO [EXPUNGEISSUED] " in answer

    in_world(test)


def test_a_command_that_is_done_is_ok_though_its_news_cannot_be_read(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def down(*_: object, **__: object) -> object:
            raise StoreUnavailable("disk")

        await world.fill()
        one = await world.client(b"SELECT INBOX")
        await world.deliver(world.plain)
        with monkeypatch.context() as patched:
            patched.setattr(type(world.store.reader), "changes_since", down)
            assert await one.command(b"CREATE New") == b""
        assert await one.command(b"NOOP") == b"* 4 EXISTS\r\n* 4 RECENT\r\n"

    in_world(test)


def test_the_selected_mailbox_is_deleted_by_another(in_world: Any) -> None:
    """RFC 2180 3.3: IMAP4rev1 has no word for it but BYE; RFC 9051 3: CLOSED."""

    async def test(world: Any) -> None:
        await (await world.client()).command(b"CREATE Doomed")
        old = await world.client(b"SELECT Doomed")
        new = await world.client(b"ENABLE IMAP4rev2", b"SELECT Doomed")
        idle = await world.client(b"ENABLE IMAP4rev2", b"SELECT Doomed")
        assert await idle.send(b"i IDLE\r\n") == b"+ idling\r\n"
        await (await world.client()).command(b"DELETE Doomed")
        assert b" OK Done\r\n* BYE " in await old.attempt(b"NOOP")
        assert old.connection.closed
        assert (await new.command(b"NOOP")).startswith(b"* OK [CLOSED] ")
        assert (await new.attempt(b"FETCH 1 FLAGS")).startswith(b"c5 BAD ")
        assert b"* LIST" in await new.command(b"SELECT INBOX")
        assert (await idle.news()).startswith(b"* OK [CLOSED] ")
        assert await idle.send(b"DONE\r\n") == b"i OK Done\r\n"
        assert (await idle.attempt(b"CHECK")).startswith(b"c4 BAD ")

    in_world(test)


def test_an_older_state_is_not_told_behind_a_newer_one(in_world: Any, monkeypatch: Any) -> None:
    """Another session changes the flags between this one's STORE and its answer."""

    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"ENABLE CONDSTORE", b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 2 +FLAGS \\Seen")
        change = store._change

        async def overtaken(*arguments: Any) -> Any:
            monkeypatch.setattr(store, "_change", change)
            outcome = await change(*arguments)
            await two.command(b"STORE 1,3 +FLAGS \\Flagged")
            return outcome

        monkeypatch.setattr(store, "_change", overtaken)
        told = await one.command(b"STORE 1,3 -FLAGS (\\Flagged)")
        for start in (b"* 1 FETCH ", b"* 3 FETCH "):
            of_one = [line for line in told.splitlines() if line.startswith(start)]
            assert b"\\Flagged" in of_one[-1]
            assert of_one == sorted(of_one, key=lambda line: int(line.split(b"MODSEQ (")[1].split(b")")[0]))

    in_world(test)


def test_a_mailbox_full_of_keywords_takes_no_more(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        names = b" ".join(b"k%d" % number for number in range(57))
        told = await one.command(b"STORE 1 FLAGS (%b)" % names)
        assert b"\\*" in told
        told = await one.command(b"STORE 1 +FLAGS k57")
        assert b"PERMANENTFLAGS" in told
        assert b"\\*" not in told  # RFC 3501 7.1: no new one can be created
        assert b"\\*" not in await two.command(b"NOOP")
        assert b" NO [LIMIT] " in await one.attempt(b"STORE 1 +FLAGS k58")
        assert b" OK " in await two.attempt(b"STORE 2 +FLAGS k57")

    in_world(test)


def test_what_is_gone_or_named_twice(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = await world.client(b"SELECT INBOX"), await world.client(b"SELECT INBOX")
        assert (await one.command(b"FETCH 2,2,1:2,2:* UID")).count(b"* 2 FETCH") == 1
        assert await one.command(b"FETCH 3 (UID UID)") == b"* 3 FETCH (UID 3)\r\n"
        assert await one.command(b"UID STORE 2 +FLAGS.SILENT \\Deleted") == b""
        assert await one.command(b"UID EXPUNGE 2") == b"* 2 EXPUNGE\r\n* 2 RECENT\r\n"
        assert b"FETCH" not in await one.command(b"UID STORE 2 +FLAGS \\Seen")  # RFC 3501 6.4.8
        assert await one.command(b"UID FETCH 2 FLAGS") == b""
        assert b"* 2 EXPUNGE\r\n" in await two.command(b"UID STORE 2 +FLAGS \\Seen")
        assert await two.command(b"UID STORE 2 +FLAGS \\Seen") == b""

    in_world(test)


def test_a_selected_mailbox_that_is_renamed_stays_selected(in_world: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"CREATE Old", b"SELECT Old")
        idle = await world.client(b"SELECT Old", b"NOOP")
        await idle.send(b"i IDLE\r\n")
        two = await world.client(b"RENAME Old New", b"CREATE Old")
        await two.command(b"APPEND New {9+}\r\nA: b\r\n\r\nc")
        # RFC 2180 3.4: a session has opened a mailbox, not a name.
        assert (await idle.news()).startswith(b"* 1 EXISTS\r\n")
        assert b"* 1 EXISTS\r\n" in await one.command(b"NOOP")
        assert b"UID 1" in await one.command(b"FETCH 1 UID")
        assert await two.command(b"STATUS Old (MESSAGES)") == b'* STATUS "Old" (MESSAGES 0)\r\n'

    in_world(test)


@pytest.mark.parametrize(
    ("reads", "command"),
    [
        ("flag_columns", b"FETCH 1:* (UID FLAGS)"),
        ("messages", b"FETCH 1:* (FLAGS INTERNALDATE)"),
        ("messages", b"FETCH 1:* (FLAGS BODY[TEXT])"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_flags_read_before_a_keyword_is_announced_are_not_told_after_it(
    in_world: Any, monkeypatch: pytest.MonkeyPatch, reads: str, command: bytes
) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one, two = (
            await world.client(b"ENABLE CONDSTORE", b"SELECT INBOX"),
            await world.client(b"SELECT INBOX"),
        )
        await two.command(b"STORE 3 +FLAGS $New")
        reader = world.store.reader
        read = getattr(reader, reads)

        async def overtaken(*args: Any, **rest: Any) -> Any:
            rows = await read(*args, **rest)
            monkeypatch.setattr(reader, reads, read)
            await two.command(b"STORE 1 +FLAGS \\Answered")
            return rows

        monkeypatch.setattr(reader, reads, overtaken)
        told = await one.command(command)
        assert told.index(b"$New") < told.index(b" FETCH ")
        last = [line for line in told.splitlines() if line.startswith(b"* 1 FETCH ")][-1]
        assert b"\\Answered" in last

    in_world(test)


def test_a_keyword_is_announced_before_it_is_shown_to_who_hears_of_nothing(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        one = await world.client(b"ENABLE CONDSTORE", b"SELECT INBOX", b"NOTIFY NONE")
        two = await world.client(b"SELECT INBOX")
        await two.command(b"STORE 3 +FLAGS $New")
        told = await one.command(b"UID FETCH 1:* (FLAGS)")
        assert told.startswith(b"* FLAGS (")
        assert b"FLAGS ($New \\Recent) MODSEQ" in told

    in_world(test)
