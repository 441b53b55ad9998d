"""Hosts that mean no good, or are broken: at every verb, and in every stage of TLS.

Whatever they do there is one result for each recipient, nothing is said to be delivered that was not, no wait
is longer than its limit, and nothing grows.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvloop

from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.certificates import read_files
from postier.net.tls import server_context, verifying_client_context
from postier.queue.api import DeliveryResult, Envelope, Outcome
from postier.smtp.outbound.connection import Timeouts
from postier.smtp.outbound.routes import Host, Routes, RouteSettings
from postier.smtp.outbound.tls_policy import OpportunisticTls, TlsPolicies, TlsPolicy
from postier.smtp.outbound.transport import OutboundSettings, SmtpTransport
from postier.testing.dns import Zone, ZoneResolver

HostType = Any  # conftest's ScriptedHost
TextType = Any
SHORT = Timeouts(0.5, 0.5, 0.15, 0.15, 0.15, 0.15, 0.15)
PATIENT = Timeouts(5, 5, 5, 5, 5, 5, 5)
ZONE: Zone = {"b.example": [("MX", (1, "mx.b.example"))], "mx.b.example": [("A", "127.0.0.1")]}
CLOSE, STALL = "<close>", "<stall>"


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work())


def out(
    port: int, policies: TlsPolicies | None = None, timeouts: Timeouts = SHORT, zone: Zone = ZONE
) -> SmtpTransport:
    routes = Routes(ZoneResolver(zone), RouteSettings(port=port, allow_loopback=True))
    settings = OutboundSettings("mail.example", timeouts=timeouts, total=20)
    return SmtpTransport(routes, policies or OpportunisticTls(), settings)


def envelope(*who: str, **more: Any) -> Envelope:
    return Envelope("t", "a@a.example", tuple(f"{w}@b.example" for w in who or ("r",)), "b.example", **more)


def deliver(
    host: Any,
    text: Any,
    mail: Envelope | None = None,
    policies: TlsPolicies | None = None,
    timeouts: Timeouts = SHORT,
) -> tuple[DeliveryResult, ...]:
    async def work() -> tuple[DeliveryResult, ...]:
        async with host:
            transport = out(host.port, policies, timeouts)
            results = await transport.deliver(mail or envelope(), text)
            transport.close()
            return results

    found: tuple[DeliveryResult, ...] = run(work)
    return found


# ---------------------------------------------------------------------- at each verb


VERBS = ("greeting", "EHLO", "MAIL", "RCPT", "DATA", "message")
ENDLESS = "\r\n".join(["250-and another thing"] * 2000)
WAYS = {
    "stalls": STALL,
    "closes": CLOSE,
    "half a line": "25",
    "half a reply": "250-first",
    "no code": "hello there",
    "a code of four digits": "2500 ok",
    "a code that is none": "999 ok",
    "another code in its middle": "250-one\r\n550 two",
    "endless lines": ENDLESS,
    "an endless line": "250 " + "x" * 200_000,
    "octets of all kinds": "250 \x00\x01\x7f\x1b[2J",
    "421 and goodbye": "421 4.3.2 shutting down<close>",
    "421 and stays": "421 4.3.2 shutting down",
    "says yes and dies": "250 2.0.0 ok<close>",
    "an informal 1yz": "150 wait",
    "a challenge": "334 UGFzc3dvcmQ6",
    "two answers to one question": "250 2.0.0 ok\r\n250 2.0.0 and again",
    "not now": "451 4.3.0 later",
    "no status": "450 later",
    "a status of another class": "451 5.1.1 later",
}
FATAL = {"says yes and dies", "octets of all kinds", "two answers to one question"}
"""What is a yes to the end of the data, or to what came before."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_lost_whatever_happens_at_a_verb(
    host_type: HostType, text_type: TextType, verb: str, way: str
) -> None:
    host = host_type({verb: WAYS[way]})
    (result,) = deliver(host, text_type())
    if way in FATAL and verb == "message":
        assert result.outcome is Outcome.DELIVERED  # the host said so, after it had everything
        assert len(host.messages) == 1
    elif way in FATAL and verb in ("greeting", "MAIL", "RCPT", "EHLO") and way != "says yes and dies":
        assert result.outcome in (Outcome.DELIVERED, Outcome.TEMPORARY)
    elif (verb, way) == ("DATA", "a challenge"):
        assert result.outcome is Outcome.DELIVERED  # 3yz: go on (RFC 5321 4.3.2)
    else:
        assert result.outcome is Outcome.TEMPORARY
        assert result.status.startswith("4.")
    assert len(result.diagnostic) < 10_000
    assert not any(ord(character) < 32 for character in result.diagnostic)


