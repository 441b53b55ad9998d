"""`postier directory`: what it takes, keeps, shows and refuses, without a server."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from postier.cli.main import cli

ADD = ("directory", "add", "office", "--domain", "orchard.test", "--base", "dc=orchard,dc=test")
NOWHERE = ("--server", "ldaps://127.0.0.1:1")
GROUP = "cn=sales,dc=orchard,dc=test"
Postier = Callable[..., str]


@pytest.fixture
def postier(tmp_path: Path) -> Postier:
    def run(*words: str, input: str = "", ends: int = 0) -> str:
        result = CliRunner().invoke(cli, [*words, "--data", str(tmp_path / "data")], input=input)
        assert result.exit_code == ends, (result.output, result.exception)
        assert "Traceback" not in result.output
        return result.output

    run("init", "--domain", "orchard.test", "--admin", "own@orchard.test", "--password-stdin",
        "--bind", "127.0.0.1", "--yes", input="own pass-word\n")  # fmt: skip
    return run


def test_nothing_is_kept_where_no_server_answers(postier: Postier) -> None:
    assert "cannot be reached" in postier(*ADD, *NOWHERE, ends=1)
    assert postier("directory", "list") == "no directories: all accounts are this server's own\n"


def test_a_directory_is_kept_shown_and_removed(postier: Postier, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("pass-word of the reader\nanother line\n")
    bind = ("--bind-dn", "cn=reader", "--password-file", str(secret))
    said = postier(*ADD, *NOWHERE, *bind, "--kind", "active-directory", "--no-test")
    assert said == "people of orchard.test come from office; see who: postier directory sync --dry-run\n"
    shown = postier("directory", "list", "--json")
    assert "pass-word" not in shown
    (one,) = json.loads(shown)
    assert (one["id_attribute"], one["in_chain"], one["bind_dn"]) == ("objectGUID", True, "cn=reader")
    assert (one["compared"], one["accounts"]) == (0, 0)
    assert "never" in postier("directory", "list")
    postier("directory", "share", "office", GROUP, "sales@orchard.test", "work", "--send-as")
    postier("directory", "alias", "office", GROUP, "all@orchard.test")
    postier(*ADD, *NOWHERE, "--no-test")  # replaced, and its groups stay
    (one,) = json.loads(postier("directory", "list", "--json"))
    assert one["id_attribute"] == "entryUUID"
    assert [(group["address"], group["rights"]) for group in one["groups"]] == [
        ("sales@orchard.test", "lrswipkxte"),
        ("all@orchard.test", ""),
    ]
    postier("directory", "share", "office", GROUP, "sales@orchard.test", "none")
    postier("directory", "alias", "office", GROUP, "all@orchard.test", "--remove")
    assert "gives nothing" in postier(
        "directory", "alias", "office", GROUP, "all@orchard.test", "--remove", ends=1
    )
    assert "cannot be reached" in postier("directory", "sync", ends=1)
    assert "cannot be reached" in postier("directory", "list")
    assert "1 of 1 servers failed" in postier("directory", "test", "office", ends=1)
    told = postier("audit", "--json")
    assert "server.directory" in told
    postier("directory", "remove", "office", "--yes")
    assert "there is no directory office" in postier("directory", "remove", "office", "--yes", ends=1)


@pytest.mark.parametrize(
    ("words", "said", "ends"),
    [
        (("--server", "http://a"), "is no server", 2),
        (("--server", "ldaps://a", "--clear"), "ldaps:// is TLS", 2),
        ((*NOWHERE, "--people", "(mail="), "is no filter", 2),
        ((*NOWHERE, "--login-template", "uid=anna"), "names nobody", 2),
        ((*NOWHERE, "--domain", "harbor.test", "--no-test"), "is not a domain of this server", 1),
        ((*NOWHERE, "--bind-dn", "cn=a", "--password-file", "/nowhere/at/all"), "No such file", 1),
        ((*NOWHERE, "--bind-dn", "cn=a", "--password-stdin"), "the password is empty", 1),
    ],
)
def test_what_is_refused(postier: Postier, words: tuple[str, ...], said: str, ends: int) -> None:
    assert said in postier(*ADD, *words, ends=ends)


def test_a_person_is_not_shared_by_a_group(postier: Postier) -> None:
    postier(*ADD, *NOWHERE, "--no-test")
    said = postier("directory", "share", "office", GROUP, "own@orchard.test", "read", ends=1)
    assert "is a person" in said
    assert "there is no directory annex" in postier(
        "directory", "alias", "annex", GROUP, "all@orchard.test", ends=1
    )
    assert "there is no directory annex" in postier("directory", "sync", "annex", ends=1)
