"""Records that the command writes into a zone of BIND 9, as an administrator would have it."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from postier.admin.rotation import RotationPlan, turn_keys
from postier.backend import open_backend, open_resolver
from postier.cli.main import cli
from postier.config.settings import load_settings
from postier.publishing import key_publisher
from postier.testing.bind import Bind
from postier.testing.store_helpers import SettableClock

ZONE = """$TTL 3600
@ IN SOA ns.orchard.test. hostmaster.orchard.test. 1 3600 600 86400 300
@ IN NS ns.orchard.test.
ns IN A 127.0.0.1
@ IN TXT "site-verification=1"
@ IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
_dmarc IN TXT "v=DMARC1; p=reject; rua=mailto:reports@other.test"
"""


@pytest.fixture
def bind(tmp_path: Path, start_bind: Callable[..., Bind]) -> Bind:
    return start_bind(tmp_path / "bind", {"orchard.test": ZONE}, {"closed.test": ZONE})


@pytest.fixture
def postier(tmp_path: Path, bind: Bind) -> Callable[..., str]:
    """The command on a server of orchard.test that asks BIND and writes to it."""
    data = tmp_path / "data"
    settings = {
        "dns.servers": f'["127.0.0.1:{bind.port}"]',
        "dns_update.server": f'"127.0.0.1:{bind.port}"',
        "dns_update.key_file": json.dumps(str(bind.key)),
    }
    sets = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]

    def run(*words: str, ends: int = 0) -> str:
        result = CliRunner().invoke(cli, [*words, "--data", str(data)], input="pass-word-1\n")
        assert result.exit_code == ends, (result.output, result.exception)
        return result.output

    run("init", "--domain", "orchard.test", "--admin", "a@orchard.test", "--password-stdin",
        "--bind", "127.0.0.1", "--yes", "--hostname", "mail.orchard.test", *sets)  # fmt: skip
    return run


def test_everything_a_domain_needs_is_published_and_seen(postier: Callable[..., str]) -> None:
    before = json.loads(postier("dns", "check", "orchard.test", "--json", ends=1).partition("\nError")[0])
    assert {one["state"] for one in before} == {"missing", "different", "ok"}
    dry = postier("dns", "push", "orchard.test", "--dry-run")
    assert "+ orchard.test MX 10 mail.orchard.test" in dry
    assert "- orchard.test TXT v=spf1 ip4:192.0.2.0/24 -all" in dry
    assert postier("dns", "push", "orchard.test") == dry
    assert postier("dns", "push", "orchard.test") == "everything is there already\n"
    checked = json.loads(postier("dns", "check", "orchard.test", "--json"))
    assert {one["type"]: one["state"] for one in checked if one["state"] != "ok"} == {"policy": "missing"}
    found = {one["name"]: one["found"] for one in checked}
    assert found["_dmarc.orchard.test"] == ["v=DMARC1; p=reject; rua=mailto:reports@other.test"]


def test_keys_are_replaced_in_the_zone(postier: Callable[..., str]) -> None:
    postier("dns", "push", "orchard.test")
    said = postier("domain", "dkim", "rotate", "orchard.test")
    assert said.startswith("These are published")
    keys = json.loads(postier("domain", "dkim", "list", "orchard.test", "--json"))
    assert [(key["state"], key["in_dns"]) for key in keys] == [("used", "yes")] * 2 + [
        ("announced", "yes")
    ] * 2


def test_keys_replace_themselves_in_the_zone(postier: Callable[..., str], tmp_path: Path) -> None:
    postier("dns", "push", "orchard.test")
    settings = load_settings(tmp_path / "data")

    def listed() -> list[dict[str, str]]:
        found: list[dict[str, str]] = json.loads(postier("domain", "dkim", "list", "orchard.test", "--json"))
        return found

    async def turn(clock: SettableClock, plan: RotationPlan) -> None:
        async with open_backend(settings, "test") as backend:
            publishing = replace(plan, publish=key_publisher(backend))
            await turn_keys(backend.store, open_resolver(settings), clock, publishing)

    clock = SettableClock(time.time() + 400 * 86_400)
    first = {key["selector"] for key in listed()}
    plan = RotationPlan(keep=7200, every=180 * 86_400)
    seen = []
    for _ in range(8):
        asyncio.run(turn(clock, plan))
        clock.seconds += 3600
        seen.append("+".join(sorted({f"{key['state']}:{key['in_dns']}" for key in listed()})))
    assert list(dict.fromkeys(seen)) == [
        "announced:yes+used:yes",
        "retired:yes+used:yes",
        "used:yes+withdrawn:yes",
        "used:yes+withdrawn:no",
        "used:yes",
    ]
    assert first.isdisjoint(key["selector"] for key in listed())


def test_a_zone_that_may_not_be_changed_says_so(postier: Callable[..., str]) -> None:
    postier("domain", "add", "closed.test")
    assert "is the key allowed to change the zone?" in postier("dns", "push", "closed.test", ends=1)
    postier("domain", "add", "elsewhere.test")
    lines = postier("dns", "push", "elsewhere.test", "--dry-run").splitlines()
    assert "+ mail.orchard.test A 127.0.0.1" in lines
    assert "publish it where it belongs" in lines[0]


def test_a_wrong_secret_is_told(postier: Callable[..., str], bind: Bind, tmp_path: Path) -> None:
    key = subprocess.run(["tsig-keygen", "postier.key"], check=True, capture_output=True).stdout
    settings = tmp_path / "data" / "postier.toml"
    (tmp_path / "other.key").write_bytes(key)
    settings.write_text(settings.read_text().replace(str(bind.key), str(tmp_path / "other.key")))
    said = postier("dns", "push", "orchard.test", ends=1)
    assert "does not know the key postier.key, or its secret differs" in said
