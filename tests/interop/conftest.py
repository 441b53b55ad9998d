"""Programs that none of us wrote, against the demo's two organisations.

Each test has people of its own (`person()`), so that tests don't see each other's mail, and a home folder
of its own for the program's files.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from postier.demo.world import Organisation, World
from postier.testing.bind import NAMED, Bind, running_bind
from postier.testing.ports import free_port_base

PEOPLE = 260
PASSWORD = "demo pass-word"
HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("interop")


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of orchard.test with an empty account."""

    organisation: Organisation
    address: str
    password: str

    @property
    def host(self) -> str:
        return self.organisation.address

    @property
    def ca(self) -> str:
        """The file with the authority's certificate."""
        return str(self.organisation.data / "tls" / "ca.pem")

    @property
    def certificate(self) -> str:
        """The file with the server's own certificate, for programs that pin it."""
        return str(self.organisation.data / "tls" / "cert.pem")

    def port(self, standard: int) -> int:
        return self.organisation.port(standard)

    def imap(self) -> imaplib.IMAP4_SSL:
        """Logged in. Use as a context manager."""
        client = imaplib.IMAP4_SSL(self.host, self.port(993), ssl_context=self.organisation.tls(), timeout=30)
        client.login(self.address, self.password)
        return client

    def put(self, *messages: bytes, mailbox: str = "INBOX", flags: str = "") -> None:
        """Store messages, byte for byte."""
        with self.imap() as client:
            for message in messages:
                status, answer = client.append(mailbox, flags, "", message)
                assert status == "OK", answer

    def messages(self, mailbox: str = "INBOX") -> list[bytes]:
        """Every message there, in the order of arrival."""
        with self.imap() as client:
            status, answer = client.select(mailbox, readonly=True)
            assert status == "OK", answer
            fetched = client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1]
            return [item[1] for item in fetched if isinstance(item, tuple)]

    def flags(self, mailbox: str = "INBOX") -> list[frozenset[bytes]]:
        """The flags of every message there but \\Recent."""
        with self.imap() as client:
            client.select(mailbox, readonly=True)
            fetched = client.uid("FETCH", "1:*", "(FLAGS)")[1]
            return [
                frozenset(imaplib.ParseFlags(item)) - {b"\\Recent"}
                for item in fetched
                if isinstance(item, bytes)
            ]


@dataclass(frozen=True, slots=True)
class Shell:
    """Starts programs in a home of their own."""

    home: Path

    def write(self, name: str, text: str) -> Path:
        """A configuration file; most programs refuse those that others may read."""
        path = self.home / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def mda(self) -> tuple[Path, Path]:
        """A program that keeps each message it is given on its input, and the folder it keeps them in."""
        folder = self.home / "delivered"
        folder.mkdir(exist_ok=True)
        program = self.write("mda", f'#!/bin/sh\nexec cat > "$(mktemp {folder}/XXXXXX)"\n')
        program.chmod(0o700)
        return program, folder

    def run(
        self, *command: str | Path, stdin: bytes = b"", ends: Sequence[int] = (0,), seconds: float = 60
    ) -> subprocess.CompletedProcess[bytes]:
        """Run to the end; the exit code must be one of `ends`."""
        words = [str(word) for word in command]
        environment = {
            **os.environ,
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / ".config"),
            "XDG_DATA_HOME": str(self.home / ".local"),
            "LC_ALL": "C.UTF-8",
            "TERM": "vt100",
            "TZ": "UTC",
        }
        done = subprocess.run(
            words, input=stdin, capture_output=True, cwd=self.home, env=environment, timeout=seconds
        )
        told = f"{' '.join(words)}\nended with {done.returncode}\n{_tail(done.stdout)}\n{_tail(done.stderr)}"
        assert done.returncode in ends, told
        return done


def _tail(output: bytes) -> str:
    return output[-4000:].decode("utf-8", "replace")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    home = tmp_path / "home"
    home.mkdir()
    return Shell(home)


