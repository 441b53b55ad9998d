"""`postier share`, and what `postier user` says about room and administrators."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def bob(postier: Any) -> None:
    postier("user", "add", "bob@orchard.test", "--password-stdin")


def shared(listed: Any) -> list[tuple[str, str, str, str]]:
    return [tuple(line.values()) for line in listed("share", "list")]


@pytest.mark.usefixtures("bob")
def test_a_colleague_is_let_in_and_out(postier: Any, listed: Any) -> None:
    owner, who = "alice@orchard.test", "bob@orchard.test"
    assert postier("share", "list").stdout == "nothing is shared yet\n"
    said = postier("share", "grant", owner, who, "read").stdout
    assert said == f"{who}: read in 6 mailboxes of {owner}\n"
    assert len(shared(listed)) == 6
    postier("share", "grant", owner, "bob", "none")
    done = listed("share", "grant", owner, who, "work", "--mailbox", "Archive")
    assert done == {"owner": owner, "who": who, "rights": "lrswipkxte", "mailboxes": ["Archive"]}
    postier("share", "grant", owner, "anyone", "see", "--mailbox", "Archive")
    assert shared(listed) == [(owner, "Archive", "anyone", "l"), (owner, "Archive", who, "lrswipkxte")]
    assert postier("share", "list").stdout.splitlines()[0].split() == ["OWNER", "MAILBOX", "WHO", "RIGHTS"]


@pytest.mark.usefixtures("bob")
def test_a_shared_account_is_added_and_nobody_logs_in_to_it(postier: Any, listed: Any) -> None:
    assert listed("share", "add", "sales@orchard.test", "--name", "Sales") == {"added": "sales@orchard.test"}
    people = {person["address"]: person for person in listed("user", "list")}
    assert people["sales@orchard.test"]["kind"] == "shared"
    postier("share", "grant", "sales@orchard.test", "bob@orchard.test", "all", "--mailbox", "INBOX")
    assert shared(listed) == [("sales@orchard.test", "INBOX", "bob@orchard.test", "lrswipkxtea")]


@pytest.mark.usefixtures("bob")
def test_a_colleague_is_let_write_as_others(postier: Any, listed: Any) -> None:
    postier("share", "add", "sales@orchard.test")
    said = postier("share", "send-as", "sales@orchard.test", "bob@orchard.test").stdout
    assert said == "bob@orchard.test may write as sales@orchard.test\n"
    done = listed("share", "send-as", "*@orchard.test", "bob@orchard.test")
    assert done == {"mailbox": "*@orchard.test", "who": "bob@orchard.test", "send_as": True}
    assert shared(listed) == [
        ("*@orchard.test", "", "bob@orchard.test", "send-as"),
        ("sales@orchard.test", "", "bob@orchard.test", "send-as"),
    ]
    postier("share", "send-as", "*@orchard.test", "bob@orchard.test", "--remove")
    postier("share", "send-as", "sales@orchard.test", "bob@orchard.test", "--remove")
    assert shared(listed) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("grant", "nobody@orchard.test", "anyone", "read"), "there is nobody called nobody@orchard.test"),
        (("grant", "alice@orchard.test", "bob", "read"), "there is nobody called bob"),
        (
            ("grant", "alice@orchard.test", "anyone", "read", "--mailbox", "Nothing"),
            "alice@orchard.test has no mailbox Nothing",
        ),
        (("add", "alice@orchard.test"), "alice@orchard.test is taken"),
        (("send-as", "nobody@orchard.test", "alice@orchard.test"), "there is no address nobody@orchard.test"),
        (("send-as", "*@else.test", "alice@orchard.test"), "else.test is not a domain of this server"),
        (
            ("send-as", "alice@orchard.test", "alice@orchard.test", "--remove"),
            "alice@orchard.test was not let write as alice@orchard.test",
        ),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(fails: Any, words: tuple[str, ...], said: str) -> None:
    assert fails("share", *words).startswith(said)


def test_room_is_shown_and_set(postier: Any, listed: Any) -> None:
    alice = "alice@orchard.test"
    assert postier("user", "quota", alice).stdout == (
        f"{alice}: any number of MB, any number of messages, any number of mailboxes\n"
    )
    postier("user", "quota", alice, "--storage", "5", "--messages", "7")
    said = postier("user", "quota", alice, "--mailboxes", "9").stdout
    assert said == f"{alice}: 5 MB, 7 messages, 9 mailboxes\n"
    [person] = listed("user", "list")
    limits = (person["quota"], person["message_quota"], person["mailbox_quota"])
    assert limits == (5_000_000, 7, 9)
    assert listed("user", "quota", alice, "--messages", "0")["message_quota"] == 0


def test_administrators(postier: Any, listed: Any) -> None:
    alice = "alice@orchard.test"
    assert postier("user", "admin", alice).stdout == f"{alice} is an administrator\n"
    assert [person["administrator"] for person in listed("user", "list")] == [True]
    assert listed("user", "admin", alice, "--off") == {"address": alice, "administrator": False}
