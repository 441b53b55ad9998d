"""`postier reports`: the reports that this server sends to other domains."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from postier.admin.reports_out_words import LANGUAGES
from postier.backend import open_backend
from postier.config.settings import load_settings
from postier.reports.out.identity import DAY
from postier.store.api import ReportOutcome, TlsResult

YESTERDAY = int(time.time()) // DAY - 1


def fill(data: Path, domain: str = "far.test") -> None:
    result = TlsResult(YESTERDAY, domain, "sts", "mx.far.test", "", "", "mode: none", destination=domain)

    async def work() -> None:
        async with open_backend(load_settings(data), "test") as backend:
            await backend.store.transact(lambda tx: tx.add_tls_results({result: 3}))

    asyncio.run(work())


def write(data: Path, outcome: ReportOutcome) -> None:
    async def work() -> None:
        async with open_backend(load_settings(data), "test") as backend:
            await backend.store.transact(lambda tx: tx.set_report_outcome(outcome))

    asyncio.run(work())


def switch_on(data: Path) -> None:
    file = data / "postier.toml"
    text = file.read_text()
    file.write_text(text.replace("[reports]\n", "[reports]\ntls = true\n"))


def test_the_languages_have_the_same_words() -> None:
    english, french = LANGUAGES["en"], LANGUAGES["fr"]
    assert english.keys() == french.keys()
    for key, text in english.items():
        assert text.count("{") == french[key].count("{"), key
        assert text.count(",") == french[key].count(",") or not key.endswith("columns"), key


def test_it_is_off_until_it_is_switched_on(postier: Any, listed: Any, data: Path) -> None:
    fill(data)
    assert postier("reports", "status").stdout == (
        "no reports are sent: reports.tls and reports.dmarc are off\n"
    )
    assert "aucun rapport n'est envoyé" in postier("reports", "status", "--lang", "fr").stdout
    found = listed("reports", "status")
    assert (found["kinds"], found["waiting"]) == ([], [])
    assert found["contact"] == "postmaster@orchard.test"
    switch_on(data)
    assert "reports are sent: tls, from postmaster@orchard.test" in postier("reports", "status").stdout
    (waiting,) = listed("reports", "status")["waiting"]
    assert (waiting["kind"], waiting["domain"]) == ("tls", "far.test")


def test_what_became_of_reports_is_told(postier: Any, listed: Any, data: Path) -> None:
    write(data, ReportOutcome("tls", "far.test", YESTERDAY, "x@y", "failed", 0, "DNS: \x1b[2J", 1))
    said = postier("reports", "status").stdout
    assert "failed" in said
    assert "\x1b" not in said
    (one,) = listed("reports", "status")["outcomes"]
    assert (one["outcome"], one["detail"]) == ("failed", "DNS: \x1b[2J")


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ("Rua@Far.test", "rua@far.test"),
        ("Far.test", "far.test"),
        ("https://Far.test:443/x", "https://far.test/x"),
    ],
)
def test_a_place_or_a_domain_is_stopped_and_resumed(
    postier: Any, listed: Any, fails: Any, said: str, name: str
) -> None:
    assert postier("reports", "stop", said, "--reason", "asked us").stdout == (
        f"{name} gets no reports any more\n"
    )
    (one,) = listed("reports", "status")["stopped"]
    assert (one["name"], one["reason"]) == (name, "asked us")
    assert "asked us" in postier("reports", "status").stdout
    assert listed("reports", "resume", said) == {"resumed": name}
    assert fails("reports", "resume", said) == f"{name} is not stopped"
    assert listed("reports", "status")["stopped"] == []


@pytest.mark.parametrize("name", ["ftp://far.test/", "https://10.0.0.1/", "a b", "x@y@"])
def test_what_is_no_place_is_said_to_be_none(fails: Any, name: str) -> None:
    assert fails("reports", "stop", name)


def test_a_report_is_shown_before_it_goes(postier: Any, listed: Any, data: Path) -> None:
    fill(data)
    tls, dmarc = listed("reports", "preview", "far.test")
    assert (tls["kind"], dmarc["kind"], dmarc["reports"]) == ("tls", "dmarc", [])
    document = json.loads(tls["reports"][0]["document"])
    assert document["policies"][0]["summary"]["total-successful-session-count"] == 3
    assert tls["problem"].startswith("DNS")
    said = postier("reports", "preview", "far.test").stdout
    assert "to whom is not known: DNS" in said
    assert "dmarc: nothing to report of" in said
    assert '"total-successful-session-count": 3' in said
    assert "rien à rapporter du 2026-01-01" in postier(
        "reports", "preview", "far.test", "--day", "2026-01-01", "--lang", "fr"
    ).stdout  # fmt: skip


def test_a_report_is_sent_by_hand_once_and_not_before_its_day_is_over(
    postier: Any, fails: Any, misused: Any, data: Path
) -> None:
    fill(data)
    today = time.strftime("%Y-%m-%d", time.gmtime((YESTERDAY + 1) * DAY))
    assert fails("reports", "send", "far.test", "--kind", "tls", "--day", today) == "the day is not over"
    tried = postier("reports", "send", "far.test", "--kind", "tls", ends=1)
    assert tried.stderr.endswith("the DNS did not answer: try again later\n")
    write(data, ReportOutcome("tls", "far.test", YESTERDAY, "x@y", "sent", 1, "", 1))
    assert "has its end: sent" in fails("reports", "send", "far.test", "--kind", "tls")
    assert "Missing option" in misused("reports", "send", "far.test")
