"""Indicators: whose may be looked up, which records hold, and what an SVG must not be."""

from __future__ import annotations

import asyncio

import pytest

from postier.mailauth.bimi import (
    MAX_INDICATOR,
    IndicatorRecord,
    indicator_record,
    is_eligible,
    parse_indicator,
)
from postier.mailauth.bimi_svg import MAX_DEPTH, MAX_ELEMENTS, IndicatorError, check_svg
from postier.mailauth.dmarc import Dmarc, evaluate
from postier.mailauth.spf import Spf, SpfResult
from postier.testing.dns import ZoneResolver

REJECT = "v=DMARC1; p=reject"
RECORD = "v=BIMI1; l=https://img.a.test/logo.svg?v=2; a=https://img.a.test/vmc.pem"


def found(
    zone: dict[str, list[object]], domain: str = "a.test", spf: Spf = Spf.PASS
) -> IndicatorRecord | None:
    async def work() -> IndicatorRecord | None:
        resolver = ZoneResolver(zone)
        dmarc = await evaluate(resolver, [domain], SpfResult(spf, domain), ())
        before = len(resolver.questions)
        record = await indicator_record(resolver, dmarc)
        assert is_eligible(dmarc) or len(resolver.questions) == before  # nobody is asked for nothing
        return record

    return asyncio.run(work())


def zone(policy: str = REJECT, record: str = RECORD, name: str = "a.test") -> dict[str, list[object]]:
    return {"_dmarc.a.test": [("TXT", policy)], f"default._bimi.{name}": [("TXT", record)]}


@pytest.mark.parametrize("domain", ["a.test", "news.a.test"])
def test_the_record_of_the_domain_or_its_organization(domain: str) -> None:
    record = found(zone(), domain)
    assert record is not None
    assert (record.domain, record.host, record.target) == ("a.test", "img.a.test", "/logo.svg?v=2")
    assert record.evidence == "https://img.a.test/vmc.pem"
    assert record.location == "https://img.a.test/logo.svg?v=2"


@pytest.mark.parametrize(
    "policy",
    [
        "v=DMARC1; p=none",
        "v=DMARC1; p=reject; sp=none",
        "v=DMARC1; p=reject; t=y",
        "v=DMARC1; p=quarantine; pct=50",
        "x",
    ],
)
def test_a_policy_that_is_not_enforced_shows_nothing(policy: str) -> None:
    assert found(zone(policy)) is None
    assert found(zone("v=DMARC1; p=quarantine")) is not None


def test_mail_that_does_not_pass_shows_nothing() -> None:
    assert found(zone(), spf=Spf.FAIL) is None
    assert found(zone(), spf=Spf.TEMPERROR) is None


def test_two_records_or_silence_are_none() -> None:
    doubled = zone()
    doubled["default._bimi.a.test"] = [("TXT", RECORD), ("TXT", RECORD)]
    assert found(doubled) is None
    assert found({**zone(), "default._bimi.a.test": ["TIMEOUT"]}) is None
    assert found({"_dmarc.a.test": [("TXT", REJECT)]}) is None
    assert found({**zone(), "default._bimi.a.test": [("TXT", "v=spf1 -all"), ("TXT", RECORD)]}) is not None


@pytest.mark.parametrize(
    "text",
    [
        "v=BIMI1; l=; a=;",
        "v=BIMI1",
        "v=BIMI1; l=http://a.test/x.svg",
        "v=BIMI1; l=https://a.test:8443/x.svg",
        "v=BIMI1; l=https://u:p@a.test/x.svg",
        "v=BIMI1; l=https://u@a.test/x.svg",
        "v=BIMI1; l=https://localhost/x.svg",
        "v=BIMI1; l=https://[::1]/x.svg",
        "v=BIMI1; l=https://a.test/x y.svg",
        "v=BIMI1; l=https://a.test/\u00e9.svg",
        "v=BIMI1; l=https://a.test:99999/x.svg",
        "v=BIMI1; l=file:///etc/passwd",
        "v=BIMI1; l=https://a.test/" + "x" * 5000,
        "v=BIMI1;; l=https://a.test/x.svg",
    ],
)
def test_records_that_show_nothing(text: str) -> None:
    assert parse_indicator("a.test", text.encode()) is None


