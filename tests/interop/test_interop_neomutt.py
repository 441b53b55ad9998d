"""neomutt in batch mode: sends over submission, reads and moves over IMAPS."""

from __future__ import annotations

import email.policy
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _neomutt(need: Callable[[str], None]) -> None:
    need("neomutt")


@pytest.fixture
def neomutt(shell: Any) -> Callable[..., Any]:
    """Runs it with a person's settings and command line."""

    def start(who: Any, *options: str, pushed: str = "", stdin: bytes = b"") -> Any:
        (Path(shell.home) / "kept").mkdir(exist_ok=True)
        login = f"{who.address.replace('@', '%40')}@{who.host}"
        config = shell.write(
            "neomuttrc",
            f'set imap_user="{who.address}" imap_pass="{who.password}" smtp_pass="{who.password}"\n'
            f'set folder="imaps://{who.host}:{who.port(993)}" spoolfile="+INBOX" from="{who.address}"\n'
            f'set smtp_url="smtps://{login}:{who.port(465)}" smtp_authenticators="plain" use_from=yes\n'
            f'set certificate_file="{who.ca}" ssl_verify_host=no use_envelope_from=yes\n'
            'set hostname="laptop.test" header_cache="" copy=no quit=yes confirmappend=no sort=date\n'
            "set move=no delete=yes beep=no wait_key=no mark_old=no ts_enabled=no mail_check=0\n"
            f"{pushed}",
        )
        words = ["neomutt", "-n", "-F", str(config), *options]
        if pushed:  # it reads keys, so it wants a terminal
            words = ["script", "-qec", shlex.join(words), "/dev/null"]
        return shell.run(*words, stdin=stdin, seconds=30)

    return start


def test_sends_with_an_attachment(neomutt: Any, person: Any, tmp_path: Path) -> None:
    alice, bob = person(), person()
    attachment = tmp_path / "récolte.bin"
    attachment.write_bytes(bytes(range(256)) * 40)
    neomutt(alice, "-s", "Été à Nîmes", "-a", str(attachment), "--", bob.address, stdin="Où ?\n".encode())
    (stored,) = bob.messages()
    message = email.message_from_bytes(stored, policy=email.policy.default)
    text, binary = message.iter_parts()
    assert message["Subject"] == "Été à Nîmes"
    assert text.get_content() == "Où ?\r\n"
    assert binary.get_filename() == "récolte.bin"
    assert binary.get_content() == attachment.read_bytes()


def test_reads_a_mailbox_and_copies_it_out(
    neomutt: Any, person: Any, corpus: dict[str, bytes], tmp_path: Path
) -> None:
    alice = person()
    alice.put(*corpus.values())
    mbox = tmp_path / "out.mbox"
    keys = f"<tag-pattern>~A<enter><tag-prefix><copy-message>{mbox}<enter>y<quit>"
    neomutt(alice, pushed=f'set mbox_type=mbox\npush "{keys}"\n')
    text = mbox.read_bytes()
    for data in corpus.values():
        body = data.replace(b"\r\n", b"\n").partition(b"\n\n")[2].rstrip(b"\n")
        assert body in text
    assert len(alice.messages()) == len(corpus)


def test_moves_messages_and_expunges(neomutt: Any, person: Any, corpus: dict[str, bytes]) -> None:
    alice = person()
    alice.put(*corpus.values())
    keys = "<tag-pattern>~s dots|~s plain<enter><tag-prefix><save-message>=Archive<enter><sync-mailbox><quit>"
    neomutt(alice, pushed=f'push "{keys}"\n')
    assert sorted(alice.messages("Archive")) == sorted([corpus["dots"], corpus["plain"]])
    assert len(alice.messages()) == len(corpus) - 2
