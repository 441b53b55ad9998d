"""`postier tls`: contracts, and what the hosts of another domain show."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def test_a_partner_is_required_to_have_tls(postier: Any, listed: Any, fails: Any, data: Path) -> None:
    assert postier("tls", "list").stdout == "no domain is required to have TLS\n"
    said = postier("tls", "require", "partner.test").stdout
    assert said == (
        "mail for partner.test goes over TLS to a host with a certificate for its own name, or waits\n"
    )
    ca = str((data / "tls" / "ca.pem").resolve())
    one = listed("tls", "require", "partner.test", "--name", "mx.partner.test", "--ca", ca)
    assert one == {"domain": "partner.test", "name": "mx.partner.test", "authorities": ca}
    assert listed("tls", "list") == [one]
    assert f"for mx.partner.test, from {ca}" in postier("tls", "list").stdout
    assert listed("tls", "remove", "partner.test") == {"removed": "partner.test"}
    assert fails("tls", "remove", "partner.test") == "nothing is required of partner.test"


def test_what_cannot_be_required(fails: Any, data: Path) -> None:
    assert "orchard.test is a domain of this server" in fails("tls", "require", "orchard.test")
    assert "cannot use authorities" in fails(
        "tls", "require", "partner.test", "--ca", str(data / "postier.toml")
    )
    assert "no such file" in fails("tls", "require", "partner.test", "--ca", "/nowhere")


def test_a_domain_that_cannot_be_found_is_told(fails: Any) -> None:
    assert "no answer about the domain far.test" in fails("tls", "test", "far.test")
