"""oidc.providers in postier.toml: what is taken, and that an error never shows the secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from postier.config.settings import ConfigError, load_settings
from postier.oidc.api import Provider

PLAIN = {"issuer": "https://id.test/realm", "audience": "mail", "scope": "a b"}


def read(folder: Path, *providers: Any) -> tuple[Provider, ...]:
    lines = "".join(
        "[[oidc.providers]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in one.items())
        for one in providers
    )
    (folder / "postier.toml").write_text(lines, encoding="utf-8")
    return load_settings(folder).oidc.providers


def test_a_provider_is_read(tmp_path: Path) -> None:
    (found,) = read(tmp_path, PLAIN)
    assert found == Provider("https://id.test/realm", ("mail",), ("a", "b"))
    more = {"audience": ["x", "y"], "domains": ["Örchard.test"], "client_id": "i", "client_secret": "s"}
    (found,) = read(tmp_path, {**PLAIN, **more, "create": True, "introspect": True})
    assert found.audience == ("x", "y")
    assert found.domains == ("xn--rchard-vxa.test",)
    assert found.asks


WRONG = {
    "no issuer": ({"issuer": None}, "a provider has no issuer"),
    "no audience": ({"audience": None}, "a provider has no audience"),
    "no scope": ({"scope": None}, "a provider has no scope"),
    "an empty scope": ({"scope": ""}, "scope: expected a text in quotes"),
    "a scope of blanks": ({"scope": " "}, "scope: expected"),
    "no audiences": ({"audience": []}, "audience: expected one text or several"),
    "in clear": ({"issuer": "http://id.test"}, "issuer: expected the URL of the provider: not https"),
    "with a query": ({"issuer": "https://id.test/?x"}, "without a query"),
    "no URL": ({"issuer": "id.test"}, "issuer: expected the URL"),
    "an unknown key": ({"client_secert": "hidden"}, "there are: issuer"),
    "a number": ({"client_secret": 7}, "client_secret: expected a text"),
    "introspect alone": ({"introspect": True}, "introspect needs client_id"),
    "create everywhere": ({"create": True}, "create needs domains"),
    "no domain": ({"domains": ["a b"]}, "domains: "),
    "verified as text": ({"verified": "yes"}, "verified: expected true or false"),
}


@pytest.mark.parametrize(("changes", "said"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said_without_the_secret(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    whole = {"client_id": "i", "client_secret": "hidden", **PLAIN, **changes}
    if "introspect" in changes:
        del whole["client_id"]
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, {key: value for key, value in whole.items() if value is not None})
    assert said in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_several_providers_need_domains_of_their_own(tmp_path: Path) -> None:
    other = {**PLAIN, "issuer": "https://other.test"}
    assert len(read(tmp_path, {**PLAIN, "domains": ["a.test"]}, {**other, "domains": ["b.test"]})) == 2
    for one, two in ((PLAIN, other), ({**PLAIN, "domains": ["a.test"]}, other)):
        with pytest.raises(ConfigError, match="domains of its own"):
            read(tmp_path, one, two)
    with pytest.raises(ConfigError, match="domains of its own"):
        read(tmp_path, {**PLAIN, "domains": ["a.test"]}, {**other, "domains": ["a.test"]})
    with pytest.raises(ConfigError, match="twice"):
        read(tmp_path, {**PLAIN, "domains": ["a.test"]}, {**PLAIN, "domains": ["b.test"]})


@pytest.mark.parametrize("value", ["x", 7, {"issuer": "x"}, [7], [[]]])
def test_what_is_no_list_of_providers_is_told(tmp_path: Path, value: Any) -> None:
    text = "{}" if isinstance(value, dict) else json.dumps(value)
    (tmp_path / "postier.toml").write_text(f"[oidc]\nproviders = {text}\n")
    with pytest.raises(ConfigError, match="a list of providers"):
        load_settings(tmp_path)
