"""What a chain is worth, at its limits and to whom."""

from __future__ import annotations

import asyncio

import pytest

from postier.base.clock import SystemClock
from postier.mailauth.arc import MAX_SETS, Arc, ArcResult
from postier.mailauth.authentication_results import render
from postier.mailauth.dkim import keys
from postier.mailauth.dkim.sign import Signer
from postier.mailauth.verifier import MessageVerifier
from postier.testing.arc import seal
from postier.testing.dns import ZoneResolver

KEY, RSA = keys.generate_ed25519(), keys.generate_rsa()
LIST, HOP, LIAR = (Signer(domain, "s", KEY) for domain in ("list.test", "hop.test", "liar.test"))
RSA_HOP = Signer("rsa.test", "s", RSA)
ZONE: dict[str, list[object]] = {
    f"s._domainkey.{signer.domain}": [("TXT", keys.txt_record(signer.private_key))]
    for signer in (LIST, HOP, LIAR, RSA_HOP)
}
MESSAGE = b"From: a@author.test\r\nTo: l@list.test\r\nSubject: Apples\r\n\r\nThey are ripe.\r\n"
PASSED = "mx.list.test; spf=pass smtp.mailfrom=author.test; dmarc=pass (p=reject) header.from=author.test"
FAILED = PASSED.replace("dmarc=pass", "dmarc=fail")


def validate(message: bytes, zone: dict[str, list[object]] = ZONE) -> ArcResult:
    header, _, body = message.partition(b"\r\n\r\n")
    verifier = MessageVerifier(header + b"\r\n\r\n")
    for start in range(0, len(body), 5):
        verifier.feed(body[start : start + 5])
    return asyncio.run(verifier.finish(ZoneResolver(zone), SystemClock()))[1]


def known(*domains: str) -> object:
    return set(domains).__contains__


def test_a_chain_of_both_algorithms() -> None:
    found = validate(seal(RSA_HOP, seal(LIST, MESSAGE, PASSED), FAILED))
    assert found.result is Arc.PASS
    assert [each.domain for each in found.sets] == ["list.test", "rsa.test"]
    assert found.sealer == "rsa.test"
    assert found.covers_message


@pytest.mark.parametrize(
    ("trusted", "voucher"),
    [
        (("list.test", "hop.test"), "list.test"),
        (("hop.test",), None),  # it saw a failure, and whoever spoke before is not known
        (("list.test",), None),  # it is not the last one: whoever is may have changed everything
        ((), None),
    ],
)
def test_only_an_unbroken_row_of_known_hops_vouches(trusted: tuple[str, ...], voucher: str | None) -> None:
    found = validate(seal(HOP, seal(LIST, MESSAGE, PASSED), FAILED))
    vouching = found.vouches("author.test", known(*trusted))
    assert (vouching.domain if vouching else None) == voucher


@pytest.mark.parametrize(
    "results",
    [
        FAILED,
        PASSED.replace("header.from=author.test", "header.from=other.test"),
        PASSED.replace("header.from=author.test", ""),
        "mx.list.test; x=y (; dmarc=pass header.from=author.test)",
        'mx.list.test; x="; dmarc=pass header.from=author.test"',
        "dmarc=pass header.from=author.test",
        "",
    ],
)
def test_a_seal_says_what_its_results_say(results: str) -> None:
    assert validate(seal(LIST, MESSAGE, results)).vouches("author.test", known("list.test")) is None
    assert validate(seal(LIST, MESSAGE, PASSED)).vouches("author.test", known("list.test"))


def test_a_signature_without_the_author_vouches_for_nobody() -> None:
    found = validate(seal(LIST, MESSAGE, PASSED, signed="to:subject"))
    assert found.result is Arc.PASS
    assert found.vouches("author.test", known("list.test")) is None


@pytest.mark.parametrize(
    ("sets", "result"), [(MAX_SETS - 1, Arc.PASS), (MAX_SETS, Arc.PASS), (MAX_SETS + 1, Arc.FAIL)]
)
def test_fifty_sets_and_no_more(sets: int, result: Arc) -> None:
    message = MESSAGE
    for _ in range(sets):
        message = seal(HOP, message, FAILED)
    assert validate(message).result is result


def test_a_thousand_fields_cost_no_signature_check() -> None:
    assert validate(b"ARC-Seal: i=1; cv=none\r\n" * 1000 + MESSAGE).reason == "more than 50 sets"


@pytest.mark.parametrize("status", ["fail", "none", "PASS", ""])
def test_a_hop_that_found_it_broken_ends_the_chain(status: str) -> None:
    found = validate(seal(HOP, seal(LIST, MESSAGE, PASSED), PASSED, status=status))
    assert found.result is (Arc.FAIL if status else Arc.PASS)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"ripe", b"rotten", "last signature: body hash did not verify"),
        (b"Subject: A", b"Subject: B", "last signature: signature did not verify"),
        (b"dmarc=pass", b"dmarc=fail", "seal 1 did not verify"),
    ],
)
def test_what_was_changed_behind_the_last_hop(old: bytes, new: bytes, reason: str) -> None:
    found = validate(seal(LIST, MESSAGE, PASSED).replace(old, new))
    assert (found.result, found.reason) == (Arc.FAIL, reason)


def test_a_silent_dns_is_never_a_pass() -> None:
    name = "s._domainkey.list.test"
    first_only = {**ZONE, name: ["TIMEOUT"]}
    sealed = seal(HOP, seal(LIST, MESSAGE, PASSED), PASSED)
    assert validate(sealed, first_only).reason == "seal 1: no answer for the key"
    assert validate(sealed, {name: ZONE[name]}).reason == "last signature: no key"


def test_the_field_tells_it() -> None:
    passing = validate(seal(LIST, MESSAGE, PASSED))
    field = render("mx.test", arc=passing)
    assert field == b"Authentication-Results: mx.test;\r\n\tarc=pass (i=1 as.d=list.test as.s=s)\r\n"
    broken = render("mx.test", arc=validate(seal(LIST, MESSAGE, PASSED).replace(b"ripe", b"raw")))
    assert b'arc=fail reason="last signature: body hash did not verify"' in broken
    assert b"arc" not in render("mx.test", arc=validate(MESSAGE))
