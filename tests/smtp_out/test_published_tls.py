"""What others publish about TLS, kept: no attack on the way there brings mail out in clear."""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from postier.admin import tls_look
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.dns.api import Tlsa
from postier.net.authority import KeyPair, issue_certificate, make_ca, write_key_pair
from postier.net.certificates import read_files
from postier.net.tls import server_context, verifying_client_context
from postier.queue.api import DeliveryResult, Envelope, Outcome
from postier.smtp.outbound import authorities
from postier.smtp.outbound.dane import problem_with
from postier.smtp.outbound.published import PublishedTls
from postier.smtp.outbound.route_table import RouteTable
from postier.smtp.outbound.routes import Routes, RouteSettings
from postier.smtp.outbound.sts_cache import StsPolicies
from postier.smtp.outbound.sts_fetch import FetchError
from postier.smtp.outbound.tls_results import TlsResults
from postier.smtp.outbound.transport import OutboundSettings, SmtpTransport
from postier.store.api import MailRoute, RouteHost, TlsContract, TlsResult
from postier.store.sqlite import open_sqlite
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock

HostType = Any  # conftest's ScriptedHost
TextType = Any
EHLO_TLS = "250-remote.example\r\n250-PIPELINING\r\n250-REQUIRETLS\r\n250 STARTTLS"
EHLO_PLAIN_TLS = "250-remote.example\r\n250 STARTTLS"
MX = "mx.b.example"
NOW = dt.datetime.now(dt.UTC)


def policy(mode: str, *mx: str, max_age: int = 604_800) -> bytes:
    lines = ["version: STSv1", f"mode: {mode}", *(f"mx: {name}" for name in mx), f"max_age: {max_age}"]
    return "\r\n".join(lines).encode()


class Documents:
    """In place of the policy host: a document, or what goes wrong."""

    def __init__(self, document: bytes | None) -> None:
        self.document = document
        self.fetched = 0

    async def fetch(self, domain: str) -> bytes:
        self.fetched += 1
        await asyncio.sleep(0)
        if self.document is None:
            raise FetchError("sts-policy-fetch-error", "no connection")
        return self.document


