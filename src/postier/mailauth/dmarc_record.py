"""DMARC policy records (RFC 9989 4.7; what RFC 7489 published is read as well), compiled once each."""

from __future__ import annotations

import enum
import functools
import re
from dataclasses import dataclass

__all__ = ["DmarcRecord", "Policy", "parse_dmarc_record", "size_limits"]

MAX_RECORD = 8192

_VERSION = re.compile(r"v[ \t]*=[ \t]*DMARC1[ \t]*(?:;|\Z)")  # case matters in its value only, as it should
MAX_URIS = 10
_SIZE = re.compile(r"([0-9]{1,12})([kmgt]?)")
_UNITS = ("", "k", "m", "g", "t")
_FLAGS = re.compile(r"[01dsDS:]*")


class Policy(enum.Enum):
    """What the domain owner asks to do with mail that fails."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


_POLICIES = {policy.value: policy for policy in Policy}


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A policy record with its defaults filled in.

    `usable` is False where a policy can't be read and nobody asks for reports: DMARC is then not applied
    (RFC 9989 4.10.1), though the record still takes part in finding the organizational domain.
    `psd`: "y", "n" or "u". `testing`: t=y. `pct`: 100 unless an RFC 7489 record says less (6.6.4 there),
    and it says nothing beside t=, which has taken its place.
    `rua`, `ruf`: the URIs as they are, sizes (`!10m`) cut off.
    """

    usable: bool
    policy: Policy
    subdomain_policy: Policy
    nonexistent_policy: Policy
    strict_dkim: bool
    strict_spf: bool
    psd: str
    testing: bool
    failure_options: str
    rua: tuple[str, ...]
    ruf: tuple[str, ...]
    pct: int
    text: str


def parse_dmarc_record(octets: bytes) -> DmarcRecord | None:
    """None where the TXT record is no DMARC record: v=DMARC1 must come first (RFC 9989 4.7); nor
    where it has more than 8 KiB.

    Tags that are unknown, repeated, or have a value that makes no sense are ignored: the record then says
    what it would without them. Without p=, or with a policy that is none of the three, all of them are none.
    """
    return _remembered(octets) if len(octets) <= MAX_RECORD else None


@functools.lru_cache(maxsize=4096)
def _remembered(octets: bytes) -> DmarcRecord | None:
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return None
    if not _VERSION.match(text.lstrip(" \t")):
        return None
    tags = _tags(text)
    readable = all(tags[name].lower() in _POLICIES for name in ("p", "sp", "np") if name in tags)
    policies = tags if readable else {}
    policy = _policy(policies, "p", Policy.NONE)
    subdomain = _policy(policies, "sp", policy)
    rua = _uris(tags.get("rua", ""))
    return DmarcRecord(
        usable=readable or bool(rua),
        policy=policy,
        subdomain_policy=subdomain,
        nonexistent_policy=_policy(policies, "np", subdomain),
        strict_dkim=tags.get("adkim", "").lower() == "s",
        strict_spf=tags.get("aspf", "").lower() == "s",
        psd=_one_of(tags.get("psd", ""), ("y", "n"), "u"),
        testing=tags.get("t", "").lower() == "y",
        failure_options=tags["fo"].lower() if _FLAGS.fullmatch(tags.get("fo", "-")) else "0",
        rua=rua,
        ruf=_uris(tags.get("ruf", "")),
        pct=100 if "t" in tags else _percentage(tags.get("pct", "")),
        text=text,
    )


def size_limits(record: DmarcRecord) -> dict[str, int]:
    """The URIs of rua that take only so many octets ("!10m", RFC 7489 6.4, which RFC 9989 reads no more)."""
    found = {}
    for uri in _tags(record.text).get("rua", "").split(",")[:MAX_URIS]:
        name, mark, size = uri.strip(" \t").partition("!")
        number = _SIZE.fullmatch(size.lower())
        if mark and number is not None:
            found[name] = int(number[1]) << _UNITS.index(number[2]) * 10
    return found


def _tags(text: str) -> dict[str, str]:
    tags: dict[str, str] = {}
    for spec in text.split(";"):
        name, equals, value = spec.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    return tags


def _policy(tags: dict[str, str], name: str, default: Policy) -> Policy:
    return _POLICIES[tags[name].lower()] if name in tags else default


def _one_of(value: str, allowed: tuple[str, ...], default: str) -> str:
    return value.lower() if value.lower() in allowed else default


def _uris(value: str) -> tuple[str, ...]:
    """At most MAX_URIS of them; more is a way to make us send mail (RFC 9990 3.3)."""
    uris = (uri.strip(" \t").partition("!")[0] for uri in value.split(",")[:MAX_URIS])
    return tuple([uri for uri in uris if uri])


def _percentage(value: str) -> int:
    return int(value) if value.isascii() and value.isdigit() and len(value) < 4 and int(value) <= 100 else 100
