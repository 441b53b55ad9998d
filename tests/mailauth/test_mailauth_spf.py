"""SPF beyond the suite: limits, addresses beyond ASCII, records made at random, another implementation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import spf as pyspf
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postier.base.clock import SystemClock
from postier.dns.api import Answer
from postier.mailauth.spf import Spf, SpfResult, check_host
from postier.mailauth.spf_record import Record, compile_record
from postier.testing.dns import ZoneResolver


def check(zone: dict[str, list[object]], **arguments: Any) -> SpfResult:
    values = {"ip": "192.0.2.1", "helo": "mx.a.test", "mail_from": "ann@a.test"} | arguments
    return asyncio.run(check_host(ZoneResolver(zone), SystemClock(), **values))


def record(text: str) -> dict[str, list[object]]:
    return {"a.test": [("TXT", text), ("A", "192.0.2.1"), ("MX", (1, "mx.a.test"))]}


@pytest.mark.parametrize("mail_from", [None, ""])
def test_the_null_reverse_path_is_postmaster_at_helo(mail_from: str | None) -> None:
    zone: dict[str, list[object]] = {
        "mx.a.test": [("TXT", "v=spf1 exists:%{l}.%{o} -all")],
        "postmaster.mx.a.test": [("A", "127.0.0.2")],
    }
    result = check(zone, mail_from=mail_from)
    assert (result.result, result.identity, result.domain) == (Spf.PASS, "helo", "mx.a.test")


@pytest.mark.parametrize(
    ("text", "mechanism"),
    [
        ("v=spf1 a:b.test ip4:192.0.2.0/24 -all", "ip4:192.0.2.0/24"),
        ("v=spf1 ip4:198.51.100.0/24 -all", "-all"),
        ("v=spf1 ?ip4:198.51.100.0/24", ""),
        ("v=spf1 include:b.test -all", "-all"),
    ],
)
def test_the_directive_that_matched_is_told(text: str, mechanism: str) -> None:
    zone = record(text) | {"b.test": [("TXT", "v=spf1 ~all")]}
    assert check(zone).mechanism == mechanism


def test_domains_beyond_ascii() -> None:
    zone: dict[str, list[object]] = {"xn--bcher-kva.test": [("TXT", "v=spf1 ip4:192.0.2.1 -all")]}
    result = check(zone, mail_from="ann@bücher.test")
    assert (result.result, result.domain) == (Spf.PASS, "xn--bcher-kva.test")


def test_a_local_part_beyond_ascii_matches_nothing() -> None:
    """RFC 8616 4."""
    text = "v=spf1 exists:%{l}.a.test ~all"
    assert check(record(text), mail_from="añn@a.test").result is Spf.SOFTFAIL


def test_twenty_seconds_over_all() -> None:
    class Slow(ZoneResolver):
        time = 0.0

        async def txt(self, name: str) -> Answer[bytes]:
            self.time += 9
            return await super().txt(name)

        def monotonic(self) -> float:
            return self.time

        def now(self) -> float:
            return self.time

    slow = Slow({f"{i}.test": [("TXT", f"v=spf1 include:{i + 1}.test -all")] for i in range(9)})
    result = asyncio.run(check_host(slow, slow, ip="192.0.2.1", helo="x", mail_from="a@0.test"))
    assert result.result is Spf.TEMPERROR
    assert len(slow.questions) == 3


def test_a_fan_of_includes_stops_at_the_cap() -> None:
    zone: dict[str, list[object]] = {"a.test": [("TXT", "v=spf1 " + "include:a.test " * 1000 + "+all")]}
    resolver = ZoneResolver(zone)
    result = asyncio.run(check_host(resolver, SystemClock(), ip="192.0.2.1", helo="x", mail_from="x@a.test"))
    assert result.result is Spf.PERMERROR
    assert len(resolver.questions) == 11


def test_void_lookups_are_the_domain_s_own() -> None:
    """Neither a client without a name nor an MX host without an address of the client's family is one."""
    text = "v=spf1 ptr exists:x.a.test mx exists:y.a.test ~all"
    assert check(record(text), ip="2001:db8::5").result is Spf.SOFTFAIL
    assert check(record(text.replace("ptr", "exists:z.a.test"))).result is Spf.PERMERROR


