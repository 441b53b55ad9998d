"""A message from its signing to the verdict, over a real name server of the loopback."""

from __future__ import annotations

import asyncio

import pytest

from postier.base.clock import SystemClock
from postier.dns.cache import CachingResolver
from postier.dns.client import DnsClient
from postier.mailauth.authentication_results import remove_forged, render
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.message import SignedMessage
from postier.mailauth.dkim.sign import Signer, sign
from postier.mailauth.dkim.verify import DkimVerifier
from postier.mailauth.dmarc import evaluate
from postier.mailauth.local_policy import LocalPolicy
from postier.mailauth.spf import check_host
from postier.mailauth.verdict import Action, Found, decide
from postier.testing.dns import DnsServer

KEY, OTHER = keys.generate_rsa(), keys.generate_ed25519()
ZONE: dict[str, list[object]] = {
    "orchard.test": [("TXT", "v=spf1 ip4:127.0.0.1 -all"), ("MX", (10, "mx.orchard.test"))],
    "_dmarc.orchard.test": [("TXT", "v=DMARC1; p=reject")],
    "s1._domainkey.orchard.test": [("TXT", keys.txt_record(KEY))],
    "s2._domainkey.orchard.test": [("TXT", keys.txt_record(OTHER))],
    "list.test": [("TXT", "v=spf1 ip4:127.0.0.3 -all")],
    "stranger.test": [("TXT", "v=spf1 ip4:127.0.0.4 -all")],
}
LOCAL = LocalPolicy(forwarders=frozenset({"list.test"}))
SIGNERS = [Signer("orchard.test", "s1", KEY), Signer("orchard.test", "s2", OTHER)]
HEADER = b"From: Alice <alice@orchard.test>\r\nTo: bob@harbor.test\r\nSubject: Apples\r\n"
BODY = b"They are ripe.\r\n" * 5000
FORGED = b"Authentication-Results: mx.harbor.test; dmarc=pass header.from=orchard.test\r\n"


async def receive(header: bytes, body: bytes, ip: str, mail_from: str) -> tuple[Action, bytes]:
    server, clock = DnsServer(ZONE), SystemClock()
    await server.start()
    try:
        resolver = CachingResolver(DnsClient([("127.0.0.1", server.port)], clock=clock), clock)
        spf = await check_host(resolver, clock, ip=ip, helo="mx.test", mail_from=mail_from)
        verifier = DkimVerifier(SignedMessage(header))
        for start in range(0, len(body), 4096):
            verifier.feed(body[start : start + 4096])
        dkim = await verifier.finish(resolver, clock)
        dmarc = await evaluate(resolver, ["orchard.test"], spf, dkim)
        field = render("mx.harbor.test", spf=spf, dkim=dkim, dmarc=dmarc, mail_from=mail_from, ip=ip)
        return decide(Found(spf, dkim, dmarc), LOCAL).action, field + remove_forged(header, "mx.harbor.test")
    finally:
        await server.close()


def signed(header: bytes, body: bytes) -> bytes:
    hasher = BodyHasher()
    hasher.feed(body)
    return sign(SIGNERS, header, hasher.digest(), timestamp=1_790_000_000) + header


@pytest.mark.parametrize(
    ("header", "ip", "mail_from", "action"),
    [
        (signed(HEADER, BODY), "127.0.0.1", "alice@orchard.test", Action.ACCEPT),
        (HEADER, "127.0.0.1", "alice@orchard.test", Action.ACCEPT),
        (signed(HEADER, BODY), "127.0.0.3", "list@list.test", Action.ACCEPT),
        (HEADER, "127.0.0.3", "list@list.test", Action.QUARANTINE),
        (HEADER, "127.0.0.4", "x@stranger.test", Action.REFUSE),
        (HEADER, "127.0.0.66", "alice@orchard.test", Action.REFUSE),
        (signed(HEADER, b"other"), "127.0.0.66", "x@nowhere.test", Action.REFUSE),
    ],
)
def test_the_whole_way(header: bytes, ip: str, mail_from: str, action: Action) -> None:
    found, kept = asyncio.run(receive(FORGED + header, BODY, ip, mail_from))
    assert found is action
    assert kept.count(b"mx.harbor.test") == 1
    assert kept.endswith(header)