class World:
    """A domain with one exchange, its DNS, its policy, and what its host shows."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.ca = make_ca("ours")
        (folder / "ca.pem").write_bytes(self.ca.certificate)
        monkeypatch.setattr(
            authorities,
            "verifying_client_context",
            lambda file: verifying_client_context(file or folder / "ca.pem"),
        )
        self.pair = issue_certificate(self.ca, [MX])
        self.documents = Documents(None)
        self.clock: Any = SystemClock()
        self.zone: dict[str, list[object]] = {"b.example": [("MX", (1, MX))], MX: [("A", "127.0.0.1")]}
        self.secure = False
        self.destination = "b.example"
        self.contract: TlsContract | None = None
        self.counted: list[tuple[TlsResult, int]] = []

    def show(self, *names: str, ca: KeyPair | None = None, now: dt.datetime | None = None) -> None:
        self.pair = issue_certificate(ca or self.ca, names, now=now)

    def publish_sts(self, document: bytes | None, policy_id: str = "1") -> None:
        self.zone["_mta-sts.b.example"] = [("TXT", f"v=STSv1; id={policy_id};")]
        self.documents = Documents(document)

    def context(self) -> Any:
        write_key_pair(self.pair, self.folder / "c.pem", self.folder / "c.key")
        with (self.folder / "c.pem").open("ab") as file:
            file.write(self.ca.certificate)
        return server_context(read_files(self.folder / "c.pem", self.folder / "c.key"))

    def deliver(
        self,
        host: Any,
        text: Any,
        *,
        tlsa: list[object] | None = None,
        requiretls: bool = False,
        sender: str = "ann@a.example",
    ) -> DeliveryResult:
        async def work() -> DeliveryResult:
            blobs, bus = LocalBlobs(self.folder / "data", "t"), MemoryBus()
            store = await open_sqlite(self.folder / "db", blobs=blobs, bus=bus, clock=self.clock, owner="t")
            contract = self.contract
            if contract is not None:
                await store.transact(lambda tx: tx.set_tls_contract(contract))
            async with host:
                if tlsa is not None:
                    self.zone[f"_{host.port}._tcp.{MX}"] = [
                        one if one == "TIMEOUT" else ("TLSA", one) for one in tlsa
                    ]
                resolver = ZoneResolver(self.zone, secure=self.secure)
                sts = StsPolicies(resolver, self.documents, store, self.clock)  # type: ignore[arg-type]
                via = MailRoute("c.example", hosts=(RouteHost("b.example", host.port, mx=True),))

                async def tables() -> RouteTable:
                    return RouteTable((via,), (), 1)

                routes = Routes(resolver, RouteSettings(port=host.port, allow_loopback=True), tables=tables)
                results = TlsResults(store, self.clock)
                out = SmtpTransport(
                    routes,
                    PublishedTls(resolver, sts, store),
                    OutboundSettings("mail.example", keep=0),
                    results=results,
                )
                to = self.destination
                mail = Envelope("t1", sender, (f"bob@{to}",), to, requiretls=requiretls)
                (result,) = await out.deliver(mail, text)
                await results.write()
                self.counted = await store.reader.tls_results(0, 2**40)
                while host.is_busy:
                    await asyncio.sleep(0)
            await store.close()
            return result

        return asyncio.run(work())


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    (tmp_path / "data").mkdir()
    return World(tmp_path, monkeypatch)


@pytest.fixture
def go(world: World, host_type: HostType, text_type: TextType) -> Callable[..., Any]:
    """Deliver to a host with TLS; returns the result and the host."""

    def run(script: dict[str, str] | None = None, **more: Any) -> tuple[DeliveryResult, Any]:
        host = host_type(script or {"EHLO": EHLO_TLS}, tls=world.context())
        return world.deliver(host, text_type(), **more), host

    return run


def waits(found: tuple[DeliveryResult, Any], status: str) -> bool:
    result, host = found
    assert host.messages == []
    return (result.outcome, result.status) == (Outcome.TEMPORARY, status)


def arrives(found: tuple[DeliveryResult, Any], origin: str) -> bool:
    result, host = found
    assert len(host.messages) == 1
    return result.outcome is Outcome.DELIVERED and result.facts["tls policy"] == origin


DOWNGRADES = [
    {"EHLO": "250 remote.example"},
    {"EHLO": EHLO_TLS, "STARTTLS": "454 4.7.0 not now"},
    {"EHLO": EHLO_TLS, "STARTTLS": "502 5.5.1 unknown"},
    {"EHLO": EHLO_TLS, "STARTTLS": "220 go\r\nno handshake"},
    {"EHLO": EHLO_TLS, "STARTTLS": "220 go<close>"},
    {"EHLO": EHLO_TLS, "STARTTLS": "220 go\r\n250 injected"},
]


# ------------------------------------------------------------------ nothing


def test_without_a_policy_mail_goes_as_before(world: World, go: Any) -> None:
    world.show("somebody.example")
    assert arrives(go(), "opportunistic")
    assert arrives(go(DOWNGRADES[0]), "opportunistic")


# ------------------------------------------------------------------ MTA-STS


def test_enforce_wants_a_certificate_for_the_exchange(world: World, go: Any) -> None:
    world.publish_sts(policy("enforce", "*.b.example"))
    assert arrives(go(), "mta-sts")
    world.show("somebody.example")
    assert waits(go(), "4.7.5")
    world.show(MX, ca=make_ca("a stranger"))
    assert waits(go(), "4.7.5")
    world.show(MX, now=NOW - dt.timedelta(days=900))
    assert waits(go(), "4.7.5")


@pytest.mark.parametrize("script", DOWNGRADES)
def test_no_downgrade_gets_round_enforce(world: World, go: Any, script: dict[str, str]) -> None:
    world.publish_sts(policy("enforce", MX))
    result, host = go(script)
    assert (result.outcome, host.messages) == (Outcome.TEMPORARY, [])


def test_a_host_that_the_policy_does_not_name_is_not_used(world: World, go: Any) -> None:
    world.publish_sts(policy("enforce", "other.b.example"))
    result, host = go()
    assert (result.status, host.connections) == ("4.7.5", 0)


@pytest.mark.parametrize("exchange", ["127.0.0.1", "0:0:0:0:0:ffff:7f00:1"])
def test_an_address_in_place_of_a_name_gets_round_no_policy(world: World, go: Any, exchange: str) -> None:
    """A forged MX record can hold an address, which has no name for a certificate: RFC 8461 4.1."""
    world.publish_sts(policy("enforce", MX, "127.0.0.1"))
    world.zone["b.example"] = [("MX", (1, exchange))]
    result, host = go()
    assert (result.outcome, result.status, host.messages) == (Outcome.TEMPORARY, "4.7.5", [])


def test_testing_blocks_nothing(world: World, go: Any) -> None:
    world.publish_sts(policy("testing", MX))
    assert arrives(go(), "mta-sts testing")
    world.show("somebody.example")
    result, host = found = go()
    assert arrives(found, "opportunistic")
    assert result.tls, "a certificate that fails the policy is still better than none"
    assert host.connections == 2
    assert go(DOWNGRADES[0])[0].outcome is Outcome.DELIVERED
    world.publish_sts(policy("testing", "other.b.example"))
    assert go()[0].outcome is Outcome.DELIVERED


def test_none_is_no_policy(world: World, go: Any) -> None:
    world.publish_sts(policy("none"))
    world.show("somebody.example")
    assert arrives(go(), "opportunistic")


def test_a_policy_binds_though_its_record_and_its_host_are_silenced(world: World, go: Any) -> None:
    """RFC 8461 5.1, and across a restart: each delivery here has its own process's memory."""
    clock = world.clock = SettableClock(NOW.timestamp())
    world.publish_sts(policy("enforce", MX, max_age=1000))
    assert arrives(go(), "mta-sts")
    world.documents = Documents(None)
    world.show("evil.example")
    assert waits(go(), "4.7.5")
    world.zone["_mta-sts.b.example"] = [("TXT", "v=STSv1; id=2;")]
    assert waits(go(), "4.7.5")
    assert world.documents.fetched == 1, "another id is fetched"
    del world.zone["_mta-sts.b.example"]
    assert waits(go(), "4.7.5")
    clock.seconds += 999
    assert waits(go(), "4.7.5")
    clock.seconds += 1
    assert arrives(go(), "opportunistic")