@pytest.mark.parametrize("second", ["<close>", "421 4.3.2 bye<close>", "nonsense", "250 early\r\n250 more"])
@pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "message"])
def test_a_session_that_turns_bad_at_its_second_message(
    host_type: HostType, text_type: TextType, verb: str, second: str
) -> None:
    """The message goes over a new session, once; what was delivered stays so."""
    asked: list[str] = []
    good = {"MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go", "message": "250 ok"}[verb]

    def answer(line: str) -> str:
        asked.append(line)
        return second if len(asked) == 2 else good

    host = host_type({verb: answer})

    async def work() -> list[DeliveryResult]:
        async with host:
            transport = out(host.port)
            results = []
            for _ in range(3):
                results += await transport.deliver(envelope(), text_type())
            transport.close()
            return results

    first, doubtful, last = run(work)
    assert first.outcome is last.outcome is Outcome.DELIVERED
    if doubtful.outcome is not Outcome.DELIVERED:
        assert doubtful.outcome is Outcome.TEMPORARY
    assert 2 <= len(host.messages) <= 4


@pytest.mark.parametrize("size", [4096, 1_000_000])
def test_a_banner_without_end(host_type: HostType, text_type: TextType, size: int) -> None:
    (result,) = deliver(host_type({"greeting": "220 " + "x" * size}), text_type())
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.5.0")


def test_a_banner_of_many_lines_is_heard_out(host_type: HostType, text_type: TextType) -> None:
    lines = "\r\n".join(["220-no mail from friends"] * 99 + ["220 go on"])
    (result,) = deliver(host_type({"greeting": lines}), text_type())
    assert result.outcome is Outcome.DELIVERED


def test_a_host_that_drips_is_left(host_type: HostType, text_type: TextType) -> None:
    """A byte now and then puts no wait off."""

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"2")
                await asyncio.sleep(0.02)
        except (ConnectionError, asyncio.CancelledError):
            pass

    async def work() -> Any:
        server = await asyncio.start_server(drip, "127.0.0.1", 0)
        async with server:
            routes = Routes(
                ZoneResolver(ZONE),
                RouteSettings(port=server.sockets[0].getsockname()[1], allow_loopback=True),
            )
            settings = OutboundSettings("mail.example", timeouts=SHORT, total=20)
            results = await SmtpTransport(routes, OpportunisticTls(), settings).deliver(
                envelope(), text_type()
            )
            await asyncio.sleep(0.05)
            return results

    (result,) = run(work)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.4.2")


# ---------------------------------------------------------------------- TLS, stage by stage


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], ssl.SSLContext]:
    folder = tmp_path_factory.mktemp("tls")
    authority = make_ca("test")
    (folder / "ca.pem").write_bytes(authority.certificate)

    def make(name: str) -> ssl.SSLContext:
        pair = issue_certificate(authority, [name])
        write_key_pair(pair, folder / f"{name}.pem", folder / f"{name}.key")
        return server_context(read_files(folder / f"{name}.pem", folder / f"{name}.key"))

    make.folder = folder  # type: ignore[attr-defined]
    return make


