"""mbsync: a folder tree kept the same on both sides, both ways.

It compares a certificate with host names only, so it is given the server's own certificate to pin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

MAILBOXES = ("Factures", "Factures/&AOk-t&AOk- 2026", "&U9dP4Q-", "a &- b")
"""With "été 2026", "受信" and "a & b" in modified UTF-7 (RFC 3501 5.1.3); mbsync keeps it for its folders."""


@pytest.fixture(autouse=True)
def _mbsync(need: Callable[[str], None]) -> None:
    need("mbsync")


@dataclass(frozen=True, slots=True)
class Mirror:
    """One person's account and a tree of Maildirs that mbsync keeps equal."""

    shell: Any
    who: Any

    @property
    def tree(self) -> Path:
        return Path(self.shell.home) / "mail"

    def sync(self) -> None:
        self.tree.mkdir(exist_ok=True)
        config = self.shell.write(
            "mbsyncrc",
            f"IMAPAccount us\nHost {self.who.host}\nPort {self.who.port(993)}\nUser {self.who.address}\n"
            f'Pass "{self.who.password}"\nSSLType IMAPS\nSystemCertificates no\n'
            f"CertificateFile {self.who.certificate}\nTimeout 30\n\nIMAPStore far\nAccount us\n\n"
            f"MaildirStore near\nPath {self.tree}/\nInbox {self.tree}/INBOX\nSubFolders Verbatim\n\n"
            "Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Both\nRemove Both\nExpunge Both\n"
            "CopyArrivalDate yes\nSyncState *\n",
        )
        self.shell.run("mbsync", "-c", config, "-a")

    def files(self, mailbox: str) -> list[Path]:
        folder = self.tree / mailbox
        return sorted([*(folder / "cur").glob("*"), *(folder / "new").glob("*")])

    def near(self, mailbox: str) -> list[bytes]:
        """The messages of the local side, in no order, without what mbsync adds."""
        return sorted(_clean(file.read_bytes()) for file in self.files(mailbox))

    def far(self, mailbox: str) -> list[bytes]:
        return sorted(_clean(data) for data in self.who.messages(f'"{mailbox}"'))


def _clean(message: bytes) -> bytes:
    """With LF, and without the field that mbsync puts into what it uploads."""
    lines = message.replace(b"\r\n", b"\n").split(b"\n")
    return b"\n".join(line for line in lines if not line.startswith(b"X-TUID: "))


@pytest.fixture
def mirror(shell: Any, person: Any, corpus: dict[str, bytes]) -> Mirror:
    """An account with mail in INBOX and in a tree of mailboxes, not yet synchronised."""
    alice = person()
    with alice.imap() as client:
        for name in MAILBOXES:
            assert client.create(f'"{name}"')[0] == "OK"
    alice.put(*corpus.values())
    for name in MAILBOXES:
        alice.put(corpus["plain"], corpus["utf8"], mailbox=f'"{name}"', flags="\\Seen")
    return Mirror(shell, alice)


def _assert_equal(mirror: Mirror, count: dict[str, int]) -> None:
    for mailbox, expected in count.items():
        assert mirror.near(mailbox) == mirror.far(mailbox), mailbox
        assert len(mirror.near(mailbox)) == expected, mailbox


def test_the_whole_tree_comes_and_nothing_doubles(mirror: Mirror, corpus: dict[str, bytes]) -> None:
    count = {"INBOX": len(corpus), **dict.fromkeys(MAILBOXES, 2), "Archive": 0}
    mirror.sync()
    names = {str(path.parent.relative_to(mirror.tree)) for path in mirror.tree.rglob("cur")}
    assert names == {"INBOX", "Archive", "Drafts", "Junk", "Sent", "Trash", *MAILBOXES}
    _assert_equal(mirror, count)
    before = [mirror.files(mailbox) for mailbox in count]
    mirror.sync()
    mirror.sync()
    _assert_equal(mirror, count)
    assert [mirror.files(mailbox) for mailbox in count] == before


def test_changes_on_both_sides_meet(mirror: Mirror, corpus: dict[str, bytes]) -> None:
    mirror.sync()
    here, there = corpus["dots"], corpus["long"]
    new = mirror.tree / "Factures/&AOk-t&AOk- 2026" / "new"
    (new / "1.local").write_bytes(here.replace(b"\r\n", b"\n"))
    mirror.who.put(there, mailbox='"&U9dP4Q-"')
    mirror.sync()
    _assert_equal(mirror, {"INBOX": len(corpus), "Factures/&AOk-t&AOk- 2026": 3, "&U9dP4Q-": 3})
    mirror.sync()
    _assert_equal(mirror, {"INBOX": len(corpus), "Factures/&AOk-t&AOk- 2026": 3, "&U9dP4Q-": 3})


def test_flags_go_both_ways(mirror: Mirror) -> None:
    mirror.sync()
    first, second = mirror.files("Factures")
    first.rename(first.with_name(first.name + "F"))
    with mirror.who.imap() as client:
        client.select("INBOX")
        client.store("2", "+FLAGS", "(\\Seen \\Answered)")
    mirror.sync()
    flagged = sorted(map(sorted, mirror.who.flags("Factures")))
    assert flagged == [[b"\\Flagged", b"\\Seen"], [b"\\Seen"]]
    assert second.exists()
    assert sum(file.name.endswith(",RS") for file in mirror.files("INBOX")) == 1


def test_deletions_go_both_ways(mirror: Mirror, corpus: dict[str, bytes]) -> None:
    mirror.sync()
    mirror.files("Factures")[0].unlink()
    with mirror.who.imap() as client:
        client.select("INBOX")
        client.store("1:3", "+FLAGS", "\\Deleted")
        client.expunge()
    mirror.sync()
    _assert_equal(mirror, {"INBOX": len(corpus) - 3, "Factures": 1, "a &- b": 2})
    mirror.sync()
    _assert_equal(mirror, {"INBOX": len(corpus) - 3, "Factures": 1, "a &- b": 2})


def test_a_new_mailbox_of_either_side_is_made_on_the_other(mirror: Mirror, corpus: dict[str, bytes]) -> None:
    mirror.sync()
    for part in ("cur", "new", "tmp"):
        (mirror.tree / "Neu" / part).mkdir(parents=True)
    (mirror.tree / "Neu" / "new" / "1.local").write_bytes(corpus["plain"].replace(b"\r\n", b"\n"))
    with mirror.who.imap() as client:
        client.create("Fern/Ziel")
    mirror.who.put(corpus["utf8"], mailbox="Fern/Ziel")
    mirror.sync()
    _assert_equal(mirror, {"Neu": 1, "Fern/Ziel": 1, "Fern": 0})
