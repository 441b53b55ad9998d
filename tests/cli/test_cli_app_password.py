"""`postier app-password`, and what is demanded of people."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from postier.cli.main import cli

ALICE = "alice@orchard.test"


def test_one_is_made_listed_and_revoked(postier: Any, listed: Any) -> None:
    said = postier("app-password", "add", ALICE, "--name", "Anna's phone").stdout
    assert re.search(r"^    [a-z]{4}(-[a-z]{4}){5}$", said, re.MULTILINE)
    made = listed(
        "app-password", "add", ALICE, "--name", "scanner", "--protocols", "submission, api",
        "--from", "192.0.2.0/24", "--from", "2001:db8::/32", "--until", "2199-12-31",
    )  # fmt: skip
    assert set(made) == {"address", "id", "name", "password"}
    phone, scanner = listed("app-password", "list", ALICE)
    assert (phone["name"], phone["networks"], phone["expires"]) == ("Anna's phone", [], None)
    assert phone["protocols"] == ["imap", "pop3", "submission", "sieve", "jmap"]
    assert scanner["protocols"] == ["submission", "api"]
    assert scanner["networks"] == ["192.0.2.0/24", "2001:db8::/32"]
    assert "password" not in phone
    table = postier("app-password", "list", ALICE).stdout
    assert "2199-12-31" in table
    assert made["password"] not in table
    assert "Anna's phone" in postier("app-password", "revoke", ALICE, "Anna's phone").stdout
    assert listed("app-password", "revoke", ALICE, str(made["id"]))["name"] == "scanner"
    assert listed("app-password", "list", ALICE) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", ALICE, "--name", "x", "--protocols", "telnet"), "there is no protocol telnet"),
        (("add", ALICE, "--name", " "), "name the device"),
        (("add", "nobody@orchard.test", "--name", "x"), "nobody called nobody@orchard.test"),
        (("revoke", ALICE, "x"), "has no app password 'x'"),
        (("list", "nobody@orchard.test"), "nobody called nobody@orchard.test"),
    ],
)
def test_what_cannot_be(fails: Any, words: tuple[str, ...], said: str) -> None:
    assert said in fails("app-password", *words)


@pytest.mark.parametrize(
    "option", [("--from", "home"), ("--from", "192.0.2.1/24"), ("--until", "2001-01-01")]
)
def test_what_makes_no_sense(misused: Any, option: tuple[str, str]) -> None:
    assert option[0] in misused("app-password", "add", ALICE, "--name", "x", *option)


def test_what_is_demanded_of_people(postier: Any, listed: Any) -> None:
    assert "demanded" in postier("user", "app-passwords", ALICE, "demanded").stdout
    (person,) = listed("user", "list")
    assert person["app_passwords_only"] is True
    listed("user", "app-passwords", ALICE, "optional")
    assert listed("user", "disable", ALICE) == {"address": ALICE, "enabled": False}
    (person,) = listed("user", "list")
    assert (person["app_passwords_only"], person["enabled"]) == (False, False)
    assert "may log in" in postier("user", "enable", ALICE).stdout


def test_a_password_that_everybody_tries_first(postier: Any, data: Path) -> None:
    """Who types it is told to take another; what a program hands over is taken, with a word."""
    for bad in ("password1", "short", "alice@orchard.test", "aaaabbbb"):
        typed = CliRunner().invoke(
            cli, ["user", "passwd", ALICE, "--data", str(data)], input=f"{bad}\n{bad}\n"
        )
        assert typed.exit_code == 1, typed.stdout
        assert typed.stderr.endswith("--force takes it all the same\n"), typed.stderr
        assert "Warning: " in postier("user", "passwd", ALICE, "--password-stdin", stdin=bad + "\n").stderr
    forced = postier("user", "passwd", ALICE, "--password-stdin", "--force", stdin="password1\n")
    assert forced.stderr == ""
