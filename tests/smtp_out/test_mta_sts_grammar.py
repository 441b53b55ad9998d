"""MTA-STS records and documents (RFC 8461): the standard's examples, and what breaks its grammar."""

from __future__ import annotations

import pytest

from postier.smtp.outbound.mta_sts import (
    MAX_AGE,
    MAX_DOCUMENT,
    PolicyError,
    StsMode,
    StsPolicy,
    parse_policy,
    record_id,
)

EXAMPLE = b"""version: STSv1\r
mode: enforce\r
mx: mail.example.com\r
mx: *.example.net\r
mx: backupmx.example.com\r
max_age: 604800\r
"""  # RFC 8461 3.2


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        ([b"v=STSv1; id=20160831085700Z;"], "20160831085700Z"),  # RFC 8461 3.1
        ([b"v=STSv1;id=a"], "a"),
        ([b"v=STSv1 ; x-y.z=1,2 \t; id=a ;"], "a"),
        ([b"v=spf1 -all", b"v=STSv1; id=a;"], "a"),
        ([b"v=STSv1; id=" + b"a" * 32], "a" * 32),
        ([b"v=STSv1; id=" + b"a" * 33], None),
        ([b"v=STSv1; id=a;", b"v=STSv1; id=b;"], None),
        ([b"v=STSv1; id=a; id=b;"], None),
        ([b"v=STSv1; id=a;;"], None),
        ([b"v=STSv1; id=a-b;"], None),
        ([b"v=STSv1; id = a;"], None),
        ([b"v=STSv1; id=;"], None),
        ([b"v=STSv1;"], None),
        ([b"v=STSv1"], None),
        ([b"v=STSv2; id=a;"], None),
        ([b"V=STSv1; id=a;"], None),
        ([b" v=STSv1; id=a;"], None),
        ([b"v=STSv1; id=\xc3\xa4;"], None),
        ([b"v=STSv1; id=a; " + b"x=y; " * 100_000], None),
        ([], None),
    ],
)
def test_the_record(records: list[bytes], expected: str | None) -> None:
    assert record_id(records) == expected


def test_the_policy_of_the_standard() -> None:
    patterns = ("mail.example.com", "*.example.net", "backupmx.example.com")
    expected = StsPolicy(StsMode.ENFORCE, 604800, patterns)
    assert parse_policy(EXAMPLE) == expected
    assert parse_policy(EXAMPLE.replace(b"\r\n", b"\n")) == expected
    assert parse_policy(EXAMPLE.rstrip()) == expected


def test_of_a_key_that_comes_twice_the_first_counts_and_unknown_ones_are_left_aside() -> None:
    policy = parse_policy(EXAMPLE + b"mode: none\r\nmax_age: 1\r\nnew: thing\r\n")
    assert (policy.mode, policy.max_age) == (StsMode.ENFORCE, 604800)


def test_a_policy_without_hosts_may_only_say_none() -> None:
    assert parse_policy(b"version: STSv1\nmode: none\nmax_age: 1\n") == StsPolicy(StsMode.NONE, 1)
    with pytest.raises(PolicyError, match="no mx"):
        parse_policy(b"version: STSv1\nmode: testing\nmax_age: 1\n")


def test_a_policy_lives_a_year_at_most() -> None:
    assert parse_policy(EXAMPLE.replace(b"604800", b"9999999999")).max_age == MAX_AGE


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html></html>",
        EXAMPLE.replace(b"STSv1", b"STSv2"),
        EXAMPLE.replace(b"enforce", b"force"),
        EXAMPLE.replace(b"604800", b"-1"),
        EXAMPLE.replace(b"604800", b"1" * 11),
        EXAMPLE.replace(b"604800", b""),
        EXAMPLE.replace(b"max_age", b"age"),
        EXAMPLE.replace(b"mail.example.com", b"mail.*.com"),
        EXAMPLE.replace(b"mail.example.com", b"*"),
        EXAMPLE.replace(b"mail.example.com", b""),
        EXAMPLE.replace(b"mail.example.com", b"\xff"),
        EXAMPLE.replace(b"\r\n", b"\r"),
        EXAMPLE + b"\r\n\r\n",
        EXAMPLE + b"mx: a.example\r\n" * 100,
        EXAMPLE + b"x: \x00\r\n",
        EXAMPLE + b"x: " + b"y" * MAX_DOCUMENT,
    ],
)
def test_what_breaks_the_grammar_is_no_policy(document: bytes) -> None:
    with pytest.raises(PolicyError):
        parse_policy(document)


@pytest.mark.parametrize(
    ("host", "allowed"),
    [
        ("mail.example.com", True),
        ("MAIL.Example.com.", True),
        ("mx.example.net", True),
        ("a.mx.example.net", False),  # RFC 8461 4.1: one label
        ("example.net", False),
        ("mail.example.com.evil.example", False),
        ("other.example.com", False),
        ("", False),
    ],
)
def test_which_hosts_a_policy_allows(host: str, allowed: bool) -> None:
    assert parse_policy(EXAMPLE).allows(host) is allowed