def test_no_explanation_with_controls() -> None:
    zone = record("v=spf1 -all exp=why.a.test") | {"why.a.test": [("TXT", "line\nline")]}
    assert check(zone).explanation is None
    zone["why.a.test"] = [("TXT", "x" * 5000)]
    assert len(check(zone).explanation or "") == 400


@given(st.text(alphabet="v=spf1 aip46mx:/.%{dlr2}-+~?exists0\x00é", max_size=60))
def test_no_record_breaks_the_parser(text: str) -> None:
    compile_record(b"v=spf1 " + text.encode())


SAMPLES = """
a mx ptr all -all ~all ?a -a:b.test a:b.test/24 a:c.test//64 mx:b.test mx/24 ip4:192.0.2.0/24 -ip4:192.0.2.1
ip4:198.51.100.7 ip6:2001:db8::/32 -ip6:2001:db8::1 include:b.test ?include:c.test include:none.test
exists:%{i}.b.test exists:%{ir}.%{v}.c.test exists:%{l}.c.test redirect=b.test redirect=none.test exp=c.test
a/33 ip4:1.2.3 foo foo=bar exists: %{x} ptr:b.test -exists:%{d2r}.test a:%{h}
"""
TERMS = st.sampled_from(SAMPLES.split())
WORLD: dict[str, list[object]] = {
    "b.test": [
        ("A", "198.51.100.7"),
        ("AAAA", "2001:db8::7"),
        ("MX", (1, "mx.a.test")),
        ("TXT", "v=spf1 a mx -all"),
    ],
    "c.test": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1"), ("TXT", "v=spf1 ?a:b.test ~all")],
    "mx.a.test": [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")],
    "192.0.2.1.b.test": [("A", "127.0.0.2")],
    "ann.c.test": [("A", "127.0.0.2")],
    "1.2.0.192.in-addr.c.test": [("A", "127.0.0.2")],
    "1.2.0.192.in-addr.arpa": [("PTR", "mx.a.test")],
    "7.100.51.198.in-addr.arpa": [("PTR", "b.test")],
    "1.113.0.203.in-addr.arpa": [("PTR", "b.test")],  # a client without a name is a void lookup to the other
}


def in_the_other_one(zone: dict[str, list[object]], ip: str, monkeypatch: pytest.MonkeyPatch) -> str:
    def lookup(name: str, kind: str, *rest: object) -> list[tuple[tuple[str, str], Any]]:
        found = [value for k, value in zone.get(name.lower().rstrip("."), []) if k == kind]  # type: ignore[misc]
        if kind == "TXT":
            found = [(value.encode(),) for value in found]
        if kind == "AAAA":
            found = [pyspf.inet_pton(value) for value in found]
        return [((name, kind), value) for value in found]

    monkeypatch.setattr(pyspf, "DNSLookup", lookup)
    result: str = pyspf.check2(i=ip, s="ann@a.test", h="mx.a.test", timeout=0, querytime=0)[0]
    return result


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    terms=st.lists(TERMS, max_size=6, unique=True),
    ip=st.sampled_from(["192.0.2.1", "198.51.100.7", "203.0.113.1"]),
)
def test_as_another_implementation_has_it(terms: list[str], ip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = " ".join(["v=spf1", *terms])
    zone = record(text) | WORLD
    assert check(zone, ip=ip).result.value == in_the_other_one(zone, ip, monkeypatch), text


def test_a_record_is_compiled_once() -> None:
    first = compile_record(b"v=spf1 a -all")
    assert isinstance(first, Record)
    assert compile_record(b"v=spf1 a -all") is first
