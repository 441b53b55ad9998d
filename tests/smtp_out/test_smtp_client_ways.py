"""Delivery along the administrator's routes: logins, TLS, LMTP, chunks, pools, fallbacks, sites."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.certificates import read_files
from postier.net.tls import server_context
from postier.queue.api import DeliveryResult, Envelope, Outcome
from postier.smtp.outbound.connection import Timeouts
from postier.smtp.outbound.route_table import RouteTable
from postier.smtp.outbound.routes import Routes, RouteSettings
from postier.smtp.outbound.tls_policy import OpportunisticTls
from postier.smtp.outbound.transport import OutboundSettings, SmtpTransport
from postier.store.api import MailRoute, RouteHost, RouteTls, RouteTransport, Source, SourcePool
from postier.testing.dns import Zone, ZoneResolver

HostType = Any  # conftest's ScriptedHost
TextType = Any
SHORT = Timeouts(2, 2, 2, 2, 2, 2, 2)
EHLO_TLS = "250-remote.example\r\n250-PIPELINING\r\n250 STARTTLS"
NAME, PASSWORD = "jürgen", "pass,word=1"


def offering(*keywords: str) -> str:
    lines = ["remote.example", "PIPELINING", *keywords]
    return "\r\n".join(f"250{'-' if n < len(lines) else ' '}{line}" for n, line in enumerate(lines, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


@pytest.fixture(scope="module")
def contexts(folder: Path) -> Callable[[str], ssl.SSLContext]:
    """Of a server that shows a certificate for a name, from the authority in ca.pem."""
    authority = make_ca("test")
    (folder / "ca.pem").write_bytes(authority.certificate)

    def make(name: str) -> ssl.SSLContext:
        pair = issue_certificate(authority, [name])
        write_key_pair(pair, folder / f"{name}.pem", folder / f"{name}.key")
        return server_context(read_files(folder / f"{name}.pem", folder / f"{name}.key"))

    return make


def to(host: Any, **more: Any) -> MailRoute:
    """A route for all to `host`, by the name "relay.test" that stands in ZONE."""
    place = RouteHost(host.path, 0) if host.path else RouteHost("relay.test", host.port)
    return MailRoute("*", **{"hosts": (place,), **more})


ZONE: Zone = {
    "relay.test": [("A", "127.0.0.1")],
    "other.test": [("A", "127.0.0.1")],
    "one.example": [("MX", (1, "relay.test")), ("MX", (2, "backup.test"))],
    "two.example": [("MX", (1, "Relay.test"))],
    "three.example": [("MX", (1, "other.test"))],
}


def mail(destination: str = "one.example", **more: Any) -> Envelope:
    return Envelope("t1", "ann@a.example", (f"bob@{destination}",), destination, **more)


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


def transport(
    *routes: MailRoute, pools: tuple[SourcePool, ...] = (), port: int = 25, **more: Any
) -> SmtpTransport:
    async def tables() -> RouteTable:
        return RouteTable(routes, pools, 1)

    ways = Routes(ZoneResolver(ZONE), RouteSettings(port=port, allow_loopback=True), tables=tables)
    return SmtpTransport(ways, OpportunisticTls(), OutboundSettings("mail.example", timeouts=SHORT, **more))


def deliver(
    host: Any, text: Any, *envelopes: Envelope, pools: tuple[SourcePool, ...] = (), **route: Any
) -> list[DeliveryResult]:
    """One after the other, along a route to `host`."""

    async def work() -> list[DeliveryResult]:
        async with host:
            out = transport(to(host, **route), pools=pools)
            results = [r for envelope in envelopes or (mail(),) for r in await out.deliver(envelope, text)]
            out.close()
            while host.is_busy:
                await asyncio.sleep(0.001)
            return results

    found: list[DeliveryResult] = run(work)
    return found


# ---------------------------------------------------------------------- TLS of a route


TLS_CASES = [
    # name in the certificate, what the route asks, delivered
    ("relay.test", {"tls": RouteTls.VERIFIED}, True),
    ("other.test", {"tls": RouteTls.VERIFIED}, False),
    ("other.test", {"tls": RouteTls.REQUIRED}, True),
    ("other.test", {"tls": RouteTls.POLICY}, True),
    ("other.test", {"implicit_tls": True}, True),
    ("relay.test", {"implicit_tls": True, "tls": RouteTls.VERIFIED}, True),
    ("other.test", {"implicit_tls": True, "tls": RouteTls.VERIFIED}, False),
]


@pytest.mark.parametrize(("name", "asks", "delivered"), TLS_CASES, ids=str)
def test_tls_is_as_the_route_asks(
    host_type: HostType, text_type: TextType, contexts: Any, folder: Path,
    name: str, asks: dict[str, Any], delivered: bool,
) -> None:  # fmt: skip
    host = host_type({"EHLO": EHLO_TLS}, tls=contexts(name), implicit="implicit_tls" in asks)
    (result,) = deliver(host, text_type(), authorities=str(folder / "ca.pem"), **asks)
    assert (result.outcome is Outcome.DELIVERED) is delivered
    assert result.tls.startswith("TLSv1.3") is delivered
    assert delivered or (result.outcome, result.status) == (Outcome.TEMPORARY, "4.7.5")


def test_no_clear_text_where_a_route_requires_tls(host_type: HostType, text_type: TextType) -> None:
    host = host_type()
    (result,) = deliver(host, text_type(), tls=RouteTls.REQUIRED)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.7.4")
    assert host.messages == []


def test_never_means_that_starttls_is_not_said(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"EHLO": EHLO_TLS})
    (result,) = deliver(host, text_type(), tls=RouteTls.NEVER)
    assert (result.outcome, result.tls) == (Outcome.DELIVERED, "")
    assert "STARTTLS" not in host.commands


def test_authorities_that_cannot_be_read_delay_the_mail(host_type: HostType, text_type: TextType) -> None:
    (result,) = deliver(host_type(), text_type(), tls=RouteTls.VERIFIED, authorities="/nowhere/ca.pem")
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.3.5")
    assert "/nowhere" not in result.diagnostic


# ---------------------------------------------------------------------- logins


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class ScramServer:
    """RFC 5802 from the other side; `lies` says what it gets wrong."""

    def __init__(self, lies: str = "") -> None:
        self.lies = lies
        self.said = ""

    def __call__(self, line: str) -> str:
        if line.startswith("AUTH"):
            client = base64.b64decode(line.split()[2]).decode()
            self.bare = client.removeprefix("n,,")
            nonce = "" if self.lies == "nonce" else self.bare.partition(",r=")[2]
            rounds = {"rounds": "2000000"}.get(self.lies, "4096")
            self.said = f"r={nonce}server,s={b64('salt')},i={rounds}"
            return f"334 {b64(self.said)}"
        answer = base64.b64decode(line).decode()
        if not answer:
            return "235 2.7.0 welcome"
        final, _, proof = answer.rpartition(",p=")
        salted = hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), b"salt", 4096)
        message = f"{self.bare},{self.said},{final}".encode()
        key = hmac.digest(salted, b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), message, "sha256")
        if bytes(a ^ b for a, b in zip(key, signature, strict=True)) != base64.b64decode(proof):
            return "535 5.7.8 no"
        server = hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), message, "sha256")
        if self.lies == "signature":
            server = bytes(32)
        if self.lies == "early":
            return "235 2.7.0 welcome, stranger"
        return f"334 {b64('v=' + base64.b64encode(server).decode())}"


def login_as(
    script: dict[str, Any], host_type: HostType, text_type: TextType, contexts: Any, folder: Path
) -> Any:
    host = host_type(script, tls=contexts("relay.test"))
    (result,) = deliver(host, text_type(), login=NAME, password=PASSWORD, authorities=str(folder / "ca.pem"))
    shown = result.diagnostic.casefold()
    secrets = (PASSWORD[:-1], b64(PASSWORD)[:-4], b64(f"\0{NAME}\0{PASSWORD}")[:-4])
    assert not any(secret.casefold() in shown for secret in secrets)
    return host, result


@pytest.mark.parametrize("kind", ["PLAIN", "LOGIN", "SCRAM-SHA-256"])
def test_we_log_in(host_type: HostType, text_type: TextType, contexts: Any, folder: Path, kind: str) -> None:
    answers = iter(("334 UGFzc3dvcmQ6", "235 2.7.0 ok"))
    scram = ScramServer()
    scripts: dict[str, dict[str, Any]] = {
        "PLAIN": {"AUTH": "235 2.7.0 ok"},
        "LOGIN": {"AUTH": "334 VXNlcm5hbWU6", "response": lambda _: next(answers)},
        "SCRAM-SHA-256": {"AUTH": scram, "response": scram},
    }
    script = {"EHLO": offering("STARTTLS", f"AUTH {kind}"), **scripts[kind]}
    host, result = login_as(script, host_type, text_type, contexts, folder)
    assert result.outcome is Outcome.DELIVERED
    said = [command for command in host.commands if not command.startswith(("EHLO", "STARTTLS", "QUIT"))]
    expected = {
        "PLAIN": ["AUTH PLAIN " + b64(f"\0{NAME}\0{PASSWORD}")],
        "LOGIN": ["AUTH LOGIN", b64(NAME), b64(PASSWORD)],
    }
    assert said[: len(expected.get(kind, ()))] == expected.get(kind, [])
    assert "MAIL FROM:<ann@a.example> AUTH=<>" in host.commands


def test_the_strongest_way_to_log_in_is_taken(
    host_type: HostType, text_type: TextType, contexts: Any, folder: Path
) -> None:
    scram = ScramServer()
    script = {
        "EHLO": offering("STARTTLS", "AUTH PLAIN LOGIN SCRAM-SHA-256 CRAM-MD5"),
        "AUTH": scram,
        "response": scram,
    }
    host, result = login_as(script, host_type, text_type, contexts, folder)
    assert result.outcome is Outcome.DELIVERED
    assert sum(command.startswith("AUTH SCRAM-SHA-256 ") for command in host.commands) == 1


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("PLAIN", {"AUTH": "535 5.7.8 wrong"}, "4.7.8"),
    ("PLAIN", {"AUTH": f"535 5.7.8 wrong: {PASSWORD}"}, "4.7.8"),
    ("PLAIN", {"AUTH": f"535 5.7.8 wrong: {PASSWORD[:-1]}"}, "4.7.8"),
    ("PLAIN", {"AUTH": lambda line: f"535 5.7.8 {line}"}, "4.7.8"),
    ("PLAIN", {"AUTH": lambda line: f"421 4.7.0 {line}<close>"}, "4.7.0"),
    ("PLAIN", {"AUTH": lambda line: line + "!" * 80}, "4.5.0"),
    ("PLAIN", {"AUTH": lambda line: f"535 5.7.8 {line.swapcase()}"}, "4.7.8"),
    ("LOGIN", {"AUTH": "334 ", "response": lambda said: "334 " if said == b64(NAME) else f"535 {said}"},
     "4.0.0"),
    ("PLAIN", {"AUTH": "454 4.7.0 later"}, "4.7.0"),
    ("PLAIN", {"AUTH": "334 ", "response": "334 "}, "4.7.8"),
    ("PLAIN", {"AUTH": "334 !!"}, "4.7.8"),
    ("LOGIN", {"AUTH": "334 ", "response": "334 "}, "4.7.8"),
    ("GSSAPI", {}, "4.7.4"),
    *(("SCRAM-SHA-256", {"AUTH": ScramServer(lie), "response": ScramServer(lie)}, "4.7.8")
      for lie in ("nonce", "rounds")),
    ("SCRAM-SHA-256", {"AUTH": "334 " + b64("nonsense")}, "4.7.8"),
    ("SCRAM-SHA-256", {"AUTH": "235 2.7.0 come in"}, "4.7.8"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "script", "status"), REFUSED)
def test_a_login_that_fails_delays_the_mail(
    host_type: HostType, text_type: TextType, contexts: Any, folder: Path,
    kind: str, script: dict[str, Any], status: str,
) -> None:  # fmt: skip
    script = {"EHLO": offering("STARTTLS", f"AUTH {kind}"), **script}
    host, result = login_as(script, host_type, text_type, contexts, folder)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, status)
    assert host.messages == []


@pytest.mark.parametrize("lie", ["signature", "early"])
def test_a_server_that_does_not_know_the_password_gets_no_mail(
    host_type: HostType, text_type: TextType, contexts: Any, folder: Path, lie: str
) -> None:
    scram = ScramServer(lie)
    script = {"EHLO": offering("STARTTLS", "AUTH SCRAM-SHA-256"), "AUTH": scram, "response": scram}
    host, result = login_as(script, host_type, text_type, contexts, folder)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.7.8")
    assert host.messages == []


@pytest.mark.parametrize("certificate", ["", "other.test"])
def test_a_password_is_shown_only_under_tls_to_the_right_host(
    host_type: HostType, text_type: TextType, contexts: Any, folder: Path, certificate: str
) -> None:
    script = {"EHLO": offering("STARTTLS", "AUTH PLAIN") if certificate else offering("AUTH PLAIN")}
    host = host_type(script, tls=contexts(certificate) if certificate else None)
    (result,) = deliver(host, text_type(), login=NAME, password=PASSWORD, authorities=str(folder / "ca.pem"))
    assert result.outcome is Outcome.TEMPORARY
    assert not any(command.startswith("AUTH") for command in host.commands)


# ---------------------------------------------------------------------- LMTP, chunks


@pytest.mark.parametrize("unix", [False, True])
def test_lmtp_answers_for_each_recipient(
    host_type: HostType, text_type: TextType, tmp_path: Path, unix: bool
) -> None:
    answers = {"a": "250 2.1.5 kept", "b": "552 5.2.2 full", "c": "450 4.2.0 later"}
    script = {
        "message": lambda line: answers[line[9]],
        "RCPT": lambda line: "550 5.1.1 who?" if line[9] == "x" else "250 ok",
    }
    host = host_type(script, lmtp=True, path=str(tmp_path / "lmtp") if unix else "")
    envelope = replace(mail(), forward_paths=tuple(f"{who}@one.example" for who in "axbc"))
    results = deliver(host, text_type(), envelope, mail(), transport=RouteTransport.LMTP)
    if unix:
        assert results[0].remote == f"unix:{tmp_path}/lmtp"
    assert [r.diagnostic for r in results[:4]] == [
        "250 2.1.5 kept",
        "550 5.1.1 who?",
        "552 5.2.2 full",
        "450 4.2.0 later",
    ]
    assert [r.outcome for r in results[:4]] == [
        Outcome.DELIVERED, Outcome.PERMANENT, Outcome.PERMANENT, Outcome.TEMPORARY,
    ]  # fmt: skip
    assert results[4].diagnostic == "552 5.2.2 full"  # bob, over the same session
    assert host.connections == 1
    assert host.commands[0] == "LHLO mail.example"


def test_lmtp_that_breaks_off_keeps_the_answers_that_came(host_type: HostType, text_type: TextType) -> None:
    answers = iter(["250 2.1.5 kept", "250 2.1.5 kept<close>"])
    host = host_type({"message": lambda _: next(answers)}, lmtp=True)
    envelope = replace(mail(), forward_paths=tuple(f"{who}@one.example" for who in "abc"))
    results = deliver(host, text_type(), envelope, transport=RouteTransport.LMTP)
    assert [r.outcome for r in results] == [Outcome.DELIVERED, Outcome.DELIVERED, Outcome.TEMPORARY]


BINARY = b"Subject: x\r\n\r\n\x00\n\r.\r\n.\r\n\xff"


@pytest.mark.parametrize("piece", [1000, 10, 1])
def test_a_binary_message_goes_in_chunks_as_it_is(
    host_type: HostType, text_type: TextType, piece: int
) -> None:
    host = host_type({"EHLO": offering("CHUNKING", "BINARYMIME")})
    first, second = deliver(host, text_type(BINARY, piece), *[mail(body="BINARYMIME")] * 2)
    assert first.outcome is second.outcome is Outcome.DELIVERED
    assert b"".join(host.messages) == BINARY * 2
    assert "MAIL FROM:<ann@a.example> BODY=BINARYMIME" in host.commands
    assert "DATA" not in host.commands
    assert sum(command.endswith(" LAST") for command in host.commands) == 2


def test_an_empty_binary_message_is_one_empty_chunk(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"EHLO": offering("CHUNKING", "BINARYMIME")})
    (result,) = deliver(host, text_type(b""), mail(body="BINARYMIME"))
    assert result.outcome is Outcome.DELIVERED
    assert "BDAT 0 LAST" in host.commands


@pytest.mark.parametrize("offer", [(), ("CHUNKING",), ("BINARYMIME",)])
def test_a_binary_message_is_returned_where_it_cannot_go(
    host_type: HostType, text_type: TextType, offer: tuple[str, ...]
) -> None:
    host = host_type({"EHLO": offering(*offer)})
    (result,) = deliver(host, text_type(BINARY), mail(body="BINARYMIME"))
    assert (result.outcome, result.status) == (Outcome.PERMANENT, "5.6.3")
    assert host.messages == []


@pytest.mark.parametrize(
    ("script", "outcome", "status"),
    [
        ({"RCPT": "550 5.1.1 no"}, Outcome.PERMANENT, "5.1.1"),
        ({"BDAT": "552 5.3.4 too much"}, Outcome.PERMANENT, "5.3.4"),
        ({"BDAT": "354 go on"}, Outcome.TEMPORARY, "4.5.0"),
        ({"BDAT": "<close>"}, Outcome.TEMPORARY, "4.4.2"),
        ({"message": "451 4.3.0 later"}, Outcome.TEMPORARY, "4.3.0"),
        ({"message": "<close>"}, Outcome.TEMPORARY, "4.4.2"),
    ],
)
def test_chunks_that_are_refused(
    host_type: HostType, text_type: TextType, script: dict[str, str], outcome: Outcome, status: str
) -> None:
    host = host_type({"EHLO": offering("CHUNKING", "BINARYMIME"), **script})
    (result,) = deliver(host, text_type(BINARY, 10), mail(body="BINARYMIME"))
    assert (result.outcome, result.status) == (outcome, status)
    assert "RCPT" not in script or host.messages == []


# ---------------------------------------------------------------------- no host, and the next best


@pytest.mark.parametrize(
    ("route", "outcome", "status", "text"),
    [
        (
            MailRoute("*", transport=RouteTransport.DISCARD),
            Outcome.DELIVERED,
            "2.0.0",
            "discarded, as a route says",
        ),
        (
            MailRoute("*", transport=RouteTransport.ERROR, reply="5.7.1 Not them"),
            Outcome.PERMANENT,
            "5.7.1",
            "Not them",
        ),
        (
            MailRoute("*", transport=RouteTransport.ERROR, reply="4.3.2 Moving"),
            Outcome.TEMPORARY,
            "4.3.2",
            "Moving",
        ),
    ],
)
def test_a_route_that_hands_nothing_on(
    text_type: TextType, route: MailRoute, outcome: Outcome, status: str, text: str
) -> None:
    (result,) = run(lambda: transport(route).deliver(mail(), text_type()))
    assert (result.outcome, result.status, result.diagnostic) == (outcome, status, text)


FALLBACKS = [
    # failed attempts, age, route taken
    (0, 0, "first"),
    (1, 10, "first"),
    (2, 0, "second"),
    (0, 3600, "second"),
    (4, 0, "second"),
    (5, 0, "third"),
    (9, 9999, "third"),
]


@pytest.mark.parametrize(("attempts", "age", "taken"), FALLBACKS)
def test_a_fallback_is_taken_after_attempts_or_hours(attempts: int, age: int, taken: str) -> None:
    table = RouteTable(
        [
            MailRoute("*", pool="first", fallback="@two", fallback_attempts=2, fallback_age=3600),
            MailRoute("@two", pool="second", fallback="@three", fallback_attempts=5),
            MailRoute("@three", pool="third", fallback="@two", fallback_attempts=1),
            MailRoute("lost.test", pool="lost", fallback="@gone", fallback_attempts=1),
        ]
    )
    found = table.route_for("x.test", "", attempts, age)
    assert found is not None
    lost = table.route_for("lost.test", "", 9, 0)
    assert lost is not None
    assert lost.pool == "lost"
    assert found.pool == taken  # three and two name each other: it ends all the same


def test_the_fallback_gets_what_the_first_host_would_not(host_type: HostType, text_type: TextType) -> None:
    async def work() -> Any:
        spare = host_type()
        async with spare:
            out = transport(
                MailRoute("*", hosts=(RouteHost("127.0.0.1", 1),), fallback="@spare", fallback_attempts=1),
                MailRoute("@spare", hosts=(RouteHost("127.0.0.1", spare.port),)),
            )
            results = [await out.deliver(mail(attempts=n), text_type()) for n in (0, 1)]
            out.close()
            return [r.outcome for (r,) in results]

    assert run(work) == [Outcome.TEMPORARY, Outcome.DELIVERED]


# ---------------------------------------------------------------------- pools of addresses


HERE = (Source("127.0.0.11", "eleven.test"), Source("127.0.0.12", "twelve.test"), Source("127.0.0.13"))


def test_addresses_are_used_by_turns_each_with_its_name(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"message": "250 2.0.0 ok<close>"})
    deliver(host, text_type(), *[mail()] * 6, pools=(SourcePool("p", HERE),), pool="p")
    assert sorted(host.peers) == sorted([s.address for s in HERE] * 2)
    names = dict(zip(host.peers, [c for c in host.commands if c.startswith("EHLO")], strict=True))
    assert names == {
        "127.0.0.11": "EHLO eleven.test", "127.0.0.12": "EHLO twelve.test", "127.0.0.13": "EHLO mail.example",
    }  # fmt: skip


def test_a_sticky_pool_shows_a_site_one_address(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"message": "250 2.0.0 ok<close>"})
    deliver(host, text_type(), *[mail()] * 6, pools=(SourcePool("p", HERE, sticky=True),), pool="p")
    assert len(set(host.peers)) == 1


@pytest.mark.parametrize(
    "script",
    [
        {"greeting": "554 5.7.1 you are listed"},
        {"RCPT": "550 5.7.1 127.0.0.11 is blocked"},
        {"EHLO": "550 5.7.25 no reverse name", "HELO": "550 5.7.25 no reverse name"},
    ],
)
def test_an_address_that_is_turned_away_rests(
    host_type: HostType, text_type: TextType, script: dict[str, str]
) -> None:
    host = host_type(script)
    pool = SourcePool("p", (Source("127.0.0.11"), Source("127.0.0.12")), sticky=False)

    async def work() -> None:
        async with host:
            out = transport(to(host, pool="p"), pools=(pool,))
            while "127.0.0.11" not in host.peers:
                await out.deliver(mail(), text_type())
            host.script, host.peers = {"message": "250 2.0.0 ok<close>"}, []
            await asyncio.gather(*(out.deliver(mail(), text_type()) for _ in range(3)))
            out.close()

    run(work)
    assert "127.0.0.11" not in host.peers or "127.0.0.12" not in host.peers


def test_a_refusal_that_is_not_about_us_rests_nothing(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"RCPT": "550 5.7.1 this text is not wanted<close>"})
    deliver(host, text_type(), *[mail()] * 4, pools=(SourcePool("p", HERE[:2]),), pool="p")
    assert len(set(host.peers)) == 2


def test_an_address_that_this_machine_has_not_costs_no_host(host_type: HostType, text_type: TextType) -> None:
    host = host_type()
    pool = SourcePool("p", (Source("192.0.2.1"), Source("127.0.0.11")))
    results = deliver(host, text_type(), *[mail()] * 3, pools=(pool,), pool="p")
    assert [r.outcome for r in results][1:] == [Outcome.DELIVERED] * 2
    assert set(host.peers) == {"127.0.0.11"}


def test_a_pool_without_an_address_of_the_family(host_type: HostType, text_type: TextType) -> None:
    (result,) = deliver(
        host_type(), text_type(), pools=(SourcePool("p", (Source("2001:db8::1"),)),), pool="p"
    )
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.4.1")
    assert result.diagnostic == "the pool p has no IPv4 address"


# ---------------------------------------------------------------------- sessions by site


def through_dns(host: Any, text: Any, *destinations: str) -> list[DeliveryResult]:
    async def work() -> list[DeliveryResult]:
        async with host:
            out = transport(port=host.port)
            results = [(await out.deliver(mail(d), text))[0] for d in destinations]
            out.close()
            while host.is_busy:
                await asyncio.sleep(0.001)
            return results

    found: list[DeliveryResult] = run(work)
    return found


def test_domains_of_one_site_share_a_session(host_type: HostType, text_type: TextType) -> None:
    host = host_type()
    through_dns(host, text_type(), "one.example", "two.example", "one.example")
    assert host.connections == 1
    assert len(host.messages) == 3


def test_another_name_for_the_same_address_is_another_site(host_type: HostType, text_type: TextType) -> None:
    host = host_type()
    through_dns(host, text_type(), "one.example", "three.example")
    assert host.connections == 2


def test_other_terms_mean_another_session(host_type: HostType, text_type: TextType) -> None:
    """The same host by a route of the sender's that never uses TLS: what was agreed differs."""
    host = host_type()

    async def work() -> None:
        async with host:
            plain = to(host)
            out = transport(plain, replace(plain, sender="b.example", tls=RouteTls.NEVER))
            for sender in ("x@a.example", "x@b.example", "x@a.example", "x@b.example"):
                await out.deliver(replace(mail(), reverse_path=sender), text_type())
            out.close()

    run(work)
    assert host.connections == 2


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_a_tls_session_is_taken_up_again(
    host_type: HostType, text_type: TextType, contexts: Any, folder: Path, loop: str
) -> None:
    host = host_type({"EHLO": EHLO_TLS, "message": "250 2.0.0 ok<close>"}, tls=contexts("relay.test"))

    async def work() -> list[DeliveryResult]:
        async with host:
            out = transport(
                to(host, tls=RouteTls.VERIFIED, authorities=str(folder / "ca.pem")),
                replace(to(host), sender="b.example"),
            )
            results = []
            for sender in ("a", "a", "b", "b", "a"):  # another policy never takes up the session of the first
                results += await out.deliver(replace(mail(), reverse_path=f"x@{sender}.example"), text_type())
                resumed.append(host.resumed)
            out.close()
            return results

    resumed: list[int] = []
    results = run(work) if loop == "uvloop" else asyncio.run(work())
    assert all(r.outcome is Outcome.DELIVERED for r in results)
    assert host.secured == 5
    assert resumed == [0, 1, 1, 2, 3]


# ---------------------------------------------------------------------- what one message needs


def test_requiretls_is_passed_on_or_the_message_returned(
    host_type: HostType, text_type: TextType, contexts: Any
) -> None:
    able = host_type({"EHLO": offering("STARTTLS", "REQUIRETLS")}, tls=contexts("relay.test"))
    (result,) = deliver(able, text_type(), mail(requiretls=True))
    assert result.outcome is Outcome.DELIVERED
    assert "MAIL FROM:<ann@a.example> REQUIRETLS" in able.commands
    for script, tls, status in (
        (offering("STARTTLS"), contexts("relay.test"), "5.7.30"),
        (offering("REQUIRETLS"), None, "5.7.10"),
    ):
        unable = host_type({"EHLO": script}, tls=tls)
        (result,) = deliver(unable, text_type(), mail(requiretls=True))
        assert (result.outcome, result.status) == (Outcome.PERMANENT, status)
        unable = host_type({"EHLO": script}, tls=tls)
        report = replace(mail(requiretls=True), reverse_path="")  # it rather arrives (RFC 8689 5)
        (result,) = deliver(unable, text_type(), report)
        assert result.outcome is Outcome.DELIVERED
        assert "MAIL FROM:<>" in unable.commands