def test_a_policy_is_fetched_again_when_its_id_changes_and_once_a_day(world: World, go: Any) -> None:
    clock = world.clock = SettableClock(NOW.timestamp())
    world.publish_sts(policy("enforce", MX))
    go()
    go()
    assert world.documents.fetched == 1
    clock.seconds += 86_399
    go()
    assert world.documents.fetched == 1
    clock.seconds += 1
    go()
    assert world.documents.fetched == 2
    world.publish_sts(policy("none"), policy_id="2")
    world.show("somebody.example")
    assert arrives(go(), "opportunistic")


def test_a_policy_that_cannot_be_had_does_not_stop_mail(world: World, go: Any) -> None:
    world.show("somebody.example")
    world.publish_sts(None)
    assert arrives(go(), "opportunistic")
    world.publish_sts(b"<html>")
    assert arrives(go(), "opportunistic")


def test_a_failed_fetch_is_not_repeated_at_once_and_equal_ones_are_made_once(
    world: World, tmp_path: Path
) -> None:
    clock = SettableClock()
    world.publish_sts(None)

    async def work() -> None:
        blobs = LocalBlobs(tmp_path / "data", "t")
        store = await open_sqlite(tmp_path / "db", blobs=blobs, bus=MemoryBus(), clock=clock, owner="t")
        sts = StsPolicies(ZoneResolver(world.zone), world.documents, store, clock)  # type: ignore[arg-type]
        answers = await asyncio.gather(*(sts.policy_for("b.example") for _ in range(5)))
        assert {answer.failure for answer in answers} == {"sts-policy-fetch-error"}
        clock.seconds += 299
        await sts.policy_for("b.example")
        assert world.documents.fetched == 1
        clock.seconds += 1
        await sts.policy_for("b.example")
        assert world.documents.fetched == 2
        await store.close()

    asyncio.run(work())


# ------------------------------------------------------------------ DANE


def tlsa(pair: KeyPair, usage: int, selector: int, matching_type: int) -> tuple[int, int, int, bytes]:
    certificate = x509.load_pem_x509_certificate(pair.certificate)
    data = certificate.public_bytes(Encoding.DER)
    if selector == 1:
        data = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if matching_type:
        data = (hashlib.sha256 if matching_type == 1 else hashlib.sha512)(data).digest()
    return usage, selector, matching_type, data


