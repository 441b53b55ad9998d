"""Delivery against hosts on the loopback that stall, close, refuse and talk nonsense at every step."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from postier.dns.api import TemporaryFailure
from postier.queue.api import DeliveryResult, Envelope, Outcome
from postier.queue.worker import LEASE
from postier.smtp.outbound.connection import Timeouts
from postier.smtp.outbound.route_table import RouteTable
from postier.smtp.outbound.routes import Host, Routes, RouteSettings
from postier.smtp.outbound.tls_policy import OpportunisticTls, TlsPolicy
from postier.smtp.outbound.transport import LONGEST, OutboundSettings, SmtpTransport
from postier.store.api import MailRoute, RouteHost
from postier.testing.dns import ZoneResolver

HostType = Any  # conftest's ScriptedHost
TextType = Any
SHORT = Timeouts(0.5, 0.5, 0.1, 0.1, 0.1, 0.1, 0.1)
LONG = Timeouts(5, 5, 5, 5, 5, 5, 5)
CLOSE, STALL = "<close>", "<stall>"


def envelope(*paths: str, **more: Any) -> Envelope:
    return Envelope("t1", "ann@a.example", paths or ("bob@b.example",), "b.example", **more)


def transport(
    *ports: int, timeouts: Timeouts = LONG, keep: float = 5.0, total: float = 30.0, policies: Any = None
) -> SmtpTransport:
    """To b.example, whose exchanges are the loopback addresses 127.0.0.1, .2, ... with the same port."""
    records: list[object] = [("MX", (n, f"mx{n}.b.example")) for n in range(1, len(ports) + 1)]
    zone: dict[str, list[object]] = {"b.example": records}
    for n in range(1, len(ports) + 1):
        zone[f"mx{n}.b.example"] = [("A", f"127.0.0.{n}")]
    ways = RouteSettings(port=ports[0], allow_loopback=True)
    out = SmtpTransport(
        Routes(ZoneResolver(zone), ways),
        policies or OpportunisticTls(),
        OutboundSettings("mail.example", timeouts=timeouts, keep=keep, total=total),
    )
    OPEN.append(out)
    return out


OPEN: list[SmtpTransport] = []


def run(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    """The work, and then the goodbyes of the sessions that wait."""

    async def with_close() -> Any:
        try:
            return await work()
        finally:
            while OPEN:
                OPEN.pop().close()
            for _ in range(5):
                await asyncio.sleep(0)  # let the loop close what was told to close

    return asyncio.run(with_close())


def deliver_once(
    host: Any, text: Any, *, mail: Envelope | None = None, timeouts: Timeouts = LONG
) -> tuple[DeliveryResult, ...]:
    async def work() -> tuple[DeliveryResult, ...]:
        async with host:
            out = transport(host.port, timeouts=timeouts)
            return await out.deliver(mail or envelope(), text)

    found: tuple[DeliveryResult, ...] = run(work)
    return found


def test_a_message_is_handed_on_and_the_host_quoted(host_type: HostType, text_type: TextType) -> None:
    host = host_type()
    (result,) = deliver_once(host, text_type())
    assert result.outcome is Outcome.DELIVERED
    assert result.diagnostic == "250 2.0.0 queued as 42"
    assert result.status == "2.0.0"
    assert result.remote == f"mx1.b.example [127.0.0.1]:{host.port}"
    assert host.commands == [
        "EHLO mail.example",
        "MAIL FROM:<ann@a.example> SIZE=24",
        "RCPT TO:<bob@b.example>",
        "DATA",
    ]
    assert host.messages == [b"Subject: hello\r\n\r\n..dot\r\n"]


REFUSALS = [
    # verb, answer, outcome, status
    ("greeting", "421 4.3.2 busy", Outcome.TEMPORARY, "4.3.2"),
    ("greeting", "554 5.7.1 you are listed", Outcome.TEMPORARY, "4.7.1"),
    ("greeting", "521 no mail here", Outcome.PERMANENT, "5.0.0"),
    ("MAIL", "451 4.3.0 later", Outcome.TEMPORARY, "4.3.0"),
    ("MAIL", "550 5.7.1 not you", Outcome.PERMANENT, "5.7.1"),
    ("RCPT", "450 4.2.0 greylisted", Outcome.TEMPORARY, "4.2.0"),
    ("RCPT", "550 5.1.1 unknown", Outcome.PERMANENT, "5.1.1"),
    ("RCPT", "552 5.2.2 full", Outcome.PERMANENT, "5.2.2"),
    ("RCPT", "550 no status", Outcome.PERMANENT, "5.0.0"),
    ("DATA", "451 later", Outcome.TEMPORARY, "4.0.0"),
    ("DATA", "554 5.6.0 never", Outcome.PERMANENT, "5.6.0"),
    ("DATA", "250 what", Outcome.TEMPORARY, "4.5.0"),
    ("message", "452 4.3.1 disk full", Outcome.TEMPORARY, "4.3.1"),
    ("message", "550 5.7.26 forged", Outcome.PERMANENT, "5.7.26"),
    ("message", "354 more", Outcome.TEMPORARY, "4.5.0"),
    ("message", "421 4.3.2 going down", Outcome.TEMPORARY, "4.3.2"),
    ("EHLO", "421 4.3.2 going down<close>", Outcome.TEMPORARY, "4.3.2"),
    ("MAIL", "554 5.7.1 listed<close>", Outcome.PERMANENT, "5.7.1"),
    ("RCPT", "550 5.1.1 unknown<close>", Outcome.PERMANENT, "5.1.1"),
    ("RCPT", "250 ok<close>", Outcome.TEMPORARY, "4.4.2"),
]


@pytest.mark.parametrize(("verb", "answer", "outcome", "status"), REFUSALS)
def test_refusals(
    host_type: HostType, text_type: TextType, verb: str, answer: str, outcome: Outcome, status: str
) -> None:
    (result,) = deliver_once(host_type({verb: answer}), text_type())
    assert (result.outcome, result.status) == (outcome, status)
    assert result.diagnostic.startswith(answer[:3]) or status in ("4.5.0", "4.4.2")


@pytest.mark.parametrize(
    ("verb", "answer"),
    [
        ("greeting", "250 hello"),
        ("EHLO", "220-remote.example\r\n220 PIPELINING"),
        ("MAIL", "200 well"),
        ("RCPT", "251 2.1.5 it is sent on"),
        ("RCPT", "252 2.1.5 whoever that is"),
        ("RCPT", "299 fine"),
        ("DATA", "350 go on"),
        ("message", "200 done"),
        ("message", "252 2.6.0 kept"),
    ],
)
def test_of_a_code_that_nobody_knows_the_first_digit_counts(
    host_type: HostType, text_type: TextType, verb: str, answer: str
) -> None:
    """RFC 5321 4.2, 4.3.2."""
    host = host_type({verb: answer})
    (result,) = deliver_once(host, text_type())
    assert result.outcome is Outcome.DELIVERED
    assert len(host.messages) == 1


@pytest.mark.parametrize(
    "greeting", ["220 mail.example ESMTP", "220 MAIL.example.", "220-Mail.Example hi\r\n220 x"]
)
def test_a_host_that_greets_with_our_name_is_a_loop(
    host_type: HostType, text_type: TextType, greeting: str
) -> None:
    """Exchanges behind it would only send the message back, so they are not asked (RFC 5321 5.1)."""
    ourselves, behind = host_type({"greeting": greeting}), host_type(address="127.0.0.2")

    async def work() -> tuple[DeliveryResult, ...]:
        async with ourselves:
            behind.port = ourselves.port
            async with behind:
                return await transport(ourselves.port, behind.port).deliver(envelope(), text_type())

    (result,) = run(work)
    assert (result.outcome, result.status) == (Outcome.PERMANENT, "5.4.6")
    assert result.diagnostic == "the mail host mx1.b.example is this server: mail would loop"
    assert ourselves.commands == []
    assert behind.connections == 0


def test_a_loop_behind_a_host_that_is_busy_is_waited_for(host_type: HostType, text_type: TextType) -> None:
    busy = host_type({"greeting": "421 4.3.2 busy"})
    ourselves = host_type({"greeting": "220 mail.example"}, address="127.0.0.2")

    async def work() -> tuple[DeliveryResult, ...]:
        async with busy:
            ourselves.port = busy.port
            async with ourselves:
                return await transport(busy.port, ourselves.port).deliver(envelope(), text_type())

    (result,) = run(work)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.3.2")
    assert ourselves.connections == 1


@pytest.mark.parametrize(
    "greeting", ["220 mail.example.org", "220 relay.mail.example", "220 hello mail.example"]
)
def test_a_name_that_only_resembles_ours_is_no_loop(
    host_type: HostType, text_type: TextType, greeting: str
) -> None:
    (result,) = deliver_once(host_type({"greeting": greeting}), text_type())
    assert result.outcome is Outcome.DELIVERED


def test_a_fixed_route_may_lead_to_a_host_of_our_name(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"greeting": "220 mail.example a filter"})

    async def work() -> tuple[DeliveryResult, ...]:
        async def fixed() -> RouteTable:
            return RouteTable([MailRoute("*", hosts=(RouteHost(host.address, host.port),))])

        async with host:
            ways = Routes(ZoneResolver({}), RouteSettings(), tables=fixed)
            out = SmtpTransport(ways, OpportunisticTls(), OutboundSettings("mail.example", timeouts=LONG))
            OPEN.append(out)
            return await out.deliver(envelope(), text_type())

    (result,) = run(work)
    assert result.outcome is Outcome.DELIVERED


@pytest.mark.parametrize("verb", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "message"])
@pytest.mark.parametrize("answer", [CLOSE, STALL, "nonsense", "250-endless\r\n550 mixed", "99"])
def test_whatever_breaks_is_temporary(
    host_type: HostType, text_type: TextType, verb: str, answer: str
) -> None:
    (result,) = deliver_once(host_type({verb: answer}), text_type(), timeouts=SHORT)
    assert result.outcome is Outcome.TEMPORARY
    assert result.status.startswith("4.")
    assert result.diagnostic


def test_nobody_listens(host_type: HostType, text_type: TextType) -> None:
    async def work() -> Any:
        async with host_type() as host:
            port = host.port
        return await transport(port).deliver(envelope(), text_type())

    (result,) = run(work)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.4.1")


def test_the_answer_to_the_final_dot_alone_counts(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"message": CLOSE})
    (result,) = deliver_once(host, text_type())
    assert result.outcome is Outcome.TEMPORARY
    assert len(host.messages) == 1
    assert host.connections == 1  # it may have the message: not sent again in this attempt


def test_helo_where_ehlo_is_refused(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"EHLO": "502 5.5.1 no"})
    (result,) = deliver_once(host, text_type())
    assert result.outcome is Outcome.DELIVERED
    assert host.commands[1:3] == ["HELO mail.example", "MAIL FROM:<ann@a.example>"]


def test_some_recipients_are_refused(host_type: HostType, text_type: TextType) -> None:
    answers = {"x": "550 5.1.1 no", "y": "450 4.2.1 later", "z": "250 ok"}
    host = host_type({"RCPT": lambda line: answers[line[9]]})
    results = deliver_once(host, text_type(), mail=envelope("x@b.example", "y@b.example", "z@b.example"))
    assert [r.outcome for r in results] == [Outcome.PERMANENT, Outcome.TEMPORARY, Outcome.DELIVERED]
    assert [r.forward_path for r in results] == ["x@b.example", "y@b.example", "z@b.example"]
    assert len(host.messages) == 1


def test_a_354_without_recipients_gets_an_empty_message(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"RCPT": "550 5.1.1 no", "message": "554 5.5.1 no recipients"})
    (result,) = deliver_once(host, text_type())
    assert (result.outcome, result.status) == (Outcome.PERMANENT, "5.1.1")
    assert b"Subject" not in b"".join(host.messages)


def test_too_many_recipients_go_in_another_transaction(host_type: HostType, text_type: TextType) -> None:
    taken: list[str] = []

    def rcpt(line: str) -> str:
        taken.append(line)
        return "250 ok" if len(taken) % 4 in (1, 2) else "452 4.5.3 too many"

    host = host_type({"RCPT": rcpt})
    results = deliver_once(host, text_type(), mail=envelope(*(f"r{i}@b.example" for i in range(4))))
    assert [r.outcome for r in results] == [Outcome.DELIVERED] * 4
    assert len(host.messages) == 2
    assert host.connections == 1


def test_at_most_a_hundred_recipients_at_a_time(host_type: HostType, text_type: TextType) -> None:
    host = host_type()
    results = deliver_once(host, text_type(), mail=envelope(*(f"r{i}@b.example" for i in range(205))))
    assert [r.outcome for r in results] == [Outcome.DELIVERED] * 205
    assert len(host.messages) == 3


def test_the_hosts_own_limit_of_recipients(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"EHLO": "250-remote.example\r\n250 LIMITS RCPTMAX=2"})
    deliver_once(host, text_type(), mail=envelope(*(f"r{i}@b.example" for i in range(4))))
    assert len(host.messages) == 2


@pytest.mark.parametrize(
    ("ehlo", "mail", "status"),
    [
        ("250-x\r\n250 SIZE 10", envelope(), "5.3.4"),
        ("250 x", envelope(smtputf8=True), "5.6.7"),
        ("250 x", Envelope("t", "a@a.example", ("jürgen@b.example",), "b.example"), "5.6.7"),
    ],
)
def test_what_the_host_cannot_take_is_not_sent(
    host_type: HostType, text_type: TextType, ehlo: str, mail: Envelope, status: str
) -> None:
    host = host_type({"EHLO": ehlo})
    (result,) = deliver_once(host, text_type(), mail=mail)
    assert (result.outcome, result.status) == (Outcome.PERMANENT, status)
    assert not any(command.startswith("MAIL") for command in host.commands)


def test_eight_bits_go_as_they_are_to_a_host_without_8bitmime(
    host_type: HostType, text_type: TextType
) -> None:
    host = host_type({"EHLO": "250 x"})
    (result,) = deliver_once(host, text_type(b"\xc3\xa9\r\n"), mail=envelope(body="8BITMIME"))
    assert result.outcome is Outcome.DELIVERED
    assert host.messages == [b"\xc3\xa9\r\n"]
    assert "BODY" not in host.commands[1]


def test_dsn_parameters_and_who_reports(host_type: HostType, text_type: TextType) -> None:
    mail = envelope(ret="HDRS", envid="e+2B1", notify=("SUCCESS",), orcpt=("rfc822;b@x",))
    host = host_type({"EHLO": "250-x\r\n250-PIPELINING\r\n250 DSN"})
    (result,) = deliver_once(host, text_type(), mail=mail)
    assert result.facts["dsn"] == "passed on"
    assert host.commands[1] == "MAIL FROM:<ann@a.example> RET=HDRS ENVID=e+2B1"
    assert host.commands[2] == "RCPT TO:<bob@b.example> NOTIFY=SUCCESS ORCPT=rfc822;b@x"
    plain = host_type()
    (result,) = deliver_once(plain, text_type(), mail=mail)
    assert "dsn" not in result.facts
    assert plain.commands[2] == "RCPT TO:<bob@b.example>"


def test_an_early_refusal_in_the_middle_of_the_data_is_heard(
    host_type: HostType, text_type: TextType
) -> None:
    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 x\r\n")
        for answer in (b"250 x\r\n", b"250 ok\r\n", b"250 ok\r\n", b"354 go\r\n"):
            await reader.readline()
            writer.write(answer)
        await reader.read(1000)
        writer.write(b"552 5.3.4 too long\r\n")
        await writer.drain()
        writer.close()

    async def work() -> Any:
        server = await asyncio.start_server(refuse, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            return await transport(port).deliver(envelope(), text_type(b"x" * 20_000_000))

    (result,) = run(work)
    assert (result.outcome, result.status) in [(Outcome.PERMANENT, "5.3.4"), (Outcome.TEMPORARY, "4.4.2")]


@pytest.mark.parametrize(
    ("early", "outcome", "status"),
    [
        ("250 2.0.0 done already", Outcome.TEMPORARY, "4.4.2"),
        ("554 5.6.0 no", Outcome.PERMANENT, "5.6.0"),
        ("451 4.3.0 no", Outcome.TEMPORARY, "4.3.0"),
        ("nonsense", Outcome.TEMPORARY, "4.4.2"),
    ],
)
def test_an_answer_before_its_question_delivers_nothing(
    host_type: HostType, text_type: TextType, early: str, outcome: Outcome, status: str
) -> None:
    host = host_type({"DATA": f"354 go\r\n{early}"})
    (result,) = deliver_once(host, text_type())
    assert (result.outcome, result.status) == (outcome, status)
    assert host.messages == []


def test_smtputf8_is_asked_for_where_a_path_needs_it(host_type: HostType, text_type: TextType) -> None:
    host = host_type({"EHLO": "250-x\r\n250 SMTPUTF8"})
    (result,) = deliver_once(
        host, text_type(), mail=Envelope("t", "a@a.example", ("jürgen@b.example",), "b.example")
    )
    assert result.outcome is Outcome.DELIVERED
    assert host.commands[1:3] == ["MAIL FROM:<a@a.example> SMTPUTF8", "RCPT TO:<jürgen@b.example>"]


ANSWERS = st.sampled_from(
    [
        "220 x",
        "250 ok",
        "250-a\r\n250 PIPELINING",
        "354 go",
        "421 bye",
        "450 4.2.0 x",
        "550 5.1.1 x",
        "334 ",
        "x",
    ]
)
VERBS = ("greeting", "EHLO", "HELO", "MAIL", "RCPT", "DATA", "message", "RSET")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries(dict.fromkeys(VERBS, ANSWERS)), st.integers(1, 3))
def test_whatever_a_host_answers_there_is_a_result_for_each(
    host_type: HostType, text_type: TextType, script: dict[str, str], count: int
) -> None:
    host = host_type({verb: answer + CLOSE * (answer == "x") for verb, answer in script.items()})
    paths = tuple(f"r{i}@b.example" for i in range(count))
    results = deliver_once(host, text_type(), mail=envelope(*paths), timeouts=SHORT)
    assert tuple(r.forward_path for r in results) == paths
    for result in results:
        kind = {Outcome.DELIVERED: "2", Outcome.TEMPORARY: "4", Outcome.PERMANENT: "5"}[result.outcome]
        assert result.status.startswith(kind + ".")
        delivers = script["DATA"] == "354 go" and script["message"].startswith("2")
        assert delivers or result.outcome is not Outcome.DELIVERED


def test_a_message_that_breaks_off_is_not_delivered(host_type: HostType) -> None:
    class Broken:
        size = 100

        async def chunks(self) -> Any:
            yield b"Subject: half\r\n"
            raise OSError("disk")

    host = host_type()
    (result,) = deliver_once(host, Broken())
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.3.0")
    assert host.messages == []


# ---------------------------------------------------------------------- several hosts


def with_hosts(
    scripts: list[dict[str, Any]], host_type: HostType, work: Callable[[SmtpTransport], Awaitable[Any]]
) -> tuple[Any, list[Any]]:
    """Hosts on 127.0.0.1, .2, ... of one port, exchanges in this order."""

    async def go() -> tuple[Any, list[Any]]:
        hosts: list[Any] = []
        port = 0
        for n, script in enumerate(scripts, 1):
            host = host_type(script, port=port, address=f"127.0.0.{n}")
            await host.__aenter__()
            port = host.port
            hosts.append(host)
        try:
            return await work(transport(*(h.port for h in hosts))), hosts
        finally:
            for host in hosts:
                await host.__aexit__(None, None, None)

    found: tuple[Any, list[Any]] = run(go)
    return found


@pytest.mark.parametrize(
    "first",
    [
        {"greeting": "554 no"},
        {"greeting": CLOSE},
        {"MAIL": "451 later"},
        {"RCPT": "450 4.2.0 grey"},
        {"RCPT": "250 ok" + CLOSE},
    ],
)
def test_the_next_host_takes_what_the_first_would_not(
    host_type: HostType, text_type: TextType, first: dict[str, str]
) -> None:
    results, hosts = with_hosts([first, {}], host_type, lambda out: out.deliver(envelope(), text_type()))
    assert results[0].outcome is Outcome.DELIVERED
    assert results[0].remote.startswith("mx2")
    assert len(hosts[1].messages) == 1


@pytest.mark.parametrize(
    "first", [{"RCPT": "550 5.1.1 no"}, {"message": "451 later"}, {"message": CLOSE}, {"DATA": "554 no"}]
)
def test_no_next_host_after_a_last_word_or_the_data(
    host_type: HostType, text_type: TextType, first: dict[str, str]
) -> None:
    results, hosts = with_hosts([first, {}], host_type, lambda out: out.deliver(envelope(), text_type()))
    assert results[0].outcome is not Outcome.DELIVERED
    assert hosts[1].connections == 0


def test_what_a_host_said_outlives_a_worse_host(host_type: HostType, text_type: TextType) -> None:
    scripts = [{"RCPT": "450 4.2.0 greylisted, come back"}, {"greeting": CLOSE}]
    results, _ = with_hosts(scripts, host_type, lambda out: out.deliver(envelope(), text_type()))
    assert results[0].diagnostic == "450 4.2.0 greylisted, come back"


def test_at_most_five_hosts_are_tried(host_type: HostType, text_type: TextType) -> None:
    scripts = [{"greeting": CLOSE} for _ in range(7)]
    _, hosts = with_hosts(scripts, host_type, lambda out: out.deliver(envelope(), text_type()))
    assert sum(host.connections for host in hosts) == 5


# ---------------------------------------------------------------------- sessions that wait


def test_a_session_is_used_again(host_type: HostType, text_type: TextType) -> None:
    host = host_type()

    async def work() -> None:
        async with host:
            out = transport(host.port)
            for _ in range(3):
                await out.deliver(envelope(), text_type())

    run(work)
    assert host.connections == 1
    assert len(host.messages) == 3


def test_a_refused_transaction_is_reset_before_the_next(host_type: HostType, text_type: TextType) -> None:
    host = host_type(
        {"RCPT": lambda line: "550 5.1.1 no" if "bad" in line else "250 ok", "DATA": lambda _: "554 none"}
    )

    async def work() -> Any:
        async with host:
            out = transport(host.port)
            await out.deliver(envelope("bad@b.example"), text_type())
            host.script = {}
            return await out.deliver(envelope(), text_type())

    (result,) = run(work)
    assert result.outcome is Outcome.DELIVERED
    assert host.connections == 1
    assert host.commands.count("RSET") == 1


def test_a_session_that_closed_while_it_waited_costs_nothing(
    host_type: HostType, text_type: TextType
) -> None:
    host = host_type({"message": lambda _: "250 ok" if len(host.messages) > 1 else "250 ok" + CLOSE})

    async def work() -> Any:
        async with host:
            out = transport(host.port)
            await out.deliver(envelope(), text_type())
            return await out.deliver(envelope(), text_type())

    (result,) = run(work)
    assert result.outcome is Outcome.DELIVERED
    assert host.connections == 2


def test_no_session_waits_with_keep_0(host_type: HostType, text_type: TextType) -> None:
    host = host_type()

    async def work() -> None:
        async with host:
            out = transport(host.port, keep=0)
            await out.deliver(envelope(), text_type())
            await out.deliver(envelope(), text_type())

    run(work)
    assert host.connections == 2


def test_the_whole_attempt_has_a_limit(host_type: HostType, text_type: TextType) -> None:
    async def work() -> Any:
        async with host_type({"MAIL": STALL}) as host:
            return await transport(host.port, total=0.1).deliver(envelope(), text_type())

    (result,) = run(work)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.4.7")


@pytest.mark.parametrize(("size", "limit"), [(24, "0.1"), (4096, "0.6"), (10**12, "0.7")])
def test_a_large_message_has_the_time_that_a_thin_line_needs(
    host_type: HostType, text_type: TextType, monkeypatch: pytest.MonkeyPatch, size: int, limit: str
) -> None:
    """The whole attempt's limit must not be what keeps 50 MB from ever arriving (RFC 5321 4.5.3.2.5)."""
    monkeypatch.setattr("postier.smtp.outbound.transport.LONGEST", 0.7)

    class Large(text_type):  # type: ignore[misc, valid-type]
        @property
        def size(self) -> int:
            return size

    async def work() -> Any:
        async with host_type({"MAIL": STALL, "EHLO": "250 remote.example"}) as host:
            return await transport(host.port, total=0.1).deliver(envelope(), Large())

    (result,) = run(work)
    assert (result.status, result.diagnostic[:19]) == ("4.4.7", f"not done within {limit}")


def test_an_attempt_is_over_before_its_lease() -> None:
    assert LONGEST < LEASE


def test_a_fault_of_ours_is_temporary(host_type: HostType, text_type: TextType) -> None:
    class Failing:
        async def policy_for(self, destination: str, host: Host, *, requiretls: bool = False) -> TlsPolicy:
            raise TemporaryFailure("not caught by anybody")

    async def work() -> Any:
        async with host_type() as host:
            return await transport(host.port, policies=Failing()).deliver(envelope(), text_type())

    (result,) = run(work)
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.3.0")
    assert "not caught" not in result.diagnostic
