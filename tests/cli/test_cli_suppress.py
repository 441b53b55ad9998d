"""`postier suppress`: addresses elsewhere that nothing is sent to."""

from __future__ import annotations

from typing import Any


def test_an_address_is_suppressed_and_lifted(postier: Any, listed: Any, fails: Any) -> None:
    assert postier("suppress", "list").stdout == "nothing is suppressed\n"
    said = postier("suppress", "add", "Bob@Far.test", "--reason", "asked us not to").stdout
    assert said == "nothing is sent to bob@far.test, for ever\n"
    (one,) = listed("suppress", "list")
    assert (one["address"], one["for_ever"], one["words"]) == ("bob@far.test", True, "asked us not to")
    assert "asked us not to" in postier("suppress", "list").stdout
    assert listed("suppress", "remove", "bob@far.test") == {"removed": "bob@far.test"}
    assert fails("suppress", "remove", "bob@far.test") == "bob@far.test is not suppressed"


def test_it_may_end_by_itself(listed: Any) -> None:
    one = listed("suppress", "add", "bob@far.test", "--days", "3")
    assert one["until"] > one["first"]
    assert not one["for_ever"]


def test_our_own_addresses_are_never_suppressed(fails: Any, misused: Any) -> None:
    assert fails("suppress", "add", "alice@orchard.test") == "orchard.test is a domain of this server"
    assert "Invalid value" in misused("suppress", "add", "bob@far.test", "--days", "0")


def test_what_a_stranger_said_does_not_move_the_terminal(postier: Any) -> None:
    postier("suppress", "add", "eve@far.test", "--reason", "\x1b[2Jgone \x9b31m\u202eor not")
    said = postier("suppress", "list").stdout
    assert "\ufffd[2Jgone \ufffd31m\ufffdor not" in said
