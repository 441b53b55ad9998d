"""`postier user`, `domain` and `alias`: what they change, what they print, how they fail."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from postier.backend import Backend
from postier.cli.common import with_backend
from postier.store.api import QueueRecipient, RecipientState, Tx

pytestmark = pytest.mark.slow  # each command is a process of its own

# ------------------------------------------------------------------ user


def test_a_person_is_added_listed_and_removed(postier: Any, listed: Any) -> None:
    said = postier("user", "add", "Bob@Orchard.TEST", "--password-stdin", "--name", "Bob B.", "--quota", "5")
    assert said.stdout == "bob@orchard.test added\n"
    people = {person["address"]: person for person in listed("user", "list")}
    assert set(people) == {"alice@orchard.test", "bob@orchard.test"}
    bob = people["bob@orchard.test"]
    assert (bob["name"], bob["quota"], bob["enabled"], bob["messages"]) == ("Bob B.", 5_000_000, True, 0)
    table = postier("user", "list").stdout.splitlines()
    assert table[0].split()[:2] == ["ADDRESS", "NAME"]
    assert any(line.startswith("bob@orchard.test") and "Bob B." in line for line in table)
    assert postier("user", "remove", "bob@orchard.test", "--yes").stdout == "bob@orchard.test removed\n"
    assert [person["address"] for person in listed("user", "list")] == ["alice@orchard.test"]


def test_what_a_person_may_send_in_a_day_is_shown_and_set(postier: Any, listed: Any) -> None:
    said = postier("user", "limit", "alice@orchard.test").stdout
    assert said == "alice@orchard.test: 1000 recipients a day, 200 of them new; today 0, 0 new\n"
    postier("user", "limit", "alice@orchard.test", "--new", "7")
    found = listed("user", "limit", "alice@orchard.test", "--recipients", "0")
    assert (found["recipients"], found["new"], found["own"]) == (0, 7, {"recipients": 0, "new": 7})
    both = postier("user", "limit", "alice@orchard.test", "--default", "--new", "1", ends=1)
    assert "--default" in both.output
    found = listed("user", "limit", "alice@orchard.test", "--default")
    assert found["own"] == {"recipients": None, "new": None}
    assert "nobody" in postier("user", "limit", "nobody@orchard.test", ends=1).output


def test_json_tells_what_was_done(listed: Any, postier: Any) -> None:
    assert listed("user", "add", "bob@orchard.test", "--password-stdin") == {"added": "bob@orchard.test"}
    assert listed("user", "passwd", "bob@orchard.test", "--password-stdin") == {"changed": "bob@orchard.test"}
    assert listed("user", "remove", "bob@orchard.test", "--yes") == {"removed": "bob@orchard.test"}


def test_who_changes_a_stolen_password_hears_of_mail_that_waits(postier: Any, data: Path) -> None:
    """It may be held until later (RFC 4865), and a new password does not take it back."""

    async def queue_one(backend: Backend) -> None:
        async def work(tx: Tx) -> None:
            blob_id, _ = await tx.add_blob(b"", b"Subject: later\r\n\r\n")
            await tx.add_queue_entry(
                trace_id="t1",
                account_id=None,
                reverse_path="alice@orchard.test",
                destination="far.test",
                blob_id=blob_id,
                recipients=[QueueRecipient(0, "bob@far.test", RecipientState.PENDING)],
                arrived=0,
                next_attempt=2**33,
            )

        await backend.store.transact(work)

    said = postier("user", "passwd", "alice@orchard.test", "--password-stdin").stdout
    assert said == "password of alice@orchard.test changed\n"
    with_backend(data, queue_one)
    said = postier("user", "passwd", "alice@orchard.test", "--password-stdin").stdout
    assert "mail from there waits" in said
    assert "postier queue list --sender alice@orchard.test" in said


def test_removing_asks_first(postier: Any, listed: Any) -> None:
    result = postier("user", "remove", "alice@orchard.test", ends=1, stdin="n\n")
    assert "alice@orchard.test" in result.output
    assert len(listed("user", "list")) == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "alice@orchard.test", "--password-stdin"), "alice@orchard.test is taken"),
        (("add", "x@elsewhere.test", "--password-stdin"), "elsewhere.test is not a domain of this server"),
        (("passwd", "nobody@orchard.test", "--password-stdin"), "there is nobody called nobody@orchard.test"),
        (("postmaster", "nobody@orchard.test"), "there is nobody called nobody@orchard.test"),
        (("remove", "nobody@orchard.test", "--yes"), "there is nobody called nobody@orchard.test"),
    ],
)
def test_what_cannot_be_done_is_told_in_a_line(fails: Any, words: tuple[str, ...], said: str) -> None:
    assert fails("user", *words).startswith(said)


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_an_empty_password_is_refused(fails: Any, listed: Any, stdin: str) -> None:
    assert (
        fails("user", "add", "bob@orchard.test", "--password-stdin", stdin=stdin) == "the password is empty"
    )
    assert len(listed("user", "list")) == 1


@pytest.mark.parametrize(
    "address", ["alice", "@orchard.test", "a b@orchard.test", "x@", "a@b@c", "x@-.test", ""]
)
def test_what_is_no_address_is_wrong_usage(misused: Any, address: str) -> None:
    assert "not a mail address" in misused("user", "add", address, "--password-stdin")


def test_people_are_imported_all_of_them(postier: Any, listed: Any, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text(
        '\ufeffaddress,password\nbob@orchard.test,"se,cret word"\r\n\nzoë@orchard.test,x y and z\n',
        encoding="utf-8",
    )
    assert postier("user", "import", str(file)).stdout == "2 people added\n"
    assert [person["address"] for person in listed("user", "list")] == [
        "alice@orchard.test", "bob@orchard.test", "zoë@orchard.test",
    ]  # fmt: skip


def test_weak_passwords_are_imported_with_a_warning(postier: Any, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    file.write_text("bob@orchard.test,x\n")
    done = postier("user", "import", str(file))
    assert done.stdout == "1 person added\n"
    assert done.stderr == "Warning: bob@orchard.test: the password is shorter than 8 characters\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bob@orchard.test,some words\nbob\n", "line 2: expected address,password"),
        ("bob@orchard.test,some words\nbob,some words\n", "line 2: not a mail address"),
        ("bob@orchard.test,some words\ncarol@orchard.test,\n", "line 2: the password is empty"),
        ("bob@orchard.test,some words\nalice@orchard.test,some words\n", "alice@orchard.test is taken"),
        ("bob@orchard.test,some words\nbob@orchard.test,other words\n", "bob@orchard.test is taken"),
        (
            "bob@orchard.test,some words\nx@elsewhere.test,some words\n",
            "elsewhere.test is not a domain of this server",
        ),
    ],
)
def test_or_none_of_them(fails: Any, listed: Any, tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "people.csv"
    file.write_text(text)
    assert said in fails("user", "import", str(file))
    assert len(listed("user", "list")) == 1


@pytest.mark.parametrize("content", [b"bob@orchard.test,\xff\xfe\n", b"bob@orchard.test,some words\nc\0,x\n"])
def test_a_file_that_is_no_text_is_told_in_a_line(fails: Any, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "people.csv"
    file.write_bytes(content)
    assert fails("user", "import", str(file)).startswith(f"{file}, ")


# ------------------------------------------------------------------ domain


def test_a_domain_is_added_with_keys_and_removed(postier: Any, listed: Any) -> None:
    assert postier("domain", "add", "Bücher.example").stdout.startswith("xn--bcher-kva.example added")
    domains = {domain["domain"]: domain for domain in listed("domain", "list")}
    assert set(domains) == {"orchard.test", "xn--bcher-kva.example"}
    assert domains["xn--bcher-kva.example"]["unicode"] == "bücher.example"
    assert len(domains["xn--bcher-kva.example"]["dkim_selectors"]) == 2
    postier("domain", "remove", "bücher.example")
    assert [domain["domain"] for domain in listed("domain", "list")] == ["orchard.test"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "Orchard.test"), "orchard.test is a domain of this server already"),
        (("remove", "elsewhere.test"), "elsewhere.test is not a domain of this server"),
        (("remove", "orchard.test"), "orchard.test still has addresses, alice@orchard.test for one"),
    ],
)
def test_a_domain_that_cannot(fails: Any, words: tuple[str, ...], said: str) -> None:
    assert said in fails("domain", *words)


@pytest.mark.parametrize("name", ["", "a..b", "x-.test", "x" * 64 + ".test", "a b.test", "a/b"])
def test_what_is_no_domain_is_wrong_usage(misused: Any, name: str) -> None:
    assert "not a domain name" in misused("domain", "add", name)


@pytest.mark.parametrize("name", ["ex_ample.org", "_dmarc.orchard.test", "localhost"])
def test_what_cannot_be_a_mail_domain_is_wrong_usage(misused: Any, listed: Any, name: str) -> None:
    assert "cannot be a mail domain" in misused("domain", "add", name)
    assert len(listed("domain", "list")) == 1


# ------------------------------------------------------------------ alias


def test_an_alias_stands_for_others(postier: Any, listed: Any) -> None:
    said = postier("alias", "add", "all@orchard.test", "alice@orchard.test", "x@example.org").stdout
    assert said == "all@orchard.test -> alice@orchard.test, x@example.org\n"
    assert listed("alias", "list") == [
        {"address": "all@orchard.test", "targets": ["alice@orchard.test", "x@example.org"]}
    ]
    postier("alias", "add", "all@orchard.test", "x@example.org")
    assert listed("alias", "list") == [{"address": "all@orchard.test", "targets": ["x@example.org"]}]
    assert listed("alias", "remove", "all@orchard.test") == {"removed": "all@orchard.test"}
    assert listed("alias", "list") == []
    assert postier("alias", "list").stdout == "no aliases yet\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("add", "alice@orchard.test", "x@example.org"), "alice@orchard.test is a person"),
        (("add", "all@elsewhere.test", "x@example.org"), "elsewhere.test is not a domain of this server"),
        (("add", "all@orchard.test", "nobody@orchard.test"), "nobody@orchard.test does not exist"),
        (("remove", "all@orchard.test"), "there is no alias all@orchard.test"),
        (("remove", "alice@orchard.test"), "there is no alias alice@orchard.test"),
    ],
)
def test_an_alias_that_cannot(fails: Any, listed: Any, words: tuple[str, ...], said: str) -> None:
    assert said in fails("alias", *words)
    assert listed("alias", "list") == []


def test_an_alias_without_targets_is_wrong_usage(misused: Any) -> None:
    assert "TARGETS" in misused("alias", "add", "all@orchard.test")


# ------------------------------------------------------------------ everywhere


@pytest.mark.parametrize(
    "words", [("user", "list"), ("domain", "list"), ("queue", "list"), ("doctor",), ("serve",)]
)
def test_where_there_is_no_server(process: Any, tmp_path: Path, words: tuple[str, ...]) -> None:
    done = process(*words, "--data", str(tmp_path))
    assert done.returncode == 1
    assert (
        done.stderr
        == f"Error: no Postier server in {tmp_path} (no postier.toml); make one with: postier init\n"
    )
    assert done.stdout == ""


def test_the_data_may_be_named_by_the_environment(
    process: Any, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POSTIER_DATA", str(data))
    assert json.loads(process("user", "list", "--json").stdout)[0]["address"] == "alice@orchard.test"


@pytest.mark.parametrize("words", [("frob",), ("user", "frob"), ("user", "list", "--frob"), ("user", "add")])
def test_wrong_usage_ends_with_2(process: Any, words: tuple[str, ...]) -> None:
    done = process(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Error: " in done.stderr


def test_a_reader_that_has_read_enough_is_no_fault(process: Any, data: Path) -> None:
    line = f"{sys.executable} -m postier dns records orchard.test --data {data} | head -1"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60)
    assert done.stderr == ""
    assert done.stdout.startswith("TYPE")
