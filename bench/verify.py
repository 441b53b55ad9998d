"""What judging and signing a message costs: SPF, two DKIM signatures and DMARC, with the DNS in the cache.

    .venv/bin/python bench/verify.py [--seconds 2] [--profile]

CPU milliseconds of this process for each message, the median of many; beside it dkimpy verifying the RSA
signature alone (for Ed25519 it wants one library more; SPF and DMARC it has not). Verdicts are checked, so a
fast wrong answer ends it.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import statistics
import time
from collections.abc import Awaitable, Callable

import dkim

from postier.base.clock import SystemClock
from postier.dns.cache import CachingResolver
from postier.mailauth import dmarc
from postier.mailauth.authentication_results import render
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.sign import Signer, sign
from postier.mailauth.spf import check_host
from postier.mailauth.verdict import Action, Found, decide
from postier.mailauth.verifier import MessageVerifier
from postier.smtp.inbound.dns_budget import SIGNATURE_QUESTIONS, SPF_QUESTIONS, DnsBudget
from postier.smtp.inbound.marks import without_forged_fields
from postier.testing.dns import ZoneResolver

DOMAIN, US, IP = "a.example", "mx.b.example", "192.0.2.1"
CHUNK = 65_536
LINE = b"Line %05d of a letter that says nothing much, but says it at length.\r\n"
SIGNERS = [Signer(DOMAIN, "r", keys.generate_rsa()), Signer(DOMAIN, "e", keys.generate_ed25519())]
ZONE: dict[str, list[object]] = {
    DOMAIN: [("TXT", "v=spf1 include:_spf.a.example mx -all"), ("MX", (10, "mx.a.example"))],
    "_spf.a.example": [("TXT", "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 ?all")],
    f"_dmarc.{DOMAIN}": [("TXT", "v=DMARC1; p=reject; rua=mailto:dmarc@a.example")],
    **{
        f"{signer.selector}._domainkey.{DOMAIN}": [("TXT", keys.txt_record(signer.private_key))]
        for signer in SIGNERS
    },
}
HEADER = (
    b"Received: from laptop (unknown [198.51.100.7]) by mx.a.example with ESMTPSA id 42;\r\n"
    b"\tThu, 26 Nov 2026 10:00:00 +0000\r\n"
    b"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nFrom: Alice Example <alice@a.example>\r\n"
    b"To: Bob Example <bob@b.example>\r\nSubject: Apples, and what became of them\r\n"
    b"Message-ID: <1234567890.42@a.example>\r\nMIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
)


def body_of(size: int) -> bytes:
    return b"".join(LINE % number for number in range(size // len(LINE % 0)))


def signed(body: bytes) -> bytes:
    """Both signatures, as submission makes them: the body's hash, then the fields."""
    hasher = BodyHasher()
    for start in range(0, len(body), CHUNK):
        hasher.feed(body[start : start + CHUNK])
    return sign(SIGNERS, HEADER, hasher.digest(), timestamp=1_790_000_000)


async def verify(header: bytes, body: bytes, resolver: CachingResolver, clock: SystemClock) -> None:
    """What the inbound session does with it (smtp.inbound.evidence)."""
    verifier = MessageVerifier(header)
    for start in range(0, len(body), CHUNK):
        verifier.feed(body[start : start + CHUNK])
    budget = DnsBudget(resolver, 20.0)
    for_spf, for_keys = budget.part(SPF_QUESTIONS), budget.part(SIGNATURE_QUESTIONS)
    budget.remembers([*dmarc.record_names(DOMAIN), *verifier.key_names])
    signatures, arc = await verifier.finish(for_keys, clock)
    spf = await check_host(for_spf, clock, ip=IP, helo="mx.a.example", mail_from="alice@a.example")
    found = await dmarc.evaluate(budget, [DOMAIN], spf, signatures)
    without_forged_fields(header, US)
    render(US, spf=spf, dkim=signatures, dmarc=found, arc=arc, mail_from="alice@a.example", ip=IP)
    verdict = decide(Found(spf, signatures, found, arc))
    if verdict.action is not Action.ACCEPT or [each.result.value for each in signatures] != ["pass", "pass"]:
        raise RuntimeError(f"{found} {signatures}")


def dkimpy_verifies(message: bytes) -> None:
    texts = {f"{name}.": text for name, records in ZONE.items() for kind, text in records if kind == "TXT"}

    def txt(name: bytes, timeout: int = 5) -> bytes:
        return str(texts[name.decode()]).encode()

    verifier = dkim.DKIM(message)
    if not verifier.verify(0, dnsfunc=txt):
        raise RuntimeError("dkimpy finds the signature broken")


def measure(seconds: float, action: Callable[[], None]) -> float:
    """CPU milliseconds of one call, the median."""
    end, taken = time.monotonic() + seconds, []
    while time.monotonic() < end or len(taken) < 3:
        before = time.process_time()
        action()
        taken.append(time.process_time() - before)
    return statistics.median(taken) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seconds", type=float, default=2.0, help="for each figure")
    parser.add_argument("--profile", action="store_true", help="where the time of the 10 KB message goes")
    chosen = parser.parse_args()
    clock = SystemClock()
    resolver = CachingResolver(ZoneResolver(ZONE), clock)
    with asyncio.Runner() as runner:

        def run(work: Callable[[], Awaitable[None]]) -> Callable[[], None]:
            async def once() -> None:
                await work()

            return lambda: runner.run(once())

        for name, size, limit in (("10 KB", 10_000, 1.0), ("1 MB", 1_000_000, 5.0)):
            body = body_of(size)
            header = signed(body) + HEADER
            cost = measure(chosen.seconds, run(lambda h=header, b=body: verify(h, b, resolver, clock)))
            other = measure(chosen.seconds, lambda m=header + body: dkimpy_verifies(m))
            print(f"verify {name:>6}: {cost:7.3f} ms (wanted < {limit}), dkimpy, RSA alone: {other:7.2f} ms")
        cost = measure(chosen.seconds, lambda: signed(body_of(10_000)))
        print(f"sign    10 KB: {cost:7.3f} ms (wanted < 1.5), both keys")
        if chosen.profile:
            body = body_of(10_000)
            header = signed(body) + HEADER

            async def many() -> None:
                for _ in range(2000):
                    await verify(header, body, resolver, clock)

            with cProfile.Profile() as profile:
                runner.run(many())
            pstats.Stats(profile).sort_stats("tottime").print_stats(30)


if __name__ == "__main__":
    main()
