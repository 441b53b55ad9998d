"""What is said of a domain's records: by what they do, not by their letters."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address

import pytest

from postier.accounts.dkim_keys import DkimKey, KeyState
from postier.admin.dns_check import (
    CheckedRecord,
    check_records,
    check_server_names,
    check_sts_policy,
    check_withdrawn,
    own_addresses,
)
from postier.admin.records import DnsRecord, dkim_record, domain_records
from postier.base.domain import Domain
from postier.clients.pacc import pacc_document, pacc_record
from postier.clients.settings import ClientSettings, MailService, Security
from postier.mailauth.dkim.keys import PrivateKey, generate_ed25519, txt_record
from postier.smtp.outbound.sts_fetch import FetchError
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock

DOMAIN, HOST = Domain("a.example"), Domain("mail.a.example")
ADDRESS = "198.51.100.7"
KEY, OTHER = generate_ed25519(), generate_ed25519()


def published(selector: str, key: PrivateKey, state: KeyState = KeyState.USED) -> DkimKey:
    return DkimKey(selector, "ed25519", "", state, record=txt_record(key))


CLIENTS = ClientSettings(
    "a.example",
    "mail.a.example",
    (
        MailService("imap", 993),
        MailService("imap", 143, Security.STARTTLS),
        MailService("pop3", 995),
        MailService("smtp", 465),
        MailService("smtp", 587, Security.STARTTLS),
    ),
)
RECORDS = domain_records(
    DOMAIN,
    HOST,
    [ADDRESS],
    [dkim_record(DOMAIN, published("s1", KEY))],
    clients=CLIENTS,
    sts_id="17",
    tls_keys=["ab" * 32],
    caa="ca.test; accounturi=https://ca.test/1; validationmethods=http-01",
)
PACC = pacc_record(pacc_document(CLIENTS) or b"")
Zone = dict[str, list[object]]
CAA = ("CAA", (0, "issue", "ca.test"))
PUBLIC: Zone = {
    "a.example": [("MX", (10, "mail.a.example")), ("TXT", "v=spf1 mx -all"), ("TXT", "other=1"), CAA],
    "mail.a.example": [("A", ADDRESS)],
    "s1._domainkey.a.example": [("TXT", txt_record(KEY))],
    "_dmarc.a.example": [("TXT", "v=DMARC1; p=reject; rua=mailto:postmaster@a.example")],
    "_mta-sts.a.example": [("TXT", "v=STSv1; id=17")],
    "mta-sts.a.example": [("CNAME", "mail.a.example")],
    "_smtp._tls.a.example": [("TXT", "v=TLSRPTv1; rua=mailto:tls@elsewhere.example")],
    "_25._tcp.mail.a.example": [("TLSA", (3, 1, 1, bytes.fromhex("ab" * 32)))],
    "autoconfig.a.example": [("CNAME", "mail.a.example")],
    "autodiscover.a.example": [("CNAME", "mail.a.example")],
    "ua-auto-config.a.example": [("CNAME", "mail.a.example")],
    "_ua-auto-config.a.example": [("TXT", PACC.replace("; ", ";"))],
    "_autodiscover._tcp.a.example": [("SRV", (0, 1, 443, "mail.a.example"))],
    "_imap._tcp.a.example": [("SRV", (9, 1, 143, "mail.a.example"))],
    "_pop3._tcp.a.example": [("SRV", (0, 0, 0, ""))],
    "_submissions._tcp.a.example": [("SRV", (5, 5, 465, "mail.a.example"))],
    "_submission._tcp.a.example": [("SRV", (0, 1, 587, "mail.a.example"))],
    "_imaps._tcp.a.example": [("SRV", (0, 1, 993, "mail.a.example"))],
    "_pop3s._tcp.a.example": [("SRV", (0, 1, 995, "mail.a.example"))],
}


def check(zone: Zone, record: DnsRecord | None = None, address: str = ADDRESS) -> list[CheckedRecord]:
    return asyncio.run(
        check_records(
            ZoneResolver(zone),
            SettableClock(),
            RECORDS if record is None else [record],
            domain=DOMAIN,
            hostname=HOST,
            addresses=[ip_address(address)],
        )
    )


def of(kind: str) -> DnsRecord:
    return next(record for record in RECORDS if record.kind == kind)


def judged(kind: str, *values: object, more: Zone | None = None, address: str = ADDRESS) -> CheckedRecord:
    """What is said of a name that has `values`, in a zone that is otherwise as it should be."""
    record = of(kind)
    rest = [one for one in PUBLIC.get(record.name, []) if not isinstance(one, tuple) or one[0] != record.type]
    zone = PUBLIC | {record.name: [*rest, *((record.type, value) for value in values)]} | (more or {})
    return check(zone, record, address)[0]


def test_a_domain_as_it_should_be() -> None:
    checked = check(PUBLIC)
    assert [(one.record.kind, one.state, one.advice) for one in checked] == [
        (record.kind, "ok", "") for record in RECORDS
    ]
    assert {one.record.kind for one in checked} >= {"SPF", "DKIM", "DMARC", "MTA-STS", "TLS-RPT", "SRV"}


def test_nothing_is_published() -> None:
    checked = [one for one in check({}) if one.record.type != "CAA"]  # without it all may issue: that is fine
    assert {one.state for one in checked} == {"missing"}
    assert all(one.record.why in one.advice and one.record.value in one.advice for one in checked)


def test_a_dns_that_does_not_answer_says_nothing() -> None:
    zone: Zone = {record.name: ["TIMEOUT"] for record in RECORDS}
    assert {one.state for one in check(zone)} == {"unknown"}


@pytest.mark.parametrize(
    ("kind", "values", "state", "said"),
    [
        ("MX", [(10, "mx.b.example")], "different", "Mail goes to mx.b.example."),
        ("MX", [(0, "")], "different", "takes no mail"),
        ("MX", [(20, "mail.a.example"), (5, "filter.example")], "ok", "filter.example is asked before"),
        ("MX", [(1, "MAIL.a.example.")], "ok", ""),
        ("SPF", ["v=spf1 mx -all", "v=spf1 a -all"], "different", "There are 2 SPF records"),
        ("SPF", ["v=spf1 ip4:192.0.2.0/24 -all"], "different", "to 'v=spf1 mx ip4:192.0.2.0/24 -all'"),
        ("SPF", ["v=spf1 +all"], "different", "lets everybody write"),
        ("SPF", ["v=spf1 mx:b.example -all", "noise"], "different", "Mail from 198.51.100.7 does not pass"),
        ("SPF", ["v=spf1 mxx -all"], "different", "Nobody can use it"),
        ("SPF", ["v=spf1 ip4:198.51.100.0/24 ~all"], "ok", "-all is clearer"),
        ("SPF", ["v=spf1 mx"], "ok", "says nothing of everybody else"),
        ("SPF", ["v=spf10 mx -all"], "missing", "Publish TXT"),
        ("SPF", ["v=spf1 " + "a:mail.a.example " * 8 + "mx -all"], "ok", "9 of the 10 look-ups"),
        ("SPF", ["v=spf1 " + "a:mail.a.example " * 10 + "mx -all"], "different", "allows 10 terms"),
        ("DKIM", [txt_record(OTHER)], "different", "another key than the one that signs"),
        ("DKIM", [txt_record(KEY), txt_record(OTHER)], "different", "There are 2 TXT records"),
        ("DKIM", ["v=DKIM1; p="], "different", "key revoked"),
        ("DKIM", ["nonsense"], "different", "No verifier can use it"),
        ("DKIM", [txt_record(KEY).replace("; p=", "; t=y; p=")], "ok", "testing"),
        ("DMARC", ["v=DMARC1; p=none; rua=mailto:d@a.example"], "ok", "p=none stops nobody"),
        ("DMARC", ["v=DMARC1; p=quarantine; rua=mailto:d@x.a.example"], "ok", "p=reject refuses them"),
        ("DMARC", ["v=DMARC1; p=reject; t=y"], "ok", "t=y asks others to be milder"),
        ("DMARC", ["v=DMARC1; p=reject"], "ok", "Without rua nobody reports"),
        ("DMARC", ["v=DMARC1; p=reject; pct=50; rua=mailto:d@a.example"], "ok", "pct=50"),
        ("DMARC", ["v=DMARC1; p=stop"], "different", "Nobody can read its policy"),
        ("DMARC", ["v=DMARC1; p=none", "v=DMARC1; p=reject"], "different", "There are 2 DMARC records"),
        ("DMARC", ["v=dmarc1; p=none"], "missing", ""),
        ("MTA-STS", ["v=STSv1; id=16;"], "different", "has another id"),
        ("MTA-STS", ["v=STSv1; id=17", "v=STSv1; id=17"], "different", "There are 2"),
        ("TLS-RPT", ["v=TLSRPTv1; x=y"], "different", "where reports go"),
        ("A", ["192.0.2.1"], "different", "It is another"),
        ("PACC", ["v=UAAC1; a=sha256; d=AAAA"], "different", "mail programs refuse it"),
        ("PACC", ["v=UAAC1; a=sha256; d=AAAA", PACC], "ok", ""),
        ("PACC", ["v=other"], "missing", ""),
        ("TLSA", [(3, 1, 1, b"\0" * 32)], "different", "It is another"),
        ("SRV", [(0, 1, 443, "b.example")], "different", "sent elsewhere"),
        ("SRV", [(0, 0, 0, "")], "different", "sent elsewhere"),
        ("CNAME", ["web.example"], "missing", ""),
    ],
)  # fmt: skip
def test_what_is_said_of_a_record(kind: str, values: list[object], state: str, said: str) -> None:
    found = judged(kind, *values)
    assert (found.state, said in found.advice) == (state, True), found


@pytest.mark.parametrize(
    ("values", "state", "said"),
    [
        ([], "ok", "It could be stricter: 0 issue"),
        ([(0, "issue", "ca.test")], "ok", ""),
        ([(0, "issue", "elsewhere.test")], "different", "No certificate can be renewed: the CAA record"),
        ([(0, "issue", "ca.test; accounturi=https://ca.test/2")], "different", "accounturi"),
    ],
)
def test_what_caa_records_do_to_renewal(values: list[object], state: str, said: str) -> None:
    zone: Zone = {**PUBLIC, "a.example": [("CAA", each) for each in values]}
    (found,) = check(zone, of("CAA"))
    assert found.state == state
    assert said in found.advice if said else not found.advice


def test_a_policy_host_elsewhere_is_told_and_right() -> None:
    found = judged("CNAME", "web.example", more={"web.example": [("A", "192.0.2.80")]})
    assert (found.state, found.advice) == (
        "ok",
        "It leads to web.example: that server must answer in place of this one.",
    )


def test_reports_to_others_need_their_consent() -> None:
    text = "v=DMARC1; p=reject; rua=mailto:d@reports.example!10m"
    name = "a.example._report._dmarc.reports.example"
    assert name in judged("DMARC", text).advice
    assert judged("DMARC", text, more={name: [("TXT", "v=DMARC1;")]}).advice == ""
    assert judged("DMARC", text, more={name: [("TXT", "TIMEOUT")]}).advice == ""


def test_the_record_that_is_proposed_passes() -> None:
    for record in ("v=spf1 ip4:192.0.2.0/24 -all", "v=spf1 MX:b.example mx:c.example -all", "v=spf1"):
        found = judged("SPF", record)
        proposed = found.advice.partition("Change it to '")[2].partition("'")[0]
        assert judged("SPF", proposed).state == "ok"
    moved = {"a.example": [("MX", (10, "mx.b.example")), ("TXT", "v=spf1 mx -all")]}
    (found,) = check(PUBLIC | moved, of("SPF"))
    assert "'v=spf1 ip4:198.51.100.7 mx -all'" in found.advice
    (found,) = check(PUBLIC, of("SPF"), "192.0.2.9")
    assert "'v=spf1 ip4:192.0.2.9 mx -all'" in found.advice
    (found,) = check(PUBLIC, of("SPF"), "2001:db8::9")
    assert "'v=spf1 ip6:2001:db8::9 mx -all'" in found.advice


def names(zone: Zone, *addresses: str) -> list[tuple[str, str]]:
    checked = asyncio.run(check_server_names(ZoneResolver(zone), HOST, [ip_address(a) for a in addresses]))
    return [(one.state, one.advice) for one in checked]


def test_the_name_of_an_address_must_lead_back() -> None:
    pointer = "8.8.8.8.in-addr.arpa"
    back: Zone = {"mail.a.example": [("A", "8.8.8.8")], "x.example": [("A", "8.8.8.8")]}
    assert names(back | {pointer: [("PTR", "mail.a.example")]}, "8.8.8.8") == [("ok", "")]
    ((state, said),) = names(back | {pointer: [("PTR", "x.example")]}, "8.8.8.8")
    assert (state, "calls itself mail.a.example" in said) == ("ok", True)
    ((state, said),) = names(back | {pointer: [("PTR", "y.example")]}, "8.8.8.8")
    assert (state, "y.example does not lead back" in said) == ("different", True)
    ((state, said),) = names(back, "8.8.8.8")
    assert (state, "8.8.8.8 has no name" in said) == ("missing", True)
    assert names({pointer: ["TIMEOUT"]}, "8.8.8.8")[0][0] == "unknown"
    assert names({}, "127.0.0.1", "10.0.0.1") == []
    assert names({})[0][0] == "missing"


@pytest.mark.parametrize(
    ("bound", "addresses"),
    [
        ([], ["8.8.8.8", "2001:db8::1"]),
        (["10.0.0.5"], ["8.8.8.8", "2001:db8::1"]),
        (["1.1.1.1"], ["1.1.1.1"]),
        (["127.0.0.1"], ["127.0.0.1"]),
    ],
)
def test_where_mail_leaves_from(bound: list[str], addresses: list[str]) -> None:
    zone: Zone = {"mail.a.example": [("A", "8.8.8.8"), ("AAAA", "2001:db8::1")]}
    found = asyncio.run(own_addresses(ZoneResolver(zone), HOST, bound))
    assert [str(one) for one in found] == addresses
    assert asyncio.run(own_addresses(ZoneResolver({}), HOST, [])) == []


@pytest.mark.parametrize(
    ("document", "state"),
    [
        (b"version: STSv1\nmode: enforce\nmx: mail.a.example\nmax_age: 86400\n", "ok"),
        (b"version: STSv1\nmode: enforce\nmx: mx.b.example\nmax_age: 86400\n", "different"),
        (b"<html>", "missing"),
        (None, "missing"),
    ],
)
def test_the_policy_that_others_fetch(document: bytes | None, state: str) -> None:
    async def fetch(domain: str) -> bytes:
        if document is None:
            raise FetchError("sts-webpki-invalid", f"no certificate for mta-sts.{domain}")
        return document

    assert asyncio.run(check_sts_policy(fetch, DOMAIN, HOST)).state == state


def test_a_withdrawn_key_that_is_still_there_is_told() -> None:
    record = dkim_record(DOMAIN, published("s1", KEY, KeyState.WITHDRAWN))
    (found,) = asyncio.run(check_withdrawn(ZoneResolver(PUBLIC), [record]))
    assert (found.state, found.record.required) == ("different", False)
    assert found.advice == "Take TXT at s1._domainkey.a.example out of the DNS. Nothing needs it any more."
    other: Zone = {record.name: [("TXT", txt_record(OTHER))]}
    for zone in ({}, {record.name: ["TIMEOUT"]}, other):
        assert asyncio.run(check_withdrawn(ZoneResolver(zone), [record])) == []
