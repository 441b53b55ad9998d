"""Signatures that others made: the generated cases, RFC 6376's example with both keys, real mail."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest

from postier.base.clock import SystemClock
from postier.mailauth.dkim.key_record import KeyRecord, parse_key_record
from postier.mailauth.dkim.message import SignedMessage
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dkim.tags import TagError
from postier.mailauth.dkim.verify import DkimVerifier
from postier.testing.dns import Zone, ZoneResolver
from postier.testing.vectors import vectors_dir

FOLDER = vectors_dir("dkim")
GENERATED = json.loads((FOLDER / "generated.json").read_text())


def verify(message: bytes, zone: Zone) -> tuple[DkimResult, ...]:
    header, _, body = message.partition(b"\r\n\r\n")
    verifier = DkimVerifier(SignedMessage(header + b"\r\n"))
    verifier.feed(body)
    return asyncio.run(verifier.finish(ZoneResolver(zone), SystemClock()))


def message_of(case: dict[str, Any]) -> bytes:
    if "message" in case:
        return base64.b64decode(case["message"])
    piece, times = case["repeat"]
    return base64.b64decode(case["head"]) + base64.b64decode(piece) * times


def matches(want: Any, result: Dkim) -> bool:
    return result is not Dkim.PASS if want == "fail" else result.value == want


@pytest.mark.parametrize("case", GENERATED, ids=lambda case: case["name"])
def test_generated(case: dict[str, Any]) -> None:
    zone = {name: [e if e == "TIMEOUT" else tuple(e) for e in v] for name, v in case["zone"].items()}
    results = verify(message_of(case), zone)
    want = case["want"]
    if want == "any":
        assert 0 < len(results) <= 10
    elif isinstance(want[0], list):
        assert len(want[0]) == len(results)
        assert all(matches(w, r.result) for w, r in zip(want[0], results, strict=True)), results
    else:
        assert len(results) == 1
        assert any(matches(w, results[0].result) for w in want), results


REASONS = {
    "key-dns-timeout": Dkim.TEMPERROR,
    "key-revoked": Dkim.PERMERROR,
    "bh-wrong": Dkim.FAIL,
    "duplicate-tag": Dkim.PERMERROR,
}


@pytest.mark.parametrize("name", REASONS)
def test_the_kind_of_failure(name: str) -> None:
    case = next(case for case in GENERATED if case["name"] == name)
    zone = {name: [e if e == "TIMEOUT" else tuple(e) for e in v] for name, v in case["zone"].items()}
    assert verify(message_of(case), zone)[0].result is REASONS[name]


def crlf(name: str) -> bytes:
    return (FOLDER / name).read_bytes().replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


RSA_KEY = (
    "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWRiGs5V6NpP3id"
    "Y6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutACDfzwQ/BC/e/8uBsCR+yz1Lx"
    "j+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3Ip3G+2kryOTIKT+l/K4w3QIDAQAB"
)
FOOTBALL = {
    "brisbane._domainkey.football.example.com": [
        ("TXT", "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    ],
    "test._domainkey.football.example.com": [("TXT", RSA_KEY)],
}


@pytest.mark.parametrize(
    ("name", "algorithms"),
    [("rfc6376.signed.msg", ["ed25519-sha256", "rsa-sha256"]), ("rfc6376.signed.rsa.msg", ["rsa-sha256"])],
)
def test_the_example_of_rfc8463(name: str, algorithms: list[str]) -> None:
    results = verify(crlf(name), FOOTBALL)
    assert [(r.algorithm, r.result) for r in results] == [(a, Dkim.PASS) for a in algorithms]
    assert {r.domain for r in results} == {"football.example.com"}
    assert {r.identity for r in results} == {"@football.example.com"}


def test_the_example_of_rfc8463_changed() -> None:
    changed = crlf("rfc6376.signed.msg").replace(b"We lost", b"We won")
    assert [r.result for r in verify(changed, FOOTBALL)] == [Dkim.FAIL, Dkim.FAIL]
    other_subject = crlf("rfc6376.signed.msg").replace(b"Is dinner", b"Is lunch")
    assert [r.reason for r in verify(other_subject, FOOTBALL)] == ["signature did not verify"] * 2


KEY_FILES = {
    "test.txt": "rsa",
    "test2.txt": "rsa",
    "1024_testkey_wo_markers.pub.rsa.txt": "rsa",
    "1024_testkey_wo_markers.pub.txt": "rsa",
    "2048_testkey_wo_markers.pub.rsa.txt": "rsa",
    "2048_testkey_wo_markers.pub.txt": "rsa",
    "ed25519test.dns": "ed25519",
    "eximtest.dns": "ed25519",
    "badk.txt": None,
    "badversion.txt": None,
}


@pytest.mark.parametrize("name", KEY_FILES)
def test_key_files(name: str) -> None:
    record = parse_key_record((FOLDER / name).read_bytes().strip())
    if KEY_FILES[name] is None:
        assert isinstance(record, TagError)
    else:
        assert isinstance(record, KeyRecord)
        assert record.key_type == KEY_FILES[name]


def test_degenerate_folding_is_read() -> None:
    """test2.message folds within b=; its key is no longer published, so reading it must end at the key."""
    (result,) = verify(crlf("test2.message"), {})
    assert (result.domain, result.selector, result.reason) == ("gmail.com", "20120113", "no key")


def test_ed25519_message_of_another_maker() -> None:
    message = crlf("ed25519test2.msg")
    unsigned = verify(message, {})
    zone = {
        f"{r.selector}._domainkey.{r.domain}": [("TXT", (FOLDER / f).read_bytes().strip())]
        for r in unsigned
        for f in ["eximtest.dns"]
    }
    assert [r.result for r in verify(message, zone)] == [Dkim.PASS]
