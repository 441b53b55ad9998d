"""`postier route`: what can be said about where mail goes, and what is told about it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SECRET = "cli-password"  # what the fixture types


WRONG = [
    (["example.org"], "say where the mail goes: HOST:PORT"),
    (["*", "--lmtp"], "LMTP needs a host"),
    (["*", "h.test:24", "h.test:25", "--lmtp"], "port 25 is SMTP's, LMTP needs another (RFC 2033 5)"),
    (["*", "h.test:24", "--lmtp", "--discard"], "only one of --lmtp, --discard and --error"),
    (["*", "h.test:25", "--discard"], "what is discarded or returned goes nowhere"),
    (["*", "--discard", "--pool", "p"], "what is discarded or returned goes nowhere"),
    (["*", "--error", "go away"], "expected a status and a text, such as '5.7.1 We do not write to them'"),
    (["*", "--error", "2.0.0 fine"], "expected a status and a text, such as '5.7.1 We do not write to them'"),
    (["*", "--login", "me"], "a login needs a host to log in to"),
    (["*", "h.test:25", "--login", "me", "--tls", "never"], "a password is shown under TLS only"),
    (["*", "h.test:25", "--implicit-tls", "--tls", "never"], "implicit TLS is not 'never'"),
    (
        ["*", "mx:h.test", "--login", "me"],
        "name the host itself, not mx:, where its certificate must be for its name",
    ),
    (
        ["*", "h.test:25", "--fallback", "@b"],
        "say when the fallback is taken: after how many attempts, or hours",
    ),
    (
        ["@b", "h.test:25", "--fallback", "@b", "--fallback-attempts", "2"],
        "a route can't be its own fallback",
    ),
    (["*", "h.test:25", "--fallback-hours", "2"], "name the fallback"),
    (["*", "--retry-first", "60", "--retry-max", "30"], "the first wait is the longest"),
    (["*", "unix:relative"], "expected the absolute path of a socket, found 'relative'"),
    (["*", "unix:/" + "x" * 107], f"expected the absolute path of a socket, found '/{'x' * 107}'"),
    (["*", "mx:h.test:0"], "expected HOST:PORT, found 'mx:h.test:0'"),
    (["@", "h.test:25"], "expected a name of letters, digits, '.', '-' and '_', found ''"),
    (["", "h.test:25"], "not a domain name: ''"),
    (["[192.0.2.300]", "h.test:25"], "not an address literal: '[192.0.2.300]'"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=str)
def test_what_contradicts_itself_is_wrong_usage(misused: Any, words: list[str], sentence: str) -> None:
    assert misused("route", "add", *words) == sentence


RIGHT: list[tuple[list[str], dict[str, object], str]] = [
    (
        ["*", "h.test:25", "i.test:26", "--balanced"],
        {"domain": "*", "hosts": ["h.test:25", "i.test:26"], "balanced": True},
        "mail for * goes to h.test:25, i.test:26",
    ),
    (
        [".example.org", "mx:h.test"],
        {"domain": "*.example.org", "hosts": ["mx:h.test"]},
        "mail for *.example.org goes to mx:h.test",
    ),
    (
        ["a.test", "mx:h.test:26", "--tls", "required"],
        {"domain": "a.test", "hosts": ["mx:h.test:26"], "tls": "required"},
        "mail for a.test goes to mx:h.test:26",
    ),
    (
        ["a.test", "unix:/run/lmtp", "--lmtp"],
        {"domain": "a.test", "hosts": ["unix:/run/lmtp"], "transport": "lmtp"},
        "mail for a.test goes to unix:/run/lmtp",
    ),
    (["a.test", "--discard"], {"domain": "a.test", "transport": "discard"}, "mail for a.test is discarded"),
    (
        ["a.test", "--error", "5.7.1 No"],
        {"domain": "a.test", "transport": "error", "error": "5.7.1 No"},
        "mail for a.test is returned: 5.7.1 No",
    ),
    (
        ["a.test", "h.test:25", "--sender", "orchard.test", "--retry-first", "9", "--retry-max", "10"],
        {
            "domain": "a.test",
            "host": "h.test",
            "port": 25,
            "sender": "orchard.test",
            "retry_first": 9,
            "retry_max": 10,
        },
        "mail for a.test from orchard.test goes to h.test:25",
    ),
    (
        ["[IPv6:2001:DB8::1]", "[2001:db8::2]:25"],
        {"domain": "[IPv6:2001:db8::1]", "host": "2001:db8::2", "port": 25},
        "mail for [IPv6:2001:db8::1] goes to [2001:db8::2]:25",
    ),
    (
        ["a.test", "h.test:465", "--implicit-tls", "--login", "me", "--password-stdin"],
        {"domain": "a.test", "host": "h.test", "port": 465, "implicit_tls": True, "login": "me"},
        "mail for a.test goes to h.test:465",
    ),
]


@pytest.mark.parametrize(("words", "facts", "sentence"), RIGHT, ids=str)
def test_what_a_route_can_say(
    postier: Any, listed: Any, words: list[str], facts: dict[str, object], sentence: str
) -> None:
    assert postier("route", "add", *words).stdout == sentence + "\n"
    assert listed("route", "list") == [facts]
    domain, sender = str(facts["domain"]), str(facts.get("sender", ""))
    whose = ["--sender", sender] if sender else []
    assert listed("route", "show", domain, *whose) == facts
    assert postier("route", "show", domain, *whose).stdout.startswith(sentence + "\n")
    postier("route", "remove", domain, *whose)
    assert listed("route", "list") == []


def test_a_password_is_never_shown(postier: Any, data: Path) -> None:
    said = [
        postier("route", "add", "*", "h.test:587", "--login", "me", "--password-stdin").stdout,
        postier("route", "list").stdout,
        postier("route", "list", "--json").stdout,
        postier("route", "show", "*").stdout,
        postier("route", "test", "x@y.test", "--json").stdout,
        postier("route", "test", "x@y.test").stdout,
    ]
    assert "login as me" in said[1]
    assert not any(SECRET in text for text in said)
    assert data.stat().st_mode & 0o077 == 0  # what holds it is the server's own


def test_no_route_leads_our_own_mail_away(fails: Any, postier: Any) -> None:
    said = fails("route", "add", "Orchard.test.", "h.test:25")
    assert said == "orchard.test is a domain of this server: its mail stays here"
    postier("route", "add", "*.orchard.test", "h.test:25")


def test_a_number_past_all_bounds_is_said_so(fails: Any) -> None:
    assert fails("user", "limit", "alice@orchard.test", "--recipients", "9" * 25) == "a number is too large"
    assert fails("queue", "show", "9" * 25) == "a number is too large"


def test_a_fallback_and_a_pool_must_be_there_and_stay_while_they_are_used(
    postier: Any, fails: Any, listed: Any
) -> None:
    add = ("route", "add", "*", "--pool", "bulk", "--fallback", "@spare", "--fallback-attempts", "3")
    assert fails(*add) == "there is no pool bulk"
    postier("route", "pool", "add", "bulk", "192.0.2.1=a.test", "2001:db8::1", "--sticky")
    assert fails(*add) == "there is no route @spare to fall back to; add it first"
    postier("route", "add", "@spare", "h.test:25")
    postier(*add)
    assert fails("route", "pool", "remove", "bulk") == "the routes of * use it"
    assert fails("route", "remove", "@spare") == "it is the fallback of *"
    assert "from pool bulk, @spare after 3 attempts" in postier("route", "list").stdout
    assert listed("route", "pool", "list") == [
        {
            "pool": "bulk",
            "sources": [{"address": "192.0.2.1", "helo": "a.test"}, {"address": "2001:db8::1", "helo": ""}],
            "sticky": True,
        }
    ]
    postier("route", "remove", "*")
    postier("route", "pool", "remove", "bulk")
    assert fails("route", "pool", "remove", "bulk") == "there is no pool bulk"


# ---------------------------------------------------------------------- test


@pytest.fixture
def greeter() -> Iterator[int]:
    """The port of a host that greets, answers EHLO, and hears QUIT."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                one, _ = listening.accept()
            except OSError:
                return
            with one, one.makefile("rwb", buffering=0) as stream:
                stream.write(b"220 greeter.test\r\n")
                if stream.readline():
                    stream.write(b"250-greeter.test\r\n250-PIPELINING\r\n250 SIZE 99\r\n")
                    stream.readline()

    thread = threading.Thread(target=serve)
    thread.start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()
    thread.join()


