"""The settings of ACME: what they may be, and what they come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from postier.acme.problems import AcmeProblem
from postier.certifying import read_plan
from postier.config.change import change_settings, changed_text
from postier.config.settings import ConfigError, load_settings, parse_value, render_settings

CHOSEN: dict[str, Any] = {"acme.directory": "https://ca.test/directory", "acme.agree_terms": True}


def written(folder: Path, **chosen: Any) -> Path:
    values = {name.replace("__", "."): value for name, value in chosen.items()}
    (folder / "postier.toml").write_text(render_settings(values))
    return folder


@pytest.mark.parametrize(
    ("name", "given", "parsed"),
    [
        ("acme.contact", ["a@b.test"], ("mailto:a@b.test",)),
        ("acme.names", ["Bücher.Test", "*.orchard.test"], ("xn--bcher-kva.test", "*.orchard.test")),
        ("acme.directory", "", ""),
    ],
)
def test_what_they_may_be(name: str, given: Any, parsed: Any) -> None:
    assert parse_value(name, given, "here") == parsed


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("acme.contact", "a@b.test"),
        ("acme.contact", ["nobody"]),
        ("acme.contact", ["a@b.test\n"]),
        ("acme.names", ["a b.test"]),
        ("acme.names", ["*.*.test"]),
        ("acme.names", ["x.*.test"]),
        ("acme.names", ["*"]),
        ("acme.names", ["localhost"]),
        ("acme.names", [5]),
        ("acme.directory", "ca.test"),
        ("acme.directory", "https://ca.test/ x"),
        ("acme.challenge", "dns"),
        ("acme.key_type", "rsa-1024"),
        ("acme.agree_terms", "yes"),
    ],
)
def test_what_they_may_not_be(name: str, given: Any) -> None:
    with pytest.raises(ConfigError):
        parse_value(name, given, "here")


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"acme__agree_terms": True}, "no authority is chosen"),
        ({"acme__directory": "https://ca.test/d"}, "agreed"),
        ({"acme__challenge": "dns-01"}, "needs dns_update.server"),
        ({"http__enabled": False}, "needs http.enabled"),
        (
            {"acme__challenge": "tls-alpn-01", "http__https": False},
            "needs http.enabled = true and http.https",
        ),
        ({"acme__eab_kid": "k"}, "both acme.eab_kid and acme.eab_key_file"),
        ({"acme__eab_kid": "k", "acme__eab_key_file": "none"}, "cannot read acme.eab_key_file"),
        ({"acme__eab_kid": "k", "acme__eab_key_file": "postier.toml"}, "holds no key"),
    ],
)
def test_what_does_not_fit_together_is_told(tmp_path: Path, chosen: dict[str, Any], said: str) -> None:
    enabled = {} if "no authority" in said or said == "agreed" else CHOSEN
    data = written(tmp_path, **{name.replace(".", "__"): value for name, value in enabled.items()}, **chosen)
    with pytest.raises(AcmeProblem, match=said):
        read_plan(load_settings(data))


def test_an_external_account_is_read(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("c2VjcmV0LXNlY3JldA==\n")
    data = written(
        tmp_path,
        acme__directory="https://ca.test/d",
        acme__agree_terms=True,
        acme__eab_kid="k",
        acme__eab_key_file="key",
    )
    plan = read_plan(load_settings(data))
    assert plan.external is not None
    assert (plan.external.kid, plan.external.key) == ("k", "c2VjcmV0LXNlY3JldA")
    assert "c2Vj" not in repr(plan)


TEXT = """# mine
[server]
hostname = "mail.a.test"

[acme] # here
# The authority
# directory = ""
agree_terms = false
names = ["a.b.test"] # kept

[http]
# directory = "not this one"
"""


def test_a_setting_changes_where_it_stands() -> None:
    changed = changed_text(TEXT, {**CHOSEN, "acme.challenge": "dns-01"})
    assert changed == TEXT.replace('# directory = ""', 'directory = "https://ca.test/directory"').replace(
        "agree_terms = false", "agree_terms = true"
    ).replace("[acme] # here\n", '[acme] # here\nchallenge = "dns-01"\n')
    assert changed_text(changed, CHOSEN) == changed


def test_a_section_that_is_not_there_is_added() -> None:
    assert changed_text("[log]\n", CHOSEN) == (
        '[log]\n\n[acme]\nagree_terms = true\ndirectory = "https://ca.test/directory"\n'
    )


def test_a_file_that_would_not_load_stays_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "postier.toml"
    file.write_text(TEXT.replace("[http]", "[broken]"))
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="broken"):
        change_settings(tmp_path, CHOSEN)
    assert file.read_text() == TEXT.replace("[http]", "[broken]")
    file.write_text(TEXT.replace('# directory = "not this one"\n', ""))
    assert change_settings(tmp_path, CHOSEN).acme.enabled
    assert file.stat().st_mode & 0o777 == 0o640
    with pytest.raises(ConfigError):
        change_settings(tmp_path, {"acme.directory": "nonsense"})
    assert load_settings(tmp_path).acme.directory == "https://ca.test/directory"
