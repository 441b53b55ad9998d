"""What RFC 9989 has that RFC 7489 had not: the walk, psd, np, t; and what we make of odd messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.base.domain import Domain
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult, Policy, evaluate
from postier.mailauth.dmarc_record import parse_dmarc_record
from postier.mailauth.spf import Spf, SpfResult
from postier.testing.dns import ZoneResolver


def zone(**records: str) -> dict[str, list[object]]:
    """example__com=record is _dmarc.example.com; the names themselves have an address."""
    names = {name.replace("__", "."): text for name, text in records.items()}
    return {f"_dmarc.{name}": [("TXT", text)] for name, text in names.items()}


def run(
    records: dict[str, list[object]],
    *author_domains: Domain | str,
    spf: SpfResult | None = None,
    dkim: tuple[DkimResult, ...] = (),
) -> DmarcResult:
    return asyncio.run(evaluate(ZoneResolver(records), author_domains, spf or SpfResult(Spf.NONE), dkim))


def signed(domain: str, **fields: Any) -> tuple[DkimResult, ...]:
    return (DkimResult(fields.pop("result", Dkim.PASS), domain, **fields),)


REJECT = "v=DMARC1; p=reject"


def test_a_hundred_labels_cost_eight_questions() -> None:
    resolver = ZoneResolver(zone(example__com=REJECT))
    name = "a." * 98 + "example.com"
    result = asyncio.run(evaluate(resolver, (name,), SpfResult(Spf.NONE), ()))
    assert result.organizational_domain == "example.com"
    asked = [name for kind, name in resolver.questions if kind == "TXT"]
    assert asked[0] == f"_dmarc.{name}"
    assert [len(name.split(".")) - 1 for name in asked] == [100, 7, 6, 5, 4, 3, 2, 1]


def test_eight_labels_are_asked_one_by_one() -> None:
    resolver = ZoneResolver({})
    asyncio.run(evaluate(resolver, ("a.b.c.d.e.f.g.h",), SpfResult(Spf.NONE), ()))
    assert [len(name.split(".")) - 1 for _, name in resolver.questions] == [8, 7, 6, 5, 4, 3, 2, 1]


def test_the_organizational_domain_is_the_shortest_name_with_a_record() -> None:
    result = run(zone(b__example__com=REJECT, example__com="v=DMARC1; p=none"), "a.b.example.com")
    assert result.organizational_domain == "example.com"
    assert result.policy_domain == "example.com"  # the author domain has none of its own
    assert result.policy is Policy.NONE


def test_psd_n_ends_the_walk() -> None:
    records = zone(b__example__com="v=DMARC1; p=reject; psd=n", example__com="v=DMARC1; p=none")
    result = run(records, "a.b.example.com", dkim=signed("c.example.com"))
    assert result.organizational_domain == "b.example.com"
    assert result.result is Dmarc.FAIL
    assert run(records, "a.b.example.com", dkim=signed("c.b.example.com")).result is Dmarc.PASS


def test_psd_y_makes_the_name_below_it_organizational() -> None:
    records = zone(bank="v=DMARC1; p=reject; psd=y; np=quarantine")
    result = run(records, "mail.one.bank", dkim=signed("two.bank"))
    assert result.organizational_domain == "one.bank"
    assert result.policy_domain == "bank"
    assert result.result is Dmarc.FAIL
    assert run(records, "mail.one.bank", dkim=signed("www.one.bank")).result is Dmarc.PASS


def test_a_public_suffix_that_writes_itself() -> None:
    result = run(zone(bank="v=DMARC1; p=reject; psd=y; sp=none"), "bank")
    assert (result.organizational_domain, result.policy) == ("bank", Policy.REJECT)


@pytest.mark.parametrize(
    ("name", "policy"), [("there.example.com", "quarantine"), ("nowhere.example.com", "reject")]
)
def test_np_is_for_names_that_do_not_exist(name: str, policy: str) -> None:
    records = zone(example__com="v=DMARC1; p=none; sp=quarantine; np=reject")
    records["there.example.com"] = [("MX", (0, ""))]
    assert run(records, name).policy is Policy(policy)


@pytest.mark.parametrize(
    ("policy", "effective"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")]
)
def test_t_y_lowers_the_policy_one_step(policy: str, effective: str) -> None:
    result = run(zone(example__com=f"v=DMARC1; p={policy}; t=y"), "example.com")
    assert (result.policy, result.effective_policy) == (Policy(policy), Policy(effective))


def test_a_body_that_goes_on_after_l_gives_no_credit() -> None:
    records = zone(example__com=REJECT)
    result = run(records, "example.com", dkim=signed("example.com", body_length_short=True))
    assert result.result is Dmarc.FAIL


@pytest.mark.parametrize("domains", [(), ("a.test", "b.test"), ("not a domain",), ("a.test", "..")])
def test_not_exactly_one_author_domain(domains: tuple[str, ...]) -> None:
    assert run({}, *domains).result is Dmarc.PERMERROR


def test_authors_of_one_domain_are_one() -> None:
    assert run(zone(a__test=REJECT), "a.test", "A.test").result is Dmarc.FAIL
    assert run(zone(a__test=REJECT), Domain("a.test")).result is Dmarc.FAIL


def test_only_an_aligned_temperror_makes_a_temperror() -> None:
    records = zone(example__com=REJECT)
    assert run(records, "example.com", spf=SpfResult(Spf.TEMPERROR, "example.com")).result is Dmarc.TEMPERROR
    assert run(records, "example.com", spf=SpfResult(Spf.TEMPERROR, "evil.test")).result is Dmarc.FAIL
    late = signed("m.example.com", result=Dkim.TEMPERROR)
    assert run(records, "example.com", dkim=late).result is Dmarc.TEMPERROR
    assert run(records, "example.com", dkim=signed("evil.test", result=Dkim.TEMPERROR)).result is Dmarc.FAIL


def test_a_record_with_everything() -> None:
    record = parse_dmarc_record(
        b"v=DMARC1; p=reject; sp=quarantine; np=none; adkim=s; aspf=s; fo=1:d:s; psd=n; pct=25;"
        b" rua=mailto:a@example.com!10m, https://r.example/ ; ruf=mailto:f@example.com"
    )
    assert record is not None
    assert record.rua == ("mailto:a@example.com", "https://r.example/")
    assert record.ruf == ("mailto:f@example.com",)
    assert (record.strict_dkim, record.strict_spf, record.psd, record.testing) == (True, True, "n", False)
    assert (record.failure_options, record.pct) == ("1:d:s", 25)


@pytest.mark.parametrize("text", [b"", b"v=DMARC1 p=none", b"v=DMARC1\xff; p=none", b"x; v=DMARC1"])
def test_no_record(text: bytes) -> None:
    assert parse_dmarc_record(text) is None


def test_a_public_suffix_below_another_one() -> None:
    """RFC 9989 4.10.2: psd=y at the name where the walk starts does not end it."""
    records = zone(co__uk="v=DMARC1; psd=y; p=reject", uk="v=DMARC1; psd=y")
    assert run(records, "co.uk").organizational_domain == "co.uk"
    assert run(records, "a.co.uk").organizational_domain == "a.co.uk"


@pytest.mark.parametrize(
    ("record", "result", "policy"),
    [
        ("v=DMARC1; p=foo", Dmarc.NONE, None),
        ("v=DMARC1; p=reject; sp=foo", Dmarc.NONE, None),
        ("v=DMARC1; p=reject; np=", Dmarc.NONE, None),
        ("v=DMARC1; p=reject; sp=foo; rua=mailto:a@b.test", Dmarc.FAIL, Policy.NONE),
        ("v=DMARC1; rua=mailto:a@b.test", Dmarc.FAIL, Policy.NONE),
        ("v=DMARC1; p=reject; t=maybe; adkim=x; fo=zz; psd=q", Dmarc.FAIL, Policy.REJECT),
    ],
)
def test_policies_that_can_not_be_read(record: str, result: Dmarc, policy: Policy | None) -> None:
    found = run(zone(example__com=record), "example.com")
    assert (found.result, found.policy) == (result, policy)


@given(st.text(alphabet="v=DMARC1;psqnrejcta, :!@\t\x00é", max_size=60))
def test_no_record_breaks_the_parser(text: str) -> None:
    for octets in (text.encode(), b"v=DMARC1;" + text.encode()):
        record = parse_dmarc_record(octets)
        assert record is None or record.psd in ("y", "n", "u")
