"""What doctor says of the documents for mail programs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from postier.admin.client_check import check_client_documents
from postier.admin.diagnosis import Finding
from postier.clients.settings import ClientSettings, MailService
from postier.fetch.https import HttpsError, HttpsFetcher
from postier.http.client_documents import client_documents
from postier.http.documents import public_application
from postier.testing.dns import ZoneResolver
from postier.testing.store_helpers import SettableClock
from postier.testing.web import make_certificate, serving, verifying

SETTINGS = ClientSettings("a.example", "mail.a.example", (MailService("imap", 993), MailService("smtp", 465)))
NAMES = [f"{name}.a.example" for name in ("autoconfig", "autodiscover", "ua-auto-config")]


async def find(domain: str) -> ClientSettings | None:
    return SETTINGS if domain == "a.example" else None


async def unsigned(document: bytes) -> bytes:
    return document


def looked(folder: Any, settings: ClientSettings, names: list[str]) -> list[Finding]:
    """By a server that tells SETTINGS, under `names` of the certificate."""
    make_certificate(folder, names)
    application = public_application(client_documents(find, unsigned, SettableClock(), 443))

    async def work(port: int, _: object) -> list[Finding]:
        resolver = ZoneResolver({name: [("A", "127.0.0.1")] for name in NAMES})
        fetcher = HttpsFetcher(resolver, context=verifying(folder), port=port, allow_private=True)
        return await check_client_documents(fetcher.get, settings)

    found = asyncio.run(serving(application, work, folder=folder))
    assert isinstance(found, list)
    return found


def test_all_is_well(tmp_path: Any) -> None:
    found = looked(tmp_path, SETTINGS, NAMES)
    assert [(one.state, one.subject) for one in found] == [("ok", f"settings at {name}") for name in NAMES]


def test_a_certificate_without_the_name_is_told(tmp_path: Any) -> None:
    found = looked(tmp_path, SETTINGS, NAMES[:1])
    assert [one.state for one in found] == ["ok", "warning", "warning"]
    assert "the certificate is not good for autodiscover.a.example" in found[1].detail


def test_another_answer_is_told(tmp_path: Any) -> None:
    found = looked(tmp_path, replace(SETTINGS, name="other"), NAMES)
    assert [one.state for one in found] == ["warning", "ok", "warning"]
    assert "something else is answered" in found[0].detail


def test_nobody_there_is_told() -> None:
    async def get(*_: object, **__: object) -> bytes:
        raise HttpsError("no connection: Connection refused")

    found = asyncio.run(check_client_documents(get, SETTINGS))
    assert {one.state for one in found} == {"warning"}
    assert "Connection refused" in found[0].detail
    assert asyncio.run(check_client_documents(get, replace(SETTINGS, web_port=0))) == []
