"""What follows from SPF, DKIM, DMARC and ARC for a message that arrives."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from postier.mailauth.dkim import keys
from postier.mailauth.dkim.sign import Signer
from postier.mailauth.local_policy import parse_override
from postier.smtp.inbound import accept as accepting
from postier.smtp.inbound.policy_settings import USUAL_POLICY
from postier.testing.arc import seal

LIST = Signer("list.example", "s", keys.generate_ed25519())
ZONE = {
    "a.example": [("TXT", "v=spf1 -all"), ("A", "192.0.2.1")],
    "_dmarc.a.example": [("TXT", "v=DMARC1; p=reject; rua=mailto:r@a.example")],
    "list.example": [("TXT", "v=spf1 ip4:192.0.2.1 -all")],
    "s._domainkey.list.example": [("TXT", keys.txt_record(LIST.private_key))],
}
MESSAGE = b"From: A <a@a.example>\r\nTo: bob@b.example\r\nSubject: Hi\r\n\r\nHello\r\n"
SEALED = seal(LIST, MESSAGE, "mx.list.example; dmarc=pass header.from=a.example")
LISTED = b"List-Id: Talk <talk.list.example>\r\n" + MESSAGE


def policy(**fields: object) -> object:
    return replace(USUAL_POLICY, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("message", "settings", "where"),
    [
        (MESSAGE, {}, ""),
        (LISTED, {}, "Junk"),
        (MESSAGE, {"forwarders": ("list.example",)}, "Junk"),
        (SEALED, {}, ""),
        (SEALED, {"forwarders": ("list.example",)}, "INBOX"),
        (SEALED.replace(b"Hello", b"Hullo"), {"forwarders": ("list.example",)}, "Junk"),
        (MESSAGE, {"dmarc_overrides": (parse_override("a.example=accept"),)}, "INBOX"),
        (MESSAGE, {"dmarc_overrides": (parse_override("a@a.example/list.example=junk"),)}, "Junk"),
        (LISTED, {"dmarc_overrides": (parse_override("a.example=refuse"),)}, ""),
    ],
)
def test_where_it_goes(world, message: bytes, settings: dict[str, object], where: str):
    """`where` "": refused."""
    world.zone = ZONE
    said = [
        b"EHLO mx.list.example\r\n",
        b"MAIL FROM:<x@list.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        message + b".\r\n",
    ]
    output, stored = asyncio.run(world.converse(said, policy=policy(**settings)))
    if not where:
        assert "\r\n550 5.7.26 " in output
        assert stored == []
        return
    assert [one.where for one in stored] == [f"bob@b.example/{where}"]
    head = stored[0].data.partition(b"\r\nReceived:")[0]
    assert b"dmarc=fail" in head
    assert b'reason="DMARC fails' in head
    assert (b"\tarc=" in head) == (b"ARC-Seal" in message)


def test_the_facts_for_reports_are_kept_with_the_transaction(world, monkeypatch):
    world.zone = ZONE
    seen = []
    kept = accepting._facts
    monkeypatch.setattr(
        accepting,
        "_facts",
        lambda arrived, size, mail: seen.append(mail.evaluation) or kept(arrived, size, mail),
    )
    said = [
        b"EHLO mx.list.example\r\n",
        b"MAIL FROM:<x@list.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        LISTED + b".\r\n",
    ]
    asyncio.run(world.converse(said))
    [found] = seen
    assert (found.source_ip, found.helo) == ("192.0.2.1", "mx.list.example")
    assert (found.header_from, found.envelope_from) == ("a.example", "list.example")
    assert (found.spf.domain, found.spf.scope, found.spf.result) == ("list.example", "mfrom", "pass")
    assert (found.result, found.disposition, found.override) == ("fail", "quarantine", "mailing_list")
    assert (found.policy.domain, found.policy.p, found.policy.rua) == (
        "a.example",
        "reject",
        ("mailto:r@a.example",),
    )


@pytest.mark.parametrize("asked", [False, True])
def test_received_spf_on_request_only(world, asked: bool):
    world.zone = ZONE
    said = [
        b"EHLO mx.list.example\r\n",
        b"MAIL FROM:<x@list.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        LISTED + b".\r\n",
    ]
    _, [stored] = asyncio.run(world.converse(said, policy=policy(received_spf=asked)))
    assert (b"\r\nReceived-SPF: pass\r\n" in stored.data) == asked


@pytest.mark.parametrize(
    ("asked", "sender", "record", "noted"),
    [
        (False, "x@list.example", "v=spf1 -all", []),
        (True, "x@list.example", "v=spf1 -all", ["spf=pass", "spf=fail"]),
        (True, "x@list.example", "v=spf1 ip4:192.0.2.1", ["spf=pass", "spf=pass"]),
        (True, "", "v=spf1 ip4:192.0.2.1", ["spf=pass"]),
    ],
)
def test_the_greeting_is_noted_on_request_and_nothing_follows(
    world, asked: bool, sender: str, record: str, noted: list[str]
):
    world.zone = ZONE | {"mx.list.example": [("TXT", record)]}
    said = [
        b"EHLO mx.list.example\r\n",
        f"MAIL FROM:<{sender}>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n".encode(),
        b"From: A <a@list.example>\r\nSubject: Hi\r\n\r\nHello\r\n.\r\n",
    ]
    _, [stored] = asyncio.run(world.converse(said, policy=policy(spf_helo=asked, spf_fail="refuse")))
    assert stored.where == "bob@b.example/INBOX"
    head = stored.data.partition(b"\r\nReceived:")[0].decode()
    assert [word for word in head.split() if word.startswith("spf=")] == (noted or ["spf=pass"])
    assert ("smtp.helo=mx.list.example" in head) == asked
