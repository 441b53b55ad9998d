"""What the command says about itself: every verb and every option, from the tables they are made of."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from postier import __version__
from postier.cli.main import VERBS, cli

CLI_FOLDER = Path(__file__).parents[2] / "src" / "postier" / "cli"
PIECES = {"tls_acme", "tls_certificates", "domain_keys", "directory_groups", "directory_words"}
"""Files of verbs that need more than one."""
NOT_VERBS = {"moment", "__init__", "common", "main"} | PIECES

JSON_NAMES = ("list", "add", "remove", "import", "passwd", "show", "check", "records", "doctor")
"""Verbs, or what follows a verb, that must take --json."""


def _walk(name: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for inner in command.list_commands(context):
            found = command.get_command(context, inner)
            assert found is not None
            yield from _walk(f"{name} {inner}".strip(), found)


COMMANDS = dict(_walk("", cli))
LEAVES = {name: command for name, command in COMMANDS.items() if not isinstance(command, click.Group)}


def _help(*words: str) -> str:
    result = CliRunner().invoke(cli, [*words, "--help"], terminal_width=200)
    assert result.exit_code == 0
    return result.stdout


def test_help_lists_every_verb_with_its_sentence() -> None:
    shown = " ".join(_help().split())
    for verb, sentence in VERBS.items():
        assert f" {verb} {sentence}" in shown


def test_every_verb_has_its_file_and_every_file_its_verb() -> None:
    files = {path.stem for path in CLI_FOLDER.glob("*.py")} - NOT_VERBS
    assert {name.replace("_", "-") for name in files} == set(VERBS)


def test_help_without_a_verb_is_not_an_error_of_its_own() -> None:
    result = CliRunner().invoke(cli, [])
    assert result.exit_code == 2
    assert "Commands" in result.output


def test_the_version_is_told() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert result.exit_code == 0
    assert __version__ in result.stdout


@pytest.mark.parametrize("name", [name for name in COMMANDS if name])
def test_every_command_says_what_it_does_in_a_sentence(name: str) -> None:
    text = COMMANDS[name].help or ""
    assert text.strip()
    assert text.strip().endswith((".", "right."))
    assert text.splitlines()[0] in _help(*name.split())


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_is_documented(name: str) -> None:
    shown = _help(*name.split())
    for parameter in LEAVES[name].params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in shown
            assert (parameter.help or "").strip(), f"{name} {parameter.opts[0]} has no help"
            assert parameter.help is not None
            assert parameter.help.split("  [")[0].rstrip().endswith("."), f"{name} {parameter.opts[0]}"


@pytest.mark.parametrize("name", [name for name in LEAVES if name.split()[-1] in JSON_NAMES])
def test_what_lists_takes_json(name: str) -> None:
    assert "--json" in _help(*name.split())


@pytest.mark.parametrize("name", [name for name in LEAVES if name != "demo"])
def test_the_data_may_be_named(name: str) -> None:
    assert "--data" in _help(*name.split())
