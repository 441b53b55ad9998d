"""TLS reports (RFC 8460 4) out of JSON."""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from postier.reports.limits import Budget, Unreadable
from postier.reports.markup import decode_markup
from postier.reports.words import clean, host, moment, number, source_address, word
from postier.store.reports import TlsFailure, TlsPolicyResult, TlsReport

__all__ = ["read_tls"]

Scalar = Any
"""Reporters write numbers as texts, texts as numbers, and now and then something else."""


class _Loose(msgspec.Struct, rename="kebab"):
    """Members that it lacks have a default; members that it has no field for are passed over, not built."""


class _DateRange(_Loose):
    start_datetime: Scalar = ""
    end_datetime: Scalar = ""


class _PolicyDetail(_Loose):
    policy_type: Scalar = ""
    policy_domain: Scalar = ""


class _Summary(_Loose):
    total_successful_session_count: Scalar = 0
    total_failure_session_count: Scalar = 0


class _Failure(_Loose):
    result_type: Scalar = ""
    failed_session_count: Scalar = 0
    sending_mta_ip: Scalar = ""
    receiving_mx_hostname: Scalar = ""
    receiving_ip: Scalar = ""
    failure_reason_code: Scalar = ""
    additional_information: Scalar = ""
    additional_info_uri: Scalar = ""


class _Policy(_Loose):
    policy: _PolicyDetail | None = None
    summary: _Summary | None = None
    failure_details: list[_Failure] | _Failure | None = None


class _Report(_Loose):
    organization_name: Scalar = ""
    date_range: _DateRange | None = None
    contact_info: Scalar = ""
    report_id: Scalar = ""
    policies: list[_Policy] | _Policy | None = None


_decoder = msgspec.json.Decoder(_Report, strict=False)


def read_tls(data: bytes, budget: Budget) -> TlsReport:
    """Raises Unreadable."""
    limits = budget.limits
    if len(data) > limits.json:
        raise Unreadable(f"the JSON is longer than {limits.json} octets")
    try:
        report = _decoder.decode(decode_markup(data).strip(" \t\r\n\0"))
    except msgspec.ValidationError as error:
        raise Unreadable(f"the JSON is no TLS report: {clean(str(error))}") from None
    except msgspec.DecodeError as error:
        raise Unreadable(f"broken JSON: {clean(str(error))}") from None
    except RecursionError:
        raise Unreadable("the JSON is nested too deeply") from None
    budget.check()
    policies = report.policies if isinstance(report.policies, list) else [report.policies or _Policy()]
    if not report.policies or (not report.organization_name and not report.report_id):
        raise Unreadable("the JSON is no TLS report: it has no policies, or nobody who reports")
    if len(policies) > limits.policies or sum(len(_failures(one)) for one in policies) > limits.failures:
        raise Unreadable(f"it has more than {limits.policies} policies or {limits.failures} failures")
    dates = report.date_range or _DateRange()
    begin, end = moment(dates.start_datetime), moment(dates.end_datetime)
    return TlsReport(
        org=_text(report.organization_name) or "?",
        report_id=_text(report.report_id) or "sha256:" + hashlib.sha256(data).hexdigest()[:32],
        begin=min(begin or end, end or begin),
        end=max(begin, end),
        contact=_text(report.contact_info),
        policies=tuple(map(_policy, policies)),
    )


def _text(value: Any) -> str:
    return "" if value is None else clean(str(value))


def _failures(one: _Policy) -> list[_Failure]:
    found = one.failure_details
    return [found] if isinstance(found, _Failure) else found or []


def _policy(one: _Policy) -> TlsPolicyResult:
    policy, summary = one.policy or _PolicyDetail(), one.summary or _Summary()
    return TlsPolicyResult(
        domain=host(_text(policy.policy_domain)),
        kind=word(_text(policy.policy_type)),
        successes=number(summary.total_successful_session_count),
        failed=number(summary.total_failure_session_count),
        failures=tuple(map(_failure, _failures(one))),
    )


def _failure(one: _Failure) -> TlsFailure:
    return TlsFailure(
        result=word(_text(one.result_type), "validation-failure"),
        sessions=number(one.failed_session_count),
        sending_ip=source_address(_text(one.sending_mta_ip)),
        mx_host=host(_text(one.receiving_mx_hostname)),
        receiving_ip=source_address(_text(one.receiving_ip)),
        reason=_text(one.failure_reason_code),
        information=_text(one.additional_information) or _text(one.additional_info_uri),
    )
