"""What a stranger may make us do: at each limit, one past it, and far past it."""

from __future__ import annotations

import asyncio
import base64
import random

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postier.base.clock import SystemClock
from postier.mailauth import dmarc_record, spf_record
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.canonical import BodyHasher
from postier.mailauth.dkim.key_record import MAX_RECORD, KeyRecord, UnacceptableKey, parse_key_record
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dkim.sign import Signer, sign
from postier.mailauth.dkim.tags import MAX_TAG_LIST, TagError, parse_tag_list
from postier.mailauth.dmarc_record import parse_dmarc_record
from postier.mailauth.spf import Spf, SpfResult, check_host
from postier.mailauth.spf_record import Record, SpfSyntaxError, compile_record
from postier.mailauth.verifier import MessageVerifier
from postier.testing.dns import ZoneResolver

KEY = keys.generate_ed25519()
SIGNER = Signer("a.test", "s", KEY)
ZONE: dict[str, list[object]] = {"s._domainkey.a.test": [("TXT", keys.txt_record(KEY))]}
HEADER = b"From: a@a.test\r\nSubject: Apples\r\n"
BODY = b"They are ripe.\r\n"


def signed() -> bytes:
    hasher = BodyHasher()
    hasher.feed(BODY)
    return sign([SIGNER], HEADER, hasher.digest(), timestamp=1_790_000_000)


def verify(header: bytes, resolver: ZoneResolver) -> tuple[DkimResult, ...]:
    verifier = MessageVerifier(header)
    verifier.feed(BODY)
    return asyncio.run(verifier.finish(resolver, SystemClock()))[0]


@pytest.mark.parametrize("count", [9, 10, 11, 100])
def test_ten_signatures_are_looked_at_and_one_key_asked_for(count: int) -> None:
    other = signed().replace(b"s=s;", b"s=other;")
    resolver = ZoneResolver(ZONE)
    results = verify(other * (count - 1) + signed() + HEADER, resolver)
    assert len(results) == min(count, 10)
    assert (results[-1].result is Dkim.PASS) == (count <= 10)
    assert len(resolver.questions) <= 10


def rsa_record(bits: int) -> bytes:
    modulus = random.Random(bits).getrandbits(bits) | 1 | 1 << (bits - 1)
    key = RSAPublicNumbers(65537, modulus).public_key()
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return b"v=DKIM1; k=rsa; p=" + base64.b64encode(der)


@pytest.mark.parametrize(
    ("bits", "taken"),
    [(512, False), (1023, False), (1024, True), (4096, True), (4097, False), (16384, False)],
)
def test_the_size_of_an_rsa_key(bits: int, taken: bool) -> None:
    assert isinstance(parse_key_record(rsa_record(bits)), KeyRecord if taken else UnacceptableKey)


@pytest.mark.parametrize(("size", "taken"), [(MAX_RECORD, True), (MAX_RECORD + 1, False), (60_000, False)])
def test_the_size_of_a_key_record(size: int, taken: bool) -> None:
    record = keys.txt_record(KEY).encode() + b"; n="
    record += b"x" * (size - len(record))
    assert isinstance(parse_key_record(record), KeyRecord if taken else UnacceptableKey)
    [result] = verify(signed() + HEADER, ZoneResolver({"s._domainkey.a.test": [("TXT", record)]}))
    assert result.result is (Dkim.PASS if taken else Dkim.POLICY)


@pytest.mark.parametrize(("size", "taken"), [(0, True), (1, False), (1_000_000, False)])
def test_the_size_of_a_tag_list(size: int, taken: bool) -> None:
    text = b"a=" + b"x" * (MAX_TAG_LIST - 2 + size)
    if taken:
        assert parse_tag_list(text)
    else:
        with pytest.raises(TagError):
            parse_tag_list(text)


@pytest.mark.parametrize(("size", "taken"), [(0, True), (1, False), (50_000, False)])
def test_the_size_of_an_spf_record(size: int, taken: bool) -> None:
    text = b"v=spf1 " + b"ip4:192.0.2.1 " * 2000
    text = text[: spf_record.MAX_RECORD - 4].rpartition(b" ")[0]
    text += b" " * (spf_record.MAX_RECORD - 4 + size - len(text)) + b"-all"
    assert isinstance(compile_record(text), Record if taken else SpfSyntaxError)


