"""The MTA-STS policy of our own domains: what it says, who gets it, over HTTPS and for a proxy over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from starlette.applications import Starlette

from postier.http.documents import public_application
from postier.http.own_policy import PATH, policy_document, policy_documents, policy_id
from postier.net.tls import verifying_client_context
from postier.smtp.outbound.mta_sts import StsMode, StsPolicy, parse_policy, record_id
from postier.smtp.outbound.sts_fetch import FetchError, PolicyFetcher
from postier.testing.dns import ZoneResolver
from postier.testing.web import ask, make_certificate, serving

DOCUMENT = policy_document("mail.a.example", "testing", 604_800)


async def is_ours(domain: str) -> bool:
    if domain == "broken.example":
        raise OSError("/secret/path is gone")
    return domain == "a.example"


APPLICATION = public_application(policy_documents(is_ours, DOCUMENT))


def asked(host: str, application: Starlette = APPLICATION) -> bytes:
    request = f"GET {PATH} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    return ask(application, request.encode())


def test_it_is_a_policy_by_the_standards_grammar() -> None:
    assert parse_policy(DOCUMENT.encode()) == StsPolicy(StsMode.TESTING, 604_800, ("mail.a.example",))
    assert record_id([f"v=STSv1; id={policy_id(DOCUMENT)};".encode()]) == policy_id(DOCUMENT)


def test_its_id_changes_exactly_when_it_does() -> None:
    assert policy_id(DOCUMENT) == policy_id(policy_document("mail.a.example", "testing", 604_800))
    for host, mode, age in (("mx.a.example", "testing", 1), ("mail.a.example", "enforce", 604_800)):
        assert policy_id(DOCUMENT) != policy_id(policy_document(host, mode, age))


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("mta-sts.a.example", True),
        ("MTA-STS.A.Example:8443", True),
        ("mta-sts.a.example.", True),
        ("a.example", False),
        ("mta-sts.b.example", False),
        ("mta-sts.", False),
        ("mta-sts." + "x" * 300, False),
        ("", False),
    ],
)
def test_it_is_told_to_who_asks_for_a_domain_of_ours(host: str, known: bool) -> None:
    answer = asked(host)
    assert answer.startswith(b"HTTP/1.1 200" if known else b"HTTP/1.1 404")
    assert answer.endswith(DOCUMENT.encode()) == known


def test_where_none_is_published_none_is_told() -> None:
    nothing = public_application(policy_documents(is_ours, ""))
    assert asked("mta-sts.a.example", nothing).startswith(b"HTTP/1.1 404")


def test_what_the_store_has_to_say_is_for_the_log() -> None:
    answer = asked("mta-sts.broken.example")
    assert answer.startswith(b"HTTP/1.1 503")
    assert b"secret" not in answer


def test_others_can_fetch_it(tmp_path: Path) -> None:
    make_certificate(tmp_path, ["mta-sts.a.example", "mta-sts.b.example"])

    async def fetch(port: int, _: object) -> bytes:
        zone = {f"mta-sts.{d}.example": [("A", "127.0.0.1")] for d in "ab"}
        context = verifying_client_context(tmp_path / "ca.pem")
        fetcher = PolicyFetcher(ZoneResolver(zone), context=context, port=port, allow_private=True)
        with pytest.raises(FetchError, match="404"):
            await fetcher.fetch("b.example")
        return await fetcher.fetch("a.example")

    assert asyncio.run(serving(APPLICATION, fetch, folder=tmp_path)) == DOCUMENT.encode()
