"""The indicator (logo) of a domain that stands behind its mail: BIMI (draft-brand-indicators-for-message-
identification), for those who show messages.

    record = await indicator_record(resolver, dmarc)      # None where there is none to show
    svg = await fetch(record.location)                    # over HTTPS, at most MAX_INDICATOR octets
    check_svg(svg)

What a domain says of itself: the mark certificate (a=) is named and not verified, so an indicator proves no
trade mark, only that the domain passed DMARC under a policy that is enforced.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from postier.base.domain import Domain
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.mailauth.dkim.tags import TagError, parse_tag_list
from postier.mailauth.dmarc import Dmarc, DmarcResult, Policy

__all__ = [
    "MAX_INDICATOR",
    "SVG_TYPES",
    "IndicatorRecord",
    "indicator_record",
    "is_eligible",
    "parse_indicator",
]

MAX_INDICATOR = 32 * 1024
"""Octets (draft-svg-tiny-ps-abrotman 2.5)."""

SVG_TYPES = ("image/svg+xml",)
MAX_RECORD = 4096
_TARGET = re.compile(r"/[!-~]*")
_ENFORCED = (Policy.QUARANTINE, Policy.REJECT)


@dataclass(frozen=True, slots=True)
class IndicatorRecord:
    """`domain`: where the record was found. `host`, `target`: of l=, for an HTTPS request; `evidence`: a=, a
    URL or ""."""

    domain: str
    host: str
    target: str
    evidence: str

    @property
    def location(self) -> str:
        return f"https://{self.host}{self.target}"


def is_eligible(dmarc: DmarcResult) -> bool:
    """Whether the message passes DMARC under a policy that holds for all mail of the domain and of those
    below it: no p=none, no sp=none, no test, no part of it."""
    record = dmarc.record
    return (
        dmarc.result is Dmarc.PASS
        and record is not None
        and record.policy in _ENFORCED
        and record.subdomain_policy in _ENFORCED
        and not record.testing
        and record.pct == 100
    )


async def indicator_record(resolver: Resolver, dmarc: DmarcResult) -> IndicatorRecord | None:
    """That of the author domain, else of its organizational domain; None for a message that is not eligible,
    a domain that has none or wants none shown, and a DNS that does not answer."""
    if not is_eligible(dmarc):
        return None
    for domain in dict.fromkeys((dmarc.domain, dmarc.organizational_domain)):
        try:
            texts = (await resolver.txt(f"default._bimi.{domain}")).records
        except NotFound:
            continue
        except TemporaryFailure:
            return None
        records = [text for text in texts if _is_version_1(text)]
        if records:
            return parse_indicator(domain, records[0]) if len(records) == 1 else None
    return None


def parse_indicator(domain: str, text: bytes) -> IndicatorRecord | None:
    """None where l= is empty, which declines, or is no https URL of a public kind of name."""
    try:
        tags = parse_tag_list(text) if len(text) <= MAX_RECORD else {}
        location = urlsplit(tags.get("l", ""))
        host = Domain.parse(location.hostname or "").ascii
        port = location.port
    except (TagError, ValueError):
        return None
    target = (location.path or "/") + (f"?{location.query}" if location.query else "")
    is_plain = port in (None, 443) and location.username is None and location.password is None
    if location.scheme != "https" or not is_plain or "." not in host or not _TARGET.fullmatch(target):
        return None
    evidence = tags.get("a", "")
    return IndicatorRecord(domain, host, target, evidence if evidence.startswith("https://") else "")


def _is_version_1(text: bytes) -> bool:
    return re.match(rb"[ \t]*v[ \t]*=[ \t]*BIMI1[ \t]*(?:;|\Z)", text) is not None
