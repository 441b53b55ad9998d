"""The pages say the truth where a machine can tell: links lead somewhere, paths exist, commands and settings
are what the program has."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from postier.cli.main import cli
from postier.config.settings import SETTINGS

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
CODE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
QUOTED = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
REPOSITORY_PATH = re.compile(r"(?:src|tests|docs|tools|bench|requirements|deploy)/[\w./-]*")
SETTING = re.compile(r"(?:" + "|".join(sorted({s.name.partition(".")[0] for s in SETTINGS})) + r")\.[a-z_]+")
COMMAND = re.compile(r"(?:\$ )?(?:[\w./-]*/)?postier ([a-z].*)")
PRINTED = {"postier ready"}
"""Looks like a command and is what one prints."""


def _prose(page: Path) -> str:
    return CODE.sub("", page.read_text(encoding="utf-8"))


def _anchors(page: Path) -> set[str]:
    """What a heading is called in an address: lower case, no punctuation, hyphens for blanks."""
    titles = re.findall(r"^#+ (.*)$", _prose(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


def _whole(page: Path) -> Iterator[str]:
    """Each command line in the page's blocks, without prompt, comment and what the shell does with it."""
    for _, block in CODE.findall(page.read_text(encoding="utf-8")):
        for line in block.splitlines():
            if match := COMMAND.match(line):
                yield re.split(r"  #| [|<>&;] ?| 2>", match[1])[0].strip()


def _mentioned(page: Path) -> Iterator[str]:
    """Each command within a sentence, perhaps only a verb."""
    for quoted in QUOTED.findall(_prose(page)):
        if (match := COMMAND.match(quoted)) and quoted not in PRINTED:
            yield match[1].replace("...", "").strip()


WHOLE = sorted({(page.name, line) for page in PAGES for line in _whole(page)})
MENTIONED = sorted({(page.name, line) for page in PAGES for line in _mentioned(page)})


def _find(line: str) -> tuple[click.Command, list[str]]:
    """The command of a line and the words behind it. Raises AssertionError where there is none."""
    words = shlex.split(line)
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words[0])
        assert found is not None, f"there is no {words[0]!r}"
        command = found
        words.pop(0)
    return command, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in LINK.findall(_prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        assert found.exists(), target
        assert ROOT in found.parents, target
        assert not anchor or anchor in _anchors(found), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_in_the_repository_exist(page: Path) -> None:
    quoted = [path for text in QUOTED.findall(_prose(page)) for path in REPOSITORY_PATH.findall(text)]
    assert [path for path in quoted if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_settings_exist(page: Path) -> None:
    known = {setting.name for setting in SETTINGS}
    named = {text.split(" ")[0] for text in QUOTED.findall(_prose(page)) if SETTING.match(text)}
    files = {name for name in named if name.rpartition(".")[2] in ("py", "md", "tsv", "org", "example")}
    assert named - files <= known


@pytest.mark.parametrize(("page", "line"), MENTIONED)
def test_commands_that_are_mentioned_exist(page: str, line: str) -> None:
    command, words = _find(line)
    options = {"-h", "--help", *(name for param in command.params for name in param.opts)}
    assert [word for word in words if word.startswith("-") and word not in options] == []


@pytest.mark.parametrize(("page", "line"), WHOLE)
def test_commands_that_are_shown_are_right_usage(
    page: str, line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("people.csv").touch()
    command, words = _find(line)
    assert not isinstance(command, click.Group), "a verb is missing"
    command.make_context(line, words)


def test_what_init_tells_to_type_is_right_usage(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["init", "--data", str(tmp_path), "--domain", "example.org", "--yes"])
    assert done.exit_code == 0, done.output
    told = re.findall(r"postier ((?:dns|serve) [^)\n]*)", done.output)
    assert len(told) == 2
    for line in told:
        command, words = _find(line)
        command.make_context(line, words)
    assert "A or AAAA record for mail.example.org" in done.output


def test_every_verb_is_shown_somewhere() -> None:
    shown = {line.split()[0] for _, line in WHOLE}
    assert set(cli.list_commands(click.Context(cli))) <= shown


def test_every_page_is_reached_from_the_readme() -> None:
    """By itself, or by the list of all pages that it leads to."""
    index = ROOT / "docs" / "index.md"
    linked = _linked(PAGES[0])
    assert index in linked
    assert set(PAGES[1:]) - linked - _linked(index) == set()


def _linked(page: Path) -> set[Path]:
    return {(page.parent / target.partition("#")[0]).resolve() for target in LINK.findall(_prose(page))}


def test_the_tests_that_the_table_of_traps_names_exist() -> None:
    """Each name belongs to the file before it in its row."""
    rows = [line for line in (ROOT / "docs" / "testing.md").read_text().splitlines() if " test_" in line]
    assert len(rows) >= 20
    for row in rows:
        for path, names in re.findall(r"`(tests/[^`]+\.py)`((?: test_\w+[,;]?)+)", row):
            text = (ROOT / path).read_text(encoding="utf-8")
            missing = [name for name in re.findall(r"test_\w+", names) if f"def {name}(" not in text]
            assert not missing, (path, missing)