SELECTED = [(selector, matching) for selector in (0, 1) for matching in (0, 1, 2)]


@pytest.mark.parametrize(("selector", "matching"), SELECTED)
def test_dane_ee_asks_for_neither_name_nor_date(world: World, go: Any, selector: int, matching: int) -> None:
    world.secure = True
    world.show("somebody.example", ca=make_ca("stranger"), now=NOW - dt.timedelta(days=900))
    assert arrives(go(tlsa=[tlsa(world.pair, 3, selector, matching)]), "dane")
    other = issue_certificate(world.ca, [MX])
    assert waits(go(tlsa=[tlsa(other, 3, selector, matching)]), "4.7.5")


@pytest.mark.parametrize(("selector", "matching"), [pair for pair in SELECTED if pair != (1, 0)])
def test_dane_ta_asks_for_a_chain_a_name_and_a_date(
    world: World, go: Any, selector: int, matching: int
) -> None:
    world.secure = True
    record = [tlsa(world.ca, 2, selector, matching)]
    assert arrives(go(tlsa=record), "dane")
    world.show("b.example")  # the recipients' domain will do (RFC 7672 3.2.2)
    assert arrives(go(tlsa=record), "dane")
    world.zone |= {"b.example": [("CNAME", "real.example")], "real.example": [("MX", (1, MX))]}
    for name in ("real.example", "b.example", MX):  # so will what it is an alias of
        world.show(name)
        assert arrives(go(tlsa=record), "dane")
    world.show("somebody.example")
    assert waits(go(tlsa=record), "4.7.5")
    world.show(MX, now=NOW - dt.timedelta(days=900))
    assert waits(go(tlsa=record), "4.7.5")
    world.show(MX, ca=make_ca("ours"))  # the same name, another key: the chain has the issuer, unused
    assert waits(go(tlsa=record), "4.7.5")


def test_of_exchanges_that_a_route_names_the_policies_of_their_domain_hold(world: World, go: Any) -> None:
    """RFC 8461 3.4, RFC 7672 2.2.1; and a contract is with the recipients' domain all the same."""
    world.destination = "c.example"
    assert arrives(go(), "opportunistic")
    world.publish_sts(policy("enforce", MX))
    assert arrives(go(), "mta-sts")
    world.show("somebody.example")
    assert waits(go(), "4.7.5")
    world.show(MX)
    world.secure = True
    assert waits(go(tlsa=[tlsa(make_ca("ours"), 2, 0, 1)]), "4.7.5")
    assert arrives(go(tlsa=[tlsa(world.ca, 2, 0, 1)]), "dane")
    world.contract = TlsContract("c.example")
    assert arrives(go(), "contract")


@pytest.mark.parametrize("script", DOWNGRADES)
def test_no_downgrade_gets_round_dane(world: World, go: Any, script: dict[str, str]) -> None:
    world.secure = True
    result, host = go(script, tlsa=[tlsa(world.pair, 3, 1, 1)])
    assert (result.outcome, host.messages) == (Outcome.TEMPORARY, [])


def test_a_certificate_of_no_version_is_a_mismatch_and_no_fault_of_ours() -> None:
    """Whoever can be made to fail tries no other exchange, and fills the log with tracebacks."""
    ca = make_ca("theirs")
    der = x509.load_pem_x509_certificate(ca.certificate).public_bytes(Encoding.DER)
    broken = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x52", 1)
    assert broken != der
    tlsa = Tlsa(2, 0, 1, hashlib.sha256(broken).digest())
    assert "can't be read" in problem_with([broken, broken], [tlsa], [MX])
    assert "no certificate matches" in problem_with([der], [Tlsa(2, 0, 0, broken)], [MX])


def test_one_record_of_several_is_enough(world: World, go: Any) -> None:
    world.secure = True
    other = issue_certificate(world.ca, ["next.example"])
    assert arrives(go(tlsa=[tlsa(other, 3, 1, 1), tlsa(world.pair, 3, 1, 1)]), "dane")


def test_of_digests_for_the_same_the_strongest_counts(world: World, go: Any) -> None:
    """RFC 7671 9: a weak digest that still matches can't hide that the strong one does not."""
    world.secure = True
    other = issue_certificate(world.ca, [MX])
    assert waits(go(tlsa=[tlsa(world.pair, 3, 1, 1), tlsa(other, 3, 1, 2)]), "4.7.5")


