"""What would have become of the messages of the last days under another policy, alignment or SPF record.

By what reporters saw of each row: signatures and SPF results stand in it with their domains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from postier.mailauth.spf import Spf
from postier.reports.sources import Source, is_within
from postier.store.api import ReportRow, RowTotal

__all__ = ["Scenario", "Simulation", "fails", "simulate"]


class Scenario(NamedTuple):
    """`policy`: "none", "quarantine" or "reject"; `below`: the same for names below the domain (sp), "" where
    `policy` holds for them too. `strict_dkim`, `strict_spf`: alignment (adkim, aspf). `spf`: the result of
    the changed record by address, None where the record stays."""

    domain: str
    policy: str
    below: str = ""
    strict_dkim: bool = False
    strict_spf: bool = False
    spf: Mapping[str, Spf] | None = None

    def policy_for(self, author: str) -> str:
        """What is asked for when a message from `author` fails."""
        return self.policy if author == self.domain else self.below or self.policy


@dataclass(slots=True)
class Simulation:
    """Numbers of messages. `passed`: under the scenario; `failed`: those to which its policy would apply;
    `failed_now`: those that fail as things are. `forwarded`: of the failed, what reporters took for
    forwarded or sent by lists, so that many would have taken it all the same. `by_source`: failed, by the
    key of a source; `by_policy`: failed, by the policy that would apply."""

    messages: int = 0
    passed: int = 0
    failed_now: int = 0
    forwarded: int = 0
    by_source: dict[str, int] = field(default_factory=dict)
    by_policy: dict[str, int] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        return self.messages - self.passed


def simulate(scenario: Scenario, totals: Iterable[RowTotal], source_of: Mapping[str, Source]) -> Simulation:
    """`source_of`: by address."""
    found = Simulation()
    for total in totals:
        row, count = total.row, total.row.messages
        found.messages += count
        found.failed_now += count * (row.dkim != "pass" and row.spf != "pass")
        if not fails(scenario, row):
            found.passed += count
            continue
        found.forwarded += count * bool(row.overrides)
        policy = scenario.policy_for(row.header_from)
        found.by_policy[policy] = found.by_policy.get(policy, 0) + count
        source = source_of.get(row.source)
        key = source.key if source else f"net:{row.source}"
        found.by_source[key] = found.by_source.get(key, 0) + count
    return found


def fails(scenario: Scenario, row: ReportRow) -> bool:
    """DMARC under the scenario."""
    return not (_dkim_passes(scenario, row) or _spf_passes(scenario, row))


def _dkim_passes(scenario: Scenario, row: ReportRow) -> bool:
    if not scenario.strict_dkim:
        return row.dkim == "pass"
    return any(one.result == "pass" and one.domain == row.header_from for one in row.auth_dkim)


def _spf_passes(scenario: Scenario, row: ReportRow) -> bool:
    envelope = _envelope(row)
    if scenario.spf is not None and envelope == scenario.domain:
        aligned = envelope == row.header_from if scenario.strict_spf else is_within(row.header_from, envelope)
        return aligned and scenario.spf.get(row.source) is Spf.PASS
    if not scenario.strict_spf:
        return row.spf == "pass"
    return row.spf == "pass" and envelope == row.header_from


def _envelope(row: ReportRow) -> str:
    """The domain that SPF was asked about."""
    mfrom = next((one.domain for one in row.auth_spf if one.scope == "mfrom" and one.domain), "")
    return mfrom or row.envelope_from