@dataclass
class Verified:
    """TLS with a certificate for the host's name, whatever it costs."""

    authorities: Path

    def __post_init__(self) -> None:
        self.context = verifying_client_context(self.authorities)

    async def policy_for(self, destination: str, host: Host, **_: Any) -> TlsPolicy:
        return TlsPolicy(self.context, host.name, required=True, origin="test")


OFFER = "250-remote.example\r\n250-PIPELINING\r\n250 STARTTLS"
STAGES: list[tuple[str, dict[str, Any], str, bool]] = [
    # what goes wrong, the script, the certificate's name, and whether clear text may go on without a policy
    ("not offered", {"EHLO": "250 remote.example"}, "", True),
    ("refused", {"STARTTLS": "454 4.7.0 no"}, "", True),
    ("refused for good", {"STARTTLS": "501 5.5.4 no"}, "", True),
    ("closed", {"STARTTLS": CLOSE}, "", False),
    ("stalled", {"STARTTLS": STALL}, "", False),
    ("no handshake", {"STARTTLS": "220 go\r\nHTTP/1.1 400 Bad Request"}, "", True),
    ("closed in the handshake", {"STARTTLS": "220 go<close>"}, "", True),
    (
        "a reply injected behind the go-ahead",
        {"STARTTLS": "220 go\r\n250-evil\r\n250 AUTH"},
        "mx.b.example",
        True,
    ),
    ("another name", {}, "other.example", True),
]


@pytest.mark.parametrize(("what", "script", "name", "goes_on"), STAGES, ids=[stage[0] for stage in STAGES])
@pytest.mark.parametrize("policy", [False, True])
def test_tls_that_fails(
    host_type: HostType, text_type: TextType, certificates: Any,
    what: str, script: dict[str, Any], name: str, goes_on: bool, policy: bool,
) -> None:  # fmt: skip
    host = host_type({"EHLO": OFFER, **script}, tls=certificates(name or "mx.b.example"))
    if not name:
        host.tls = None
    policies = Verified(certificates.folder / "ca.pem") if policy else None
    (result,) = deliver(host, text_type(), policies=policies)
    assert (result.outcome is Outcome.DELIVERED) is (goes_on and not policy)
    if policy:
        assert result.outcome is Outcome.TEMPORARY
        assert host.messages == []


@pytest.mark.parametrize("second", [CLOSE, STALL, "421 4.3.2 bye", "nonsense", "502 5.5.1 what?"])
def test_ehlo_that_fails_under_tls(
    host_type: HostType, text_type: TextType, certificates: Any, second: str
) -> None:
    asked: list[str] = []

    def ehlo(line: str) -> str:
        asked.append(line)
        return second if len(asked) == 2 else OFFER

    host = host_type({"EHLO": ehlo, "HELO": "502 no"}, tls=certificates("mx.b.example"))
    (result,) = deliver(host, text_type(), policies=Verified(certificates.folder / "ca.pem"))
    assert result.outcome is Outcome.TEMPORARY
    assert host.messages == []


def test_what_was_offered_in_clear_counts_no_more_under_tls(
    host_type: HostType, text_type: TextType, certificates: Any
) -> None:
    asked: list[str] = []

    def ehlo(line: str) -> str:
        asked.append(line)
        return "250 remote.example" if len(asked) == 2 else "250-remote.example\r\n250-STARTTLS\r\n250 SIZE 1"

    host = host_type({"EHLO": ehlo}, tls=certificates("mx.b.example"))
    (result,) = deliver(host, text_type())
    assert result.outcome is Outcome.DELIVERED  # SIZE 1 was said in clear, by whomever
    assert not any("SIZE=" in command for command in host.commands)


# ---------------------------------------------------------------------- lies in EHLO


