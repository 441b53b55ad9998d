"""`postier tls`: contracts, and what the hosts of another domain show."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from postier.backend import open_backend
from postier.config.settings import load_settings
from postier.store.api import TlsResult


def test_a_partner_is_required_to_have_tls(postier: Any, listed: Any, fails: Any, data: Path) -> None:
    assert postier("tls", "contracts").stdout == "no domain is required to have TLS\n"
    said = postier("tls", "require", "partner.test").stdout
    assert said == (
        "mail for partner.test goes over TLS to a host with a certificate for its own name, or waits\n"
    )
    ca = str((data / "tls" / "ca.pem").resolve())
    one = listed("tls", "require", "partner.test", "--name", "mx.partner.test", "--ca", ca)
    assert one == {"domain": "partner.test", "name": "mx.partner.test", "authorities": ca}
    assert listed("tls", "contracts") == [one]
    assert f"for mx.partner.test, from {ca}" in postier("tls", "contracts").stdout
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


def test_the_report_tells_of_failures_by_day_and_host(postier: Any, listed: Any, data: Path) -> None:
    assert postier("tls", "report").stdout == "nothing was sent elsewhere\n"
    today = int(time.time()) // 86_400
    good = TlsResult(today, "far.test", "sts", "mx.far.test", "192.0.2.1", "", "version: STSv1\nmode: none")
    bad = good._replace(result="certificate-expired", detail="expired yesterday")

    async def count(*results: TlsResult) -> None:
        async with open_backend(load_settings(data), "test") as backend:
            await backend.store.transact(lambda tx: tx.add_tls_results(dict.fromkeys(results, 3)))

    asyncio.run(count(good, bad._replace(day=today - 7)))
    assert postier("tls", "report").stdout == "no failures\n"
    asyncio.run(count(bad))
    ok, failed = listed("tls", "report")
    assert (ok["result_type"], ok["sessions"], ok["policy_string"]) == (
        None,
        3,
        ["version: STSv1", "mode: none"],
    )
    assert (failed["result_type"], failed["detail"]) == ("certificate-expired", "expired yesterday")
    assert "certificate-expired" in postier("tls", "report").stdout
    assert len(listed("tls", "report", "--days", "8")) == 3
