"""docs/rfc.tsv: every row is well-formed, every RFC that the source names is in it, and what the doors
announce is implemented."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple, cast

import pytest

from postier.base.clock import SystemClock
from postier.imap.wire.capabilities import CAPABILITIES, Surroundings, render_capabilities
from postier.imap.wire.commands import COMMANDS as IMAP_COMMANDS
from postier.imap.wire.values import State as ImapState
from postier.net.api import Connection, TlsInfo
from postier.pop3.wire.capabilities import Policy, capability_lines
from postier.pop3.wire.commands import COMMANDS as POP3_COMMANDS
from postier.pop3.wire.commands import State as Pop3State
from postier.smtp.inbound import session as inbound_session
from postier.smtp.inbound.dialogue import Dialogue, InboundServices, InboundSettings, Role
from postier.smtp.inbound.policy import checks_for
from postier.smtp.wire.commands import COMMANDS as SMTP_COMMANDS
from postier.smtp.wire.params import MAIL_PARAMS, RCPT_PARAMS
from postier.testing.login import FakeLogin

ROOT = Path(__file__).resolve().parents[2]
STATUSES = {"implemented", "partial", "planned", "refused"}
NUMBER = re.compile(r"RFCs? ([0-9]{3,5})")

SMTP_EXTENSIONS = {
    "PIPELINING": "2920",
    "SIZE": "1870",
    "8BITMIME": "6152",
    "SMTPUTF8": "6531",
    "ENHANCEDSTATUSCODES": "2034",
    "CHUNKING": "3030",
    "BINARYMIME": "3030",
    "DSN": "3461",
    "HELP": "5321",
    "LIMITS": "9422",
    "REQUIRETLS": "8689",
    "FUTURERELEASE": "4865",
    "STARTTLS": "3207",
    "AUTH": "4954",
}
POP3_CAPABILITIES = {
    "TOP": "1939",
    "UIDL": "1939",
    "USER": "1939",
    "RESP-CODES": "2449",
    "PIPELINING": "2449",
    "EXPIRE": "2449",
    "IMPLEMENTATION": "2449",
    "AUTH-RESP-CODE": "3206",
    "STLS": "2595",
    "SASL": "5034",
    "LANG": "6856",
    "LOGIN-DELAY": "2449",
    "UTF8": "6856",
}


class Row(NamedTuple):
    """A line of the table."""

    rfc: str
    section: str
    status: str
    file: str
    note: str


LINES = (ROOT / "docs" / "rfc.tsv").read_text(encoding="utf-8").splitlines()
ROWS = [Row(*line.split("\t")) for line in LINES[1:]]
IMPLEMENTED = {row.rfc for row in ROWS if row.status == "implemented"}


def _order(row: Row) -> tuple[int, list[int], str]:
    return int(row.rfc), [int(number) for number in re.findall("[0-9]+", row.section)], row.section


def test_the_columns_are_named() -> None:
    assert tuple(LINES[0].split("\t")) == Row._fields


def test_rows_are_sorted_and_each_section_stands_once() -> None:
    assert sorted(ROWS, key=_order) == ROWS
    assert len({(row.rfc, row.section) for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rfc} {row.section}")
def test_a_row_is_well_formed(row: Row) -> None:
    assert row.status in STATUSES
    there = row.status in ("implemented", "partial")
    assert (row.file != "-") == there
    assert not there or (ROOT / row.file).is_file()
    assert row.status == "implemented" or row.note, "says what is missing, or why"


def test_every_rfc_that_the_source_names_has_a_row() -> None:
    known = {row.rfc for row in ROWS}
    named = {
        number: file.relative_to(ROOT)
        for file in sorted((ROOT / "src").rglob("*.py"))
        for number in NUMBER.findall(file.read_text(encoding="utf-8"))
    }
    assert {number: file for number, file in named.items() if number not in known} == {}


def _unproved(rfcs: Iterable[str]) -> set[str]:
    """Those of which no section is implemented. A table's `rfc` may name a section, too."""
    return {rfc for rfc in rfcs if rfc.startswith(tuple("0123456789")) and rfc.split()[0] not in IMPLEMENTED}


def test_what_imap_announces_is_implemented() -> None:
    assert _unproved(row.rfc for row in CAPABILITIES) == set()
    known = {row.name for row in CAPABILITIES} | {"AUTH=PLAIN", "APPENDLIMIT=9"}
    for state in ImapState:
        shown = render_capabilities(state, Surroundings(tls=True, append_limit=9)).decode().split()
        assert set(shown) <= known
    assert _unproved(("4616", "7889")) == set()


def test_what_pop3_announces_is_implemented() -> None:
    announced = {
        line.decode().split()[0]
        for state in Pop3State
        for line in capability_lines(
            state, confidential=True, offers_stls=True, mechanisms=["PLAIN"], policy=Policy(1, 1)
        )
    }
    assert announced == set(POP3_CAPABILITIES)
    assert _unproved(POP3_CAPABILITIES.values()) == set()


def test_what_smtp_announces_is_implemented() -> None:
    announced: set[str] = set()
    services = cast(InboundServices, SimpleNamespace(clock=SystemClock(), login=FakeLogin()))
    for tls, trusted in ((None, False), (None, True), (TlsInfo("TLSv1.3", "x", 256), False)):
        facts = {"channel_bindings": {}, "client_certificate": b""}
        connection = cast(Connection, SimpleNamespace(id="c", tls=tls, peer=("192.0.2.1", 1), **facts))
        for role in Role:
            settings = InboundSettings("mail.example", trust_loopback=trusted, future_release=60)
            dialogue = Dialogue(role, settings, services, connection, checks_for(role, settings))
            announced |= {line.split()[0] for line in inbound_session._capabilities(dialogue)}
    assert announced == set(SMTP_EXTENSIONS)
    assert _unproved(SMTP_EXTENSIONS.values()) == set()


def test_the_tables_of_verbs_name_implemented_rfcs() -> None:
    tables = (IMAP_COMMANDS, POP3_COMMANDS, SMTP_COMMANDS, MAIL_PARAMS, RCPT_PARAMS)
    assert _unproved(row.rfc for table in tables for row in table.values() if row.rfc) == set()
