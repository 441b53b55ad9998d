"""docs/smtp.md names what EHLO offers at each door: all of it and nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from postier.base.clock import SystemClock
from postier.net.api import Connection, TlsInfo
from postier.smtp.inbound import session as inbound_session
from postier.smtp.inbound.dialogue import Dialogue, InboundServices, InboundSettings, Role
from postier.smtp.inbound.policy import checks_for
from postier.smtp.wire.commands import COMMANDS
from postier.smtp.wire.params import MAIL_PARAMS, RCPT_PARAMS
from postier.testing.login import FakeLogin

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "smtp.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| `([A-Z0-9]+)` \|([^|]*)\|([^|]*)\|([^|]*)\|", PAGE, re.MULTILINE)
COLUMNS = (Role.MX, Role.SUBMISSION, Role.LMTP)


def offered(role: Role, tls: TlsInfo | None) -> set[str]:
    facts = {"channel_bindings": {}, "client_certificate": b""}
    connection = cast(Connection, SimpleNamespace(id="c", tls=tls, peer=("192.0.2.1", 1), **facts))
    settings = InboundSettings("mail.example", future_release=60)
    services = cast(InboundServices, SimpleNamespace(clock=SystemClock(), login=FakeLogin()))
    dialogue = Dialogue(role, settings, services, connection, checks_for(role, settings))
    return {line.split()[0] for line in inbound_session._capabilities(dialogue)}


def test_the_table_is_what_ehlo_says() -> None:
    table = {name: [cell.strip() for cell in cells] for name, *cells in ROWS}
    for column, role in enumerate(COLUMNS):
        clear, secured = offered(role, None), offered(role, TlsInfo("TLSv1.3", "x", 256))
        for name, cells in table.items():
            cell = cells[column]
            if cell == "for proxies":
                continue
            in_clear = cell == "yes" or "in clear" in cell
            under_tls = cell == "yes" or cell == "under TLS"
            assert (name in clear, name in secured) == (in_clear, under_tls), (name, role)
        assert clear | secured <= set(table)


def test_every_extension_of_the_grammar_is_in_the_table() -> None:
    rows = (*COMMANDS.values(), *MAIL_PARAMS.values(), *RCPT_PARAMS.values())
    assert {row.extension for row in rows if row.extension} <= {name for name, *_ in ROWS}
