"""A running server whose people come from OpenLDAP: by IMAP, SMTP and POP3, and while the directory goes."""

from __future__ import annotations

import contextlib
import imaplib
import json
import poplib
import re
import smtplib
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from postier.testing.ports import free_port_base
from postier.testing.slapd import ADMIN, ADMIN_PASSWORD, BASE, Slapd

LETTER = "From: sales@orchard.test\r\nSubject: from sales\r\n\r\nhello\r\n"

pytestmark = pytest.mark.slow


class Server:
    """`postier serve` in a folder of its own, and the command beside it."""

    def __init__(self, data: Path, base: int) -> None:
        self.data, self.base = data, base
        self._running: subprocess.Popen[str] | None = None
        self.postier(
            "init", "--domain", "orchard.test", "--admin", "own@orchard.test", "--password-stdin",
            "--bind", "127.0.0.1", "--yes", "--hostname", "mail.orchard.test", "--port-base", str(base),
            "--set", 'directories.timeout="2s"', "--set", "server.workers=2",
            input="own pass-word\n",
        )  # fmt: skip

    def postier(self, *words: str, input: str = "", ends: int = 0) -> str:
        command = [sys.executable, "-m", "postier", *words, "--data", str(self.data)]
        done = subprocess.run(command, input=input, capture_output=True, text=True)
        assert done.returncode == ends, (done.stdout, done.stderr)
        return done.stdout + done.stderr

    def start(self) -> None:
        with (self.data.parent / "serve.log").open("a") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "postier", "serve", "--data", str(self.data)],
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._running.stdout is not None
        assert self._running.stdout.readline() == "postier ready\n", self.log()

    def stop(self) -> None:
        if self._running is not None:
            self._running.terminate()
            self._running.wait(40)
            assert self._running.stdout is not None
            self._running.stdout.close()

    def log(self) -> str:
        return (self.data.parent / "serve.log").read_text()

    @property
    def tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.data / "tls" / "ca.pem"))
        context.check_hostname = False
        return context

    @contextlib.contextmanager
    def imap(self, name: str, password: str) -> Iterator[imaplib.IMAP4]:
        client = imaplib.IMAP4_SSL("127.0.0.1", self.base + 993, ssl_context=self.tls)
        try:
            client.login(name, password)
            yield client
        finally:
            client.logout()

    def refusal(self, name: str, password: str) -> str:
        with pytest.raises(imaplib.IMAP4.error) as said, self.imap(name, password):
            pass
        return str(said.value)

    def send(self, name: str, password: str, to: str, text: str) -> None:
        with smtplib.SMTP_SSL("127.0.0.1", self.base + 465, context=self.tls) as client:
            client.login(name, password)
            client.sendmail(name, [to], f"From: {name}\r\nTo: {to}\r\nSubject: {text}\r\n\r\n{text}\r\n")


def subjects(client: imaplib.IMAP4, mailbox: str = "INBOX") -> list[str]:
    assert client.select(f'"{mailbox}"')[0] == "OK"
    _, found = client.fetch("1:*", "(BODY[HEADER.FIELDS (SUBJECT)])")
    return [part[1].decode().split(":", 1)[1].strip() for part in found if isinstance(part, tuple)]


@pytest.fixture
def server(tmp_path: Path, slapd: Slapd) -> Iterator[Server]:
    with free_port_base("127.0.0.1") as base:
        made = Server(tmp_path / "data", base)
        secret = tmp_path / "secret"
        secret.write_text(ADMIN_PASSWORD + "\n")
        anna = slapd.person("anna", displayName=["Anna Ash"], mailQuota=["500M"])
        ben = slapd.person("ben", mailAlternateAddress=["b.birch@orchard.test"])
        slapd.group("sales", [anna, ben])
        slapd.group("readers", [ben])
        made.postier(
            "directory", "add", "office", "--server", slapd.ldaps, "--domain", "orchard.test",
            "--base", BASE, "--bind-dn", ADMIN, "--password-file", str(secret),
            "--authorities", str(slapd.authorities), "--quota-attribute", "mailQuota",
        )  # fmt: skip
        groups = f"ou=groups,{BASE}"
        made.postier(
            "directory", "share", "office", f"cn=sales,{groups}", "sales@orchard.test", "work", "--send-as"
        )
        made.postier("directory", "alias", "office", f"cn=readers,{groups}", "all@orchard.test")
        made.postier("directory", "sync")
        made.start()
        try:
            yield made
        finally:
            made.stop()


