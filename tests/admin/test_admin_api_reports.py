"""The routes of the management API about reports: every one of them, beside what the command line prints."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from postier.admin.api_reports import ReportRoutes
from postier.base.clock import SystemClock
from postier.blobs.local import LocalBlobs
from postier.bus.memory import MemoryBus
from postier.http.api import Call, Lines
from postier.http.openapi import openapi_document
from postier.http.parameters import read_parameters
from postier.http.problem import Problem
from postier.reports.limits import LIMITS
from postier.store.api import Account, AccountKind, Store
from postier.store.sqlite import open_sqlite
from postier.testing.dns import ZoneResolver

DAY = 86400
RECORD = """<record><row><source_ip>{ip}</source_ip><count>{count}</count><policy_evaluated>
<disposition>none</disposition><dkim>fail</dkim><spf>{result}</spf></policy_evaluated></row>
<identifiers><header_from>orchard.test</header_from></identifiers>
<auth_results><spf><domain>orchard.test</domain><result>{result}</result></spf></auth_results></record>"""

Ask = Callable[..., Awaitable[Any]]


def report(number: int) -> bytes:
    begin = int(SystemClock().now()) // DAY * DAY - (number + 2) * DAY
    records = RECORD.format(ip="192.0.2.1", count=10, result="pass") + RECORD.format(
        ip="198.51.100.7", count=3, result="fail"
    )
    return (
        f"<feedback><report_metadata><org_name>Org</org_name><report_id>{number}</report_id><date_range>"
        f"<begin>{begin}</begin><end>{begin + DAY - 1}</end></date_range></report_metadata>"
        f"<policy_published><domain>orchard.test</domain><p>none</p></policy_published>{records}</feedback>"
    ).encode()


def on_routes(tmp_path: Path, work: Callable[[Ask], Awaitable[None]]) -> None:
    async def whole() -> None:
        clock = SystemClock()
        store: Store = await open_sqlite(
            tmp_path / "postier.db",
            blobs=LocalBlobs(tmp_path, "test"),
            bus=MemoryBus(),
            clock=clock,
            owner="test",
        )
        table = ReportRoutes(store, clock, ZoneResolver({})).table()
        account_id = await store.transact(lambda tx: tx.add_account("a@b.example", AccountKind.PERSON, ""))
        account: Account = await store.reader.account(account_id)

        async def ask(name: str, body: bytes = b"", *, domain: str = "", **query: str) -> Any:
            (route,) = [one for one in table if one.path.endswith(f"/{name}")]
            path = {"domain": domain} if "{domain}" in route.path else {}
            asked = list(query.items()) + ([("domain", domain)] if domain and not path else [])
            answer = await route.answer(Call(account, read_parameters(route.parameters, path, asked), body))
            if isinstance(answer, Lines):
                answer = [value async for value in answer.values]
            return json.loads(json.dumps(answer))

        try:
            await work(ask)
        finally:
            await store.close()

    asyncio.run(whole())


def test_every_route(tmp_path: Path) -> None:
    async def work(ask: Ask) -> None:
        assert (await ask("import", report(1)))["aggregate"] == 1
        mails = (b"Subject: r\nContent-Type: text/xml\n\n" + report(number) + b"\n\n" for number in (1, 2))
        mbox = b"".join(b"From x Mon Jan  1 00:00:00 2024\n" + mail for mail in mails)
        again = await ask("import", mbox)
        assert (again["aggregate"], again["known"], again["rows"]) == (1, 1, 2)
        refused = await ask("import", b"<html/>")
        assert refused["unreadable_files"] == [
            {"file": "upload by a@b.example", "reason": "the XML is no DMARC report"}
        ]
        found = await ask("summary", days="30")
        assert [(one["domain"], one["reports"], one["messages"]) for one in found["domains"]] == [
            ("orchard.test", 2, 26)
        ]
        assert found["unreadable"] == 1
        found = await ask("sources", domain="orchard.test", lang="fr")
        assert {one["name"] for one in found["sources"]}
        assert sum(one["messages"] for one in found["sources"]) == 26
        found = await ask("simulate", domain="orchard.test", policy="quarantine", strict="true")
        assert (found["policy"], found["strict"], found["failed"]) == ("quarantine", True, 6)
        assert found["failed_by_policy"] == {"quarantine": 6}
        found = await ask("simulate", domain="orchard.test", spf="v=spf1 ip4:198.51.100.7 -all", dns="false")
        assert found["spf"] == "v=spf1 ip4:198.51.100.7 -all"
        assert (found["passed"], found["failed_now"]) == (6, 6)
        rows = await ask("export")
        assert len(rows) == 4
        assert rows == await ask("export", domain="orchard.test", days="30")
        assert await ask("export", domain="harbor.test") == []
        assert len(await ask("export", what="unreadable")) == 1

    on_routes(tmp_path, work)


@pytest.mark.parametrize(
    ("name", "asked", "said"),
    [
        ("summary", {"days": "0"}, "days: expected a number from 1 to 3650"),
        ("sources", {"domain": "a..b"}, "domain: expected the name of a domain"),
        ("sources", {"domain": "a.test", "lang": "xx"}, "lang: expected one of en, fr"),
        (
            "simulate",
            {"domain": "a.test", "policy": "all"},
            "policy: expected one of none, quarantine, reject",
        ),
        ("simulate", {"domain": "a.test", "spf": "ip4:1.2.3.4"}, 'begins with "v=spf1"'),
        ("export", {"what": "all"}, "what: expected one of rows, failures, tls, unreadable"),
        ("import", {}, "the body is empty"),
    ],
)
def test_what_cannot_be_asked(tmp_path: Path, name: str, asked: dict[str, str], said: str) -> None:
    async def work(ask: Ask) -> None:
        with pytest.raises(Problem, match=r"expected|empty") as raised:
            await ask(name, **asked)
        assert said in raised.value.detail
        assert raised.value.status == 400

    on_routes(tmp_path, work)


def test_the_page_and_the_description_have_every_route() -> None:
    store: Any = None
    table = ReportRoutes(store, SystemClock(), ZoneResolver({})).table()
    page = (Path(__file__).resolve().parents[2] / "docs" / "api.md").read_text()
    document = openapi_document(table)
    for route in table:
        assert f"`{route.method} {route.path}`" in page
        operation = document["paths"][route.path][route.method.lower()]
        assert [one["name"] for one in operation["parameters"]] == [one.name for one in route.parameters]
        assert all(f"`{one.name}`" in page for one in route.parameters)
    assert {route.body for route in table} == {0, LIMITS.octets}
