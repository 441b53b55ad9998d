"""The settings of certificates by ACME (see docs/certificates.md): rows of the table in settings.py."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from postier.acme.plan import CHALLENGES, KEY_TYPES
from postier.base.domain import Domain
from postier.config.kinds import BOOLEAN, TEXT, Kind, Setting, one_of

__all__ = ["ACME_ROWS", "AcmeSettings"]

_URL = re.compile(r"https?://[!-~]{1,500}")
_MAIL = re.compile(r"[!-~]{1,200}@[!-~]{1,200}")


def _listed(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(value)
    return value


def _directory(value: Any) -> str:
    if not isinstance(value, str) or (value and not _URL.fullmatch(value)):
        raise ValueError(value)
    return value


def _contact(value: Any) -> tuple[str, ...]:
    """As URLs (RFC 8555 7.3); an address stands for mailto:."""
    found = _listed(value)
    if not all(_MAIL.fullmatch(one) for one in found):
        raise ValueError(value)
    return tuple(one if ":" in one else f"mailto:{one}" for one in found)


def _names(value: Any) -> tuple[str, ...]:
    return tuple(_name(one) for one in _listed(value))


def _name(text: str) -> str:
    star = "*." if text.startswith("*.") else ""
    name = Domain.parse(text.removeprefix(star)).ascii
    if "." not in name or "_" in name:
        raise ValueError(text)
    return star + name


_KIND_DIRECTORY = Kind(
    "URL", 'the URL of a directory such as "https://ca.example/directory", or ""', _directory
)
_KIND_CONTACT = Kind("addresses", 'a list of mail addresses such as ["admin@example.org"]', _contact)
_KIND_NAMES = Kind("names", 'a list of names such as ["imap.example.org", "*.example.org"]', _names)

ACME_ROWS = (
    Setting(
        "acme.directory",
        _KIND_DIRECTORY,
        "",
        "The authority to get certificates from, by the URL of its directory (see certificates.md).",
    ),
    Setting(
        "acme.agree_terms",
        BOOLEAN,
        False,
        "That you have read the authority's terms of service and agree; nothing is asked before.",
    ),
    Setting("acme.contact", _KIND_CONTACT, [], "Whom the authority may write to about certificates."),
    Setting(
        "acme.challenge",
        one_of(*CHALLENGES),
        CHALLENGES[0],
        "How names are proved: by port 80, by port 443, or by the DNS, which takes dns_update.",
    ),
    Setting(
        "acme.names",
        _KIND_NAMES,
        [],
        "More names to have certificates for; a wildcard takes the challenge dns-01.",
    ),
    Setting("acme.key_type", one_of(*KEY_TYPES), KEY_TYPES[0], "The kind of key that certificates are for."),
    Setting(
        "acme.reuse_key",
        BOOLEAN,
        True,
        "Keep the key when a certificate is renewed; else each has the key that was announced before.",
    ),
    Setting("acme.profile", TEXT, "", "The kind of certificate, of those that the authority offers."),
    Setting("acme.eab_kid", TEXT, "", "The name of the external account that the authority gave you."),
    Setting(
        "acme.eab_key_file",
        TEXT,
        "",
        "The key of that account, in base64url, in a file; relative to the data directory.",
    ),
    Setting(
        "acme.authorities",
        TEXT,
        "",
        "PEM file with whom to believe when asking the authority, in place of the system's list.",
    ),
)


@dataclass(frozen=True, slots=True)
class AcmeSettings:
    """`contact`: URLs; `names`: A-labels, "*." before some of them."""

    directory: str
    agree_terms: bool
    contact: tuple[str, ...]
    challenge: str
    names: tuple[str, ...]
    key_type: str
    reuse_key: bool
    profile: str
    eab_kid: str
    eab_key_file: str
    authorities: str

    @property
    def enabled(self) -> bool:
        return bool(self.directory) and self.agree_terms
