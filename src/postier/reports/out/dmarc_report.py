"""DMARC aggregate reports in XML (RFC 9990 3.1 and appendix A), out of the results that were counted."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator, Sequence

from postier import __version__
from postier.reports.out.identity import DAY, Identity
from postier.reports.out.seen import Policy, Row, decode_policy, decode_row
from postier.store.api import DmarcCount, DmarcSeen

__all__ = ["Counted", "by_policy", "dmarc_report"]

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
_NO_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_OVERRIDES = ("local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder")

Counted = tuple[DmarcSeen, DmarcCount]


def by_policy(counted: Iterable[Counted]) -> list[list[Counted]]:
    """A report has one policy; where it changed in the day, there are several (RFC 9990 3.3)."""
    found: dict[str, list[Counted]] = {}
    for seen, count in counted:
        found.setdefault(seen.policy, []).append((seen, count))
    return list(found.values())


def dmarc_report(identity: Identity, report_id: str, counted: Sequence[Counted]) -> bytes:
    """The report on rows, at least one, of one policy and day."""
    first = counted[0][0]
    begin = first.day * DAY
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<feedback xmlns="{NAMESPACE}">',
        "<version>1.0</version>",
        "<report_metadata>",
        _element("org_name", identity.organization),
        _element("email", str(identity.contact)),
        _element("report_id", report_id),
        f"<date_range><begin>{begin}</begin><end>{begin + DAY - 1}</end></date_range>",
        _element("generator", f"Postier {__version__}"),
        "</report_metadata>",
        *_published(first.domain, decode_policy(first.policy)),
    ]
    for seen, count in counted:
        lines += _record(decode_row(seen.facts), count.messages)
    lines.append("</feedback>\n")
    return "\n".join(lines).encode("utf-8", "replace")


def _element(name: str, text: str) -> str:
    return f"<{name}>{html.escape(_NO_XML.sub('', text), quote=False)}</{name}>"


def _published(domain: str, policy: Policy) -> Iterator[str]:
    yield "<policy_published>"
    yield _element("domain", domain)
    for name in ("p", "sp", "np", "adkim", "aspf", "discovery_method", "fo"):
        yield _element(name, getattr(policy, name))
    yield _element("testing", "y" if policy.testing else "n")
    yield "</policy_published>"


def _record(row: Row, messages: int) -> Iterator[str]:
    yield "<record><row>"
    yield _element("source_ip", row.source_ip)
    yield f"<count>{messages}</count>"
    yield "<policy_evaluated>"
    yield _element("disposition", row.disposition)
    yield _element("dkim", "pass" if row.dkim_aligned else "fail")
    yield _element("spf", "pass" if row.spf_aligned else "fail")
    if row.override:
        kind = row.override if row.override in _OVERRIDES else "other"
        comment = _element("comment", row.reason) if row.reason else ""
        yield f"<reason>{_element('type', kind)}{comment}</reason>"
    yield "</policy_evaluated></row>"
    yield "<identifiers>"
    yield _element("header_from", row.header_from)
    if row.envelope_from:
        yield _element("envelope_from", row.envelope_from)
    yield "</identifiers><auth_results>"
    for one in row.dkim:
        if one.domain and one.selector:
            human = _element("human_result", one.reason) if one.reason else ""
            yield (
                f"<dkim>{_element('domain', one.domain)}{_element('selector', one.selector)}"
                f"{_element('result', one.result)}{human}</dkim>"
            )
    if row.spf.domain:  # of the null path the name in HELO is its domain (RFC 7208 2.4)
        scope, result = _element("scope", "mfrom"), _element("result", row.spf.result)
        yield f"<spf>{_element('domain', row.spf.domain)}{scope}{result}</spf>"
    yield "</auth_results></record>"