@pytest.fixture(scope="session")
def need() -> Callable[[str], None]:
    """Skips where the program is missing; fails with POSTIER_NO_SKIP, so that nothing is left out unseen."""

    def check(program: str) -> None:
        if shutil.which(program) is None:
            if os.environ.get("POSTIER_NO_SKIP"):
                pytest.fail(f"{program} is not installed")
            pytest.skip(f"{program} is not installed")

    return check


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both organisations, up for the whole session, with PEOPLE more people in orchard.test."""
    with (
        free_port_base("127.0.0.1", "127.0.0.2") as base,
        World(tmp_path_factory.mktemp("world"), base) as made,
    ):
        listed = tmp_path_factory.mktemp("people") / "people.csv"
        rows = "".join(f"person{number}@orchard.test,{PASSWORD}\n" for number in range(PEOPLE))
        listed.write_text(rows, encoding="utf-8")
        command = [sys.executable, "-m", "postier", "user", "import", str(listed)]
        subprocess.run([*command, "--data", str(made.orchard.data)], check=True, capture_output=True)
        yield made


@pytest.fixture(scope="session")
def _numbers() -> Iterator[int]:
    return iter(range(PEOPLE))


@pytest.fixture
def person(world: World, _numbers: Iterator[int]) -> Callable[[], Person]:
    """Makes a Person whom no other test has."""

    def make() -> Person:
        return Person(world.orchard, f"person{next(_numbers)}@orchard.test", PASSWORD)

    return make


@pytest.fixture(scope="session")
def corpus() -> dict[str, bytes]:
    """Messages that are easy to spoil on the way; all lines end with CRLF."""
    head = "From: zoe@elsewhere.test\r\nTo: you@orchard.test\r\nDate: Mon, 2 Nov 2026 10:00:00 +0100\r\n"
    base64 = ("QUJD" * 18 + "\r\n") * 3000
    texts = {
        "plain": "Subject: plain\r\nMessage-ID: <plain@x.test>\r\n\r\nHello.\r\n",
        "dots": "Subject: dots\r\nMessage-ID: <dots@x.test>\r\n\r\n.\r\n..\r\n.a line\r\n...\r\n\r\n.\r\n",
        "utf8": "Subject: =?UTF-8?Q?=C3=A9t=C3=A9?=\r\nMessage-ID: <utf8@x.test>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        "Où est le café ? 日本語 😀\r\n",
        "long": "Subject: long lines\r\nMessage-ID: <long@x.test>\r\n\r\n" + ("x" * 998 + "\r\n") * 20,
        "blank": "Subject: blank lines\r\nMessage-ID: <blank@x.test>\r\n\r\n\r\n\r\nmiddle \t\r\n\r\n\r\n",
        "attached": "Subject: attached\r\nMessage-ID: <attached@x.test>\r\nMIME-Version: 1.0\r\n"
        'Content-Type: multipart/mixed; boundary="=_b"\r\n\r\npreamble\r\n--=_b\r\n\r\ntext\r\n--=_b\r\n'
        'Content-Type: application/pdf; name="r.pdf"\r\nContent-Transfer-Encoding: base64\r\n'
        f"Content-Disposition: attachment; filename*=UTF-8''r%C3%A9colte.pdf\r\n\r\n{base64}--=_b--\r\n"
        "epilogue\r\n",
    }
    return {name: (head + text).encode() for name, text in texts.items()}


@pytest.fixture
def resolve(monkeypatch: pytest.MonkeyPatch) -> Callable[[Person], None]:
    """`resolve(who)`: the name of their host leads to its address, for libraries that know names only."""
    original = socket.getaddrinfo

    def use(who: Person) -> None:
        def look_up(host: str | bytes | None, *rest: Any, **named: Any) -> Any:
            name = host.decode() if isinstance(host, bytes) else host
            return original(who.host if name == who.organisation.hostname else host, *rest, **named)

        monkeypatch.setattr(socket, "getaddrinfo", look_up)

    return use


@pytest.fixture
def start_bind(need: Callable[[str], None]) -> Iterator[Callable[..., Bind]]:
    """Starts name servers of BIND 9 that end with the test: see running_bind for what it takes."""
    need(NAMED)
    with contextlib.ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(running_bind(*arguments))
