"""The settings of dynamic updates and of signing keys (see docs/dns.md): rows of the table in settings.py."""

from __future__ import annotations

from dataclasses import dataclass

from postier.config.kinds import DURATION, ENDPOINT, TEXT, Setting, one_of
from postier.dns.update import ALGORITHMS

__all__ = ["DKIM_ROWS", "DNS_UPDATE_ROWS", "DkimSettings", "DnsUpdateSettings"]

DKIM_ROWS = (
    Setting(
        "dkim.rotate_after",
        DURATION,
        "180d",
        "Age at which signing keys are replaced, where dns_update can publish new ones; 0s never does.",
    ),
)

DNS_UPDATE_ROWS = (
    Setting(
        "dns_update.server",
        ENDPOINT,
        "",
        "The primary name server that takes our records by dynamic update (see dns.md); none is off.",
    ),
    Setting(
        "dns_update.zone",
        TEXT,
        "",
        "The only zone there that may be changed; none means every zone that it has of our names.",
    ),
    Setting(
        "dns_update.key_file",
        TEXT,
        "",
        "The TSIG key, as tsig-keygen writes it or the secret alone; relative to the data directory.",
    ),
    Setting("dns_update.key_name", TEXT, "", "Its name, where the file has the secret alone."),
    Setting(
        "dns_update.key_algorithm",
        one_of(*ALGORITHMS),
        ALGORITHMS[0],
        "Its algorithm, where the file has the secret alone.",
    ),
)


@dataclass(frozen=True, slots=True)
class DkimSettings:
    """In seconds."""

    rotate_after: int


@dataclass(frozen=True, slots=True)
class DnsUpdateSettings:
    """`server`: None where it is off."""

    server: tuple[str, int] | None
    zone: str
    key_file: str
    key_name: str
    key_algorithm: str
