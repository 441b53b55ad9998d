"""`postier domain dkim`: what the administrator sees of keys on their way."""

from __future__ import annotations

from typing import Any

import pytest

from postier.accounts.dkim_keys import Seen
from postier.cli import domain_keys


def test_keys_are_listed_without_their_private_halves(postier: Any, listed: Any) -> None:
    found = listed("domain", "dkim", "list", "orchard.test")
    assert [(key["algorithm"], key["state"], key["in_dns"]) for key in found] == [
        ("rsa", "used", "unknown"),
        ("ed25519", "used", "unknown"),
    ]
    printed = postier("domain", "dkim", "list", "orchard.test", "--json").stdout
    assert "PRIVATE" not in printed
    assert "signs" in postier("domain", "dkim", "list", "orchard.test").stdout


def test_a_key_that_signs_and_is_not_published_is_to_be_published(
    postier: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def absent(*_: object) -> Seen:
        return Seen.NO

    monkeypatch.setattr(domain_keys, "look_for", absent)
    listed = postier("domain", "dkim", "list", "orchard.test").stdout
    assert listed.count("signs, but nobody can verify it: publish it") == 2


def test_new_keys_are_announced_and_printed_with_the_records(postier: Any, listed: Any, fails: Any) -> None:
    made = listed("domain", "dkim", "rotate", "orchard.test")
    assert [(key["algorithm"], key["state"]) for key in made] == [
        ("rsa", "announced"),
        ("ed25519", "announced"),
    ]
    names = {f"{key['selector']}._domainkey.orchard.test": key["record"] for key in made}
    records = {r["name"]: r["value"] for r in listed("dns", "records", "orchard.test")}
    assert names.items() <= records.items()
    assert len([name for name in records if "._domainkey." in name]) == 4
    assert "are being replaced already: " + made[0]["selector"] in fails(
        "domain", "dkim", "rotate", "orchard.test"
    )
    assert "it signs once the DNS has shown it" in postier("domain", "dkim", "list", "orchard.test").stdout


def test_a_domain_of_others_has_no_keys_here(fails: Any) -> None:
    for verb in ("list", "rotate"):
        assert fails("domain", "dkim", verb, "far.test") == "far.test is no domain of this server"
