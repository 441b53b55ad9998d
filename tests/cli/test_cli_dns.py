"""`postier dns`: records in three forms, and pushing them into a zone."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dns.rdatatype
import dns.zone
import pytest

from postier.dns.update import TsigKey
from postier.testing.dns_update import UpdateServer

KEY = TsigKey("postier.key", "hmac-sha256", b"0123456789abcdef")


def test_records_in_three_forms(postier: Any, listed: Any) -> None:
    records = listed("dns", "records", "orchard.test")
    table = postier("dns", "records", "orchard.test").stdout
    text = postier("dns", "records", "orchard.test", "--zone").stdout
    zone = dns.zone.from_text(
        "$ORIGIN test.\n@ 1 IN SOA a. b. 1 1 1 1 1\n@ 1 IN NS a.\n" + text, relativize=False
    )
    for record in records:
        assert record["value"] in table
        found = zone.get_rdataset(record["name"] + ".", record["type"])
        assert found is not None
        if record["type"] == "TXT":
            assert record["value"] in {b"".join(one.strings).decode() for one in found}
    kinds = {
        re.sub(r"^.*v=(\w+).*$", r"\1", r["value"]) if r["type"] == "TXT" else r["type"] for r in records
    }
    assert kinds >= {"MX", "spf1", "DKIM1", "DMARC1", "STSv1", "TLSRPTv1", "TLSA", "SRV", "CNAME", "A"}
    names = {record["name"].removesuffix(".orchard.test") for record in records}
    assert names >= {"autoconfig", "autodiscover", "_autodiscover._tcp", "_imap._tcp", "_pop3._tcp"}
    assert names >= {"ua-auto-config", "_ua-auto-config"}
    strings = re.findall(r'"([^"]*)"', text)
    assert max(map(len, strings)) == 255


def test_nothing_is_pushed_without_a_server(fails: Any) -> None:
    assert "dns_update.server is not set" in fails("dns", "push", "orchard.test")
    assert "far.test is not a domain of this server" in fails("dns", "push", "far.test")


@pytest.fixture
def primary() -> Iterator[UpdateServer]:
    """A name server of orchard.test, on a loop of its own."""
    server, loop = UpdateServer("orchard.test", KEY), asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    loop.run_until_complete(server.__aenter__())
    thread.start()
    yield server
    asyncio.run_coroutine_threadsafe(server.__aexit__(), loop).result(5)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def use(data: Path, primary: UpdateServer, secret: str = "MDEyMzQ1Njc4OWFiY2RlZg==") -> None:
    (data / "dns.key").write_text(f'key "postier.key" {{ algorithm hmac-sha256; secret "{secret}"; }};')
    lines = f'[dns_update]\nserver = "127.0.0.1:{primary.port}"\nkey_file = "dns.key"\n'
    settings = data / "postier.toml"
    settings.write_text(settings.read_text().replace("[dns_update]\n", lines))


def test_a_dry_run_writes_nothing_and_a_push_what_it_said(
    postier: Any, listed: Any, data: Path, primary: UpdateServer
) -> None:
    use(data, primary)
    planned = postier("dns", "push", "orchard.test", "--dry-run").stdout
    assert "+ orchard.test MX 10 mail.orchard.test" in planned
    assert (primary.records, primary.updates) == ({}, 0)
    assert postier("dns", "push", "orchard.test").stdout == planned
    assert primary.records[("orchard.test", "TXT")] == ['"v=spf1 mx -all"']
    assert postier("dns", "push", "orchard.test").stdout == "everything is there already\n"
    assert all(step["added"] == step["removed"] == [] for step in listed("dns", "push", "orchard.test"))


def test_an_address_of_a_private_network_is_not_published(
    postier: Any, data: Path, primary: UpdateServer
) -> None:
    use(data, primary)
    settings = data / "postier.toml"
    settings.write_text(settings.read_text().replace('bind = ["127.0.0.1"]', 'bind = ["10.0.0.5"]'))
    said = postier("dns", "push", "orchard.test").stdout
    assert "mail.orchard.test A left alone: 10.0.0.5 is an address of a private network" in said
    assert ("mail.orchard.test", "A") not in primary.records


def test_new_keys_are_published_at_once(postier: Any, listed: Any, data: Path, primary: UpdateServer) -> None:
    use(data, primary)
    assert postier("domain", "dkim", "rotate", "orchard.test").stdout.startswith("These are published")
    names = {name for name, kind in primary.records if kind == "TXT"}
    keys = listed("domain", "dkim", "list", "orchard.test")
    assert names == {f"{key['selector']}._domainkey.orchard.test" for key in keys}
    assert len(names) == 4


def test_keys_wait_where_they_cannot_be_published(
    postier: Any, listed: Any, data: Path, primary: UpdateServer
) -> None:
    use(data, primary, secret="b3RoZXI=")
    result = postier("domain", "dkim", "rotate", "orchard.test")
    assert "Not published, the server tries again: the server does not" in result.stderr
    assert result.stdout.startswith("Publish these")
    assert "announced" in {key["state"] for key in listed("domain", "dkim", "list", "orchard.test")}


def test_a_key_file_that_is_none(fails: Any, data: Path, primary: UpdateServer) -> None:
    use(data, primary, secret="!")
    said = fails("dns", "push", "orchard.test")
    assert "cannot use dns_update.key_file" in said
    (data / "dns.key").unlink()
    assert "No such file" in fails("dns", "push", "orchard.test")