LIES: list[tuple[str, dict[str, Any], Envelope, Outcome, str]] = [
    (
        "SIZE that it does not mean",
        {"EHLO": "250-x\r\n250 SIZE 99999999", "MAIL": "552 5.3.4 too big"},
        envelope(),
        Outcome.PERMANENT,
        "5.3.4",
    ),
    ("a SIZE of 0", {"EHLO": "250-x\r\n250 SIZE 0"}, envelope(), Outcome.DELIVERED, "2.0.0"),
    ("a SIZE that is none", {"EHLO": "250-x\r\n250 SIZE lots"}, envelope(), Outcome.DELIVERED, "2.0.0"),
    (
        "RCPTMAX of 0",
        {"EHLO": "250-x\r\n250 LIMITS RCPTMAX=0 MAILMAX=-1"},
        envelope("a", "b"),
        Outcome.DELIVERED,
        "2.0.0",
    ),
    (
        "DSN that it refuses",
        {
            "EHLO": "250-x\r\n250 DSN",
            "RCPT": lambda line: "501 5.5.4 what?" if "NOTIFY" in line else "250 ok",
        },
        envelope(notify=("SUCCESS",), orcpt=("",)),
        Outcome.PERMANENT,
        "5.5.4",
    ),
    (
        "SMTPUTF8 that it refuses",
        {
            "EHLO": "250-x\r\n250 SMTPUTF8",
            "MAIL": lambda line: "550 5.6.7 no" if "UTF8" in line else "250 ok",
        },
        envelope("é"),
        Outcome.PERMANENT,
        "5.6.7",
    ),
    (
        "keywords of a kilobyte",
        {"EHLO": "250-x\r\n250-" + "A" * 1000 + "\r\n250 PIPELINING"},
        envelope(),
        Outcome.DELIVERED,
        "2.0.0",
    ),
    ("nothing at all", {"EHLO": "250"}, envelope(), Outcome.DELIVERED, "2.0.0"),
]


@pytest.mark.parametrize(("what", "script", "mail", "outcome", "status"), LIES, ids=[lie[0] for lie in LIES])
def test_lies_in_ehlo(
    host_type: HostType, text_type: TextType,
    what: str, script: dict[str, Any], mail: Envelope, outcome: Outcome, status: str,
) -> None:  # fmt: skip
    for result in deliver(host_type(script), text_type(), mail, timeouts=PATIENT):
        assert (result.outcome, result.status) == (outcome, status)


def test_pipelining_that_is_offered_and_answered_late(host_type: HostType, text_type: TextType) -> None:
    """Answers of three commands at once, in one packet, after the last."""
    host = host_type()
    held: list[bytes] = []
    at_once = host._answer

    async def late(writer: asyncio.StreamWriter, verb: str, line: str) -> str:
        if verb in ("MAIL", "RCPT"):
            held.append(b"250 2.0.0 ok\r\n")
            return "250"
        if verb == "DATA":
            writer.writelines(held)
        answer: str = await at_once(writer, verb, line)
        return answer

    host._answer = late
    results = deliver(host, text_type(), envelope("a", "b"), timeouts=PATIENT)
    assert [r.outcome for r in results] == [Outcome.DELIVERED] * 2


# ---------------------------------------------------------------------- many recipients


@pytest.mark.parametrize(("limit", "transactions"), [(1, 250), (40, 7), (100, 3), (1000, 3)])
def test_hosts_that_limit_recipients_get_more_transactions(
    host_type: HostType, text_type: TextType, limit: int, transactions: int
) -> None:
    host = host_type({"EHLO": f"250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX={limit}"})
    results = deliver(host, text_type(), envelope(*(f"r{n}" for n in range(250))), timeouts=PATIENT)
    assert all(r.outcome is Outcome.DELIVERED for r in results)
    assert len(host.messages) == transactions


