"""The settings of who is let in: what is taken, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from postier.config.settings import ConfigError, load_settings


def _load(folder: Path, line: str):
    (folder / "postier.toml").write_text(f"[policy]\n{line}\n")
    return load_settings(folder).policy


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert _load(tmp_path, 'reverse_dns = "defer"').reverse_dns == "defer"
    assert _load(tmp_path, 'greeting_delay = "3s"').greeting_delay == 3
    (found,) = _load(tmp_path, 'dnsbl = ["BL.example/127.0.0.2=-7"]').dnsbl
    assert (found.zone, found.weight) == ("bl.example", -7)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('reverse_dns = "maybe"', 'expected one of "off", "mark", "defer", "refuse", found'),
        ('spf_fail = "off"', 'expected one of "mark", "refuse", found'),
        ("helo = true", 'expected one of "off", "mark", "refuse", found'),
        ('dnsbl = ["bl.example"]', "expected a list of zones with their weights"),
        ('dnsbl = "bl.example=3"', "expected a list of zones with their weights"),
        ('dnsbl = ["bl.example=3", "BL.example=2"]', "expected a list of zones with their weights"),
        ('greylist_window = "59m"', "at least 1h"),
        ("junk_weight = -1", "expected a whole number"),
    ],
)
def test_what_can_not_be_meant_is_refused(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        _load(tmp_path, line)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
