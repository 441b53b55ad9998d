"""The cases made from RFC 7489, read with RFC 9989's eyes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import evaluate
from postier.mailauth.spf import Spf, SpfResult
from postier.testing.dns import ZoneResolver
from postier.testing.vectors import vectors_dir

CASES = json.loads((vectors_dir("dmarc") / "vectors.json").read_text())


# Where RFC 9989 changes the answer on purpose: name -> (results, policies, reason)
CHANGED: dict[str, tuple[list[str], list[str | None], str]] = {}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_dmarc_vectors(case: dict[str, Any]) -> None:
    zone = {name: [e if e == "TIMEOUT" else tuple(e) for e in v] for name, v in case["zone"].items()}
    spf = next((SpfResult(Spf(s["result"]), s["domain"]) for s in case["spf"]), SpfResult(Spf.NONE))
    dkim = [DkimResult(Dkim(d["result"]), d["domain"]) for d in case["dkim"]]
    result = asyncio.run(evaluate(ZoneResolver(zone), (case["from"],), spf, dkim))
    wanted, policies, _ = CHANGED.get(case["name"], (case["result"], case["policy"], ""))
    assert result.result.value in wanted, result
    if policies is not None:
        assert (result.policy.value if result.policy else None) in policies, result
