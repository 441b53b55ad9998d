"""The command, run within this process (fast) or as a process of its own (as a shell runs it)."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from postier.cli.main import cli

PASSWORD = "cli-password"


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A server of orchard.test with alice, as init makes it; tests work on copies."""
    folder = tmp_path_factory.mktemp("template") / "data"
    result = CliRunner().invoke(
        cli,
        ["init", "--data", str(folder), "--domain", "orchard.test", "--admin", "alice@orchard.test",
         "--password-stdin", "--bind", "127.0.0.1", "--yes", "--set", 'dns.servers=["127.0.0.1:9"]',
         "--set", 'dns.timeout="1s"'],
        input=PASSWORD + "\n",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    """A server of one's own that does not run."""
    return Path(shutil.copytree(template, tmp_path / "data"))


@pytest.fixture
def postier(data: Path) -> Callable[..., Result]:
    """`postier WORDS --data DATA`; a password is on the standard input. The exit code must be `ends`."""

    def run(*words: str, ends: int = 0, stdin: str = PASSWORD + "\n") -> Result:
        result = CliRunner().invoke(cli, [*words, "--data", str(data)], input=stdin)
        assert result.exit_code == ends, (result.stdout, result.stderr, result.exception)
        return result

    return run


@pytest.fixture
def listed(postier: Callable[..., Result]) -> Callable[..., Any]:
    """What `postier WORDS --json` prints, read."""

    def run(*words: str, ends: int = 0) -> Any:
        return json.loads(postier(*words, "--json", ends=ends).stdout)

    return run


@pytest.fixture
def fails(postier: Callable[..., Result]) -> Callable[..., str]:
    """The one line that a command which can't do it leaves; nothing is on the standard output."""

    def run(*words: str, stdin: str = PASSWORD + "\n") -> str:
        result = postier(*words, ends=1, stdin=stdin)
        assert result.stdout == ""
        assert result.stderr.startswith("Error: ")
        assert result.stderr.count("\n") == 1
        return result.stderr.removeprefix("Error: ").rstrip("\n")

    return run


@pytest.fixture
def misused(postier: Callable[..., Result]) -> Callable[..., str]:
    """What a command says that is used wrongly: how to use it, and what was wrong."""

    def run(*words: str) -> str:
        result = postier(*words, ends=2)
        assert result.stdout == ""
        assert result.stderr.startswith("Usage: ")
        return result.stderr.rpartition("Error: ")[2].rstrip("\n")

    return run


@pytest.fixture(scope="session")
def process() -> Callable[..., subprocess.CompletedProcess[str]]:
    """`postier WORDS` in a process of its own."""

    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "postier", *words]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)

    return run
