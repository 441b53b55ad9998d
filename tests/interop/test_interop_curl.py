"""curl: one transfer for each command line, over every mail protocol it speaks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Person = Any
Shell = Any

LOGIN_DENIED = 67
REMOTE_REFUSED = (55, 56, 67, 78, 8)


@pytest.fixture(autouse=True)
def _curl(need: Callable[[str], None]) -> None:
    need("curl")


@pytest.fixture
def curl(shell: Shell) -> Callable[..., bytes]:
    """Runs curl for a person with a URL below scheme://host:port; returns what it printed."""

    def transfer(who: Person, scheme: str, port: int, path: str = "", *options: str, **rest: Any) -> bytes:
        url = f"{scheme}://{who.host}:{who.port(port)}/{path}"
        user = ["--user", f"{who.address}:{who.password}"] if rest.pop("login", True) else []
        command = ["curl", "-sS", "--max-time", "30", "--cacert", who.ca, *user, *options, url]
        output: bytes = shell.run(*command, **rest).stdout
        return output

    return transfer


def _file(folder: Path, data: bytes) -> str:
    path = folder / "message.eml"
    path.write_bytes(data)
    return str(path)


SUBMISSION = [("smtp", 587, ("--ssl-reqd",)), ("smtps", 465, ())]
IMAP = [("imap", 143, ("--ssl-reqd",)), ("imaps", 993, ())]
POP3 = [("pop3", 110, ("--ssl-reqd",)), ("pop3s", 995, ())]


@pytest.mark.parametrize(("scheme", "port", "tls"), SUBMISSION)
@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_submission_carries_a_message_unchanged(
    curl: Any,
    person: Any,
    corpus: dict[str, bytes],
    tmp_path: Path,
    scheme: str,
    port: int,
    tls: Any,
    mechanism: str,
) -> None:
    alice, bob = person(), person()
    message = corpus["dots"].replace(b"zoe@elsewhere.test", alice.address.encode())
    curl(
        alice, scheme, port, "laptop.orchard.test", *tls,
        "--login-options", f"AUTH={mechanism}",
        "--mail-from", alice.address, "--mail-rcpt", bob.address, "-T", _file(tmp_path, message),
    )  # fmt: skip
    (stored,) = bob.messages()
    assert stored.endswith(message)


