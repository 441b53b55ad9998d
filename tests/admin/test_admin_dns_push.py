"""What a push does to a zone that has other things in it: ours comes, others' stays."""

from __future__ import annotations

import asyncio

import pytest

from postier.accounts.dkim_keys import DkimKey
from postier.admin.dns_push import Step, plan, push
from postier.admin.records import DnsRecord, dkim_record, domain_records
from postier.base.domain import Domain
from postier.clients.settings import ClientSettings, MailService, Security
from postier.dns.update import TsigKey, ZoneUpdater
from postier.mailauth.dkim.keys import generate_ed25519, generate_rsa, txt_record, zone_file_strings
from postier.testing.dns_update import UpdateServer

DOMAIN, HOST = Domain("a.example"), Domain("mail.a.example")
KEY = TsigKey("k", "hmac-sha256", b"secret")
RSA, ED = txt_record(generate_rsa()), txt_record(generate_ed25519())


def key_record(selector: str, text: str) -> DnsRecord:
    return dkim_record(DOMAIN, DkimKey(selector, "", "", record=text))


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
    ["198.51.100.7"],
    [key_record("r1", RSA), key_record("e1", ED)],
    clients=CLIENTS,
    sts_id="17",
    tls_keys=["ab" * 32, "cd" * 32],
    caa="ca.test",
)
OLD = key_record("old", txt_record(generate_ed25519()))
Records = dict[tuple[str, str], list[str]]


def pushed(there: Records) -> tuple[list[Step], Records, list[Step]]:
    """The steps, the zone after them, and the steps of a second time."""

    async def run() -> tuple[list[Step], Records, list[Step]]:
        async with UpdateServer(
            "a.example", KEY, {key: list(texts) for key, texts in there.items()}
        ) as server:
            editor = ZoneUpdater(("127.0.0.1", server.port), KEY)
            steps = await plan(editor, RECORDS, HOST, [OLD])
            await push(editor, steps)
            assert server.updates <= 1
            found = {key: texts for key, texts in server.records.items() if texts}
            return steps, found, await plan(editor, RECORDS, HOST, [OLD])

    return asyncio.run(run())


def note_of(steps: list[Step], name: str, kind: str) -> str:
    (step,) = (step for step in steps if (step.name, step.type) == (name, kind))
    assert step.change is None
    return step.note


def test_an_empty_zone_gets_everything_and_a_second_push_does_nothing() -> None:
    steps, zone, again = pushed({})
    assert zone[("a.example", "TXT")] == ['"v=spf1 mx -all"']
    assert zone[("a.example", "MX")] == ["10 mail.a.example."]
    assert zone[("r1._domainkey.a.example", "TXT")] == [zone_file_strings(RSA)]
    assert zone[("mta-sts.a.example", "CNAME")] == ["mail.a.example."]
    assert zone[("_imaps._tcp.a.example", "SRV")] == ["0 1 993 mail.a.example."]
    assert zone[("_pop3._tcp.a.example", "SRV")] == ["0 0 0 ."]
    assert zone[("_ua-auto-config.a.example", "TXT")][0].startswith('"v=UAAC1; a=sha256; d=')
    assert len(zone[("_25._tcp.mail.a.example", "TLSA")]) == 2
    assert {(r.name, r.type) for r in RECORDS if r.type != "CAA"} == set(zone)
    assert [step.note for step in steps] == [""] * len(steps)
    assert [step.change for step in again] == [None] * len(again)


def test_what_others_put_there_stays() -> None:
    there: Records = {
        ("a.example", "TXT"): [
            '"google-site-verification=1"',
            '"v=spf1 include:b.example ~all"',
            '"v=spf10"',
        ],
        ("_mta-sts.a.example", "TXT"): ['"v=STSv1; id=16;"', '"note"'],
        ("mail.a.example", "A"): ["192.0.2.9"],
        ("_25._tcp.mail.a.example", "TLSA"): [
            "2 1 1 " + "00" * 32,
            "3 1 1 " + "11" * 32,
            "3 1 1 " + "ab" * 32,
        ],
        ("x.a.example", "TXT"): ['"x"'],
    }
    _, zone, again = pushed(there)
    assert set(zone[("a.example", "TXT")]) == {
        '"google-site-verification=1"',
        '"v=spf10"',
        '"v=spf1 mx include:b.example ~all"',
    }
    assert set(zone[("_mta-sts.a.example", "TXT")]) == {'"note"', '"v=STSv1; id=17;"'}
    assert set(zone[("mail.a.example", "A")]) == {"192.0.2.9", "198.51.100.7"}
    assert {text[:8] for text in zone[("_25._tcp.mail.a.example", "TLSA")]} == {
        "2 1 1 00",
        "3 1 1 ab",
        "3 1 1 cd",
    }
    assert zone[("x.a.example", "TXT")] == ['"x"']
    assert [step.change for step in again] == [None] * len(again)


