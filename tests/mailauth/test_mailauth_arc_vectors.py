"""The ARC test suite of ValiMail, made for the draft of RFC 8617: 171 chains to validate."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from postier.base.clock import SystemClock
from postier.mailauth.arc import Arc, ArcResult, ArcVerifier
from postier.mailauth.dkim.message import SignedMessage
from postier.testing.dns import ZoneResolver
from postier.testing.vectors import vectors_dir

SUITE = vectors_dir("arc") / "arc-draft-validation-tests.yml"


def validate(message: bytes, zone: dict[str, list[object]]) -> ArcResult:
    header, _, body = message.partition(b"\r\n\r\n")
    signed = SignedMessage(header + b"\r\n")
    verifier = ArcVerifier(signed)
    signed.feed(body)
    return asyncio.run(verifier.finish(ZoneResolver(zone), SystemClock()))


def cases() -> Iterator[Any]:
    for scenario in yaml.safe_load_all(SUITE.read_text()):
        zone = {name: [("TXT", text)] for name, text in scenario["txt-records"].items()}
        for name, case in scenario["tests"].items():
            yield pytest.param(zone, case, id=name)


@pytest.mark.parametrize(("zone", "case"), list(cases()))
def test_arc_suite(zone: dict[str, list[object]], case: dict[str, Any]) -> None:
    message = case["message"].replace("\n", "\r\n").encode()
    found = validate(message, zone)
    want = case["cv"] or ""
    if want:
        assert found.result is Arc(want.lower()), found
    else:
        assert found.result is not Arc.PASS, found
    assert bool(found.sets) == (found.result is Arc.PASS)
    assert bool(found.reason) == (found.result is Arc.FAIL)