UNUSABLE = [
    (1, 1, 1, bytes(32)),
    (0, 0, 1, bytes(32)),
    (3, 2, 1, bytes(32)),
    (3, 1, 3, bytes(32)),
    (3, 1, 1, b"x"),
]


def test_records_that_nobody_can_use_ask_for_tls_without_saying_whose(world: World, go: Any) -> None:
    world.secure = True
    world.show("somebody.example")
    assert arrives(go(tlsa=list(UNUSABLE)), "dane")
    assert waits(go(DOWNGRADES[0], tlsa=list(UNUSABLE)), "4.7.4")


def test_tlsa_records_that_cannot_be_had_put_the_mail_off(world: World, go: Any) -> None:
    world.secure = True
    result, host = go(tlsa=["TIMEOUT"])
    assert (result.outcome, result.status, host.connections) == (Outcome.TEMPORARY, "4.7.5", 0)


def test_records_that_are_not_signed_say_nothing(world: World, go: Any) -> None:
    assert arrives(go(tlsa=[(3, 1, 1, bytes(32))]), "opportunistic")


def test_dane_goes_before_mta_sts(world: World, go: Any) -> None:
    world.secure = True
    world.publish_sts(policy("enforce", "other.b.example"))
    world.show("somebody.example")
    assert arrives(go(tlsa=[tlsa(world.pair, 3, 1, 1)]), "dane")
    world.publish_sts(policy("enforce", MX))
    world.show(MX)
    assert waits(go(tlsa=[(3, 1, 1, bytes(32))]), "4.7.5")


# ------------------------------------------------------------------ contracts and REQUIRETLS


def test_a_contract_is_kept_by_a_certificate_for_the_host_or_the_agreed_name(world: World, go: Any) -> None:
    world.contract = TlsContract("b.example")
    assert arrives(go(), "contract")
    world.show("somebody.example")
    assert waits(go(), "4.7.5")
    world.contract = TlsContract("b.example", name="somebody.example")
    assert arrives(go(), "contract")
    other = make_ca("partner")
    (world.folder / "partner.pem").write_bytes(other.certificate)
    world.show(MX, ca=other)
    world.contract = TlsContract("b.example")
    assert waits(go(), "4.7.5")
    world.contract = TlsContract("b.example", authorities=str(world.folder / "partner.pem"))
    assert arrives(go(), "contract")
    world.contract = TlsContract("b.example", authorities=str(world.folder / "gone.pem"))
    result, host = go()
    assert (result.outcome, result.status, host.connections) == (Outcome.TEMPORARY, "4.3.5", 0)


@pytest.mark.parametrize("script", DOWNGRADES)
def test_no_downgrade_gets_round_a_contract(world: World, go: Any, script: dict[str, str]) -> None:
    world.contract = TlsContract("b.example")
    result, host = go(script)
    assert (result.outcome, host.messages) == (Outcome.TEMPORARY, [])


def test_requiretls_wants_a_certificate_and_the_sender_is_told(world: World, go: Any) -> None:
    """RFC 8689 4.2.1."""
    world.publish_sts(policy("testing", MX))
    result, host = found = go(requiretls=True)
    assert arrives(found, "requiretls")
    assert any(line.endswith(" REQUIRETLS") for line in host.commands)
    result, host = go({"EHLO": EHLO_PLAIN_TLS}, requiretls=True)
    assert (result.outcome, result.status, host.messages) == (Outcome.PERMANENT, "5.7.30", [])
    world.show("somebody.example")
    for script in (None, *DOWNGRADES):
        result, host = go(script, requiretls=True)
        assert (result.outcome, result.status, host.messages) == (Outcome.PERMANENT, "5.7.10", [])


def test_requiretls_wants_to_know_whose_the_host_is(world: World, go: Any) -> None:
    """RFC 8689 4.2.1: who forges MX records has a certificate for his own host."""

    def refused(status: str) -> bool:
        result, host = go(requiretls=True)
        assert "takes mail for b.example" in result.diagnostic
        return (result.status, host.messages) == (status, [])

    assert refused("5.7.10")
    world.publish_sts(policy("testing", "other.b.example"))
    assert refused("5.7.10")
    world.publish_sts(policy("none"), policy_id="2")
    assert refused("5.7.10")
    world.publish_sts(None, policy_id="3")
    assert refused("4.7.10")  # there is a policy, which can't be had just now
    world.secure = True
    assert arrives(go(requiretls=True), "requiretls")