def test_recipients_that_are_put_off_follow_in_the_next_transaction(
    host_type: HostType, text_type: TextType
) -> None:
    """RFC 5321 4.5.3.1.10, without a limit said before."""
    taken: list[str] = []

    def rcpt(line: str) -> str:
        if len(taken) >= 30:
            return "452 4.5.3 too many"
        taken.append(line)
        return "250 ok"

    def message(_: str) -> str:
        taken.clear()
        return "250 2.0.0 ok"

    host = host_type({"RCPT": rcpt, "message": message})
    results = deliver(host, text_type(), envelope(*(f"r{n}" for n in range(100))), timeouts=PATIENT)
    assert all(r.outcome is Outcome.DELIVERED for r in results)
    assert len(host.messages) == 4


def test_a_host_that_counts_messages_gets_a_new_session(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"EHLO": "250-x\r\n250 LIMITS MAILMAX=2"})

    async def work() -> None:
        async with host:
            transport = out(host.port)
            for _ in range(5):
                await transport.deliver(envelope(), text_type())
            transport.close()

    run(work)
    assert host.connections == 3


@pytest.mark.parametrize(("mails", "sessions"), [(1, 5), (2, 3), (4, 2), (5, 1), (0, 1)])
def test_a_host_that_counts_gets_one_message_over_several_sessions(
    host_type: HostType, text_type: TextType, mails: int, sessions: int
) -> None:
    """RFC 9422 MAILMAX binds the transactions of one message too."""
    host = host_type({"EHLO": f"250-x\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=1 MAILMAX={mails}"})
    results = deliver(host, text_type(), envelope(*"abcde"), timeouts=PATIENT)
    assert [r.outcome for r in results] == [Outcome.DELIVERED] * 5
    assert (len(host.messages), host.connections) == (5, sessions)


def test_recipients_that_are_put_off_again_and_again_end(host_type: HostType, text_type: TextType) -> None:
    script = {"EHLO": "250-x\r\n250 LIMITS RCPTMAX=1 MAILMAX=1", "RCPT": "450 4.2.0 later"}
    host = host_type(script)
    results = deliver(host, text_type(), envelope(*"abcde"), timeouts=PATIENT)
    assert [r.status for r in results] == ["4.2.0"] * 5
    assert host.connections == 5


ABOUT = [("RCPT", True), ("MAIL", False), ("DATA", False), ("message", False), ("greeting", False)]


@pytest.mark.parametrize(("verb", "about"), ABOUT)
def test_a_result_says_if_it_is_about_the_recipient(
    host_type: HostType, text_type: TextType, verb: str, about: bool
) -> None:
    """Else a host that does not know the sender would get its people suppressed."""
    (result,) = deliver(host_type({verb: "550 5.1.1 who is that?"}), text_type())
    assert (result.facts.get("about") == "recipient") is about


@pytest.mark.parametrize("able", [True, False])
def test_requiretls_looks_for_a_host_that_keeps_it(
    host_type: HostType, text_type: TextType, certificates: Any, able: bool
) -> None:
    """RFC 8689 4.2.1: every exchange is asked."""
    good = OFFER.replace("250 STARTTLS", "250-STARTTLS\r\n250 REQUIRETLS") if able else OFFER
    zone: Zone = {"b.example": [("MX", (1, "one.example")), ("MX", (2, "two.example"))]}
    zone = {**zone, "one.example": [("A", "127.0.0.1")], "two.example": [("A", "127.0.1.2")]}

    async def work() -> Any:
        tls = certificates("mx.b.example")
        async with (
            host_type({"EHLO": OFFER}, tls=tls) as one,
            host_type({"EHLO": good}, tls=tls, address="127.0.1.2", port=one.port) as two,
        ):
            transport = out(one.port, timeouts=PATIENT, zone=zone)
            results = await transport.deliver(envelope(requiretls=True), text_type())
            transport.close()
            assert (len(one.messages), len(two.messages)) == (0, int(able))
            return results

    (result,) = run(work)
    expected = (Outcome.DELIVERED, "2.0.0") if able else (Outcome.PERMANENT, "5.7.30")
    assert (result.outcome, result.status) == expected
