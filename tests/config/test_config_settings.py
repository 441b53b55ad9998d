from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from postier.config.reference import settings_reference
from postier.config.settings import (
    FILE_NAME,
    LEAST,
    PARTS,
    SETTINGS,
    ConfigError,
    Settings,
    load_settings,
    render_settings,
)

DOCS = Path(__file__).parents[2] / "docs" / "settings.md"


def load(folder: Path, text: str) -> Settings:
    (folder / FILE_NAME).write_text(text, encoding="utf-8")
    return load_settings(folder)


def test_every_setting_is_documented() -> None:
    assert re.findall(r"^### (\S+)", DOCS.read_text(encoding="utf-8"), re.M) == [s.name for s in SETTINGS]


def test_the_reference_is_up_to_date() -> None:
    made = settings_reference()
    assert DOCS.read_text(encoding="utf-8") == made, "python -m postier.config.reference > docs/settings.md"


def test_the_table_and_the_parts_agree() -> None:
    fields = [f"{part}.{field.name}" for part, kind in PARTS.items() for field in dataclasses.fields(kind)]
    assert sorted(fields) == sorted(setting.name for setting in SETTINGS)
    assert set(LEAST) <= set(fields)


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert settings.data == tmp_path
    assert settings.smtp.max_message_size == 50_000_000
    assert settings.queue.give_up_after == 5 * 86400
    assert settings.imap.idle_timeout == 1800


def test_what_is_rendered_loads_again(tmp_path: Path) -> None:
    chosen = {
        "server.hostname": "mail.example.org",
        "server.bind": ["127.0.0.1", "::1"],
        "server.trust_loopback": True,
        "dns.servers": ["127.0.0.1:5300", "[::1]:53", "192.0.2.1"],
    }
    text = render_settings(chosen)
    settings = load(tmp_path, text)
    assert settings.server.hostname == "mail.example.org"
    assert settings.server.trust_loopback
    assert settings.dns.servers == (("127.0.0.1", 5300), ("::1", 53), ("192.0.2.1", 53))
    uncommented = re.sub(r"^# (?=[a-z_0-9]+ = )", "", text, flags=re.M)
    assert load(tmp_path, uncommented) == settings


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[smtp]\nmax_message_size = 50", ':2: smtp.max_message_size: expected a size such as "50MB"'),
        ('[smtp]\n\nmax_message_size="50 MB"', ":3: smtp.max_message_size: expected a size"),
        ("[smtp]\nmax_recipients = true", ":2: smtp.max_recipients: expected a whole number"),
        ("[smtp]\nmax_recipients = 99", ":2: smtp.max_recipients: at least 100"),
        ("[smtp]\nmax_recipient = 99", ":2: there is no setting smtp.max_recipient; did you mean smtp.max_"),
        ('[imap]\nidle_timeout = "29m"', ":2: imap.idle_timeout: at least 30m"),
        ('[queue]\nretry_first = "5 minutes"', ":2: queue.retry_first: expected a duration"),
        ('[server]\nhostname = "a b"', ":2: server.hostname: expected a host name"),
        ('[server]\nbind = ["mail.example"]', ":2: server.bind: expected a list of IP addresses"),
        ("[server]\nbind = 5", ":2: server.bind: expected a list of IP addresses"),
        ('[net]\nproxy_from = ["0.0.0.0/0"]', ":2: net.proxy_from: expected a list of networks"),
        ('[lmtp]\naccept_from = ["::/0"]', ":2: lmtp.accept_from: expected a list of networks"),
        ('[smtp]\nxclient_from = ["192.0.2.1/24"]', ":2: smtp.xclient_from: expected a list of networks"),
        ('[dns]\nservers = ["127.0.0.1:99999"]', ":2: dns.servers: expected a list of servers"),
        ('[log]\nlevel = "loud"', ":2: log.level: expected one of"),
        ("[server]\nport_base = 62000", ": server.port_base: too high"),
        ("[server]\nport_base = 70000", ":2: server.port_base: expected a port number"),
        ("[server]\ntrust_loopback = true", ": server.trust_loopback: server.bind must name loopback"),
        ('[server]\ntrust_loopback = true\nbind = ["127.0.0.1", "192.0.2.1"]', "not 192.0.2.1"),
        ("[smpt]\nx = 1", ": there is no section [smpt]"),
        ('"a\\nb" = 1', ": there is no section ['a"),
        ("smtp = 1", ": smtp: expected a section [smtp]"),
        ("[smtp", ": not valid TOML: "),
    ],
)
def test_what_is_wrong_is_one_clear_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / FILE_NAME))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*postier.toml: No such file"):
        load_settings(tmp_path)
