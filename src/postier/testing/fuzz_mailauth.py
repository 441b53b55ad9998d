"""What the readers of sender authentication are thrown at, and what must hold (see fuzz_targets).

The oracles are programs that none of us wrote: dkimpy for the canonical forms, pyspf for SPF records.
"""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise

import dkim.canonicalization
import spf as pyspf

from postier.base.clock import SystemClock
from postier.mailauth.arc import Arc
from postier.mailauth.authentication_results import forged_ranges, remove_forged, render
from postier.mailauth.dkim.canonical import Canonicalizer, relaxed_field
from postier.mailauth.dkim.key_record import KeyRecord, parse_key_record
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dkim.signature import parse_arc_signature, parse_signature
from postier.mailauth.dkim.tags import MAX_TAG_LIST, TagError, parse_tag_list
from postier.mailauth.dmarc_record import Policy, parse_dmarc_record
from postier.mailauth.reported import MAX_RESULTS, reported_results
from postier.mailauth.spf import Spf, SpfResult, check_host
from postier.mailauth.spf_record import Record, compile_record
from postier.mailauth.verifier import MessageVerifier
from postier.testing.dns import ZoneResolver

__all__ = ["MAILAUTH_TARGETS"]

IP = "192.0.2.1"
CLOCK = SystemClock()


def tag_list(data: bytes) -> None:
    """Signatures and key records: a value or a TagError; a list that was read reads as itself."""
    key = parse_key_record(data)
    assert isinstance(key, KeyRecord | TagError)
    try:
        tags = parse_tag_list(data)
    except TagError:
        return
    assert len(data) <= MAX_TAG_LIST
    again = ";".join(f"{name}={value}" for name, value in tags.items()).encode()
    assert parse_tag_list(again) == tags
    for parse in (parse_signature, parse_arc_signature):
        try:
            found = parse(tags)
        except TagError:
            continue
        assert found.domain.isascii()
        assert found.identity_domain == found.domain or found.identity_domain.endswith("." + found.domain)


class _Collector:
    def __init__(self) -> None:
        self.text = b""

    def update(self, data: bytes, /) -> None:
        self.text += data


def _canonical(pieces: list[bytes], *, relaxed: bool) -> bytes:
    collector = _Collector()
    canonicalizer = Canonicalizer(collector, relaxed=relaxed)
    for piece in pieces:
        canonicalizer.feed(piece)
    canonicalizer.finish()
    return collector.text


def canonical(data: bytes) -> None:
    """The first octet says where to cut. Lines as SMTP lets them in are canonical as dkimpy has them."""
    step, body = (data[0] % 31 + 1, data[1:]) if data else (1, b"")
    edges = [*range(0, len(body), step), len(body)]
    for relaxed in (False, True):
        whole = _canonical([body], relaxed=relaxed)
        assert _canonical([body[a:b] for a, b in pairwise(edges)], relaxed=relaxed) == whole
        assert _canonical([whole], relaxed=relaxed) == whole
    lines = b"".join(line + b"\r\n" for line in re.split(rb"[\r\n]+", body))
    assert _canonical([lines], relaxed=True) == dkim.canonicalization.Relaxed.canonicalize_body(lines)
    assert _canonical([lines], relaxed=False) == dkim.canonicalization.Simple.canonicalize_body(lines)
    value = re.sub(rb"[\x0b\x0c\x1c-\x1f\x85]", b"", b"\r\n ".join(re.split(rb"[\r\n]+", body)))
    ((name, other),) = dkim.canonicalization.Relaxed.canonicalize_headers([(b"Subject", value + b"\r\n")])
    assert relaxed_field(b"Subject:" + value) + b"\r\n" == name + b":" + other


def spf_record(data: bytes) -> None:
    """A record is compiled or refused, and a check of it ends with a result; one of addresses alone with the
    result that pyspf has."""
    record = b"v=spf1 " + data
    compiled = compile_record(record)
    found = asyncio.run(
        check_host(
            ZoneResolver({"a.test": [("TXT", record), ("A", IP), ("MX", (1, "mx.a.test"))]}),
            CLOCK,
            ip=IP,
            helo="mx.a.test",
            mail_from="ann@a.test",
        )
    )
    if not isinstance(compiled, Record):
        assert found.result is Spf.PERMERROR
    elif re.fullmatch(rb"(?:[-+?~]?(?:ip4:[0-9./]{1,20}|ip6:[0-9a-f:/]{1,30}|all) ?)*", data):
        assert found.result.value == _as_pyspf_has_it(record.decode())


def _as_pyspf_has_it(record: str) -> str:
    answer: str = pyspf.query(IP, "ann@a.test", "mx.a.test", timeout=0, querytime=0).check(record)[0]
    return answer


def dmarc_record(data: bytes) -> None:
    """A record or none; its own text reads as itself, and no default is left open."""
    for text in (data, b"v=DMARC1;" + data):
        found = parse_dmarc_record(text)
        if found is None:
            continue
        assert parse_dmarc_record(found.text.encode()) == found
        assert {found.policy, found.subdomain_policy, found.nonexistent_policy} <= set(Policy)
        assert 0 <= found.pct <= 100
        assert found.psd in ("y", "n", "u")
        assert len(found.rua) <= 10
        assert all("!" not in uri for uri in found.rua + found.ruf)


def authentication_results(data: bytes) -> None:
    """What others say is read within bounds; nothing a peer chose ends our field or begins another, and what
    we wrote is read back."""
    text = data.decode("utf-8", "replace")
    assert len(reported_results(text)) <= MAX_RESULTS
    section = b"Authentication-Results: " + data + b"\r\nFrom: a@a.test\r\n"
    kept = remove_forged(section, "mx.test")
    assert not forged_ranges(kept, "mx.test")
    field = render(
        "mx.test",
        spf=SpfResult(Spf.FAIL, text, reason=text),
        dkim=[DkimResult(Dkim.FAIL, text, text, text, text, text, signature=text)],
        mail_from=text or "x",
        helo=text,
        ip=IP,
    )
    assert field.endswith(b"\r\n")
    assert not re.search(rb"[\r\n](?![\t\n])", field[:-2].replace(b"\r\n\t", b""))
    methods = [(found.method, found.result) for found in reported_results(field.decode())]
    assert methods == [("spf", "fail"), ("dkim", "fail")]


def arc(data: bytes) -> None:
    """Any header section: no chain, or a broken one, and the DNS is asked for few keys."""
    resolver = ZoneResolver({})
    verifier = MessageVerifier(data)
    verifier.feed(data)
    signatures, chain = asyncio.run(verifier.finish(resolver, CLOCK))
    assert chain.result is not Arc.PASS
    assert all(each.result is not Dkim.PASS for each in signatures)
    assert len(resolver.questions) <= len(signatures) + 1


MAILAUTH_TARGETS = {
    "dkim_tags": tag_list,
    "dkim_canonical": canonical,
    "spf_record": spf_record,
    "dmarc_record": dmarc_record,
    "authentication_results": authentication_results,
    "arc": arc,
}
