"""fetchmail: hands each message to a program, over POP3 and IMAP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

NOTHING_NEW, AUTH_FAILED = 1, 3


@pytest.fixture(autouse=True)
def _fetchmail(need: Callable[[str], None]) -> None:
    need("fetchmail")


@pytest.fixture
def fetchmail(shell: Any) -> Callable[..., list[bytes]]:
    """Fetches once; returns all that its program has been given so far, sorted."""

    def fetch(
        who: Any, protocol: str, port: int, *options: str, password: str = "", ends: Any = (0, NOTHING_NEW)
    ) -> list[bytes]:
        mda, folder = shell.mda()
        tls = "ssl" if port in (993, 995) else "sslproto TLS1.2+"
        name = who.organisation.hostname
        shell.write(
            "fetchmailrc",
            f"poll {name} via {who.host} protocol {protocol} port {who.port(port)}\n"
            f"  timeout 30 {'uidl' if protocol == 'pop3' else ''}\n"
            f'  username "{who.address}" password "{password or who.password}"\n'
            f"  {tls} sslcertck sslcertfile {who.ca} sslcommonname {name} {' '.join(options)}\n"
            f'  no rewrite no mimedecode mda "{mda}"\n',
        )
        shell.run(
            "fetchmail", "--nosyslog", "--invisible", "-f", "fetchmailrc", "-i", "ids",
            "--pidfile", "pid", ends=ends,
        )  # fmt: skip
        return sorted(file.read_bytes() for file in folder.iterdir())

    return fetch


def _local(messages: list[bytes]) -> list[bytes]:
    """With LF, as fetchmail hands messages to a program."""
    return sorted(message.replace(b"\r\n", b"\n") for message in messages)


DOORS = [("pop3", 995), ("pop3", 110), ("imap", 993), ("imap", 143)]


@pytest.mark.parametrize(("protocol", "port"), DOORS)
def test_kept_on_the_server_and_fetched_once(
    fetchmail: Any, person: Any, corpus: dict[str, bytes], protocol: str, port: int
) -> None:
    alice = person()
    alice.put(*corpus.values())
    fetched = fetchmail(alice, protocol, port, "keep")
    assert _local(fetched) == _local(list(corpus.values()))
    assert fetchmail(alice, protocol, port, "keep") == fetched
    alice.put(corpus["plain"])
    assert len(fetchmail(alice, protocol, port, "keep")) == len(corpus) + 1
    assert len(alice.messages()) == len(corpus) + 1


@pytest.mark.parametrize(("protocol", "port"), DOORS[::2])
def test_taken_off_the_server(
    fetchmail: Any, person: Any, corpus: dict[str, bytes], protocol: str, port: int
) -> None:
    alice = person()
    alice.put(*corpus.values())
    assert len(fetchmail(alice, protocol, port, "nokeep", "fetchall")) == len(corpus)
    assert alice.messages() == []


@pytest.mark.parametrize(("protocol", "port"), DOORS[::2])
def test_a_wrong_password_is_told(fetchmail: Any, person: Any, protocol: str, port: int) -> None:
    assert fetchmail(person(), protocol, port, "keep", password="wrong", ends=(AUTH_FAILED,)) == []
