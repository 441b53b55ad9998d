"""TLS reports in JSON (RFC 8460 4.4), out of the results that were counted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Sequence

from postier.reports.out.identity import DAY, Identity
from postier.store.api import TlsResult

__all__ = ["MAX_FAILURES", "tls_report"]

MAX_FAILURES = 1000
"""Kinds of failures told of one policy, those with the most sessions."""
MAX_POLICIES = 100

Counted = tuple[TlsResult, int]


def tls_report(identity: Identity, report_id: str, day: int, results: Iterable[Counted]) -> bytes:
    """The report on the sessions of one day with one destination."""
    by_policy: dict[tuple[str, str, str], list[Counted]] = {}
    for result, sessions in results:
        by_policy.setdefault((result.domain, result.kind, result.policy), []).append((result, sessions))
    report = {
        "organization-name": identity.organization,
        "date-range": {
            "start-datetime": _date_time(day * DAY),
            "end-datetime": _date_time((day + 1) * DAY - 1),
        },
        "contact-info": str(identity.contact),
        "report-id": report_id,
        "policies": [_policy(*key, counted) for key, counted in list(by_policy.items())[:MAX_POLICIES]],
    }
    return json.dumps(report, ensure_ascii=False).encode("utf-8", "replace")


def _date_time(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _policy(domain: str, kind: str, document: str, counted: Sequence[Counted]) -> dict[str, object]:
    failures = sorted((one for one in counted if one[0].result), key=lambda one: -one[1])
    failed = sum(sessions for _, sessions in failures)
    lines = [line for line in document.replace("\r\n", "\n").split("\n") if line]
    policy: dict[str, object] = {"policy-type": kind, "policy-domain": domain}
    if lines:
        policy["policy-string"] = lines
    patterns = list(_mx_patterns(lines)) if kind == "sts" else []
    if patterns:
        policy["mx-host"] = patterns
    found: dict[str, object] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": sum(sessions for _, sessions in counted) - failed,
            "total-failure-session-count": failed,
        },
    }
    if failures:
        found["failure-details"] = [_failure(*one) for one in failures[:MAX_FAILURES]]
    return found


def _mx_patterns(lines: Sequence[str]) -> Iterator[str]:
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() == "mx":
            yield value.strip()


def _failure(result: TlsResult, sessions: int) -> dict[str, object]:
    fields = {
        "result-type": result.result,
        "sending-mta-ip": result.source,
        "receiving-mx-hostname": result.host,
        "failure-reason-code": result.detail,
    }
    return {name: value for name, value in fields.items() if value} | {"failed-session-count": sessions}