@pytest.mark.parametrize(
    ("name", "kind", "texts", "note"),
    [
        ("a.example", "MX", ["10 mx.b.example."], "mail goes to mx.b.example"),
        ("a.example", "MX", ["0 ."], "mail goes to nobody"),
        ("a.example", "MX", ["5 filter.b.example.", "10 mail.a.example."], ""),
        ("a.example", "TXT", ['"v=spf1 a -all"', '"v=spf1 mx -all"'], "there are 2 SPF records"),
        ("a.example", "TXT", ['"v=spf1 a:MAIL.a.example include:b.example -all"'], ""),
        ("_dmarc.a.example", "TXT", ['"v=DMARC1; p=reject; rua=mailto:d@b.example"'], ""),
        ("_smtp._tls.a.example", "TXT", ['"v=TLSRPTv1; rua=https://b.example/"'], ""),
        ("_imaps._tcp.a.example", "SRV", ["0 1 993 imap.b.example."], "sent to imap.b.example"),
        ("_imaps._tcp.a.example", "SRV", ["0 0 0 ."], "sent to nobody"),
        ("_imaps._tcp.a.example", "SRV", ["7 7 993 mail.a.example."], ""),
        ("mta-sts.a.example", "CNAME", ["web.b.example."], "it leads to web.b.example"),
        ("_dmarc.a.example", "CNAME", ["_dmarc.b.example."], "another name for something else"),
    ],
)
def test_what_somebody_has_chosen_is_left_alone(name: str, kind: str, texts: list[str], note: str) -> None:
    steps, zone, _ = pushed({(name, kind): texts})
    assert zone[(name, kind)] == texts
    if (name, kind) in {(record.name, record.type) for record in RECORDS}:
        said = note_of(steps, name, kind)
    else:
        said = note_of(steps, name, "TXT")
    assert note in said
    assert bool(said) == bool(note)


def test_the_addresses_that_mail_leaves_from_are_in_the_record() -> None:
    (spf,) = (
        record
        for record in domain_records(DOMAIN, HOST, [], [], senders=["192.0.2.9", "2001:db8::9"])
        if record.kind == "SPF"
    )
    assert spf.value == "v=spf1 mx ip4:192.0.2.9 ip6:2001:db8::9 -all"

    async def run(text: str) -> list[str]:
        async with UpdateServer("a.example", KEY, {("a.example", "TXT"): [f'"{text}"']}) as server:
            editor = ZoneUpdater(("127.0.0.1", server.port), KEY)
            await push(editor, await plan(editor, [spf], HOST))
            return server.records[("a.example", "TXT")]

    assert asyncio.run(run("v=spf1 ip4:192.0.2.9 a:mail.a.example ?all")) == [
        '"v=spf1 ip6:2001:db8::9 ip4:192.0.2.9 a:mail.a.example ?all"'
    ]


def test_an_alias_does_not_replace_addresses() -> None:
    steps, zone, _ = pushed({("mta-sts.a.example", "A"): ["192.0.2.80"]})
    assert "there is A already" in note_of(steps, "mta-sts.a.example", "CNAME")
    assert ("mta-sts.a.example", "CNAME") not in zone


def test_another_key_at_our_selector_is_replaced_and_a_withdrawn_one_goes() -> None:
    there: Records = {
        ("e1._domainkey.a.example", "TXT"): [zone_file_strings(RSA), '"v=DKIM1; p="'],
        ("old._domainkey.a.example", "TXT"): [zone_file_strings(OLD.value), '"theirs"'],
        ("_imaps._tcp.a.example", "SRV"): ["0 1 9993 mail.a.example."],
    }
    _, zone, _ = pushed(there)
    assert zone[("e1._domainkey.a.example", "TXT")] == [zone_file_strings(ED)]
    assert zone[("old._domainkey.a.example", "TXT")] == ['"theirs"']
    assert zone[("_imaps._tcp.a.example", "SRV")] == ["0 1 993 mail.a.example."]


def test_names_that_are_in_another_zone_are_left_to_others() -> None:
    async def run() -> list[Step]:
        async with UpdateServer("a.example", KEY) as server:
            editor = ZoneUpdater(("127.0.0.1", server.port), KEY)
            records = domain_records(DOMAIN, Domain("mail.b.example"), ["198.51.100.7"], [])
            steps = await plan(editor, records, Domain("mail.b.example"))
            await push(editor, steps)
            assert ("mail.b.example", "A") not in server.records
            return steps

    assert "publish it where it belongs" in note_of(asyncio.run(run()), "mail.b.example", "A")


def test_who_may_issue_certificates_is_left_to_people() -> None:
    for there in ({}, {("a.example", "CAA"): ['0 issue "elsewhere.test"']}):
        steps, zone, _ = pushed(there)
        assert [step.change for step in steps if step.type == "CAA"] == [None]
        assert zone.get(("a.example", "CAA"), []) == there.get(("a.example", "CAA"), [])