def test_a_route_is_tried(postier: Any, listed: Any, greeter: int) -> None:
    postier("route", "add", "*.far.test", f"127.0.0.1:{greeter}")
    found = listed("route", "test", "bob@in.far.test", "--connect")
    assert found == {
        "site": f"127.0.0.1:{greeter}",
        "route": {"domain": "*.far.test", "host": "127.0.0.1", "port": greeter},
        "hosts": [
            {
                "host": f"127.0.0.1 [127.0.0.1]:{greeter}",
                "tls_policy": "opportunistic",
                "tls_required": False,
                "ehlo": "mail.orchard.test",
                "source": "",
                "tls": "none",
                "name": "greeter.test",
                "size": 99,
                "extensions": ["PIPELINING"],
            }
        ],
    }
    said = postier("route", "test", "bob@in.far.test").stdout
    assert "says EHLO as mail.orchard.test, from any address" in said
    assert "connected" not in said


def test_a_host_that_is_not_there_is_told(postier: Any, listed: Any) -> None:
    postier("route", "add", "far.test", "127.0.0.1:1")
    (host,) = listed("route", "test", "bob@far.test", "--connect")["hosts"]
    assert host["fault"].startswith("no connection: ")


def test_only_mail_that_leaves_has_a_route(fails: Any) -> None:
    assert fails("route", "test", "alice@orchard.test").startswith("orchard.test is a domain of this server")


def test_the_sender_decides_too(postier: Any, listed: Any) -> None:
    postier("route", "add", "*", "any.test:25")
    postier("route", "add", "*", "--sender", "orchard.test", "--discard")
    assert listed("route", "test", "x@y.test", "--from", "a@orchard.test")["route"]["transport"] == "discard"
    assert listed("route", "test", "x@y.test", "--from", "a@b.test")["route"]["host"] == "any.test"
