"""`postier queue`, `route`, `dns` and `doctor`: outgoing mail, where it goes, and whether all is well."""

from __future__ import annotations

from typing import Any

import pytest

# ------------------------------------------------------------------ route


def test_a_route_is_set_replaced_and_removed(postier: Any, listed: Any) -> None:
    assert postier("route", "list").stdout == "no routes: the DNS decides\n"
    said = postier("route", "add", "Example.org", "127.0.0.1:2525").stdout
    assert said == "mail for example.org goes to 127.0.0.1:2525\n"
    listed("route", "add", "example.org", "relay.test:25")
    assert listed("route", "list") == [{"domain": "example.org", "host": "relay.test", "port": 25}]
    assert listed("route", "remove", "example.org") == {"removed": "example.org"}
    assert listed("route", "list") == []


@pytest.mark.parametrize("place", ["relay.test", "relay.test:0", "relay.test:65536", "relay.test:x"])
def test_a_place_that_is_none_is_wrong_usage(misused: Any, place: str) -> None:
    assert misused("route", "add", "example.org", place) == f"expected HOST:PORT, found {place!r}"


@pytest.mark.parametrize("host", ["", "a b"])
def test_a_host_that_is_none_is_wrong_usage(misused: Any, host: str) -> None:
    assert misused("route", "add", "example.org", f"{host}:25") == f"not a domain name: {host!r}"


def test_a_route_that_is_not_there(fails: Any) -> None:
    assert fails("route", "remove", "example.org") == "there is no route for example.org"


# ------------------------------------------------------------------ dns


def test_every_record_is_listed(listed: Any, postier: Any) -> None:
    records = listed("dns", "records", "orchard.test")
    kinds = [(record["type"], record["name"]) for record in records]
    assert ("MX", "orchard.test") in kinds
    assert ("TXT", "_dmarc.orchard.test") in kinds
    assert sum(name.endswith("._domainkey.orchard.test") for _, name in kinds) == 2
    zone = postier("dns", "records", "orchard.test", "--zone").stdout
    assert "orchard.test. 3600 IN MX 10 mail.orchard.test.\n" in zone
    for line in zone.splitlines():
        assert all(len(text) <= 255 for text in line.split('"')[1::2])
    table = postier("dns", "records", "orchard.test").stdout
    for record in records:
        assert record["value"] in table


@pytest.mark.parametrize("verb", ["records", "check"])
def test_records_of_a_domain_that_is_not_ours(fails: Any, verb: str) -> None:
    assert fails("dns", verb, "elsewhere.test").startswith("elsewhere.test is not a domain of this server")


def test_records_that_nobody_publishes_are_told(postier: Any, listed: Any) -> None:
    result = postier("dns", "check", "orchard.test", ends=1)
    assert "records of orchard.test are not as they should be" in result.stderr
    assert result.stdout.startswith("STATE")
    states = {record["state"] for record in listed("dns", "check", "orchard.test", ends=1)}
    assert states <= {"missing", "unknown", "different"}


# ------------------------------------------------------------------ doctor


def test_doctor_tells_what_is_wrong_and_fails(listed: Any, postier: Any) -> None:
    findings = {finding["subject"]: finding for finding in listed("doctor", "--no-dns", ends=1)}
    assert {finding["state"] for finding in findings.values()} <= {"ok", "warning", "failed"}
    assert all(finding["detail"] for finding in findings.values())
    assert any(subject.startswith("imaps on ") for subject in findings)
    assert "checks failed" in postier("doctor", "--no-dns", ends=1).stderr


def test_doctor_tells_whose_postmaster_nobody_is(listed: Any, postier: Any) -> None:
    def found() -> tuple[str, str]:
        findings = {finding["subject"]: finding for finding in listed("doctor", "--no-dns", ends=1)}
        return findings["postmaster"]["state"], findings["postmaster"]["detail"]

    postier("domain", "add", "harbor.test")
    assert found() == ("ok", "somebody reads what is sent to postmaster")
    postier("alias", "add", "postmaster@harbor.test", "bo@harbor.example")
    postier("user", "remove", "alice@orchard.test", "--yes")
    state, detail = found()
    assert state == "warning"
    assert (
        "the mail to postmaster, postmaster@orchard.test; name somebody: postier user postmaster " in detail
    )
    postier("user", "add", "bob@orchard.test", "--password-stdin")
    assert listed("user", "postmaster", "bob@orchard.test") == {"postmaster": "bob@orchard.test"}
    assert found()[0] == "ok"
    postier("alias", "add", "team@harbor.test", "bo@harbor.example")
    postier("alias", "add", "postmaster@harbor.test", "team@harbor.test")
    postier("alias", "remove", "team@harbor.test")
    state, detail = found()
    assert state == "warning"
    assert detail.startswith(
        "nobody reads the mail to postmaster@harbor.test; name somebody: postier alias add "
    )


# ------------------------------------------------------------------ queue


def test_an_empty_queue(postier: Any, listed: Any) -> None:
    assert postier("queue", "list").stdout == "the queue is empty\n"
    assert listed("queue", "list") == []


@pytest.mark.parametrize("verb", ["show", "retry", "hold", "release", "drop"])
def test_an_entry_that_is_not_there(fails: Any, verb: str) -> None:
    assert "entry 7" in fails("queue", verb, "7")


@pytest.mark.parametrize("words", [(), ("7", "--all"), ("7", "--sender", "<>"), ("--all", "--state", "held")])
def test_entries_are_named_or_chosen(misused: Any, words: tuple[str, ...]) -> None:
    assert "name entries, or choose them" in misused("queue", "drop", *words)


def test_nothing_is_asked_where_nothing_was_chosen(postier: Any) -> None:
    assert postier("queue", "drop", "--all").stdout == "0 entries are dropped\n"
    assert postier("queue", "hold", "--older-than", "5d").stdout == "0 entries are held\n"


@pytest.mark.parametrize("span", ["5", "d", "-1d", "1w", "9999999999s"])
def test_an_age_is_a_number_and_a_unit(misused: Any, span: str) -> None:
    assert "is not a time" in misused("queue", "list", "--older-than", span)


def test_an_entry_has_a_number(misused: Any) -> None:
    assert "'first'" in misused("queue", "show", "first")