@pytest.mark.parametrize(("size", "taken"), [(0, True), (1, False), (50_000, False)])
def test_the_size_of_a_dmarc_record(size: int, taken: bool) -> None:
    text = b"v=DMARC1; p=reject; x="
    text += b"x" * (dmarc_record.MAX_RECORD + size - len(text))
    assert (parse_dmarc_record(text) is not None) == taken


def spf(zone: dict[str, list[object]]) -> tuple[SpfResult, ZoneResolver]:
    resolver = ZoneResolver(zone)
    found = check_host(resolver, SystemClock(), ip="192.0.2.1", helo="mx.test", mail_from="x@a.test")
    return asyncio.run(found), resolver


@pytest.mark.parametrize(("includes", "result"), [(10, Spf.PASS), (11, Spf.PERMERROR), (1000, Spf.PERMERROR)])
def test_a_chain_of_includes(includes: int, result: Spf) -> None:
    zone: dict[str, list[object]] = {
        f"n{n}.a.test": [("TXT", f"v=spf1 include:n{n + 1}.a.test -all")] for n in range(1, includes)
    }
    zone["a.test"] = [("TXT", "v=spf1 include:n1.a.test -all")]
    zone[f"n{includes}.a.test"] = [("TXT", "v=spf1 +all")]
    found, resolver = spf(zone)
    assert found.result is result
    assert len(resolver.questions) <= 12


@pytest.mark.parametrize(("includes", "result"), [(10, Spf.PASS), (11, Spf.PERMERROR), (1000, Spf.PERMERROR)])
def test_a_fan_of_includes(includes: int, result: Spf) -> None:
    terms = " ".join(f"include:n{n}.a.test" for n in range(includes - 1))
    zone: dict[str, list[object]] = {f"n{n}.a.test": [("TXT", "v=spf1 ?all")] for n in range(includes)}
    for name in zone:
        zone[name] = [("TXT", "v=spf1 ip4:198.51.100.1 -all")]
    zone["a.test"] = [("TXT", f"v=spf1 {terms} include:yes.a.test -all")]
    zone["yes.a.test"] = [("TXT", "v=spf1 +all")]
    found, resolver = spf(zone)
    assert found.result is result
    assert len(resolver.questions) <= 12


def test_a_loop_of_includes_ends() -> None:
    found, resolver = spf({"a.test": [("TXT", "v=spf1 include:a.test -all")]})
    assert found.result is Spf.PERMERROR
    assert len(resolver.questions) == 11


class SlowClock(SystemClock):
    """Each look at it, three seconds have passed."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def monotonic(self) -> float:
        self.seconds += 3.0
        return self.seconds


def test_twenty_seconds_are_enough_for_spf_and_for_keys() -> None:
    zone: dict[str, list[object]] = {
        f"n{n}.a.test": [("TXT", f"v=spf1 include:n{n + 1}.a.test -all")] for n in range(10)
    }
    resolver = ZoneResolver({"a.test": [("TXT", "v=spf1 include:n0.a.test -all")], **zone})
    found = check_host(resolver, SlowClock(), ip="192.0.2.1", helo="mx.test", mail_from="x@a.test")
    assert asyncio.run(found).result is Spf.TEMPERROR
    assert len(resolver.questions) < 8
    verifier = MessageVerifier(signed() * 10 + HEADER)
    verifier.feed(BODY)
    results = asyncio.run(verifier.finish(ZoneResolver(ZONE), SlowClock()))[0]
    assert [each.result for each in results] == [Dkim.PASS] * 6 + [Dkim.TEMPERROR] * 4


def test_an_empty_answer_is_no_key_and_silence_is_no_verdict() -> None:
    assert [each.reason for each in verify(signed() + HEADER, ZoneResolver({}))] == ["no key"]
    silent = ZoneResolver({"s._domainkey.a.test": ["TIMEOUT"]})
    assert [each.result for each in verify(signed() + HEADER, silent)] == [Dkim.TEMPERROR]