def test_requiretls_is_content_with_dane_and_mta_sts(world: World, go: Any) -> None:
    world.publish_sts(policy("enforce", MX))
    assert arrives(go(requiretls=True), "mta-sts")
    world.secure = True
    world.show("somebody.example", ca=make_ca("stranger"))
    assert arrives(go(tlsa=[tlsa(world.pair, 3, 1, 1)], requiretls=True), "dane")
    result, _ = go(tlsa=list(UNUSABLE), requiretls=True)
    assert (result.outcome, result.status) == (Outcome.PERMANENT, "5.7.10")


# ------------------------------------------------------------------ TLS-Required: No (RFC 8689 4.2.2)

WAIVED = b"Subject: x\r\ntls-required:\r\n No\r\n\r\nbody\r\n"


@pytest.mark.parametrize("script", [None, *DOWNGRADES])
def test_a_message_that_would_rather_arrive_arrives(
    world: World, host_type: HostType, text_type: TextType, script: dict[str, str] | None
) -> None:
    def send(data: bytes, **more: Any) -> tuple[DeliveryResult, Any]:
        host = host_type(script or {"EHLO": EHLO_TLS}, tls=world.context())
        return world.deliver(host, text_type(data, piece=7), **more), host

    world.publish_sts(policy("enforce", MX))
    world.show("somebody.example")
    assert send(WAIVED)[0].outcome is Outcome.DELIVERED
    assert send(WAIVED.replace(b"No", b"Yes"))[0].outcome is Outcome.TEMPORARY
    assert send(b"Subject: x\r\n\r\nTLS-Required: No\r\n")[0].outcome is Outcome.TEMPORARY
    world.publish_sts(policy("enforce", "other.b.example"), policy_id="2")
    result, host = send(WAIVED)
    assert result.outcome is Outcome.DELIVERED
    world.secure = True
    assert send(WAIVED, tlsa=[(3, 1, 1, bytes(32))])[0].outcome is Outcome.DELIVERED
    assert send(WAIVED, requiretls=True)[0].outcome is not Outcome.DELIVERED
    world.contract = TlsContract("b.example")
    result, host = send(WAIVED)
    assert (result.outcome, host.messages) == (Outcome.TEMPORARY, [])


def test_what_could_be_kept_is_kept_though_waived(
    world: World, host_type: HostType, text_type: TextType
) -> None:
    world.publish_sts(policy("enforce", MX))
    host = host_type({"EHLO": EHLO_TLS}, tls=world.context())
    result = world.deliver(host, text_type(WAIVED))
    assert (result.outcome, result.facts["tls policy"]) == (Outcome.DELIVERED, "mta-sts")
    assert host.connections == 1


# ------------------------------------------------------------------ what is counted (RFC 8460)


def counted(world: World) -> set[tuple[str, str, str, str, str, int]]:
    return {(r.domain, r.kind, r.host, r.source, r.result, sessions) for r, sessions in world.counted}


def test_sessions_are_counted_by_policy_host_and_result(world: World, go: Any) -> None:
    clock = world.clock = SettableClock(NOW.timestamp())
    go()
    go()
    go(DOWNGRADES[0])
    assert counted(world) == {
        ("b.example", "no-policy-found", MX, "127.0.0.1", "", 2),
        ("b.example", "no-policy-found", MX, "127.0.0.1", "starttls-not-supported", 1),
    }
    clock.seconds += 86_400
    world.publish_sts(policy("enforce", MX))
    for show in (lambda: None, lambda: world.show("x.example"), lambda: world.show(MX, ca=make_ca("x"))):
        show()
        go()
    world.show(MX, now=NOW - dt.timedelta(days=900))
    go()
    go(DOWNGRADES[0])
    day = int(clock.seconds) // 86_400
    today = [(r, sessions) for r, sessions in world.counted if r.day == day]
    assert {(r.kind, r.result, r.source, sessions) for r, sessions in today} == {
        ("sts", "", "127.0.0.1", 1),
        ("sts", "certificate-host-mismatch", "", 1),
        ("sts", "certificate-not-trusted", "", 1),
        ("sts", "certificate-expired", "", 1),
        ("sts", "starttls-not-supported", "", 1),
    }
    assert {r.policy for r, _ in today} == {policy("enforce", MX).decode()}


