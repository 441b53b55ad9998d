"""docs/policy.md names the checks that are made, in their order, with their settings and defaults."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from postier.config.settings import SETTINGS, load_settings
from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.policy import CHECKS, Check, Stage
from postier.smtp.inbound.policy_settings import USUAL_POLICY

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")
SECTIONS = dict(re.findall(r"^### (\S+)\n(.*?)(?=^### |\Z)", PAGE, re.MULTILINE | re.DOTALL))
WHEN = {
    Stage.CONNECT: "On connecting",
    Stage.HELO: "On EHLO or HELO",
    Stage.MAIL: "On MAIL",
    Stage.RCPT: "On RCPT",
    Stage.MESSAGE: "At the end of the message",
}
WHOM = {
    frozenset(Role): "For all.",
    frozenset({Role.MX}): "For strangers.",
    frozenset({Role.MX, Role.LMTP}): "For strangers and LMTP.",
    frozenset({Role.SUBMISSION}): "For people who logged in.",
    frozenset({Role.LMTP}): "For LMTP.",
}
SHOWN = re.compile(r"`((?:policy|connections|smtp)\.[a-z_]+)` \(([^)]*)\)")


def test_the_page_has_the_checks_in_their_order() -> None:
    assert list(SECTIONS) == [check.name for check in CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
def test_a_section_says_when_and_for_whom(check: Check) -> None:
    text = SECTIONS[check.name].strip()
    assert text.startswith(WHEN[check.stage])
    assert WHOM[check.roles] in text


def test_every_setting_of_the_policy_stands_there_with_its_default() -> None:
    shown = dict(SHOWN.findall(PAGE))
    table = dict(re.findall(r"^\| `(connections\.\w+)` \| (\d+)", PAGE, re.MULTILINE))
    defaults = {setting.name: setting.default for setting in SETTINGS}
    assert {name for name in defaults if name.startswith(("policy.", "connections."))} <= {*shown, *table}
    for name, value in {**shown, **table}.items():
        default = defaults[name]
        said = default if isinstance(default, str) else json.dumps(default)
        assert value == ("none" if default == [] else said), name


def test_the_defaults_of_the_file_are_those_of_the_program(tmp_path: Path) -> None:
    (tmp_path / "postier.toml").write_text("")
    assert load_settings(tmp_path).policy == USUAL_POLICY


def test_the_example_of_lists_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```\n(\[policy\]\n.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (tmp_path / "postier.toml").write_text(block)
    assert [each.weight for each in load_settings(tmp_path).policy.dnsbl] == [5, 3, -2]
