"""CAA records, as an authority reads them (RFC 8659, RFC 8657)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from postier.acme.caa import Asker, caa_hindrance, caa_value
from postier.testing.dns import ZoneResolver

ACCOUNT = "https://ca.test/acct/1"
ASKER = Asker(("ca.test", "other-name.test"), ACCOUNT, "http-01")


def hindrance(records: Sequence[tuple[int, str, str]], name: str = "mail.orchard.test") -> str:
    zone = {"orchard.test": [("CAA", each) for each in records], "mail.orchard.test": [("A", "192.0.2.1")]}
    return asyncio.run(caa_hindrance(ZoneResolver(zone), name, ASKER))


ALLOWED = [
    (),
    ((0, "issue", "ca.test"),),
    ((0, "ISSUE", "CA.test"),),
    ((0, "issue", " ca.test ; "),),
    ((0, "issue", "elsewhere.test"), (0, "issue", "other-name.test")),
    ((0, "iodef", "mailto:a@b.test"),),
    ((0, "issuewild", ";"),),  # of wildcards alone
    ((0, "strange", "x"), (0, "issue", "ca.test")),
    ((0, "issue", f"ca.test; accounturi={ACCOUNT}"),),
    ((0, "issue", "ca.test; validationmethods=dns-01,HTTP-01"),),
    ((0, "issue", f"ca.test;accounturi={ACCOUNT};validationmethods=http-01;more=1"),),
]


@pytest.mark.parametrize("records", ALLOWED)
def test_it_is_allowed(records: Sequence[tuple[int, str, str]]) -> None:
    assert hindrance(records) == ""


FORBIDDEN = [
    ((0, "issue", ";"),),
    ((0, "issue", "elsewhere.test"),),
    ((0, "issue", "ca.test.evil.test"),),
    ((0, "issue", "ca.test; accounturi=https://ca.test/acct/2"),),
    ((0, "issue", f"ca.test; accounturi={ACCOUNT}; accounturi={ACCOUNT}"),),  # RFC 8657 3: nobody
    ((0, "issue", "ca.test; validationmethods=dns-01"),),
    ((0, "issue", "ca.test; validationmethods="),),
    ((128, "strange", "x"), (0, "issue", "ca.test")),
]


@pytest.mark.parametrize("records", FORBIDDEN)
def test_it_is_forbidden_and_the_record_is_named(records: Sequence[tuple[int, str, str]]) -> None:
    found = hindrance(records)
    assert "orchard.test" in found
    assert f'"{records[0][2]}"' in found


def test_what_to_publish_is_said() -> None:
    found = hindrance([(0, "issue", "elsewhere.test")])
    assert f'orchard.test CAA 0 issue "ca.test; accounturi={ACCOUNT}; validationmethods=http-01"' in found


def test_wildcards_have_rules_of_their_own() -> None:
    assert hindrance([(0, "issuewild", ";"), (0, "issue", "ca.test")], "*.orchard.test")
    assert not hindrance([(0, "issuewild", "ca.test"), (0, "issue", ";")], "*.orchard.test")
    assert not hindrance([(0, "issue", "ca.test")], "*.orchard.test")
    assert hindrance([(0, "issue", ";")], "*.orchard.test")


def test_the_nearest_name_that_has_any_counts_alone() -> None:
    zone = {
        "a.orchard.test": [("CAA", (0, "issue", "ca.test"))],
        "orchard.test": [("CAA", (0, "issue", ";"))],
    }
    resolver = ZoneResolver(zone)
    assert not asyncio.run(caa_hindrance(resolver, "x.a.orchard.test", ASKER))
    assert asyncio.run(caa_hindrance(resolver, "b.orchard.test", ASKER))
    assert ("CAA", "x.a.orchard.test") in resolver.questions


def test_an_alias_leads_to_the_records_of_its_target() -> None:
    zone = {"m.orchard.test": [("CNAME", "host.test")], "host.test": [("CAA", (0, "issue", ";"))]}
    assert asyncio.run(caa_hindrance(ZoneResolver(zone), "m.orchard.test", ASKER))


def test_a_dns_that_does_not_answer_forbids_nothing() -> None:
    zone = {"mail.orchard.test": [("CAA", "TIMEOUT")], "orchard.test": [("CAA", (0, "issue", ";"))]}
    assert not asyncio.run(caa_hindrance(ZoneResolver(zone), "mail.orchard.test", ASKER))


def test_an_authority_that_does_not_say_who_it_is_cannot_be_judged() -> None:
    zone = {"orchard.test": [("CAA", (0, "issue", "elsewhere.test"))]}
    asker = Asker((), "", "http-01")
    assert not asyncio.run(caa_hindrance(ZoneResolver(zone), "orchard.test", asker))


def test_what_strangers_wrote_is_shown_on_one_line() -> None:
    found = hindrance([(0, "issue", "bad\nline\x1b[31m" + "x" * 500)])
    assert "\n" not in found
    assert "\x1b" not in found
    assert len(found) < 500


def test_a_value_for_a_first_account() -> None:
    assert caa_value("ca.test", "", "http-01") == "ca.test"