@pytest.mark.parametrize("name", ["plain", "dots", "utf8", "long", "blank", "attached"])
def test_the_mx_stores_what_came_byte_for_byte(
    curl: Any, person: Any, corpus: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    bob = person()
    file = _file(tmp_path, corpus[name])
    curl(
        bob, "smtp", 25, "elsewhere.test", "--ssl-reqd", "--mail-from", "zoe@elsewhere.test",
        "--mail-rcpt", bob.address, "-T", file, login=False,
    )  # fmt: skip
    (stored,) = bob.messages()
    assert stored.endswith(corpus[name])
    assert stored.startswith(b"Return-Path: <zoe@elsewhere.test>\r\n")


def test_several_recipients_each_get_it(
    curl: Any, person: Any, corpus: dict[str, bytes], tmp_path: Path
) -> None:
    everybody = [person() for _ in range(3)]
    recipients = [word for one in everybody for word in ("--mail-rcpt", one.address)]
    file = _file(tmp_path, corpus["plain"])
    curl(
        everybody[0],
        "smtp",
        25,
        "",
        "--mail-from",
        "zoe@elsewhere.test",
        *recipients,
        "-T",
        file,
        login=False,
    )
    for one in everybody:
        (stored,) = one.messages()
        assert stored.endswith(corpus["plain"])


def test_a_wrong_password_is_a_denied_login(curl: Any, person: Any) -> None:
    alice = person()
    wrong = ("--user", f"{alice.address}:wrong", "--interface", "127.0.0.71")
    curl(alice, "imaps", 993, "INBOX", *wrong, login=False, ends=(LOGIN_DENIED,))
    curl(alice, "pop3s", 995, "", *wrong, login=False, ends=(LOGIN_DENIED,))
    curl(
        alice, "smtps", 465, "", *wrong,
        "--mail-from", alice.address, "--mail-rcpt", alice.address, "-T", "-",
        login=False, ends=(LOGIN_DENIED,), stdin=b"Subject: x\r\n\r\n",
    )  # fmt: skip


@pytest.mark.parametrize(("scheme", "port"), [("smtp", 587), ("imap", 143), ("pop3", 110)])
def test_no_login_without_tls(curl: Any, person: Any, scheme: str, port: int) -> None:
    alice = person()
    envelope = (
        ["--mail-from", alice.address, "--mail-rcpt", alice.address, "-T", "-"] if scheme == "smtp" else []
    )
    curl(alice, scheme, port, "", *envelope, ends=REMOTE_REFUSED, stdin=b"Subject: x\r\n\r\n")
    assert alice.messages() == []


# ------------------------------------------------------------------ IMAP


@pytest.mark.parametrize(("scheme", "port", "tls"), IMAP)
def test_imap_lists_uploads_and_fetches(
    curl: Any, person: Any, corpus: dict[str, bytes], tmp_path: Path, scheme: str, port: int, tls: Any
) -> None:
    alice = person()
    listed = curl(alice, scheme, port, "", *tls).decode()
    assert [line.rpartition(" ")[2].strip("\"") for line in listed.splitlines()] == [
        "Archive", "Drafts", "INBOX", "Junk", "Sent", "Trash",
    ]  # fmt: skip
    for data in corpus.values():
        curl(alice, scheme, port, "Archive", *tls, "-T", _file(tmp_path, data))
    for uid, data in enumerate(corpus.values(), start=1):
        assert curl(alice, scheme, port, f"Archive;UID={uid}", *tls) == data
        assert curl(alice, scheme, port, f"Archive;MAILINDEX={uid}", *tls) == data
    assert curl(alice, scheme, port, "Archive;UID=1;SECTION=TEXT", *tls) == b"Hello.\r\n"


def test_imap_searches_flags_and_deletes(curl: Any, person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    alice.put(*corpus.values())
    names = list(corpus)
    assert curl(alice, "imaps", 993, "INBOX?SUBJECT%20blank") == b"* SEARCH %d\r\n" % (
        names.index("blank") + 1
    )
    assert curl(alice, "imaps", 993, "INBOX?TEXT%20nowhere") == b"* SEARCH\r\n"
    second = str(names.index("dots") + 1)
    told = curl(alice, "imaps", 993, "INBOX", "-X", f"STORE {second} +FLAGS (\\Deleted $Label1)")
    assert b"\\Deleted" in told
    assert b"$Label1" in told
    assert curl(alice, "imaps", 993, "INBOX", "-X", "EXPUNGE").startswith(f"* {second} EXPUNGE".encode())
    assert alice.messages() == [data for name, data in corpus.items() if name != "dots"]


def test_imap_makes_renames_and_removes_mailboxes(curl: Any, person: Any) -> None:
    alice = person()
    curl(alice, "imaps", 993, "", "-X", "CREATE Projets/&AMk-t&AOk-")
    curl(alice, "imaps", 993, "", "-X", "RENAME Projets/&AMk-t&AOk- Projets/Hiver")
    listed = curl(alice, "imaps", 993, "", "-X", 'LIST "" Projets*')
    assert b' "Projets"\r\n' in listed
    assert b' "Projets/Hiver"\r\n' in listed
    curl(alice, "imaps", 993, "", "-X", "DELETE Projets/Hiver")
    assert b"Hiver" not in curl(alice, "imaps", 993, "", "-X", 'LIST "" *')
    assert b"MESSAGES 0" in curl(alice, "imaps", 993, "", "-X", "STATUS INBOX (MESSAGES UIDNEXT)")


# ------------------------------------------------------------------ POP3


@pytest.mark.parametrize(("scheme", "port", "tls"), POP3)
def test_pop3_lists_retrieves_and_deletes(
    curl: Any, person: Any, corpus: dict[str, bytes], scheme: str, port: int, tls: Any
) -> None:
    alice = person()
    alice.put(*corpus.values())
    sizes = [line.split() for line in curl(alice, scheme, port, "", *tls).splitlines()]
    assert sizes == [[b"%d" % n, b"%d" % len(data)] for n, data in enumerate(corpus.values(), start=1)]
    for number, data in enumerate(corpus.values(), start=1):
        assert curl(alice, scheme, port, str(number), *tls) == data
    identifiers = curl(alice, scheme, port, "", *tls, "-X", "UIDL").splitlines()
    assert len({line.split()[1] for line in identifiers}) == len(corpus)
    curl(alice, scheme, port, "2", *tls, "-l", "-X", "DELE")
    assert alice.messages() == [data for name, data in corpus.items() if name != "dots"]


# ------------------------------------------------------------------ HTTP


def test_health_is_told_over_http(shell: Shell, person: Any) -> None:
    alice = person()
    base = f"http://{alice.host}:{alice.port(80)}"
    assert json.loads(shell.run("curl", "-sS", "--fail", f"{base}/health/ready").stdout) == {
        "status": "ready"
    }
    assert b"# TYPE" in shell.run("curl", "-sS", "--fail", f"{base}/metrics").stdout
