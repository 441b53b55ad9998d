"""POP3 programs that leave mail on the server, or delete it: mpop, neomutt, fetchmail, poplib."""

from __future__ import annotations

import poplib
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

PLACE = '"Fetched by POP3"'


def _local(messages: Any) -> list[bytes]:
    """With LF, as programs keep messages on disk."""
    return sorted(message.replace(b"\r\n", b"\n") for message in messages)


@pytest.fixture
def mpop(shell: Any, need: Callable[[str], None]) -> Callable[..., list[bytes]]:
    """Fetches once; returns all that it has delivered so far, sorted."""
    need("mpop")

    def fetch(who: Any, port: int, *, keep: bool) -> list[bytes]:
        mda, folder = shell.mda()
        config = shell.write(
            "mpoprc",
            f"account test\nhost {who.host}\nport {who.port(port)}\nuser {who.address}\n"
            f'password "{who.password}"\ntls on\ntls_starttls {"off" if port == 995 else "on"}\n'
            f"tls_trust_file {who.ca}\nauth user\nkeep {'on' if keep else 'off'}\n"
            f"uidls_file {shell.home}/uidls\nreceived_header off\ndelivery mda {mda}\ntimeout 30\n",
        )
        shell.run("mpop", "-C", config, "test")
        return _local(file.read_bytes() for file in folder.iterdir())

    return fetch


@pytest.mark.parametrize("port", [995, 110])
def test_mpop_fetches_once_what_it_leaves(
    mpop: Any, person: Any, corpus: dict[str, bytes], port: int
) -> None:
    alice = person()
    alice.put(*corpus.values())
    fetched = mpop(alice, port, keep=True)
    assert fetched == _local(corpus.values())
    assert mpop(alice, port, keep=True) == fetched
    assert len(alice.messages()) == len(corpus)


