"""Reports of others about our domains' mail: values and interfaces, part of store.api.

Moments are in seconds since 1970; texts are of one line, without control characters.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = [
    "AggregateReport",
    "AuthDkim",
    "AuthSpf",
    "FailureReport",
    "Override",
    "PublishedPolicy",
    "ReportRow",
    "TlsFailure",
    "TlsPolicyResult",
    "TlsReport",
]


class PublishedPolicy(NamedTuple):
    """What the reporter found in the domain's DMARC record (RFC 9990 3.1.1.4). "" where it says nothing."""

    domain: str
    p: str = ""
    sp: str = ""
    np: str = ""
    adkim: str = "r"
    aspf: str = "r"
    pct: str = ""
    testing: str = ""
    fo: str = ""
    discovery: str = ""


class AuthDkim(NamedTuple):
    """One signature that the reporter looked at: `result` in the words of RFC 8601 2.7.1."""

    domain: str
    selector: str
    result: str
    human: str = ""


class AuthSpf(NamedTuple):
    """`scope`: "mfrom" or "helo"."""

    domain: str
    scope: str
    result: str
    human: str = ""


class Override(NamedTuple):
    """Why the reporter did not do what the policy says."""

    type: str
    comment: str = ""


class ReportRow(NamedTuple):
    """Messages from one address that fared alike (RFC 9990 3.1.1.6 to 3.1.1.12).

    `dkim`, `spf`: "pass" or "fail", aligned. `disposition`: "none", "pass", "quarantine" or "reject".
    """

    source: str
    messages: int
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str = ""
    envelope_to: str = ""
    overrides: tuple[Override, ...] = ()
    auth_dkim: tuple[AuthDkim, ...] = ()
    auth_spf: tuple[AuthSpf, ...] = ()


class AggregateReport(NamedTuple):
    """A DMARC aggregate report (RFC 9990, RFC 7489 7.2) of mail from `begin` to `end`."""

    org: str
    report_id: str
    policy: PublishedPolicy
    begin: int
    end: int
    rows: tuple[ReportRow, ...]
    email: str = ""
    contact: str = ""
    errors: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return self.policy.domain


class FailureReport(NamedTuple):
    """A report on one message (RFC 5965, RFC 6591, RFC 9991). `fields`: all of the report's own, by name in
    lower case; `headers`: those of the message it is about, as far as it has them."""

    feedback_type: str
    domain: str
    source: str
    arrived: int
    auth_failure: str
    fields: tuple[tuple[str, str], ...]
    headers: str = ""


class TlsFailure(NamedTuple):
    """Sessions that failed alike (RFC 8460 4.3)."""

    result: str
    sessions: int
    sending_ip: str = ""
    mx_host: str = ""
    receiving_ip: str = ""
    reason: str = ""
    information: str = ""


class TlsPolicyResult(NamedTuple):
    """How TLS went under one policy of ours. `kind`: "sts", "tlsa" or "no-policy-found"."""

    domain: str
    kind: str
    successes: int
    failed: int
    failures: tuple[TlsFailure, ...] = ()


class TlsReport(NamedTuple):
    """A TLS report (RFC 8460)."""

    org: str
    report_id: str
    begin: int
    end: int
    contact: str
    policies: tuple[TlsPolicyResult, ...]