ROOT = '<svg xmlns="http://www.w3.org/2000/svg" version="1.2" baseProfile="tiny-ps" viewBox="0 0 64 64">'
GOOD = (
    ROOT + "<title>A</title><defs><linearGradient id='g'/></defs><path d='M0 0h9z' fill=\"url(#g)\"/></svg>"
)


def test_an_indicator() -> None:
    check_svg(GOOD.encode())
    check_svg(b'<?xml version="1.0" encoding="UTF-8"?>\n<!-- made by hand -->' + GOOD.encode())
    check_svg(GOOD.replace("url(#g)", "url( '#g' )").encode())


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tiny-ps", "tiny"),
        ('version="1.2"', 'version="1.1"'),
        ("0 0 64 64", "0 0 64 32"),
        (' viewBox="0 0 64 64"', ""),
        ("<svg ", '<svg x="1" '),
        ("<title>A</title>", ""),
        ("<path", "<script>1</script><path"),
        ("<path", '<image href="#g"/><path'),
        ("<path", "<animate/><path"),
        ("<path", "<foreignObject/><path"),
        ("<path", "<style>*{}</style><path"),
        ("<path", "<svg/><path"),
        ("<path", '<b xmlns="http://www.w3.org/1999/xhtml"/><path'),
        ("<path", "<a href='https://x.test/'/><path"),
        ("<path", "<use href='https://x.test/#a'/><path"),
        ("<path", "<use xmlns:x='http://www.w3.org/1999/xlink' x:href='data:image/svg+xml,x'/><path"),
        ("<path ", "<path onload='x()' "),
        ("<path ", "<path xmlns:e='http://www.w3.org/2001/xml-events' e:event='x' "),
        ("url(#g)", "url(https://x.test/)"),
        ("url(#g)", "URL ( 'https://x.test/#g')"),
        ("url(#g)", "javascript:x()"),
        (ROOT, '<!DOCTYPE svg [<!ENTITY a "aaaa">]>' + ROOT),
        (ROOT, "<!DOCTYPE svg>" + ROOT),
        (ROOT, "<?xml-stylesheet href='x'?>" + ROOT),
        (ROOT, '<?xml version="1.0" encoding="nothing"?>' + ROOT),
        ("<title>", "<title>&nothing;"),
        ("</svg>", ""),
        ("</svg>", "</svg><svg/>"),
        ("<path", "<g>" * MAX_DEPTH + "</g>" * MAX_DEPTH + "<path"),
        ("<path", "<g/>" * MAX_ELEMENTS + "<path"),
        ("<title>", "<title>" + "x" * MAX_INDICATOR),
        (GOOD, ""),
    ],
)  # fmt: skip
def test_what_is_no_indicator(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(IndicatorError):
        check_svg(GOOD.replace(old, new, 1).encode())


def test_the_size_of_an_indicator() -> None:
    room = MAX_INDICATOR - len(GOOD)
    check_svg(GOOD.replace("<title>", "<title>" + "x" * room).encode())
    with pytest.raises(IndicatorError, match="octets"):
        check_svg(GOOD.replace("<title>", "<title>" + "x" * (room + 1)).encode())
    with pytest.raises(IndicatorError):
        check_svg(b"\x1f\x8b" + GOOD.encode())  # gzip


def test_a_failing_message_is_not_eligible() -> None:
    result = asyncio.run(evaluate(ZoneResolver(zone()), ["a.test"], SpfResult(Spf.NONE), ()))
    assert result.result is Dmarc.FAIL
    assert not is_eligible(result)
