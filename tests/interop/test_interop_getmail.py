"""getmail: hands each message to a program, over POP3S and IMAPS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _getmail(need: Callable[[str], None]) -> None:
    need("getmail")


@pytest.fixture
def getmail(shell: Any) -> Callable[..., list[bytes]]:
    """Fetches once; returns all that its program has been given so far, sorted."""

    def fetch(who: Any, kind: str, options: str = "") -> list[bytes]:
        mda, folder = shell.mda()
        port = who.port(995 if "POP3" in kind else 993)
        shell.write(
            "getmailrc",
            f"[retriever]\ntype = {kind}\nserver = {who.host}\nport = {port}\nusername = {who.address}\n"
            f"password = {who.password}\nca_certs = {who.ca}\ntimeout = 30\n\n"
            f"[destination]\ntype = MDA_external\npath = {mda}\nallow_root_commands = true\n\n"
            f"[options]\ndelivered_to = false\nreceived = false\nverbose = 1\n{options}",
        )
        shell.run("getmail", f"--getmaildir={shell.home}", "--rcfile=getmailrc")
        return sorted(file.read_bytes() for file in folder.iterdir())

    return fetch


def _bodies(messages: list[bytes]) -> list[bytes]:
    """With LF; getmail writes the header anew, the body as it came."""
    return sorted(message.replace(b"\r\n", b"\n").partition(b"\n\n")[2] for message in messages)


@pytest.mark.parametrize("kind", ["SimplePOP3SSLRetriever", "SimpleIMAPSSLRetriever"])
def test_everything_is_fetched_once(getmail: Any, person: Any, corpus: dict[str, bytes], kind: str) -> None:
    alice = person()
    alice.put(*corpus.values())
    wanted = "read_all = false\ndelete = false\n"
    fetched = getmail(alice, kind, wanted)
    assert _bodies(fetched) == _bodies(list(corpus.values()))
    assert getmail(alice, kind, wanted) == fetched
    alice.put(corpus["plain"])
    assert len(getmail(alice, kind, wanted)) == len(corpus) + 1
    assert len(alice.messages()) == len(corpus) + 1


@pytest.mark.parametrize("kind", ["SimplePOP3SSLRetriever", "SimpleIMAPSSLRetriever"])
def test_fetched_and_deleted(getmail: Any, person: Any, corpus: dict[str, bytes], kind: str) -> None:
    alice = person()
    alice.put(*corpus.values())
    assert len(getmail(alice, kind, "delete = true\n")) == len(corpus)
    assert alice.messages() == []
