"""The openspf.org suite for RFC 7208: 203 cases in scenarios, each with its own zone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from postier.base.clock import SystemClock
from postier.mailauth.spf import check_host
from postier.testing.dns import ZoneResolver
from postier.testing.vectors import vectors_dir

SUITE = vectors_dir("spf") / "rfc7208-tests.yml"


def as_octets(value: Any) -> Any:
    """YAML has code points below 256 where the suite means octets."""
    if isinstance(value, list):
        return [as_octets(piece) for piece in value]
    return value.encode("latin-1")


def as_zone(zonedata: dict[str, list[Any]]) -> dict[str, list[object]]:
    """An SPF record also stands for the TXT record, unless the name has one of its own."""
    zone: dict[str, list[object]] = {}
    for name, entries in zonedata.items():
        pairs = [next(iter(entry.items())) for entry in entries if entry != "TIMEOUT"]
        records: list[object] = ["TIMEOUT"] if "TIMEOUT" in entries else []
        has_txt = any(kind == "TXT" for kind, _ in pairs)
        for kind, value in pairs:
            if (kind == "SPF" and has_txt) or value == "NONE":
                continue
            kind = "TXT" if kind == "SPF" else kind
            records.append((kind, as_octets(value) if kind == "TXT" and value != "TIMEOUT" else value))
        zone[str(name)] = records
    return zone


def cases() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        zone = as_zone(scenario["zonedata"])
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case, id=name)


@pytest.mark.parametrize(("zone", "case"), list(cases()))
def test_spf_suite(zone: dict[str, list[object]], case: dict[str, Any]) -> None:
    result = asyncio.run(
        check_host(
            ZoneResolver(zone),
            SystemClock(),
            ip=str(case["host"]),
            helo=str(case["helo"]),
            mail_from=case["mailfrom"],
            receiver="receiver.example",
        )
    )
    wanted = case["result"] if isinstance(case["result"], list) else [case["result"]]
    assert result.result.value in wanted, result
    if "explanation" in case:
        explanation = None if case["explanation"] == "DEFAULT" else case["explanation"]
        assert (result.explanation or "").lower() == (explanation or "").lower()
