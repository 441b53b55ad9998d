"""Thunderbird looks for the settings of an account, by its own code, from nothing but the address."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent


@pytest.fixture
def found(need: Callable[[str], None], person: Any, shell: Any, tmp_path: Path) -> tuple[Any, dict[str, Any]]:
    need("thunderbird")
    who = person()
    asked = {
        "profile": str(tmp_path / "profile"),
        "ca": who.ca,
        "host": who.host,
        "http": who.port(80),
        "https": who.port(443),
        "domain": "orchard.test",
        "address": who.address,
    }
    done = shell.run(
        sys.executable, str(HERE / "thunderbird.py"), stdin=json.dumps(asked).encode(), seconds=180
    )
    return who, json.loads(done.stdout)


def test_thunderbird_finds_everything_by_itself(found: tuple[Any, dict[str, Any]]) -> None:
    who, said = found
    tls, late = said["socketTypes"]["SSL"], said["socketTypes"]["STARTTLS"]

    def server(kind: str, port: int, socket_type: int, user: str) -> dict[str, Any]:
        return {
            "type": kind,
            "hostname": "mail.orchard.test",
            "port": who.port(port),
            "socketType": socket_type,
            "auth": said["password"],
            "username": user,
        }

    placeholder = "%EMAILADDRESS%"
    assert said["autoconfig"] == {
        "source": "xml-from-isp-https",
        "name": "orchard.test",
        "incoming": server("imap", 993, tls, placeholder),
        "outgoing": server("smtp", 465, tls, placeholder),
        "others": [
            server("imap", 143, late, placeholder),
            server("pop3", 995, tls, placeholder),
            server("pop3", 110, late, placeholder),
        ],
    }
    discovered = said["autodiscover"]
    assert discovered["source"] == "exchange-from-url1"
    assert discovered["incoming"] == server("imap", 993, tls, who.address)
    assert discovered["outgoing"] == server("smtp", 465, tls, who.address)
    assert discovered["others"] == [server("pop3", 995, tls, who.address)]
