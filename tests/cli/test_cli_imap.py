"""`postier imap`: what it switches, what it lists, how it fails."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.slow  # each command is a process of its own


def test_capabilities_are_switched_off_and_on(postier: Any, listed: Any) -> None:
    assert postier("imap", "list").stdout == "nothing is switched off\n"
    assert postier("imap", "disable", "idle", "QResync").stdout == "IDLE QRESYNC switched off\n"
    alice = ("--user", "alice@orchard.test")
    assert listed("imap", "disable", "MOVE", *alice) == {"disabled": ["MOVE"]}
    old = ("--client", "Old*", "--client-version", "1.*")
    postier("imap", "disable", "COMPRESS", *old)
    postier("imap", "disable", "COMPRESS", *old)
    assert listed("imap", "list") == [
        {"capability": "IDLE", "user": None, "client": None, "version": None},
        {"capability": "QRESYNC", "user": None, "client": None, "version": None},
        {"capability": "COMPRESS", "user": None, "client": "Old*", "version": "1.*"},
        {"capability": "MOVE", "user": "alice@orchard.test", "client": None, "version": None},
    ]
    assert "MOVE        alice@orchard.test" in postier("imap", "list").stdout
    assert listed("imap", "enable", "IDLE", "QRESYNC") == {"enabled": ["IDLE", "QRESYNC"]}
    assert postier("imap", "enable", "COMPRESS", *old).stdout == "COMPRESS switched on\n"
    assert [row["capability"] for row in listed("imap", "list")] == ["MOVE"]


def test_who_goes_takes_the_switches_along(postier: Any, listed: Any) -> None:
    postier("imap", "disable", "MOVE", "--user", "alice@orchard.test")
    postier("user", "remove", "alice@orchard.test", "--yes")
    assert listed("imap", "list") == []


def test_what_was_not_off_is_a_failure_and_changes_nothing(postier: Any, fails: Any, listed: Any) -> None:
    postier("imap", "disable", "IDLE")
    said = fails("imap", "enable", "IDLE", "MOVE")
    assert said == "that was not switched off, see: postier imap list"
    assert len(listed("imap", "list")) == 1
    said = fails("imap", "disable", "IDLE", "--user", "nobody@orchard.test")
    assert said == "there is nobody called nobody@orchard.test"


def test_wrong_usage(misused: Any) -> None:
    said = misused("imap", "disable", "IMAP4rev1")
    assert said.endswith("IMAP4rev1 is no capability that can be switched off")
    assert misused("imap", "disable", "IDLE", "--client-version", "1") == "--client-version needs --client"
    assert "CAPABILITY" in misused("imap", "disable")
