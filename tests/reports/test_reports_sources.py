"""From rows to sources, their states, and what to do next."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postier.admin.report_words import LANGUAGES, state_words, step_words
from postier.base.clock import SystemClock
from postier.mailauth.spf import Spf
from postier.reports.owners import Owner, WithRecord, owners_of, spf_of
from postier.reports.services import SERVICES, service_of_include, service_of_name, site_of
from postier.reports.simulate import Scenario, simulate
from postier.reports.sources import Source, SourceState, StepKind, find_sources
from postier.store.api import AuthDkim, AuthSpf, Override, ReportRow, RowTotal
from postier.testing.dns import ZoneResolver

DAY = 86400
OURS = "shop.example"


def total(
    source: str = "192.0.2.1",
    messages: int = 100,
    dkim: str = "pass",
    spf: str = "pass",
    signatures: tuple[tuple[str, str, str], ...] = ((OURS, "s1", "pass"),),
    envelope: tuple[str, str] = (OURS, "pass"),
    overrides: tuple[str, ...] = (),
    day: int = 1,
) -> RowTotal:
    row = ReportRow(
        source,
        messages,
        "none",
        dkim,
        spf,
        OURS,
        envelope[0],
        overrides=tuple(map(Override, overrides)),
        auth_dkim=tuple(AuthDkim(*one) for one in signatures),
        auth_spf=(AuthSpf(envelope[0], "mfrom", envelope[1]),),
    )
    return RowTotal(row, day * DAY, (day + 1) * DAY, 1)


def only(*totals: RowTotal, owner: Owner = Owner(), policy: str = "none") -> Source:  # noqa: B008 - a value
    (source,) = find_sources(OURS, totals, {one.row.source: owner for one in totals}, policy)
    for language in LANGUAGES:
        assert state_words(language, source.state)
        assert step_words(language, source)
    return source


NONE: dict[str, Any] = {"dkim": "fail", "spf": "fail", "signatures": (), "envelope": (OURS, "fail")}


@pytest.mark.parametrize(
    ("source", "state", "step", "name"),
    [
        (only(total(), owner=Owner("mx.shop.example", "mx")), "ours", "nothing", OURS),
        (only(total(), owner=Owner("", "ip4:192.0.2.0/24")), "ours", "nothing", OURS),
        (only(total()), "ours", "nothing", "192.0.2.0/24"),
        (only(total(**NONE), owner=Owner("mx.shop.example")), "ours", "add address", OURS),
        (only(total(**NONE), owner=Owner("mx.shop.example", "mx")), "ours", "align", OURS),
        (
            only(total(), owner=Owner("a.b.google.com", "include:_spf.google.com")),
            "known service",
            "nothing",
            "Google Workspace",
        ),
        (
            only(total(**NONE | {"envelope": ("bounce.mcsv.net", "pass")}), owner=Owner("mail9.mcsv.net")),
            "known service",
            "let it sign",
            "Mailchimp",
        ),
        (
            only(total(**NONE | {"signatures": (("mcsv.net", "k1", "pass"),)})),
            "known service",
            "add include",
            "Mailchimp",
        ),
        (
            only(total(spf="fail", envelope=("list.example", "pass")), owner=Owner("mx.list.example")),
            "forwarder",
            "carried",
            "list.example",
        ),
        (
            only(total(**NONE | {"overrides": ("mailing_list",)}), owner=Owner("mx.list.co.uk")),
            "forwarder",
            "carried",
            "list.co.uk",
        ),
        (only(total(**NONE)), "abuse", "raise policy", "192.0.2.0/24"),
        (only(total(**NONE), policy="reject"), "abuse", "kept out", "192.0.2.0/24"),
        (only(total(**NONE | {"source": "2001:db8:1:2::3"})), "abuse", "raise policy", "2001:db8:1::/48"),
        (  # what only reports say asks for no change of the record
            only(total(dkim="fail", signatures=(), messages=3000), total(**NONE)),
            "ours",
            "find out",
            "192.0.2.0/24",
        ),
        (only(total(**NONE | {"source": "nonsense"})), "abuse", "raise policy", "nonsense"),
        (
            only(total(**NONE | {"envelope": ("crm.example", "pass")}), owner=Owner("a1.crm.example")),
            "unknown",
            "find out",
            "crm.example",
        ),
        (
            only(total(dkim="fail", signatures=((OURS, "s1", "fail"),)), owner=Owner("", "mx")),
            "ours",
            "check key",
            OURS,
        ),
        (
            only(total(dkim="fail", signatures=((OURS, "s1", "permerror"),)), owner=Owner("", "mx")),
            "ours",
            "publish key",
            OURS,
        ),
    ],
)
def test_states_and_steps(source: Source, state: str, step: str, name: str) -> None:
    assert (source.state.value, source.step.value, source.name) == (state, step, name)


def test_a_step_closes_itself_when_the_newest_reports_are_clean() -> None:
    bad = total(**NONE | {"messages": 50})
    owner = Owner("mx.shop.example", "mx")
    assert only(bad, total(), owner=owner).step is StepKind.ALIGN
    closed = only(bad, total(day=3), owner=owner)
    assert closed.step is StepKind.NOTHING
    assert (closed.messages, closed.passed, closed.failed) == (150, 100, 50)
    assert only(bad._replace(last=5 * DAY), total(day=3), owner=owner).step is StepKind.ALIGN


def test_a_signature_without_its_selector_names_no_key() -> None:
    assert (
        only(total(dkim="fail", signatures=((OURS, "", "fail"),)), owner=Owner("", "mx")).failing_keys == {}
    )


def test_a_key_is_mended_when_it_passes_again() -> None:
    owner = Owner("", "mx")
    broken = total(dkim="fail", signatures=((OURS, "s1", "permerror"), (OURS, "s2", "pass")))
    source = only(broken, owner=owner)
    assert source.facts["selector"] == "s1"
    assert dict(source.failing_keys) == {"s1": 100}
    assert only(broken, total(day=3), owner=owner).step is StepKind.NOTHING


def test_addresses_of_one_owner_are_one_source() -> None:
    owners = {"192.0.2.1": Owner("a.crm.example"), "198.51.100.1": Owner("b.crm.example")}
    totals = [total(one, 10, **NONE) for one in (*owners, "203.0.113.1", "203.0.113.2")]
    first, second = find_sources(OURS, totals, owners)
    assert (first.name, first.messages, set(first.addresses)) == (
        "203.0.113.0/24",
        20,
        {"203.0.113.1", "203.0.113.2"},
    )
    assert (second.name, set(second.addresses)) == ("crm.example", set(owners))


def test_the_dns_says_whose_an_address_is() -> None:
    resolver = ZoneResolver(
        {
            OURS: [("TXT", "v=spf1 ip4:192.0.2.0/24 include:_spf.service.example -all")],
            "_spf.service.example": [("TXT", "v=spf1 ip4:198.51.100.0/24 -all")],
            "1.2.0.192.in-addr.arpa": [("PTR", "mx.shop.example")],
            "mx.shop.example": [("A", "192.0.2.1")],
            "9.113.0.203.in-addr.arpa": [("PTR", "mail.google.com")],
            "mail.google.com": [("A", "192.0.2.200")],
            "8.113.0.203.in-addr.arpa": ["TIMEOUT"],
        }
    )
    asked = ("192.0.2.1", "198.51.100.7", "203.0.113.9", "203.0.113.8", "no address")
    found = asyncio.run(owners_of(resolver, SystemClock(), OURS, asked))
    assert found == {
        "192.0.2.1": Owner("mx.shop.example", "ip4:192.0.2.0/24"),
        "198.51.100.7": Owner("", "include:_spf.service.example"),
        "203.0.113.9": Owner(),  # anybody may claim a name in his own reverse zone
        "203.0.113.8": Owner(),
    }


def test_the_services_are_found_by_include_and_by_name() -> None:
    for service in SERVICES:
        assert all(service_of_include(include) is service for include in service.includes)
        assert all(service_of_name(f"host.{name}") is service for name in service.names)
    assert service_of_name("notgoogle.com") is None
    assert (site_of("a.b.example.co.uk"), site_of("a.b.example.org"), site_of("x")) == (
        "example.co.uk",
        "example.org",
        "x",
    )


def outcome(*totals: RowTotal, **scenario: Any) -> tuple[int, int, int]:
    found = simulate(Scenario(OURS, "reject", **scenario), totals, {})
    assert found.messages == found.passed + found.failed == sum(one.row.messages for one in totals)
    assert sum(found.by_source.values()) == sum(found.by_policy.values()) == found.failed
    return found.passed, found.failed, found.forwarded


def test_simulation_counts_what_a_policy_applies_to() -> None:
    assert outcome(total(), total("192.0.2.2", 30, **NONE)) == (100, 30, 0)
    assert outcome(total(**NONE | {"overrides": ("forwarded",)})) == (0, 100, 100)


def test_names_below_the_domain_have_a_policy_of_their_own() -> None:
    here, below = total(**NONE), total(**NONE | {"messages": 7})
    below = below._replace(row=below.row._replace(header_from="news." + OURS))
    found = simulate(Scenario(OURS, "reject", "none"), (here, below), {})
    assert found.by_policy == {"reject": 100, "none": 7}
    assert simulate(Scenario(OURS, "reject"), (here, below), {}).by_policy == {"reject": 107}


def test_strict_alignment_wants_the_very_domain() -> None:
    below = total(signatures=(("mail." + OURS, "s1", "pass"),), envelope=("bounce." + OURS, "pass"))
    assert outcome(below) == (100, 0, 0)
    assert outcome(below, strict_dkim=True) == outcome(below, strict_spf=True) == (100, 0, 0)
    assert outcome(below, strict_dkim=True, strict_spf=True) == (0, 100, 0)
    assert outcome(total(), strict_dkim=True, strict_spf=True) == (100, 0, 0)
    assert outcome(total(dkim="fail", signatures=()), strict_dkim=True, strict_spf=True) == (100, 0, 0)
    by_dkim_alone = below._replace(row=below.row._replace(spf="fail"))
    assert outcome(by_dkim_alone, strict_spf=True) == (100, 0, 0)
    assert outcome(by_dkim_alone, strict_dkim=True) == (0, 100, 0)


def test_another_spf_record_counts_where_the_envelope_is_the_domain() -> None:
    broken = total(dkim="fail", signatures=())
    assert outcome(broken, spf={"192.0.2.1": Spf.FAIL}) == (0, 100, 0)
    assert outcome(broken, spf={}) == (0, 100, 0)
    assert outcome(total(**NONE), spf={"192.0.2.1": Spf.PASS}) == (100, 0, 0)
    other = total(dkim="fail", signatures=(), envelope=("bounce." + OURS, "pass"))
    assert outcome(other, spf={"192.0.2.1": Spf.FAIL}) == (100, 0, 0)


def test_another_spf_record_is_evaluated_like_the_real_one() -> None:
    zone = ZoneResolver({OURS: [("TXT", "v=spf1 -all"), ("TXT", "other")], "c.example": [("A", "192.0.2.5")]})
    changed = WithRecord(zone, OURS, "v=spf1 a:c.example -all")

    async def results() -> list[Spf]:
        found = [await spf_of(one, SystemClock(), OURS, "192.0.2.5") for one in (zone, changed)]
        assert (await changed.txt(OURS)).records == (b"other", b"v=spf1 a:c.example -all")
        return [result for result, _ in found]

    assert asyncio.run(results()) == [Spf.FAIL, Spf.PASS]


def test_every_language_has_every_word() -> None:
    english = LANGUAGES["en"]
    for language in LANGUAGES.values():
        assert set(language) == set(english)
        assert {*SourceState, *StepKind} <= set(language)
