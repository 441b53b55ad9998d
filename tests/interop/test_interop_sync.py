"""Programs that keep a tree of mailboxes the same on two sides, while somebody changes it.

Once the program and the others have ended and it has run again, both sides agree exactly: mailboxes,
messages by their content, flags. mbsync and offlineimap know no keywords.
"""

from __future__ import annotations

import hashlib
import sqlite3
import ssl
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postier.demo.clients import ImapClient
from postier.testing.busy_account import MAILBOXES, PLANTED, Meddler, Snapshot, digest, plant, snapshot

pytestmark = pytest.mark.slow

PEM_END = "-----END CERTIFICATE-----\n"
MAILDIR_FLAGS = {"S": "\\Seen", "R": "\\Answered", "F": "\\Flagged", "D": "\\Draft", "T": "\\Deleted"}


def _client(who: Any) -> ImapClient:
    return ImapClient(
        (who.host, who.port(993)),
        who.organisation.tls(),
        who.organisation.hostname,
        who.address,
        who.password,
    )


def _planted(who: Any, letter: str = "far") -> Any:
    with _client(who) as client:
        plant(client, letter)
    return who


def _snapshot(who: Any, **options: bool) -> Snapshot:
    with _client(who) as client:
        return snapshot(client, **options)


def _maildirs(tree: Path, *, inbox: Path | None = None) -> Snapshot:
    """What is in the Maildirs below `tree`, by their paths."""
    found: Snapshot = {}
    for cur in sorted(tree.rglob("cur")):
        held = found[str(cur.parent.relative_to(tree))] = Counter()
        for file in [*cur.iterdir(), *(cur.parent / "new").iterdir()]:
            letters = file.name.rpartition(":2,")[2] if ":2," in file.name else ""
            flags = frozenset(MAILDIR_FLAGS[letter] for letter in letters if letter in MAILDIR_FLAGS)
            held[digest(file.read_bytes()), flags] += 1
    return found


def _put(folder: Path, name: str) -> None:
    text = f"From: near@elsewhere.test\nMessage-ID: <{name}@near.test>\nSubject: {name}\n\n{name}\n"
    (folder / "new" / f"{name}.near").write_text(text)


def _assert_same(near: Snapshot, far: Snapshot) -> None:
    assert near.keys() == far.keys()
    for name in near:
        assert near[name] == far[name], (name, near[name] - far[name], far[name] - near[name])
    assert sum(held.total() for held in far.values()) > PLANTED / 2


# ------------------------------------------------------------------ mbsync


def test_mbsync(shell: Any, person: Any, need: Callable[[str], None]) -> None:
    need("mbsync")
    who = _planted(person())
    tree = Path(shell.home) / "mail"
    tree.mkdir()
    config = shell.write(
        "mbsyncrc",
        f'IMAPAccount us\nHost {who.host}\nPort {who.port(993)}\nUser {who.address}\nPass "{who.password}"\n'
        f"SSLType IMAPS\nSystemCertificates no\nCertificateFile {who.certificate}\nTimeout 30\n\n"
        f"IMAPStore far\nAccount us\n\nMaildirStore near\nPath {tree}/\nInbox {tree}/INBOX\n"
        "SubFolders Verbatim\n\nChannel all\nFar :far:\nNear :near:\nPatterns * !Away*\nCreate Both\n"
        "Remove Both\nExpunge Both\nSyncState *\n",
    )
    with Meddler(lambda: _client(who), "far", 1) as meddler:
        shell.run("mbsync", "-c", config, "-a")
        for number, name in enumerate(MAILBOXES):
            _put(tree / name, f"near{number}")
            first = sorted((tree / name / "cur").iterdir())[0]
            first.rename(first.with_name(first.name.partition(":2,")[0] + ":2,FS"))
        sorted((tree / "Projets" / "cur").iterdir())[1].unlink()
        shell.run("mbsync", "-c", config, "-a")
    assert meddler.steps
    shell.run("mbsync", "-c", config, "-a")
    shell.run("mbsync", "-c", config, "-a")
    _assert_same(_maildirs(tree), _snapshot(who, keywords=False))


# ------------------------------------------------------------------ offlineimap


def _fingerprint(who: Any) -> str:
    """For a program that is given an address, which no certificate names."""
    octets = ssl.PEM_cert_to_DER_cert(Path(who.certificate).read_text().partition("-----END")[0] + PEM_END)
    return hashlib.sha256(octets).hexdigest()


def test_offlineimap(shell: Any, person: Any, need: Callable[[str], None]) -> None:
    need("offlineimap")
    who = _planted(person())
    tree = Path(shell.home) / "mail"
    config = shell.write(
        "offlineimaprc",
        "[general]\naccounts = us\nui = quiet\nsocktimeout = 30\n[Account us]\nlocalrepository = near\n"
        "remoterepository = far\nmaxsyncaccounts = 1\n[Repository near]\ntype = Maildir\n"
        f"localfolders = {tree}\nsep = /\n[Repository far]\ntype = IMAP\nremotehost = {who.host}\n"
        f"remoteport = {who.port(993)}\nremoteuser = {who.address}\nremotepass = {who.password}\n"
        f"cert_fingerprint = {_fingerprint(who)}\nmaxconnections = 2\n"
        "folderfilter = lambda name: not name.startswith('Away')\n",
    )
    run = ("offlineimap", "-c", config, "-o")
    with Meddler(lambda: _client(who), "far", 2) as meddler:
        shell.run(*run, ends=(0, 1))
        for number, name in enumerate(MAILBOXES):
            _put(tree / name, f"near{number}")
            first = sorted((tree / name / "cur").iterdir())[0]
            first.rename(first.with_name(first.name.partition(":2,")[0] + ":2,FS"))
        shell.run(*run, ends=(0, 1))
    assert meddler.steps
    shell.run(*run)
    shell.run(*run)
    _assert_same(_maildirs(tree), _snapshot(who, keywords=False))


# ------------------------------------------------------------------ interimap


def test_interimap(shell: Any, person: Any, need: Callable[[str], None]) -> None:
    """Two servers by QRESYNC, over COMPRESS, with somebody at work on either side; keywords too."""
    need("interimap")
    here, there = _planted(person(), "here"), person()
    with _client(there) as client:
        client.must("CREATE Away/one")

    def section(name: str, who: Any, compress: str) -> str:
        return (
            f"[{name}]\ntype = imaps\nhost = {who.host}\nport = {who.port(993)}\nusername = {who.address}\n"
            f"password = {who.password}\ncompress = {compress}\nSSL_CAfile = {who.ca}\n"
            f"SSL_hostname = {who.organisation.hostname}\n"
        )

    config = shell.write(
        "interimaprc",
        f"database = {shell.home}/state.db\nignore-mailbox = ^Away\n"
        + section("local", here, "NO")
        + section("remote", there, "YES"),
    )
    run = ("interimap", "--config", config)
    shell.run(*run)
    with Meddler(lambda: _client(here), "here", 3), Meddler(lambda: _client(there), "there", 4):
        shell.run(*run)
        shell.run(*run)
    shell.run(*run)
    shell.run(*run)
    _assert_same(_snapshot(here), _snapshot(there))
    rows = sqlite3.connect(shell.home / "state.db").execute("SELECT COUNT(*) FROM mapping").fetchone()
    assert rows[0] == sum(held.total() for held in _snapshot(here).values())
