"""Starting what can't start: one line on the standard error stream that says what and where, no traceback."""

from __future__ import annotations

import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from postier.testing.ports import free_port_base

pytestmark = pytest.mark.slow

FAILED = 1
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\dT\S+ warning ")
"""serve may say before it fails that it runs as root."""


def _postier(*words: str, stdin: str = "some-password\n") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postier", *words], input=stdin, capture_output=True, text=True, timeout=60
    )


def _one_line(done: subprocess.CompletedProcess[str], *expected: str) -> None:
    """It failed, and said so as a program should."""
    assert done.returncode == FAILED, (done.returncode, done.stdout, done.stderr)
    said = [line for line in done.stderr.splitlines() if not LOG_LINE.match(line)]
    assert len(said) == 1, done.stderr
    assert said[0].startswith("Error: "), done.stderr
    assert done.stdout == ""
    for words in expected:
        assert words in done.stderr


@pytest.fixture(scope="module")
def base() -> Iterator[int]:
    with free_port_base("127.0.0.1") as number:
        yield number


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, base: int) -> Path:
    """A server as init makes it; the tests work on copies."""
    folder = tmp_path_factory.mktemp("made") / "data"
    done = _postier(
        "init", "--data", str(folder), "--domain", "orchard.test", "--bind", "127.0.0.1",
        "--port-base", str(base), "--yes", "--set", "server.workers=1",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def data(tmp_path: Path, made: Path) -> Path:
    """A server of one's own that is not running."""
    return Path(shutil.copytree(made, tmp_path / "data"))


def _break(data: Path, change: Callable[[str], str]) -> None:
    file = data / "postier.toml"
    file.write_text(change(file.read_text()))


# ------------------------------------------------------------------ init


def test_init_leaves_a_taken_directory_as_it_is(data: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    done = _postier("init", "--data", str(data), "--domain", "other.test", "--yes")
    _one_line(done, str(data), "not empty")
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_init_where_nothing_can_be_written() -> None:
    _one_line(
        _postier("init", "--data", "/proc/postier", "--domain", "orchard.test", "--yes"), "/proc/postier"
    )


def test_init_beyond_the_loopback_with_trust(tmp_path: Path) -> None:
    done = _postier(
        "init", "--data", str(tmp_path / "x"), "--domain", "orchard.test", "--bind", "0.0.0.0",
        "--trust-loopback", "--yes",
    )  # fmt: skip
    _one_line(done, "loopback")
    assert not (tmp_path / "x" / "postier.toml").exists()


def test_init_with_an_empty_password_makes_nothing(tmp_path: Path) -> None:
    done = _postier(
        "init", "--data", str(tmp_path / "x"), "--domain", "orchard.test", "--admin", "alice@orchard.test",
        "--password-stdin", "--yes", stdin="\n",
    )  # fmt: skip
    _one_line(done, "password")
    assert not (tmp_path / "x").exists()


# ------------------------------------------------------------------ serve


def test_serve_without_a_server(tmp_path: Path) -> None:
    _one_line(_postier("serve", "--data", str(tmp_path)), str(tmp_path), "postier init")


def test_serve_on_a_taken_port(data: Path, base: int) -> None:
    with socket.create_server(("127.0.0.1", base + 143), reuse_port=False):
        _one_line(_postier("serve", "--data", str(data)), f"127.0.0.1:{base + 143}", "in use")


def test_serve_twice_on_one_directory(data: Path) -> None:
    first = subprocess.Popen(
        [sys.executable, "-m", "postier", "serve", "--data", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "postier ready\n"
        _one_line(_postier("serve", "--data", str(data)), "already runs", str(data))
        assert first.poll() is None
    finally:
        first.terminate()
        assert first.wait(60) == 0
        assert first.stdout is not None
        first.stdout.close()


BROKEN_SETTINGS = {
    "syntax": (lambda text: text + "\n[server\n", "TOML"),
    "not utf-8 text": (lambda text: text + "\n\x00\n", "TOML"),
    "unknown section": (lambda text: text + "\n[servre]\nx = 1\n", "servre"),
    "unknown name": (
        lambda text: text.replace("[queue]", "[queue]\nretry_frist = '5m'"),
        "queue.retry_frist",
    ),
    "wrong kind": (
        lambda text: text.replace("[queue]", "[queue]\nconcurrency = 'many'"),
        "queue.concurrency",
    ),
    "a value outside a section": (lambda text: "lgo = 3\n" + text, "lgo"),
    "a duration without unit": (
        lambda text: text.replace("[queue]", "[queue]\nretry_max = 8"),
        "queue.retry_max",
    ),
    "a size too odd": (
        lambda text: text.replace("[smtp]", '[smtp]\nmax_message_size = "50 MiB"'),
        "smtp.max_message_size",
    ),
    "too few recipients": (
        lambda text: text.replace("[smtp]", "[smtp]\nmax_recipients = 5"),
        "smtp.max_recipients",
    ),
    "no address": (
        lambda text: text.replace('bind = ["127.0.0.1"]', 'bind = ["localhost"]'),
        "server.bind",
    ),
}


@pytest.mark.parametrize("name", BROKEN_SETTINGS)
@pytest.mark.parametrize("words", [("serve",), ("user", "list")], ids=" ".join)
def test_broken_settings_are_named_with_their_file(data: Path, name: str, words: tuple[str, ...]) -> None:
    change, told = BROKEN_SETTINGS[name]
    _break(data, change)
    _one_line(_postier(*words, "--data", str(data)), str(data / "postier.toml"), told)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("cert.pem", None),
        ("cert.pem", b""),
        ("cert.pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        ("key.pem", None),
        ("key.pem", b"no key\n"),
    ],
)
def test_a_certificate_that_is_missing_or_broken(data: Path, file: str, content: bytes | None) -> None:
    path = data / "tls" / file
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    _one_line(_postier("serve", "--data", str(data)), str(data / "tls"))


def test_a_certificate_that_is_not_the_key_s(data: Path) -> None:
    (data / "tls" / "key.pem").write_bytes((data / "tls" / "ca-key.pem").read_bytes())
    _one_line(_postier("serve", "--data", str(data)), str(data / "tls"))


def test_a_database_that_is_none(data: Path) -> None:
    for path in data.glob("postier.db*"):
        path.unlink()
    (data / "postier.db").write_bytes(b"this is not a database" * 1000)
    _one_line(_postier("serve", "--data", str(data)), "postier.db")


def test_serve_on_an_address_that_is_not_ours(data: Path) -> None:
    _break(data, lambda text: text.replace('bind = ["127.0.0.1"]', 'bind = ["192.0.2.1"]'))
    _one_line(_postier("serve", "--data", str(data)), "192.0.2.1")


def test_a_certificate_that_breaks_while_it_runs_stays_in_use(data: Path, base: int) -> None:
    """SIGHUP with a broken file: the old certificate goes on."""
    context = ssl.create_default_context(cafile=str(data / "tls" / "ca.pem"))
    running = subprocess.Popen(
        [sys.executable, "-m", "postier", "serve", "--data", str(data)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert running.stdout is not None
    assert running.stderr is not None
    try:
        assert running.stdout.readline() == "postier ready\n"
        (data / "tls" / "cert.pem").write_text("broken")
        running.send_signal(signal.SIGHUP)
        while "certificate not reloaded" not in (line := running.stderr.readline()):
            assert line
        with (
            socket.create_connection(("127.0.0.1", base + 993), 30) as bare,
            context.wrap_socket(bare, server_hostname="mail.orchard.test") as client,
        ):
            assert client.recv(4) == b"* OK"
    finally:
        running.terminate()
        running.communicate(timeout=60)
    assert running.returncode == 0