def test_the_session_of_a_report_is_not_reported(world: World, go: Any) -> None:
    assert arrives(go(sender="reports-0123456789abcdef@a.example"), "opportunistic")
    assert counted(world) == set()


def test_a_policy_in_testing_is_counted_as_if_it_bound(world: World, go: Any) -> None:
    world.publish_sts(policy("testing", MX))
    world.show("x.example")
    go()
    assert counted(world) == {("b.example", "sts", MX, "127.0.0.1", "certificate-host-mismatch", 1)}


def test_an_exchange_that_the_policy_does_not_name_is_counted(world: World, go: Any) -> None:
    world.publish_sts(policy("enforce", "other.b.example"))
    go()
    assert counted(world) == {("b.example", "sts", MX, "", "validation-failure", 1)}
    world.publish_sts(policy("testing", "other.b.example"), policy_id="2")
    go()
    assert ("b.example", "sts", MX, "127.0.0.1", "validation-failure", 1) in counted(world)


def test_a_policy_that_cannot_be_had_is_counted(world: World, go: Any) -> None:
    world.publish_sts(None)
    go()
    assert ("b.example", "sts", MX, "127.0.0.1", "sts-policy-fetch-error", 1) in counted(world)
    world.publish_sts(b"nonsense", policy_id="2")
    go()
    assert ("b.example", "sts", MX, "127.0.0.1", "sts-policy-invalid", 1) in counted(world)


def test_dane_is_counted_by_its_own_domain(world: World, go: Any) -> None:
    world.secure = True
    go(tlsa=[tlsa(world.pair, 3, 1, 1)])
    go(tlsa=[(3, 1, 1, bytes(32))])
    go(tlsa=["TIMEOUT"])
    go(tlsa=list(UNUSABLE))
    assert {(domain, kind, result, n) for domain, kind, _, _, result, n in counted(world)} == {
        (MX, "tlsa", "", 1),
        (MX, "tlsa", "validation-failure", 1),
        (MX, "tlsa", "dnssec-invalid", 1),
        (MX, "tlsa", "tlsa-invalid", 1),
    }
    (good,) = [r for r, _ in world.counted if not r.result]
    usage, selector, matching_type, data = tlsa(world.pair, 3, 1, 1)
    assert good.policy == f"{usage} {selector} {matching_type} {data.hex()}"


# ------------------------------------------------------------------ what an administrator sees


def test_a_look_at_a_host_tells_what_it_shows_and_whether_mail_would_go(
    world: World, host_type: HostType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        tls_look, "verifying_client_context", lambda: verifying_client_context(world.folder / "ca.pem")
    )

    def look(script: dict[str, str]) -> Any:
        async def work() -> Any:
            host = host_type(script, tls=world.context())
            store = await open_sqlite(
                world.folder / "db",
                blobs=LocalBlobs(world.folder / "data", "t"),
                bus=MemoryBus(),
                clock=world.clock,
                owner="t",
            )
            async with host:
                resolver = ZoneResolver(world.zone)
                sts = StsPolicies(resolver, world.documents, store, world.clock)  # type: ignore[arg-type]
                routes = Routes(resolver, RouteSettings(port=host.port, allow_loopback=True))
                policies = PublishedTls(resolver, sts, store)
                found = [
                    h async for h in tls_look.look_at_hosts(routes, policies, "b.example", "mail.example")
                ]
            await store.close()
            assert host.messages == []
            return found[0]

        return asyncio.run(work())

    world.publish_sts(policy("enforce", MX))
    good = look({"EHLO": EHLO_TLS})
    assert (good.names, good.public, good.policy, good.fault) == ((MX,), "", "mta-sts", "")
    assert good.tls.startswith("TLSv1.3 ")
    world.show("somebody.example")
    other = look({"EHLO": EHLO_TLS})
    assert other.names == ("somebody.example",)
    assert "match" in other.public
    assert other.fault
    bare = look(DOWNGRADES[0])
    assert (bare.tls, bare.public) == ("", "the host offers no TLS")
    assert "offers no TLS, which mta-sts requires" in bare.fault