def test_people_of_a_directory_live_here(server: Server, slapd: Slapd) -> None:
    # mail by submission to a person, to a second address, to a group, and to a shared account
    own = ("own@orchard.test", "own pass-word")
    server.send(*own, "anna@orchard.test", "for anna")
    server.send(*own, "b.birch@orchard.test", "for ben")
    server.send(*own, "all@orchard.test", "for readers")
    server.send(*own, "sales@orchard.test", "for sales")
    with server.imap("anna@orchard.test", "anna pass-word") as anna:
        assert subjects(anna) == ["for anna"]
        assert subjects(anna, "Shared/sales@orchard.test/INBOX") == ["for sales"]
        _, rights = anna.myrights('"Shared/sales@orchard.test/INBOX"')
        assert set(rights[0].decode().split()[-1]) >= set("lrswit")
        assert anna.getquota('""')[0] in ("OK", "NO")
    with server.imap("b.birch@orchard.test", "ben pass-word") as ben:  # by the other address
        assert subjects(ben) == ["for ben", "for readers"]
    server.send("anna@orchard.test", "anna pass-word", "ben@orchard.test", "from anna")
    with smtplib.SMTP_SSL("127.0.0.1", server.base + 465, context=server.tls) as client:
        client.login("ben@orchard.test", "ben pass-word")
        client.sendmail("sales@orchard.test", ["anna@orchard.test"], LETTER)
    post = poplib.POP3_SSL("127.0.0.1", server.base + 995, context=server.tls)
    post.user("anna@orchard.test")
    post.pass_("anna pass-word")
    assert post.stat()[0] == 2
    post.quit()
    # wrong, empty and unknown; an account of our own beside them
    assert "AUTHENTICATIONFAILED" in server.refusal("anna@orchard.test", "own pass-word")
    assert "AUTHENTICATIONFAILED" in server.refusal("anna@orchard.test", "")
    assert "AUTHENTICATIONFAILED" in server.refusal("nobody@orchard.test", "x")
    assert "AUTHENTICATIONFAILED" in server.refusal('"*@orchard.test"', "anna pass-word")
    # what is the directory's is not changed here
    for words in (
        ("user", "passwd", "anna@orchard.test", "--password-stdin"),
        ("user", "remove", "anna@orchard.test", "--yes"),
        ("user", "quota", "anna@orchard.test", "--storage", "5"),
    ):
        assert "comes from the directory office" in server.postier(*words, input="new pass-word\n", ends=1)
    listed = {one["address"]: one for one in json.loads(server.postier("user", "list", "--json"))}
    assert listed["anna@orchard.test"]["name"] == "Anna Ash"
    assert listed["anna@orchard.test"]["quota"] == 500_000_000
    # somebody new is let in before anybody compared, and gets an account
    slapd.person("carla")
    with server.imap("carla@orchard.test", "carla pass-word") as carla:
        assert subjects(carla) == []
    # a rename is a rename, and a group left is left
    slapd.modify(f"uid=anna,ou=people,{BASE}", "mail", ["anna.oak@orchard.test"])
    slapd.rename(f"uid=anna,ou=people,{BASE}", "uid=oak")
    slapd.modify(f"cn=sales,ou=groups,{BASE}", "member", [f"uid=ben,ou=people,{BASE}"])
    said = server.postier("directory", "sync")
    assert "anna@orchard.test: is anna.oak@orchard.test now" in said
    assert "no rights in the mailboxes of sales@orchard.test any more" in said
    with server.imap("anna.oak@orchard.test", "anna pass-word") as anna:
        assert "for anna" in subjects(anna)
        assert anna.select('"Shared/sales@orchard.test/INBOX"')[0] == "NO"
    # who is gone does not get in, and the mail stays
    slapd.delete(f"uid=ben,ou=people,{BASE}")
    assert "disabled, as gone from the directory; the mail stays" in server.postier("directory", "sync")
    assert "AUTHENTICATIONFAILED" in server.refusal("ben@orchard.test", "ben pass-word")
    server.send(*own, "ben@orchard.test", "still comes")


def test_the_directory_goes_and_comes_back(server: Server, slapd: Slapd) -> None:
    with server.imap("anna@orchard.test", "anna pass-word"):
        pass
    slapd.kill()
    with server.imap("anna@orchard.test", "anna pass-word"):
        pass  # it was right a moment ago
    assert "UNAVAILABLE" in server.refusal("anna@orchard.test", "wrong")
    assert "UNAVAILABLE" in server.refusal("ben@orchard.test", "ben pass-word")
    with smtplib.SMTP_SSL("127.0.0.1", server.base + 465, context=server.tls) as client:
        with pytest.raises(smtplib.SMTPAuthenticationError) as said:
            client.login("ben@orchard.test", "ben pass-word")
        assert said.value.smtp_code == 454
    post = poplib.POP3_SSL("127.0.0.1", server.base + 995, context=server.tls)
    post.user("ben@orchard.test")
    with pytest.raises(poplib.error_proto, match=r"SYS/TEMP"):
        post.pass_("ben pass-word")
    post.close()
    with server.imap("own@orchard.test", "own pass-word"):
        pass
    server.send("own@orchard.test", "own pass-word", "ben@orchard.test", "while it is down")
    assert "cannot be reached" in server.postier("directory", "sync", ends=1)
    assert re.search(r"failed +directory office", server.postier("doctor", "--no-dns", ends=1))
    slapd.start()
    assert "0 changes" in server.postier("directory", "sync")
    assert "password is right" in server.postier(
        "directory",
        "test",
        "office",
        "--login",
        "ben@orchard.test",
        "--password-stdin",
        input="ben pass-word\n",
    )
