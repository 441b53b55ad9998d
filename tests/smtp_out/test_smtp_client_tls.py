"""TLS on the way out: taken where it is offered, and never in the way unless a policy says so."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from postier.net.authority import issue_certificate, make_ca, write_key_pair
from postier.net.certificates import read_files
from postier.net.tls import server_context, verifying_client_context
from postier.queue.api import DeliveryResult, Envelope, Outcome
from postier.smtp.outbound.routes import Host, Routes, RouteSettings
from postier.smtp.outbound.tls_policy import OpportunisticTls, TlsPolicies, TlsPolicy
from postier.smtp.outbound.transport import OutboundSettings, SmtpTransport
from postier.testing.dns import ZoneResolver

HostType = Any  # conftest's ScriptedHost
TextType = Any
EHLO_TLS = "250-remote.example\r\n250-PIPELINING\r\n250 STARTTLS"


class Required:
    """A policy that demands a certificate for the host's name, from one authority."""

    def __init__(self, authority: Path) -> None:
        self._context = verifying_client_context(authority)

    async def policy_for(self, destination: str, host: Host, *, requiretls: bool = False) -> TlsPolicy:
        return TlsPolicy(self._context, host.name, required=True, origin="mta-sts")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[ssl.SSLContext, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    authority = make_ca("test")
    (folder / "ca.pem").write_bytes(authority.certificate)

    def make(name: str) -> tuple[ssl.SSLContext, Path]:
        pair = issue_certificate(authority, [name])
        write_key_pair(pair, folder / f"{name}.pem", folder / f"{name}.key")
        return server_context(read_files(folder / f"{name}.pem", folder / f"{name}.key")), folder / "ca.pem"

    return make


def deliver(host: Any, text: Any, policies: TlsPolicies | None = None) -> DeliveryResult:
    async def work() -> DeliveryResult:
        zone = {"b.example": [("MX", (1, "mx.b.example"))], "mx.b.example": [("A", "127.0.0.1")]}
        async with host:
            routes = Routes(ZoneResolver(zone), RouteSettings(port=host.port, allow_loopback=True))
            settings = OutboundSettings("mail.example", keep=0)
            out = SmtpTransport(routes, policies or OpportunisticTls(), settings)
            (result,) = await out.deliver(
                Envelope("t1", "ann@a.example", ("bob@b.example",), "b.example"), text
            )
            while host.is_busy:
                await asyncio.sleep(0)  # until QUIT was read, so that no connection is cut off
            return result

    return asyncio.run(work())


def test_tls_is_taken_with_any_certificate(
    host_type: HostType, text_type: TextType, certificates: Any
) -> None:
    context, _ = certificates("somebody.example")
    host = host_type({"EHLO": EHLO_TLS}, tls=context)
    result = deliver(host, text_type())
    assert result.outcome is Outcome.DELIVERED
    assert result.tls.startswith("TLSv1.3 ")
    assert host.commands[:3] == ["EHLO mail.example", "STARTTLS", "EHLO mail.example"]


@pytest.mark.parametrize("answer", ["454 4.7.0 not now", "502 5.5.1 no"])
def test_a_refused_starttls_goes_on_in_clear(host_type: HostType, text_type: TextType, answer: str) -> None:
    host = host_type({"EHLO": EHLO_TLS, "STARTTLS": answer})
    result = deliver(host, text_type())
    assert (result.outcome, result.tls) == (Outcome.DELIVERED, "")
    assert host.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        "220 go\r\nthis is no handshake",
        "220 go<close>",
        "220 go\r\n250 injected",
    ],
)
def test_a_broken_handshake_means_a_fresh_connection_in_clear(
    host_type: HostType, text_type: TextType, answer: str
) -> None:
    host = host_type({"EHLO": EHLO_TLS, "STARTTLS": answer})
    result = deliver(host, text_type())
    assert (result.outcome, result.tls) == (Outcome.DELIVERED, "")
    assert host.connections == 2
    assert host.commands.count("STARTTLS") == 1


def test_injected_text_is_never_taken_for_an_answer_under_tls(
    host_type: HostType, text_type: TextType, certificates: Any
) -> None:
    """RFC 3207: what comes behind the go-ahead in clear must not survive the handshake."""
    context, authority = certificates("mx.b.example")
    host = host_type({"EHLO": EHLO_TLS, "STARTTLS": "220 go\r\n250 injected"}, tls=context)
    result = deliver(host, text_type(), Required(authority))
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.7.5")
    assert host.messages == []


def test_a_policy_is_kept(host_type: HostType, text_type: TextType, certificates: Any) -> None:
    context, authority = certificates("mx.b.example")
    host = host_type({"EHLO": EHLO_TLS}, tls=context)
    assert deliver(host, text_type(), Required(authority)).outcome is Outcome.DELIVERED
    assert host.secured == 1


def test_a_wrong_certificate_under_a_policy_is_no_delivery(
    host_type: HostType, text_type: TextType, certificates: Any
) -> None:
    context, authority = certificates("other.example")
    host = host_type({"EHLO": EHLO_TLS}, tls=context)
    result = deliver(host, text_type(), Required(authority))
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.7.5")
    assert host.messages == []


@pytest.mark.parametrize("script", [{}, {"EHLO": EHLO_TLS, "STARTTLS": "454 4.7.0 not now"}])
def test_no_tls_under_a_policy_is_no_delivery(
    host_type: HostType, text_type: TextType, certificates: Any, script: dict[str, str]
) -> None:
    _, authority = certificates("mx.b.example")
    host = host_type(script)
    result = deliver(host, text_type(), Required(authority))
    assert (result.outcome, result.status) == (Outcome.TEMPORARY, "4.7.4")
    assert host.messages == []