def test_what_mpop_deletes_is_brought_back_by_imap(mpop: Any, person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    alice.put(*corpus.values())
    assert mpop(alice, 995, keep=False) == _local(corpus.values())
    assert alice.messages() == []
    assert sorted(alice.messages(PLACE)) == sorted(corpus.values())
    assert len(mpop(alice, 995, keep=False)) == len(corpus)  # the same device gets nothing twice
    with alice.imap() as client:
        listed = client.list()[1]
        assert any(b"Fetched by POP3" in line and b"\\Trash" not in line for line in listed)
        assert any(b"Fetched by POP3" in line for line in client.lsub()[1])
        client.select(PLACE)
        assert client.uid("MOVE", "1", "INBOX")[0] == "OK"
    assert len(mpop(alice, 995, keep=False)) == len(corpus) + 1
    assert alice.messages() == []


def test_neomutt_takes_mail_off_the_server(
    shell: Any, need: Callable[[str], None], person: Any, corpus: dict[str, bytes]
) -> None:
    need("neomutt")
    alice = person()
    alice.put(*corpus.values())
    spool = Path(shell.home) / "spool"
    spool.touch()
    login = f"{alice.address.replace('@', '%40')}@{alice.host}"
    config = shell.write(
        "neomuttrc",
        f'set spoolfile="{spool}" folder="{shell.home}" mbox_type=mbox pop_pass="{alice.password}"\n'
        f'set pop_host="pops://{login}:{alice.port(995)}" pop_delete=yes pop_auth_try_all=yes\n'
        f'set certificate_file="{alice.ca}" ssl_verify_host=no hostname="laptop.test" quit=yes\n'
        "set beep=no wait_key=no ts_enabled=no move=no\npush <fetch-mail><sync-mailbox><quit>\n",
    )
    words = ["neomutt", "-n", "-F", str(config)]
    shell.run("script", "-qec", shlex.join(words), "/dev/null", seconds=30)
    text = spool.read_bytes()
    for data in corpus.values():
        assert data.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n") in text
    assert alice.messages() == []
    assert len(alice.messages(PLACE)) == len(corpus)


def test_fetchmail_knows_its_mail_after_the_server_was_restarted(
    shell: Any, need: Callable[[str], None], world: Any, person: Any, corpus: dict[str, bytes]
) -> None:
    need("fetchmail")
    alice = person()
    alice.put(*corpus.values())
    mda, folder = shell.mda()
    name = alice.organisation.hostname
    shell.write(
        "fetchmailrc",
        f"poll {name} via {alice.host} protocol pop3 port {alice.port(995)}\n  timeout 30 uidl\n"
        f'  username "{alice.address}" password "{alice.password}"\n'
        f"  ssl sslcertck sslcertfile {alice.ca} sslcommonname {name} keep\n"
        f'  no rewrite no mimedecode mda "{mda}"\n',
    )

    def fetch() -> int:
        shell.run(
            "fetchmail", "--nosyslog", "--invisible", "-f", "fetchmailrc", "-i", "ids",
            "--pidfile", "pid", ends=(0, 1),
        )  # fmt: skip
        return len(list(folder.iterdir()))

    assert fetch() == len(corpus)
    world.stop(alice.organisation)
    world.start(alice.organisation)
    assert fetch() == len(corpus)
    alice.put(corpus["plain"])
    assert fetch() == len(corpus) + 1


def test_poplib_asks_what_is_offered(person: Any) -> None:
    alice = person()
    alice.put("Subject: été\r\nFrom: zoë@elsewhere.test\r\n\r\nOù ?\r\n".encode())
    client = poplib.POP3(alice.host, alice.port(110), timeout=30)
    before = client.capa()
    assert "STLS" in before
    assert "USER" not in before
    client.stls(alice.organisation.tls())
    offered = client.capa()
    assert {"TOP", "UIDL", "USER", "UTF8", "LANG", "SASL", "PIPELINING", "RESP-CODES"} <= set(offered)
    assert offered["EXPIRE"] == ["NEVER"]
    assert "IMPLEMENTATION" not in offered
    client.utf8()
    client.user(alice.address)
    client.pass_(alice.password)
    assert client.capa()["IMPLEMENTATION"] == ["Postier"]
    assert client.retr(1)[1][0] == "Subject: été".encode()
    client.quit()
    client = poplib.POP3_SSL(alice.host, alice.port(995), context=alice.organisation.tls(), timeout=30)
    client.user(alice.address)
    client.pass_(alice.password)
    assert b"\n".join(client.retr(1)[1]).partition(b"\n\n")[0].isascii()
    client.quit()


def test_two_devices_that_delete_each_get_everything(
    shell: Any, need: Callable[[str], None], person: Any, world: Any, corpus: dict[str, bytes]
) -> None:
    """fetchmail on one computer and getmail on another, each with an app password of its own."""
    need("fetchmail")
    need("getmail")
    alice = person()
    office, home = (
        world.postier(alice.organisation, "app-password", "add", alice.address, "--name", name)["password"]
        for name in ("office", "home")
    )
    alice.put(*corpus.values())
    mda, folder = shell.mda()
    name = alice.organisation.hostname
    shell.write(
        "fetchmailrc",
        f"poll {name} via {alice.host} protocol pop3 port {alice.port(995)}\n  timeout 30 uidl\n"
        f'  username "{alice.address}" password "{office}"\n'
        f"  ssl sslcertck sslcertfile {alice.ca} sslcommonname {name} nokeep fetchall\n"
        f'  no rewrite no mimedecode mda "{mda}"\n',
    )
    shell.run("fetchmail", "--nosyslog", "--invisible", "-f", "fetchmailrc", "-i", "ids", "--pidfile", "pid")
    assert _local(file.read_bytes() for file in folder.iterdir()) == _local(corpus.values())
    assert alice.messages() == []
    for file in folder.iterdir():
        file.unlink()
    shell.write(
        "getmailrc",
        f"[retriever]\ntype = SimplePOP3SSLRetriever\nserver = {alice.host}\nport = {alice.port(995)}\n"
        f"username = {alice.address}\npassword = {home}\nca_certs = {alice.ca}\ntimeout = 30\n\n"
        f"[destination]\ntype = MDA_external\npath = {mda}\nallow_root_commands = true\n\n"
        "[options]\ndelivered_to = false\nreceived = false\nverbose = 1\ndelete = true\n",
    )
    for _ in range(2):  # once, and nothing twice
        shell.run("getmail", f"--getmaildir={shell.home}", "--rcfile=getmailrc")
        assert len(list(folder.iterdir())) == len(corpus)
    assert len(alice.messages(PLACE)) == len(corpus)
    for password, left in ((office, 0), (home, 0), (alice.password, len(corpus))):
        client = poplib.POP3_SSL(alice.host, alice.port(995), context=alice.organisation.tls(), timeout=30)
        client.user(alice.address)
        client.pass_(password)
        assert client.stat()[0] == left
        client.quit()
